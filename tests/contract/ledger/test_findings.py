"""The contract of what a desk found under the seal: kept, whatever became of the copy."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from broker.errors import LedgerUnavailableError
from broker.model.delivery import HandOver
from broker.model.events import DeliveryState, Event, EventKind, Notice, RefusalReason
from broker.model.status import RecipientStatus
from broker.notices import FindingNotices
from broker.ports.deliveries import Answered
from broker.storage.ledger import Ledger
from keys import base64url, strict_json
from schemas.vocabulary import Compartment, Country
from tests.contract.ledger.test_failures import FAULTS, faulty
from tests.contract.ledger.test_recalls import HONDURAS, taking_back
from tests.contract.ledger.world import DESK_TOKEN, Maker, World

MINUTE = timedelta(minutes=1)
ENDINGS = {
    "recalled": DeliveryState.RECALLED,
    "expired": DeliveryState.EXPIRED,
    "dead-lettered": DeliveryState.DEAD_LETTERED,
    "acknowledged": DeliveryState.ACKNOWLEDGED,
    "refused": DeliveryState.REFUSED,
}
FOUND = [reason for reason in RefusalReason if reason.is_finding]
LIE = RefusalReason.FACTS_NOT_TRUE


@dataclass
class Told:
    """Writes the notices, and remembers of what."""

    events: list[Event] = field(default_factory=list)

    def __call__(self, event: Event) -> Sequence[Notice]:
        """Tell both countries, unsigned."""
        self.events.append(event)
        return FindingNotices(sign=bytes.decode, issuer="https://x")(event)


@pytest.fixture
def told() -> Told:
    """Nobody was told of anything yet."""
    return Told()


async def ended(ledger: Ledger, make: Maker, how: str) -> HandOver:
    """Hand a message over, and let its copy end."""
    subject = make.acceptance(expires=make.now + MINUTE)
    [handed] = await make.handed(ledger, subject)
    match how:
        case "recalled":
            await ledger.messages.record(taking_back(make, subject), sign=make.sign)
        case "expired":
            await ledger.deliveries.expire(now=make.now + MINUTE, limit=9, sign=make.sign)
        case "dead-lettered":
            await ledger.deliveries.dead_letter([1], now=make.now, sign=make.sign)
        case "acknowledged":
            await say(ledger, make, handed)
        case "refused":
            await say(ledger, make, handed, RefusalReason.CANNOT_OPEN)
    return handed


async def say(
    ledger: Ledger,
    make: Maker,
    handed: HandOver,
    reason: RefusalReason | None = None,
    *,
    token: str = DESK_TOKEN,
    told: Told | None = None,
) -> Answered:
    """Let the desk answer, ten minutes later."""
    answer = make.answer(handed, reason=reason, token=token)
    now = make.now + 10 * MINUTE
    return await ledger.deliveries.answer(answer, now=now, sign=make.sign, tell=told)


async def seen(ledger: Ledger, handed: HandOver) -> RecipientStatus:
    """What the sender sees of it."""
    status = await ledger.messages.status(handed.origin, handed.message_id)
    return status.recipients[0]


async def countries_told(ledger: Ledger) -> list[Country]:
    """Who has a notice."""
    return [
        each.notice.country
        for country in Country
        for each in await ledger.keys.notices(country, limit=10)
    ]


def word(**members: str) -> str:
    """Write a refusal as a desk would sign it."""
    return f"e30.{base64url.encode(strict_json.write(members))}.e30"


@pytest.mark.parametrize("reason", FOUND)
@pytest.mark.parametrize("how", ENDINGS)
async def test_finding_is_kept_when_the_copy_had_ended(
    world: World, ledger: Ledger, make: Maker, told: Told, how: str, reason: RefusalReason
) -> None:
    """The copy stays as it ended; the desk's word lies beside it, signed for and told."""
    handed = await ended(ledger, make, how)
    before = await seen(ledger, handed)
    positions = await world.positions()

    answered = await say(ledger, make, handed, reason, token="a lie", told=told)

    after = await seen(ledger, handed)
    assert after.state is answered.state is ENDINGS[how]
    assert (after.reason, after.desk_evidence, after.receipt, after.changed_at) == (
        before.reason,
        before.desk_evidence,
        before.receipt,
        before.changed_at,
    )
    assert answered.finding.event is EventKind.REFUSED
    assert answered.finding.position == len(positions) + 1
    assert (after.finding.reason, after.finding.desk_evidence) == (reason, "a lie")
    assert after.finding.receipt == answered.finding.token
    assert after.finding.at == make.now + 10 * MINUTE
    _, event = make.sign.events[-1]
    assert (event.kind, event.reason, event.recipients) == (
        EventKind.REFUSED,
        reason,
        {make.desk: "GT-desk-1"},
    )
    assert [each.reason for each in told.events] == [reason]
    assert await countries_told(ledger) == [Country.GUATEMALA, Country.MEXICO]
    assert await world.positions() == [*positions, len(positions) + 1]


@pytest.mark.parametrize("reason", [each for each in RefusalReason if not each.is_finding])
@pytest.mark.parametrize("how", ENDINGS)
async def test_refusal_changes_nothing_when_it_is_late_and_no_finding(
    world: World, ledger: Ledger, make: Maker, told: Told, how: str, reason: RefusalReason
) -> None:
    """That a desk is not competent, or could not open it, is of no use to anybody by then."""
    handed = await ended(ledger, make, how)
    before = await world.positions()

    answered = await say(ledger, make, handed, reason, token="late", told=told)

    assert answered.finding is None
    assert (await seen(ledger, handed)).finding is None
    assert await world.positions() == before
    assert told.events == []


