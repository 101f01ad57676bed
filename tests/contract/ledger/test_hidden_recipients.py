"""Where a charter hides recipients from each other, each desk is shown itself alone (SG-12)."""

from dataclasses import replace
from datetime import timedelta

from broker.model.delivery import HandOver
from broker.model.events import EventKind
from broker.model.message import Acceptance, Route
from broker.model.names import DeskRef, channel_queue
from broker.ports.keys import Rewrap
from broker.ports.messages import Recorded
from broker.sealing import wire
from broker.storage.ledger import Ledger
from keys.charter import ChannelName
from keys.identifiers import KeyId
from schemas.vocabulary import Compartment, Country
from tests.contract.ledger.sealed import entry, well_formed
from tests.contract.ledger.world import GUATEMALA, NOW, Maker

HONDURAS = DeskRef(country=Country.HONDURAS, compartment=Compartment.INTELLIGENCE)
QUIET = ChannelName("quiet")
RULE = "channel-member"


def to_channel(make: Maker, *, hides: bool) -> Acceptance:
    """Make a message to a channel of two other members."""
    plain = make.acceptance(desks=(GUATEMALA, HONDURAS))
    routes = tuple(
        Route(desk=each.desk, queue=channel_queue(QUIET, each.desk.country), rule=RULE)
        for each in plain.routes
    )
    named = replace(plain, routes=routes, channel=QUIET, hides_recipients=hides)
    return well_formed(named)


async def handed(ledger: Ledger, desk: DeskRef) -> HandOver:
    """Lease what waits for a desk."""
    queues = [channel_queue(QUIET, desk.country)]
    waiting = await ledger.deliveries.waiting(queues, limit=9, now=NOW)
    [one] = await ledger.deliveries.lease(
        [number for number, _ in waiting],
        queues=queues,
        holder=str(desk),
        now=NOW,
        until=NOW + timedelta(minutes=1),
    )
    return one


async def test_record_signs_for_each_desk_alone_when_recipients_are_hidden(
    ledger: Ledger, make: Maker
) -> None:
    """The sender's receipt names all; a desk's names it, at the same place in the log."""
    acceptance = to_channel(make, hides=True)
    recorded = await ledger.messages.record(acceptance, sign=make.sign)
    await make.dispatched(ledger)

    assert isinstance(recorded, Recorded)
    whole, *parts = make.sign.events
    assert {position for position, _ in make.sign.events} == {recorded.receipt.position}
    assert {event.kind for _, event in make.sign.events} == {EventKind.ACCEPTED}
    assert whole[1].recipients.keys() == whole[1].rules.keys() == {GUATEMALA, HONDURAS}
    assert [dict(event.recipients) for _, event in parts] == [
        {GUATEMALA: KeyId("GT-desk-1")},
        {HONDURAS: KeyId("HN-desk-1")},
    ]
    assert [dict(event.rules) for _, event in parts] == [{GUATEMALA: RULE}, {HONDURAS: RULE}]
    assert [event.content_hash for _, event in parts] == [acceptance.content_hash] * 2


async def test_lease_shows_a_desk_its_own_entry_when_recipients_are_hidden(
    ledger: Ledger, make: Maker
) -> None:
    """Nothing of the other is in the sealed form, and it is still the same content."""
    acceptance = to_channel(make, hides=True)
    await ledger.messages.record(acceptance, sign=make.sign)
    await make.dispatched(ledger)

    for desk, other in ((GUATEMALA, HONDURAS), (HONDURAS, GUATEMALA)):
        one = await handed(ledger, desk)
        jwe = wire.parse(one.sealed)
        assert [each.kid for each in jwe.recipients] == [acceptance.recipient_keys[desk]]
        assert jwe.content_hash == acceptance.content_hash == one.content_hash
        assert acceptance.recipient_keys[other].encode() not in one.sealed


async def test_lease_shows_the_entry_of_the_next_key_when_it_was_rewrapped(
    ledger: Ledger, make: Maker
) -> None:
    """A desk that has moved to its next key sees that one, and nothing of the others."""
    acceptance = to_channel(make, hides=True)
    await ledger.messages.record(acceptance, sign=make.sign)
    await make.dispatched(ledger)
    wish = Rewrap(
        desk=GUATEMALA,
        message_id=acceptance.message_id,
        content_hash=acceptance.content_hash,
        old=KeyId("GT-desk-1"),
        recipient=entry(KeyId("GT-desk-2")),
        token="signed",
    )
    [done] = await ledger.keys.rewrap([wish], now=NOW, sign=make.sign)

    assert done is not None
    guatemala, honduras = await handed(ledger, GUATEMALA), await handed(ledger, HONDURAS)
    assert [each.kid for each in wire.parse(guatemala.sealed).recipients] == ["GT-desk-2"]
    assert [each.kid for each in wire.parse(honduras.sealed).recipients] == ["HN-desk-1"]


async def test_lease_hands_over_nothing_that_opens_when_the_own_entry_is_gone(
    ledger: Ledger, make: Maker
) -> None:
    """What is damaged shows nobody's entry, and the desk returns it."""
    acceptance = to_channel(make, hides=True)
    kids = {GUATEMALA: KeyId("GT-desk-9"), HONDURAS: KeyId("HN-desk-1")}
    damaged = replace(acceptance, sealed=well_formed(acceptance, kids).sealed)
    await ledger.messages.record(damaged, sign=make.sign)
    await make.dispatched(ledger)

    assert (await handed(ledger, GUATEMALA)).sealed == b"{}"


async def test_lease_shows_everybody_when_the_charter_says_so(ledger: Ledger, make: Maker) -> None:
    """One receipt, and the sealed form as it lies."""
    acceptance = to_channel(make, hides=False)
    recorded = await ledger.messages.record(acceptance, sign=make.sign)
    await make.dispatched(ledger)

    one = await handed(ledger, GUATEMALA)

    assert isinstance(recorded, Recorded)
    assert len(make.sign.events) == 1
    assert (one.sealed, one.receipt) == (acceptance.sealed, recorded.receipt.token)
