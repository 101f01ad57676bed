"""How long can a caller have the gateway read notices that are not his to read?"""

from datetime import UTC, datetime
from typing import Any

import pytest

from broker.gateway import notices
from broker.model.events import Event, EventKind
from broker.model.names import AgencyRef, ContentHash, DeskRef, MessageId
from broker.notices import NOTICE_TYP, UnreadNotices
from keys import jws
from keys.identifiers import KeyId
from schemas.vocabulary import Country
from tests.attacks.attacker import Arena
from tests.attacks.test_description import check
from tests.attacks.test_reply_clocks import _here as _here_  # noqa: F401 - a fixture
from tests.flow.conftest import GT_PROTECTION, MX_DESK, PGN, new_id
from tests.flow.test_requests import PNC

pytestmark = pytest.mark.asyncio(loop_scope="module")

MP = AgencyRef(country=Country.GUATEMALA, agency="other")
PROTECTED = 20


def _event(sender: AgencyRef, desk: DeskRef) -> Event:
    return Event(
        kind=EventKind.EXPIRED,
        at=datetime.now(UTC),
        message_id=MessageId(new_id()),
        sender=sender,
        content_hash=ContentHash("A" * 43),
        recipients={desk: KeyId(f"{desk.country}-desk-1")},
    )


async def _tell(one: Arena, *events: Event) -> None:
    """Write a notice of each by itself."""
    key = one.world.exchange.receipt_key
    write = UnreadNotices(
        sign=lambda payload: jws.sign_compact(payload, key, typ=NOTICE_TYP), issuer="https://x"
    )
    for event in events:
        for notice in write([event]):
            await one.gateway.key_ledger.add_notice(notice)


async def test_notices_end_the_answer_when_much_was_passed_over(
    here: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many readings at most for one answer; its cursor leads past what is not the caller's."""
    monkeypatch.setattr(notices, "AT_ONCE", 3)
    monkeypatch.setattr(notices, "PAGES", 2)
    await _tell(here, *[_event(MP, GT_PROTECTION) for _ in range(PROTECTED)])
    await _tell(here, _event(PNC, MX_DESK))
    ledger, readings = here.gateway.key_ledger, []
    read = ledger.notices

    async def counted(*args: Any, **more: Any) -> Any:
        readings.append(more["after"])
        return await read(*args, **more)

    monkeypatch.setattr(ledger, "notices", counted)

    found, cursor, pages = [], 0, []
    while cursor is not None:
        readings.clear()
        answer = await here.attacker(PNC).call("GET", f"/v1/notices?after={cursor}")
        check(answer, "GET", "/v1/notices")
        pages.append(len(readings))
        found += answer.json["notices"]
        cursor = answer.json["cursor"]

    assert len(found) == 1
    assert max(pages) == 2
    assert len(pages) == 1 + (PROTECTED + 1) // 6


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_notices_are_all_there_when_they_are_read_page_by_page(
    here: Arena, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """None is left out and none comes twice, wherever a page happens to end."""
    await _tell(here, *[_event(MP, GT_PROTECTION), _event(PNC, MX_DESK)])

    whole = await here.attacker(PGN).call("GET", "/v1/notices?limit=200")
    monkeypatch.setattr(notices, "AT_ONCE", 3)
    found, cursor = [], 0
    while cursor is not None:
        answer = await here.attacker(PGN).call("GET", f"/v1/notices?after={cursor}&limit={limit}")
        assert len(answer.json["notices"]) <= limit
        found += answer.json["notices"]
        cursor = answer.json["cursor"]

    assert found == whole.json["notices"]
    assert whole.json["cursor"] is None
