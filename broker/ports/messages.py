"""What the ledger knows of messages: accepted once, and what became of each."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from broker.model.events import Receipt
from broker.model.facts import KnownMessage
from broker.model.message import Acceptance
from broker.model.names import AgencyRef, MessageId
from broker.model.status import MessageStatus
from broker.ports.receipts import SignReceipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The message is in the ledger; ``replayed`` when it was already, with the same bytes."""

    receipt: Receipt
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IdTaken:
    """This agency's id already names a message with other bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overtaken:
    """Not recorded: the directory has changed since, or a recall took back what it relies on."""


class MessageLedger(Protocol):
    """Accepted messages and what became of them: the truth of the exchange."""

    async def find(
        self, sender: AgencyRef, message_id: MessageId, *, body_mac: bytes
    ) -> Recorded | IdTaken | None:
        """Answer whether this id was accepted before.

        Asked of a message that is refused: what was accepted once gets its first answer, also
        when it would be refused today.
        """

    async def record(
        self, acceptance: Acceptance, *, sign: SignReceipt
    ) -> Recorded | IdTaken | Overtaken:
        """Record a message, its deliveries and its receipt in one transaction.

        Durable when it returns: a power cut afterwards loses nothing. Concurrent calls are
        committed in groups; each still gets its own answer. Two records of one
        ``(sender, message_id)`` yield exactly one ``replayed=False``, across all processes.
        Positions rise by one without gaps, across all processes.

        If it raises ``LedgerUnavailableError`` the message may or may not be recorded: the
        commit can succeed and its answer be lost. Recording it again is safe, and answers
        ``replayed`` if it was. ``sign`` may be called from another thread.

        In the same transaction a request opens a clock for each recipient, and a reply closes
        the one that it answers: see :mod:`broker.ports.requests`.

        A message that names a version of the directory is recorded only if that is the version
        at the moment of recording: none is sealed to a key that was not active then. It is
        recorded only while nothing that it relies on is recalled: a permission that was taken
        back lets nothing pass that comes after. What is known already is answered first,
        whatever has changed.
        """

    async def known(self, ids: Collection[MessageId]) -> Mapping[MessageId, Sequence[KnownMessage]]:
        """Tell what is known of earlier messages; several agencies may use one id.

        An id that was never accepted is left out. What content was destroyed is still known.
        """

    async def status(self, sender: AgencyRef, message_id: MessageId) -> MessageStatus | None:
        """Say how far a message has come; None for another agency's, as for an unknown id."""
