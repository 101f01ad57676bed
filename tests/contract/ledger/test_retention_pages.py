"""The contract of ``RetentionLedger``: do its pages list everything once? (SG-08)"""

from dataclasses import replace
from datetime import timedelta

import pytest

from broker.model.names import LogPosition, MessageId
from broker.storage.ledger import Ledger
from tests.contract.ledger.asked import facts
from tests.contract.ledger.world import NOW, Maker

HOUR, YEAR = timedelta(hours=1), timedelta(days=365)
HOURS = (3, 1, 2, 1, 3)
"""When each ends: not in the order in which they came, and some together."""


@pytest.mark.parametrize("limit", [1, 2, 5])
@pytest.mark.parametrize("destroys", [True, False])
async def test_expired_lists_all_by_pages_when_they_end_in_another_order(
    ledger: Ledger, make: Maker, limit: int, *, destroys: bool
) -> None:
    """The longest expired first; what was destroyed on the way breaks no page."""
    made = [make.acceptance(expires=NOW + hours * HOUR) for hours in HOURS]
    for one in made:
        await ledger.messages.record(one, sign=make.sign)
    await ledger.deliveries.expire(now=NOW + 2 * HOUR, limit=9, sign=make.sign)

    found: list[MessageId] = []
    after: LogPosition | None = None
    while page := await ledger.retention.expired(now=NOW + 2 * HOUR, after=after, limit=limit):
        found += [one.id for one in page]
        after = page[-1].number
        if destroys:
            for one in page:
                await ledger.retention.destroy(one.number, now=NOW + 2 * HOUR, sign=make.sign)

    assert found == [made[place].message_id for place in (1, 3, 2)]


async def test_to_review_lists_all_by_pages(ledger: Ledger, make: Maker) -> None:
    """Whatever order they end in, each comes once."""
    made = [
        replace(make.acceptance(expires=NOW + hours * YEAR), facts=facts(review_by=NOW))
        for hours in HOURS
    ]
    for one in made:
        await ledger.messages.record(one, sign=make.sign)

    found: list[MessageId] = []
    after: LogPosition | None = None
    while page := await ledger.retention.to_review(now=NOW, after=after, limit=2):
        found += [one.id for one in page]
        after = page[-1].number

    assert found == [made[place].message_id for place in (1, 3, 2, 0, 4)]
