"""The contract of ``RequestLedger``: which reply closes which clock?"""

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from broker.model.names import DeskRef, MessageId
from broker.storage.ledger import Ledger
from keys.charter import ChannelName
from schemas.vocabulary import Country
from tests.contract.ledger.asked import (
    CHANNEL,
    DAY,
    EVERYWHERE,
    GT,
    HONDURAS,
    HOUR,
    LATER,
    PANAMA,
    PANAMENIAN,
    PNC,
    POLICIA,
    PROTECTION,
    listed,
    over,
    record,
    reply,
    request,
)
from tests.contract.ledger.world import FISCALIA, GUATEMALA, NOW, Maker


@pytest.mark.parametrize(
    ("outcome", "ground", "closes"),
    [
        ("answered", None, True),
        ("partly_answered", None, True),
        ("no_record", None, True),
        ("refused", "harm_to_inquiry", True),
        ("permission_granted", None, True),
        ("permission_refused", "judicial_authorisation_missing", True),
        ("more_time", None, False),
        ("more_information_needed", None, False),
        ("forwarded", None, False),
        ("what_nobody_knows", None, False),
    ],
)
async def test_reply_closes_its_countrys_clock_when_it_answers(
    ledger: Ledger, make: Maker, outcome: str, ground: str | None, *, closes: bool
) -> None:
    """The other recipient still owes its answer; what does not answer is the last word only."""
    asked = request(make, desks=(GUATEMALA, PANAMA))

    await record(ledger, make, asked, reply(make, asked, outcome, ground=ground))

    guatemala, panama = await listed(ledger)
    assert (guatemala.outcome, guatemala.ground) == (outcome, ground)
    assert guatemala.closed_at == (LATER if closes else None)
    assert guatemala.due == NOW + 3 * DAY
    assert (panama.closed_at, panama.outcome) == (None, None)


async def test_reply_changes_nothing_when_another_closed_the_clock(
    ledger: Ledger, make: Maker
) -> None:
    """The first answer stands: neither a second reply nor a replay of the first moves it."""
    asked = request(make)
    first = reply(make, asked, "refused", ground="no_capacity")
    more = reply(make, asked, "more_time", at=NOW + 2 * HOUR)
    other = reply(make, asked, "answered", at=NOW + 3 * HOUR)

    await record(ledger, make, asked, first, more, other, replace(first, accepted_at=NOW + DAY))

    [one] = await listed(ledger)
    assert (one.outcome, one.ground, one.closed_at) == ("refused", "no_capacity", LATER)


async def test_reply_closes_the_clock_when_more_time_was_asked_before(
    ledger: Ledger, make: Maker
) -> None:
    """A delay is not held against the answer that comes after it."""
    asked = request(make)

    await record(ledger, make, asked, reply(make, asked, "more_time"))
    await record(ledger, make, reply(make, asked, "answered", at=NOW + 4 * DAY))

    [one] = await listed(ledger)
    assert (one.outcome, one.closed_at, one.due) == ("answered", NOW + 4 * DAY, NOW + 3 * DAY)


