"""What the rules must know of a content, and of the messages that it names."""

from dataclasses import dataclass
from datetime import datetime

from broker.model.names import AgencyRef, DeskRef, LogPosition, MessageId
from keys.charter import ChannelName
from schemas.vocabulary import Compartment, Country, HandlingCode, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How sure the originator is, in a scheme of his; kept as given, never converted."""

    scheme: str
    source: str
    information: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """An originator's permission to hand on what he wrote (SG-05)."""

    of: frozenset[MessageId]
    to_countries: frozenset[Country]
    """Empty: to whoever asked."""
    purposes: frozenset[str]
    """Empty: for the purposes of the message itself."""
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the rules must know of a content; no name, no narrative, nothing of the case."""

    handling: HandlingCode
    purpose: str
    review_by: datetime
    reply_by: datetime | None = None
    evaluation: Evaluation | None = None
    in_reply_to: MessageId | None = None
    lineage: tuple[MessageId, ...] = ()
    concerns: MessageId | None = None
    """The message that is recalled or rectified."""
    replaced_by: MessageId | None = None
    """The message that stands in its place, of a rectification."""
    reply_outcome: str | None = None
    refusal_ground: str | None = None
    grant: Grant | None = None
    marked_origins: frozenset[Country] = frozenset()
    """Where those come from who are marked as seeking protection (SG-01)."""
    all_origins: frozenset[Country] = frozenset()
    """Where anybody comes from: in ``protection`` everybody counts as marked."""
    has_marked: bool = False
    """Whether somebody is marked as seeking protection, whatever his country."""
    has_children: bool = False
    """Whether somebody is under 18, or may be."""
    exposes_child: bool = False
    """Whether a child could be found by a field (SG-04)."""
    needs_second_officer: bool = False
    """Whether a migrant is said to have acted as guide or driver (SG-03)."""
    criminalises: bool = False
    """Whether being smuggled is made a suspicion, or acting as guide one without a basis."""
    addressed_to: AgencyRef | None = None
    """Of a referral: the agency whose service is asked for (SG-02)."""
    has_narrative: bool = False
    """Whether a protection body tells what happened in words (SG-10)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownMessage:
    """What the exchange still knows of an earlier message that this one names."""

    id: MessageId
    sender: AgencyRef
    kind: Kind
    handling: HandlingCode
    compartment: Compartment
    channel: ChannelName | None
    purpose: str
    evaluation: Evaluation | None
    roots: frozenset[MessageId]
    """Where its lineage ends; itself if it has none (SG-11)."""
    desks: frozenset[DeskRef]
    """To whom it was addressed; a recall goes there."""
    held_by: frozenset[DeskRef] = frozenset()
    """Those of them that were handed their copy, or still will be. None: nobody had it."""
    grants: tuple[Grant, ...] = ()
    not_recalled: frozenset[LogPosition] = frozenset()
    """Its own place in the ledger and those of the replies that grant, as far as nobody had taken
    them back when this was read."""
