"""The contract of originators' permissions (SG-05), on both databases."""

from dataclasses import replace
from datetime import timedelta

import pytest

from broker.model.facts import Facts, Grant
from broker.model.message import Acceptance
from broker.model.names import NO_KEY, AgencyRef, DeskRef, MessageId
from broker.storage.ledger import Ledger
from schemas.vocabulary import Compartment, Country, HandlingCode, Kind
from tests.contract.ledger.test_recalls import taking_back
from tests.contract.ledger.world import NOW, Maker

POLICIA = AgencyRef(country=Country.MEXICO, agency="policia")
PANAMA = DeskRef(country=Country.PANAMA, compartment=Compartment.INTELLIGENCE)
UNTIL = NOW + timedelta(days=30)


def granting(make: Maker, *subjects: MessageId, to: frozenset[Country]) -> Acceptance:
    """A reply of the maker's agency that permits to hand these on."""
    grant = Grant(
        of=frozenset(subjects),
        to_countries=to,
        purposes=frozenset({"prosecution"}),
        until=UNTIL,
    )
    facts = Facts(handling=HandlingCode.H0, purpose="investigation", review_by=UNTIL, grant=grant)
    acceptance = make.acceptance(desks=(make.desk, PANAMA))
    return replace(acceptance, facts=facts)


async def grants_of(ledger: Ledger, message_id: MessageId) -> tuple[Grant, ...]:
    """What the ledger tells a rule that asks for this message."""
    known = await ledger.messages.known({message_id})
    return tuple(grant for one in known[message_id] for grant in one.grants)


async def test_record_keeps_a_grant_when_the_originator_permits(
    ledger: Ledger, make: Maker
) -> None:
    """Country, purpose and end are found with the message that may be handed on."""
    subject, other = make.acceptance(), make.acceptance()
    for each in (subject, other):
        await ledger.messages.record(each, sign=make.sign)

    reply = granting(make, subject.message_id, to=frozenset({Country.HONDURAS}))
    await ledger.messages.record(reply, sign=make.sign)

    assert await grants_of(ledger, subject.message_id) == (
        Grant(
            of=frozenset({subject.message_id}),
            to_countries=frozenset({Country.HONDURAS}),
            purposes=frozenset({"prosecution"}),
            until=UNTIL,
        ),
    )
    assert await grants_of(ledger, other.message_id) == ()


async def test_record_grants_to_who_asked_when_no_country_is_named(
    ledger: Ledger, make: Maker
) -> None:
    """A permission without a country is for those who receive the reply."""
    subject = make.acceptance()
    await ledger.messages.record(subject, sign=make.sign)

    await ledger.messages.record(granting(make, subject.message_id, to=frozenset()), sign=make.sign)

    [grant] = await grants_of(ledger, subject.message_id)
    assert grant.to_countries == {Country.GUATEMALA, Country.PANAMA}


async def test_record_keeps_no_grant_when_the_message_is_anothers(
    ledger: Ledger, make: Maker
) -> None:
    """Nobody permits what another agency wrote, not even one of the same country."""
    subject = make.acceptance(sender=POLICIA)
    await ledger.messages.record(subject, sign=make.sign)

    reply = granting(make, subject.message_id, MessageId("unknown"), to=frozenset({Country.PANAMA}))
    await ledger.messages.record(reply, sign=make.sign)

    assert await grants_of(ledger, subject.message_id) == ()


@pytest.mark.parametrize("taken_back", ["the permission", "the message"])
async def test_grant_counts_no_more_when_it_is_taken_back(
    ledger: Ledger, make: Maker, taken_back: str
) -> None:
    """Whoever recalls what he permitted, or the message itself, permits nothing of it."""
    subject, other = make.acceptance(), make.acceptance()
    for each in (subject, other):
        await ledger.messages.record(each, sign=make.sign)
    both = frozenset({Country.PANAMA})
    reply = granting(make, subject.message_id, to=both)
    again = granting(make, other.message_id, to=both)
    for each in (reply, again):
        await ledger.messages.record(each, sign=make.sign)
    gone = reply if taken_back == "the permission" else subject

    await ledger.messages.record(taking_back(make, gone, Kind.RECTIFICATION), sign=make.sign)
    assert len(await grants_of(ledger, subject.message_id)) == 1
    await ledger.messages.record(taking_back(make, gone), sign=make.sign)

    assert await grants_of(ledger, subject.message_id) == ()
    assert len(await grants_of(ledger, other.message_id)) == 1


async def test_record_keeps_a_grant_once_when_the_reply_is_repeated(
    ledger: Ledger, make: Maker
) -> None:
    """A sender without an answer asks again; that permits nothing twice."""
    subject = make.acceptance()
    await ledger.messages.record(subject, sign=make.sign)
    reply = granting(make, subject.message_id, to=frozenset({Country.PANAMA}))

    for _ in range(2):
        await ledger.messages.record(reply, sign=make.sign)

    assert len(await grants_of(ledger, subject.message_id)) == 1


async def test_known_finds_all_when_many_are_named(ledger: Ledger, make: Maker) -> None:
    """A wide lineage is more than fits into one question."""
    first, last = (
        make.acceptance(),
        make.acceptance(message_id="018f0000-0000-7000-8000-ffffffffffff"),
    )
    for each in (first, last):
        await ledger.messages.record(each, sign=make.sign)
    others = {MessageId(f"018f0000-0000-7000-9000-{number:012x}") for number in range(40_000)}

    known = await ledger.messages.known({first.message_id, last.message_id, *others})

    assert known.keys() == {first.message_id, last.message_id}


@pytest.mark.parametrize("ending", ["on its way", "recalled", "not-sealed", "expired", "handed"])
async def test_known_says_who_held_it_when_a_copy_came_to_nobody(
    ledger: Ledger, make: Maker, ending: str
) -> None:
    """A desk that was never handed its copy did not have it from the originator."""
    subject = make.acceptance(expires=NOW + timedelta(hours=1))
    if ending == "not-sealed":
        subject = replace(subject, recipient_keys={make.desk: NO_KEY})
    handed = await make.handed(ledger, subject) if ending == "handed" else []
    await ledger.messages.record(subject, sign=make.sign)
    if ending in {"recalled", "handed"}:
        await ledger.messages.record(taking_back(make, subject), sign=make.sign)
    elif ending == "expired":
        await ledger.deliveries.expire(now=subject.expires, limit=9, sign=make.sign)

    [known] = (await ledger.messages.known({subject.message_id}))[subject.message_id]

    assert known.desks == {make.desk}
    is_held = bool(handed) or ending == "on its way"
    assert known.held_by == ({make.desk} if is_held else frozenset())