async def test_finding_settles_the_copy_when_it_comes_in_time(
    ledger: Ledger, make: Maker, told: Told
) -> None:
    """It is the answer then, and nothing lies beside it; both countries are told all the same."""
    [handed] = await make.handed(ledger, make.acceptance())

    first = await say(ledger, make, handed, LIE, told=told)
    again = await say(ledger, make, handed, RefusalReason.CONTENT_NOT_VALID, told=told)

    assert (first.state, first.finding) == (DeliveryState.REFUSED, None)
    assert again == first
    known = await seen(ledger, handed)
    assert (known.state, known.reason, known.finding) == (DeliveryState.REFUSED, LIE, None)
    assert await countries_told(ledger) == [Country.GUATEMALA, Country.MEXICO]


async def test_finding_is_kept_once_when_two_processes_hear_it(world: World, make: Maker) -> None:
    """One receipt, one notice for each country, however often and wherever it is said."""
    async with world.open() as one, world.open() as two:
        handed = await ended(one, make, "recalled")
        before = await world.positions()

        answers = await asyncio.gather(
            *(say(each, make, handed, LIE, told=Told()) for each in (one, two) for _ in range(5))
        )

        assert len({answer.finding for answer in answers}) == 1
        assert await world.positions() == [*before, len(before) + 1]
        assert await countries_told(one) == [Country.GUATEMALA, Country.MEXICO]


@pytest.mark.parametrize("fault", FAULTS)
async def test_finding_can_be_repeated_when_the_commit_failed(
    world: World, make: Maker, fault: str
) -> None:
    """The desk says it again and gets one receipt, whichever time it was persisted."""
    async with faulty(world) as (ledger, database):
        handed = await ended(ledger, make, "recalled")
        before = await world.positions()
        database.fault = fault
        with pytest.raises(LedgerUnavailableError):
            await say(ledger, make, handed, LIE, told=Told())

        answered = await say(ledger, make, handed, LIE, told=Told())

        assert answered.finding.position == len(before) + 1
        assert await countries_told(ledger) == [Country.GUATEMALA, Country.MEXICO]
    assert await world.positions() == [*before, len(before) + 1]


async def test_finding_stays_when_an_operator_sends_the_copy_again(
    ledger: Ledger, make: Maker
) -> None:
    """A dead letter that was revived is acknowledged as ever; what was found of it is not lost."""
    handed = await ended(ledger, make, "dead-lettered")
    await say(ledger, make, handed, LIE, token="a lie")
    await ledger.deliveries.requeue(
        handed.queue, dead_letters_only=True, now=make.now, sign=make.sign
    )

    answered = await say(ledger, make, handed)

    known = await seen(ledger, handed)
    assert answered.state is known.state is DeliveryState.ACKNOWLEDGED
    assert (known.desk_evidence, known.finding.desk_evidence) == (DESK_TOKEN, "a lie")


@pytest.mark.parametrize("foreign", ["another desk", "another content", "never handed over"])
async def test_finding_is_empty_when_the_desk_never_had_the_content(
    world: World, ledger: Ledger, make: Maker, told: Told, foreign: str
) -> None:
    """Nobody accuses anybody of what was not in his own hands."""
    subject = make.acceptance()
    if foreign == "never handed over":
        await make.dispatched(ledger, subject)
    else:
        await make.handed(ledger, subject)
    await ledger.messages.record(taking_back(make, subject), sign=make.sign)
    before = await world.positions()
    other = {
        "another desk": make.answer(subject, desk=HONDURAS, reason=LIE),
        "another content": make.answer(make.acceptance(message_id=subject.message_id), reason=LIE),
        "never handed over": make.answer(subject, reason=LIE),
    }[foreign]

    answered = await ledger.deliveries.answer(other, now=make.now, sign=make.sign, tell=told)

    assert (answered.state, answered.finding, told.events) == (None, None, [])
    assert await world.positions() == before


@pytest.mark.parametrize("how", ["in time", "recalled"])
async def test_status_names_the_rule_when_the_desk_named_it(
    ledger: Ledger, make: Maker, how: str
) -> None:
    """It is read out of the signed word, which is all that keeps it."""
    handed = await ended(ledger, make, how)
    reason = RefusalReason.CONTENT_NOT_VALID

    await say(ledger, make, handed, reason, token=word(reason=reason.value, rule="SG-01"))

    known = await seen(ledger, handed)
    assert (known.rule if how == "in time" else known.finding.rule) == "SG-01"
    assert (known.rule is None) is (how == "recalled")


async def test_notice_names_message_and_desk_and_not_the_rule(ledger: Ledger, make: Maker) -> None:
    """What a desk found may be whom it protects: that is not for its neighbours to read."""
    handed = await ended(ledger, make, "recalled")
    reason = RefusalReason.CONTENT_NOT_VALID

    await say(ledger, make, handed, reason, token=word(rule="SG-01"), told=Told())

    for country in (Country.GUATEMALA, Country.MEXICO):
        [each] = await ledger.keys.notices(country, limit=10)
        assert strict_json.parse_object(each.notice.token.encode()) == {
            "iss": "https://x",
            "event": "content-refused",
            "country": country,
            "at": int((make.now + 10 * MINUTE).timestamp()),
            "mid": handed.message_id,
            "org": str(handed.origin),
            "desk": f"GT.{Compartment.INTELLIGENCE}",
            "reason": "content-not-valid",
        }
