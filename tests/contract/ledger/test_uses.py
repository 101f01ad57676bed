"""The contract of ``DeliveryLedger.note_use``, and of what the originator is told of it."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, insert, update

from broker.errors import Code
from broker.model.answers import StatedUse, UseStatement
from broker.model.delivery import HandOver
from broker.model.events import RefusalReason
from broker.model.facts import Facts
from broker.model.message import Acceptance
from broker.model.names import ContentHash, DeskRef, MessageId
from broker.ports.deliveries import UseDenied, UseNoted
from broker.storage.ledger import Ledger
from broker.storage.tables import deliveries, grants, messages, orders
from broker.storage.uses import MOST_READERS
from schemas.vocabulary import Compartment, Country, HandlingCode
from tests.contract.ledger.world import GUATEMALA, NOW, Maker, World

MINUTE = timedelta(minutes=1)
HONDURAS = DeskRef(country=Country.HONDURAS, compartment=Compartment.INTELLIGENCE)
PROTECTION = DeskRef(country=Country.GUATEMALA, compartment=Compartment.PROTECTION)
UNKNOWN = UseDenied(code=Code.DELIVERY_UNKNOWN)
DENIED = UseDenied(code=Code.PURPOSE_DENIED)


def acceptance(make: Maker) -> Acceptance:
    """Make a message whose purpose is an investigation."""
    facts = Facts(
        handling=HandlingCode.H0, purpose="investigation", review_by=NOW + timedelta(days=9)
    )
    return replace(make.acceptance(), facts=facts)


def use(handed: HandOver | Acceptance, **changes: object) -> UseStatement:
    """State that an analyst of Guatemala reads it for its own purpose."""
    statement = UseStatement(
        desk=GUATEMALA,
        message_id=handed.message_id,
        content_hash=handed.content_hash,
        reader="analyst",
        purpose="investigation",
        token="signed once",
    )
    return replace(statement, **changes)  # type: ignore[arg-type] # as its members are


async def shown(ledger: Ledger, make: Maker, message_id: MessageId) -> tuple[StatedUse, ...]:
    """What the originator is told of the first recipient's reading."""
    status = await ledger.messages.status(make.sender, message_id)
    assert status is not None
    return status.recipients[0].uses


async def test_note_use_shows_the_originator_who_reads_and_for_what(
    ledger: Ledger, make: Maker
) -> None:
    """While the desk holds it, and after it has signed for it; of the others, nothing."""
    first, second = await make.handed(ledger, acceptance(make), acceptance(make))
    await ledger.deliveries.answer(make.answer(second), now=NOW, sign=make.sign)

    noted = [
        await ledger.deliveries.note_use(use(each), now=NOW + MINUTE) for each in (first, second)
    ]

    assert noted == [UseNoted(at=NOW + MINUTE)] * 2
    expected = StatedUse(
        at=NOW + MINUTE, reader="analyst", purpose="investigation", times=1, token="signed once"
    )
    assert await shown(ledger, make, first.message_id) == (expected,)
    assert await shown(ledger, make, second.message_id) == (expected,)


async def test_note_use_answers_as_at_first_when_it_comes_again(
    ledger: Ledger, make: Maker
) -> None:
    """Also side by side: it is noted once. Another reading is another statement."""
    [handed] = await make.handed(ledger, acceptance(make))
    first = await ledger.deliveries.note_use(use(handed), now=NOW)

    again = await asyncio.gather(
        *(ledger.deliveries.note_use(use(handed), now=NOW + MINUTE) for _ in range(4))
    )
    for token, reader in (("signed twice", "analyst"), ("signed thrice", "prosecutor")):
        await ledger.deliveries.note_use(use(handed, token=token, reader=reader), now=NOW + MINUTE)

    assert again == [first] * 4 == [UseNoted(at=NOW)] * 4
    assert [
        (each.reader, each.times, each.token, each.at)
        for each in await shown(ledger, make, handed.message_id)
    ] == [
        ("analyst", 2, "signed once", NOW),
        ("prosecutor", 1, "signed thrice", NOW + MINUTE),
    ]