WRONG: dict[str, dict[str, object]] = {
    "another recipient's country": {"sender": PANAMENIAN},
    "a country that was not asked": {"sender": replace(PNC, country=Country.HONDURAS)},
    "the country that asked": {"sender": POLICIA, "desks": (GUATEMALA,)},
    "sent elsewhere": {"desks": (PANAMA,)},
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_reply_closes_nothing_when_it_is_not_the_answer(
    ledger: Ledger, make: Maker, wrong: str
) -> None:
    """Only who was asked can answer, and only to who asked."""
    asked = request(make)

    await record(ledger, make, asked, reply(make, asked, **WRONG[wrong]))  # type: ignore[arg-type]

    [one] = await listed(ledger)
    assert (one.closed_at, one.outcome) == (None, None)


async def test_reply_closes_nothing_when_it_is_of_another_compartment(
    ledger: Ledger, make: Maker
) -> None:
    """Police that copied the id of what the protection desk was asked do not answer for it."""
    asked = request(make, desks=(DeskRef(country=GT, compartment=PROTECTION),))
    asked = replace(asked, compartment=PROTECTION)

    await record(ledger, make, asked, reply(make, asked))

    [one] = await listed(ledger)
    assert (one.closed_at, one.outcome) == (None, None)
    await record(ledger, make, replace(reply(make, asked), compartment=PROTECTION))
    [one] = await listed(ledger)
    assert one.outcome == "answered"


async def test_reply_closes_nothing_when_it_does_not_go_over_the_channel(
    ledger: Ledger, make: Maker
) -> None:
    """Who takes no part in a channel answers nothing that was asked there."""
    asked = request(make, channel=CHANNEL)

    await record(ledger, make, asked, reply(make, asked))

    [one] = await listed(ledger)
    assert (one.closed_at, one.outcome) == (None, None)


async def test_reply_closes_nothing_when_no_request_is_named(ledger: Ledger, make: Maker) -> None:
    """A reply to a report, or to an unknown id, is recorded like any message."""
    asked, report = request(make), make.acceptance()
    nothing = replace(report, message_id=MessageId("018f0000-0000-7000-8000-ffffffffffff"))

    await record(ledger, make, asked, report, reply(make, report), reply(make, nothing))

    [one] = await listed(ledger)
    assert (one.closed_at, one.outcome) == (None, None)


async def test_reply_answers_the_first_request_when_an_id_was_copied(
    ledger: Ledger, make: Maker
) -> None:
    """Who takes over another agency's id takes no answer with it; nor does another country."""
    asked = request(make)
    copied = request(make, sender=POLICIA, message_id=asked.message_id)
    foreign = request(make, sender=PANAMENIAN, message_id=asked.message_id)

    await record(ledger, make, asked, copied, foreign, reply(make, asked))

    mine, copy = await listed(ledger)
    [theirs] = await listed(ledger, whose=replace(EVERYWHERE, agency=PANAMENIAN))
    assert (mine.origin, mine.outcome) == (FISCALIA, "answered")
    assert (copy.outcome, theirs.outcome) == (None, None)


async def test_reply_goes_to_its_own_country_of_two_that_use_one_id(
    ledger: Ledger, make: Maker
) -> None:
    """The id alone decides nothing: it is the request of the country that the reply reaches."""
    foreign = request(make, sender=PANAMENIAN)
    asked = request(make, message_id=foreign.message_id)

    await record(ledger, make, foreign, asked, reply(make, asked))

    [mine] = await listed(ledger)
    [theirs] = await listed(ledger, whose=replace(EVERYWHERE, agency=PANAMENIAN))
    assert (mine.outcome, theirs.outcome) == ("answered", None)


async def test_reply_answers_over_the_channel_when_it_was_asked_there(
    ledger: Ledger, make: Maker
) -> None:
    """Each member answers for itself, also to one that has left the channel since."""
    asked = request(make, desks=(GUATEMALA, PANAMA), channel=CHANNEL)
    answer = over(CHANNEL, reply(make, asked, desks=(PANAMA,)))
    elsewhere = over(ChannelName("other"), reply(make, asked, sender=PANAMENIAN, desks=(HONDURAS,)))

    await record(ledger, make, asked, answer, elsewhere)

    guatemala, panama = await listed(ledger)
    assert (guatemala.channel, guatemala.outcome) == (CHANNEL, "answered")
    assert panama.outcome is None


async def test_reply_answers_only_what_came_before_when_both_share_a_group(
    ledger: Ledger, make: Maker
) -> None:
    """In whatever group they are committed, a reply closes nothing that was asked after it."""
    asked = request(make)
    answer = reply(make, asked)
    send = partial(ledger.messages.record, sign=make.sign)

    await asyncio.gather(send(answer), send(asked))

    [one] = await listed(ledger)
    assert one.outcome is None
