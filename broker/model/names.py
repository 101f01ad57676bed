"""Who and what is meant: agencies, desks, roads, and the numbers and names of things."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NewType, TypeAlias

from keys.charter import ChannelName
from keys.identifiers import KeyId
from keys.strict_json import JsonValue
from schemas.vocabulary import Compartment, Country

Json: TypeAlias = JsonValue
"""What strict JSON can hold."""
MessageId = NewType("MessageId", str)
"""A UUIDv7 in lower case, chosen by the sender; unique for its agency."""
ContentHash = NewType("ContentHash", str)
"""Base64url SHA-256 of a sealed content, 43 characters; what receipts and signatures name."""
QueueName = NewType("QueueName", str)
"""``MX.GT.intelligence`` of a pair, ``hlsg-mx-gt.GT`` of a channel; built by :func:`pair_queue`
and :func:`channel_queue` from the directory, never from input."""
DeliveryNumber = NewType("DeliveryNumber", int)
"""One recipient's copy of one message; rises in the order of acceptance."""
HandOverNumber = NewType("HandOverNumber", int)
"""One handing of one delivery to a desk; rises with every hand-over; the SSE event id."""
LogPosition = NewType("LogPosition", int)
"""Where an event stands in the ledger's log; rises by one, without gaps."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class AgencyRef:
    """An agency of a country: who writes messages."""

    country: Country
    agency: str
    """``[a-z0-9-]``, at most 32 characters, unique in its country."""

    def __str__(self) -> str:
        return f"{self.country}/{self.agency}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class DeskRef:
    """A country's desk for one compartment: who receives messages."""

    country: Country
    compartment: Compartment

    def __str__(self) -> str:
        return f"{self.country}.{self.compartment}"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Pair:
    """The one-way road from a country to a desk; open only if the directory says so."""

    origin: Country
    desk: DeskRef

    @property
    def queue(self) -> QueueName:
        """The RabbitMQ queue, and routing key, of this road."""
        return pair_queue(self.origin, self.desk)


def pair_queue(origin: Country, desk: DeskRef) -> QueueName:
    """Name the queue from a country to a desk: ``MX.GT.intelligence``."""
    return QueueName(f"{origin}.{desk.country}.{desk.compartment}")


def channel_queue(channel: ChannelName, member: Country) -> QueueName:
    """Name a member's queue of a channel: ``hlsg-mx-gt.GT``.

    A channel's name is in lower case and a country's is not, so no pair has such a name.
    """
    return QueueName(f"{channel}.{member}")


NO_KEY: Final = KeyId("")
"""Stands for the key of a desk that got no copy of what takes a message back (SG-07)."""


class Scope(StrEnum):
    """What an access token is good for."""

    MESSAGES_SEND = "messages:send"
    MESSAGES_RECEIVE = "messages:receive"
    DIRECTORY_READ = "directory:read"
    ADMIN_COUNTRY = "admin:country"
    ADMIN_EXCHANGE = "admin:exchange"
    AUDIT_READ = "audit:read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who is calling, as proven by token and proof; never taken from the request."""

    client_id: str
    subject: AgencyRef | DeskRef
    scopes: frozenset[Scope]