async def test_note_use_is_of_what_this_desk_holds(ledger: Ledger, make: Maker) -> None:
    """Another desk's, another content, what was never handed over, and what was returned."""
    handed, returned = await make.handed(ledger, acceptance(make), acceptance(make))
    await ledger.deliveries.answer(
        make.answer(returned, reason=RefusalReason.NOT_COMPETENT), now=NOW, sign=make.sign
    )
    waiting = acceptance(make)
    await ledger.messages.record(waiting, sign=make.sign)

    statements = (
        use(handed, desk=HONDURAS),
        use(handed, desk=PROTECTION),
        use(handed, content_hash=ContentHash("x" * 43)),
        use(handed, message_id=MessageId("018f0000-0000-7000-8000-ffffffffffff")),
        use(waiting),
        use(returned),
    )
    answers = [await ledger.deliveries.note_use(each, now=NOW) for each in statements]

    assert answers == [UNKNOWN] * len(statements)
    for each in (handed, waiting, returned):
        assert await shown(ledger, make, each.message_id) == ()


async def test_note_use_refuses_what_was_destroyed(
    world: World, ledger: Ledger, make: Maker
) -> None:
    """By its time, or by the desk's own word; what the gateway destroyed early is still read."""
    gone, early, recalled, recall = await make.handed(ledger, *(acceptance(make) for _ in range(4)))

    def destroy(connection: Connection) -> None:
        connection.execute(
            update(messages).where(messages.c.message_id == gone.message_id),
            {"destroyed_at": NOW, "expires": NOW},
        )
        connection.execute(
            update(messages).where(messages.c.message_id == early.message_id),
            {"destroyed_at": NOW},
        )
        number = connection.execute(
            deliveries.select().where(deliveries.c.number == recalled.number)
        ).one()
        connection.execute(
            insert(orders),
            {
                "delivery": recall.number,
                "subject": number.message,
                "origin_country": "MX",
                "desk_country": "GT",
                "compartment": "intelligence",
                "kind": "recall",
                "disposition": "destroyed",
                "answered_at": NOW,
            },
        )

    await world.run(destroy)

    answers = [
        await ledger.deliveries.note_use(use(each), now=NOW)
        for each in (gone, recalled, early, recall)
    ]

    assert answers == [UNKNOWN, UNKNOWN, UseNoted(at=NOW), UseNoted(at=NOW)]


@pytest.mark.parametrize(
    ("terms", "allowed"),
    [
        (("GT HN", "prosecution", None), True),
        (("", "prosecution prevention", NOW + MINUTE), True),
        (("GT", "", None), False),
        (("HN", "prosecution", None), False),
        (("GT", "prevention", None), False),
        (("GT", "prosecution", NOW - MINUTE), False),
    ],
)
async def test_note_use_takes_another_purpose_when_the_originator_granted_it(
    terms: tuple[str, str, datetime | None],
    allowed: bool,  # noqa: FBT001 - a case of the test
    world: World,
    ledger: Ledger,
    make: Maker,
) -> None:
    """To this country, for this purpose, and in time; without a grant never."""
    countries, purposes, until = terms
    handed, grant = await make.handed(ledger, acceptance(make), acceptance(make))
    asked = use(handed, purpose="prosecution")
    before = await ledger.deliveries.note_use(asked, now=NOW)

    def granted(connection: Connection) -> None:
        numbers = {each.number: each.message for each in connection.execute(deliveries.select())}
        connection.execute(
            insert(grants),
            {
                "message": numbers[grant.number],
                "subject": numbers[handed.number],
                "countries": countries,
                "purposes": purposes,
                "until": until,
            },
        )

    await world.run(granted)
    after = await ledger.deliveries.note_use(asked, now=NOW)

    assert before == DENIED
    assert after == (UseNoted(at=NOW) if allowed else DENIED)


async def test_note_use_takes_any_purpose_when_none_was_noted(ledger: Ledger, make: Maker) -> None:
    """A message from before purposes were kept can be read; its originator sees for what."""
    [handed] = await make.handed(ledger, make.acceptance())

    noted = await ledger.deliveries.note_use(use(handed, purpose="prevention"), now=NOW)

    assert noted == UseNoted(at=NOW)


async def test_note_use_has_an_end_when_a_desk_invents_readers(ledger: Ledger, make: Maker) -> None:
    """What the originator is shown stays readable; known readers go on."""
    [handed] = await make.handed(ledger, acceptance(make))
    statements = [
        use(handed, reader=f"reader {number}", token=f"signed {number}")
        for number in range(MOST_READERS + 1)
    ]

    answers = [await ledger.deliveries.note_use(each, now=NOW) for each in statements]
    known = await ledger.deliveries.note_use(
        use(handed, reader="reader 0", token="signed again"), now=NOW
    )

    assert answers[-1] == UseDenied(code=Code.USE_INVALID)
    assert answers[:-1] == [UseNoted(at=NOW)] * MOST_READERS
    assert known == UseNoted(at=NOW)
    assert len(await shown(ledger, make, handed.message_id)) == MOST_READERS
