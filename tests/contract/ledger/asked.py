"""Requests, replies and what the ledger lists of them, as a test says it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from broker.model.facts import Facts
from broker.model.message import Acceptance, Route
from broker.model.names import AgencyRef, DeliveryNumber, DeskRef, channel_queue
from broker.ports.requests import Request, RequestQuestion, RequestState, SentFrom
from broker.storage.ledger import Ledger
from keys.charter import ChannelName
from schemas.vocabulary import Compartment, Country, HandlingCode, Kind, Urgency
from tests.contract.ledger.world import FISCALIA, GUATEMALA, NOW, Maker

POLICIA = AgencyRef(country=Country.MEXICO, agency="policia")
PNC = AgencyRef(country=Country.GUATEMALA, agency="pnc")
PANAMENIAN = AgencyRef(country=Country.PANAMA, agency="mp")
MEXICO = DeskRef(country=Country.MEXICO, compartment=Compartment.INTELLIGENCE)
HONDURAS = DeskRef(country=Country.HONDURAS, compartment=Compartment.INTELLIGENCE)
PANAMA = DeskRef(country=Country.PANAMA, compartment=Compartment.INTELLIGENCE)
CHANNEL = ChannelName("hlsg-mx-gt")
GT, PROTECTION = Country.GUATEMALA, Compartment.PROTECTION
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LATER = NOW + HOUR
FIRST = DeliveryNumber(0)
EVERYWHERE = SentFrom(agency=FISCALIA, compartments=frozenset(Compartment))


def facts(**changes: object) -> Facts:
    """Make what is known of a content."""
    made = Facts(handling=HandlingCode.H1, purpose="criminal_investigation", review_by=NOW + DAY)
    return replace(made, **changes)  # type: ignore[arg-type] # named by the caller


def request(
    make: Maker,
    *,
    desks: tuple[DeskRef, ...] = (GUATEMALA,),
    sender: AgencyRef = FISCALIA,
    channel: ChannelName | None = None,
    message_id: str | None = None,
    reply_by: datetime | None = None,
) -> Acceptance:
    """Make a request, due in three days unless its sender says earlier."""
    made = make.acceptance(desks=desks, sender=sender, message_id=message_id)
    made = replace(
        made,
        kind=Kind.INFORMATION_REQUEST,
        urgency=Urgency.PRIORITY,
        facts=facts(reply_by=reply_by),
    )
    return made if channel is None else over(channel, made)


def over(channel: ChannelName, acceptance: Acceptance) -> Acceptance:
    """Send it over a channel."""
    routes = tuple(
        Route(desk=one.desk, queue=channel_queue(channel, one.desk.country), rule="channel-member")
        for one in acceptance.routes
    )
    return replace(acceptance, channel=channel, routes=routes)


def reply(
    make: Maker,
    asked: Acceptance,
    outcome: str = "answered",
    *,
    sender: AgencyRef = PNC,
    desks: tuple[DeskRef, ...] = (MEXICO,),
    at: datetime = LATER,
    ground: str | None = None,
) -> Acceptance:
    """Make a reply to a message."""
    return replace(
        make.acceptance(desks=desks, sender=sender),
        kind=Kind.REPLY,
        accepted_at=at,
        facts=facts(in_reply_to=asked.message_id, reply_outcome=outcome, refusal_ground=ground),
    )


async def record(ledger: Ledger, make: Maker, *acceptances: Acceptance) -> None:
    """Record messages, one after the other."""
    for one in acceptances:
        await ledger.messages.record(one, sign=make.sign)


async def listed(
    ledger: Ledger,
    *,
    whose: SentFrom | DeskRef = EVERYWHERE,
    state: RequestState | None = None,
    now: datetime = NOW,
    after: DeliveryNumber = FIRST,
    limit: int = 50,
) -> Sequence[Request]:
    """Ask for requests."""
    return await ledger.requests.requests(
        RequestQuestion(whose=whose, state=state, now=now, after=after, limit=limit)
    )
