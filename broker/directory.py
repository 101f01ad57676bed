"""Pure. Who takes part, which roads are open, and which key is whose.

Rows in a database are nobody's word: a ``Directory`` is made only by :meth:`Directory.verify`,
which lets a key in only with its country's signed statement, and a pair only with the signed
acts of two administrators. So whoever holds the database cannot slip in a reader or a writer,
nor open a road. What an agency is for, and which client is whose, he could change: those rows
are not signed yet.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import zip_longest
from types import MappingProxyType
from typing import Final, NamedTuple

from broker.errors import Code, KeyUnavailableError
from broker.model.names import AgencyRef, DeskRef, Pair, QueueName, Scope, channel_queue
from broker.trust import Trusted, trust
from keys.channel import Channel, ChannelState
from keys.charter import ChannelName
from keys.decide import CLOCKS_APART
from keys.decisions import Decisions
from keys.errors import NoKeyError
from keys.holder import Holder
from keys.identifiers import KeyId, Owner
from keys.key import EncryptionKey, KeyUse, VerificationKey
from keys.ring import KeyRing, Purpose, RingEntry, step
from keys.root import Root, Roots
from keys.statement import KeyStatement
from keys.strict_json import JsonObject
from schemas.vocabulary import AgencyFunction, Compartment, Country


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyRecord:
    """An agency as it was registered."""

    ref: AgencyRef
    function: AgencyFunction
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRecord:
    """An OAuth client: a system of an agency, or of a desk."""

    client_id: str
    """``mx-fiscalia``: ``[a-z0-9-]``, at most 64 characters."""
    subject: AgencyRef | DeskRef
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryRecord:
    """Everything that administrators have set up, as rows; nothing in it is trusted yet.

    ``directory.Directory.verify`` turns it into what the exchange acts on.
    """

    version: int
    """Rises with every change."""
    countries: frozenset[Country] = frozenset()
    agencies: tuple[AgencyRecord, ...] = ()
    clients: tuple[ClientRecord, ...] = ()
    desks: frozenset[DeskRef] = frozenset()
    statements: tuple[str, ...] = field(default=(), repr=False)
    """Roots, key statements and administrators' acts, signed, in the order of their arrival."""
    recorded: tuple[datetime | None, ...] = field(default=(), repr=False)
    """When each of them came, where that was noted; empty if it was noted of none."""

    def with_document(self, token: str, at: datetime) -> "DirectoryRecord":
        """The same with one more signed document, which came now."""
        return replace(self, statements=(*self.statements, token), recorded=(*self.recorded, at))

    def behind(self, seen: "DirectoryRecord") -> "DirectoryRecord":
        """The same behind what was seen before: no document of that is missing, or comes later."""
        known = {**(self.arrivals or {}), **(seen.arrivals or {})}
        is_noted = bool(self.recorded or seen.recorded)
        statements = tuple(dict.fromkeys((*seen.statements, *self.statements)))
        return replace(
            self,
            statements=statements,
            recorded=tuple(known.get(token) for token in statements) if is_noted else (),
        )

    @property
    def arrivals(self) -> Mapping[str, datetime] | None:
        """When documents came, by document; None where nobody noted it."""
        if not self.recorded:
            return None
        pairs = zip(self.statements, self.recorded, strict=False)
        return {token: at for token, at in pairs if at is not None}


class Document(NamedTuple):
    """A signed document that somebody known has signed."""

    owner: Owner
    token: str
    came_at: datetime | None
    """None: it was not noted."""


RECEIPTS: Final = Holder.service("receipts")
TOKENS: Final = Holder.service("tokens")


class Directory:
    """What the exchange acts on at one moment; a change, or time, makes a new one."""

    __slots__ = (
        "_agencies",
        "_channels",
        "_clients",
        "_holders",
        "_pairs",
        "_safeguards",
        "_trusted",
        "at",
        "record",
        "ring",
    )

    def __init__(self, record: DirectoryRecord, trusted: Trusted, *, at: datetime) -> None:
        self.record = record
        self.at: Final = at
        self._trusted = trusted
        self.ring: Final = step(KeyRing(trusted.entries, policy=trusted.decisions.policy(at)), at)
        # Made once: a holder checks its name, and this is asked for each recipient.
        self._holders = {desk: Holder.desk(desk.country, desk.compartment) for desk in record.desks}
        self._agencies = MappingProxyType({row.ref: row for row in record.agencies})
        self._clients = MappingProxyType({row.client_id: row for row in record.clients})
        self._pairs = _open_pairs(record, trusted.decisions.open_pairs(at))
        self._channels = trusted.decisions.channels()
        self._safeguards = trusted.decisions.safeguards(at)

    @classmethod
    def verify(
        cls, record: DirectoryRecord, *, roots: Mapping[Owner, Root], now: datetime
    ) -> "tuple[Directory, tuple[str, ...]]":
        """Let in what the countries' roots and administrators vouch for.

        Args:
            record: The rows as they lie in the ledger.
            roots: Pinned in this process's own configuration, never read from the ledger.
            now: Keys and decisions stand as at this moment.

        Returns:
            The directory, and why each signed document that is left out was left out.
        """
        arrivals = record.arrivals
        if arrivals is not None:
            # A row from the future would make all that came after it look late.
            arrivals = {token: at for token, at in arrivals.items() if at <= now + CLOCKS_APART}
        trusted = trust(record.statements, pinned=roots, arrivals=arrivals)
        return cls(record, trusted, at=now), trusted.rejected

    def stepped(self, now: datetime) -> "Directory":
        """What it is at another moment, with nothing new having been decided."""
        return Directory(self.record, self._trusted, at=now)

    def due(self) -> datetime | None:
        """When does it change by itself next: a key begins or ends, a time-lock is over?"""
        return self._trusted.next_moment(self.at)

    @property
    def decisions(self) -> Decisions:
        """What administrators have decided."""
        return self._trusted.decisions

    @property
    def roots(self) -> Roots:
        """The newest roots that follow from the pinned ones."""
        return self._trusted.roots

    @property
    def vouched_for(self) -> tuple[str, ...]:
        """The signed documents that count, in the order of their arrival."""
        return self._trusted.tokens

    @property
    def witnessed(self) -> tuple[Document, ...]:
        """What somebody known has signed, whether it counts or not, and when it came."""
        signed = self._trusted.witnessed
        came = zip_longest(self.record.statements, self.record.recorded)
        return tuple(Document(signed[token], token, at) for token, at in came if token in signed)

    @property
    def version(self) -> int:
        """The version of the rows."""
        return self.record.version

    def agency(self, ref: AgencyRef) -> AgencyRecord | None:
        """Find an agency."""
        return self._agencies.get(ref)

    def client(self, client_id: str) -> ClientRecord | None:
        """Find an OAuth client whose subject still takes part."""
        client = self._clients.get(client_id)
        if client is None:
            return None
        known = self._agencies if isinstance(client.subject, AgencyRef) else self.record.desks
        return client if client.subject in known else None

    def client_keys(self, client: ClientRecord, at: datetime) -> tuple[VerificationKey, ...]:
        """Which keys may this client authenticate with now?"""
        holder = Holder.client(client.subject.country, client.client_id)
        return self.ring.keys_that_verify(holder, KeyUse.CLIENT_AUTHENTICATION, at)

    def message_key(self, kid: KeyId, at: datetime) -> tuple[VerificationKey, AgencyRef] | None:
        """Whose message-signature key is this, if it is anybody's at that moment?"""
        entry = self._signing_entry(kid, KeyUse.MESSAGE_SIGNATURE, at)
        if entry is None or not isinstance(entry.key, VerificationKey):
            return None
        country = Country(entry.holder.owner.value)
        return entry.key, AgencyRef(country=country, agency=entry.holder.name)

    def desk_signature_key(
        self, kid: KeyId, at: datetime
    ) -> tuple[VerificationKey, DeskRef] | None:
        """Whose desk-signature key is this, if it is anybody's at that moment?"""
        entry = self._signing_entry(kid, KeyUse.DESK_SIGNATURE, at)
        if entry is None or not isinstance(entry.key, VerificationKey):
            return None
        country, compartment = Country(entry.holder.owner.value), Compartment(entry.holder.name)
        return entry.key, DeskRef(country=country, compartment=compartment)

    def encryption_key(self, desk: DeskRef, at: datetime) -> EncryptionKey:
        """To which key is a message for this desk sealed now?

        Raises:
            KeyUnavailableError: The desk has none that is current; the sender may retry.
        """
        try:
            return self.ring.encryption_key_for(self._holder(desk), at)
        except NoKeyError:
            raise KeyUnavailableError(Code.RECIPIENT_KEY_UNAVAILABLE) from None

    def _holder(self, desk: DeskRef) -> Holder:
        return self._holders.get(desk) or Holder.desk(desk.country, desk.compartment)

    def service_keys(
        self, service: Holder, use: KeyUse, at: datetime
    ) -> tuple[VerificationKey, ...]:
        """Which keys of the exchange itself count at that moment? The newest first."""
        return self.ring.keys_that_verify(service, use, at)

    def receipt_key(self, kid: KeyId) -> RingEntry | None:
        """Find a receipt key, old ones among them; when it counts, the entry tells."""
        entry = self.ring.by_kid(kid)
        is_one = entry is not None and entry.statement.use is KeyUse.RECEIPT_SIGNATURE
        return entry if is_one else None

    def receipt_counts(self, kid: KeyId, at: datetime) -> bool:
        """Did this receipt key count at that moment?"""
        entry = self.receipt_key(kid)
        return entry is not None and entry.could_sign_at(at)

    @property
    def receipt_keys(self) -> Mapping[KeyId, VerificationKey]:
        """All receipt keys that were ever stated: a receipt is checked years later."""
        entries = self.ring.of(RECEIPTS, KeyUse.RECEIPT_SIGNATURE)
        return {
            entry.kid: entry.statement.key
            for entry in entries
            if isinstance(entry.statement.key, VerificationKey)
        }

    def purposes(self) -> Iterator[Purpose]:
        """Who should always have a key, and for what? All that take part, and the exchange."""
        yield RECEIPTS, KeyUse.RECEIPT_SIGNATURE
        yield TOKENS, KeyUse.TOKEN_SIGNATURE
        for agency in self.record.agencies:
            yield Holder.agency(agency.ref.country, agency.ref.agency), KeyUse.MESSAGE_SIGNATURE
        for desk in sorted(self.record.desks):
            yield self._holder(desk), KeyUse.DESK_ENCRYPTION
            yield self._holder(desk), KeyUse.DESK_SIGNATURE
        for client in self.record.clients:
            holder = Holder.client(client.subject.country, client.client_id)
            yield holder, KeyUse.CLIENT_AUTHENTICATION

    def has_desk(self, desk: DeskRef) -> bool:
        """Whether the country has set up this desk."""
        return desk in self.record.desks

    def is_open(self, pair: Pair) -> bool:
        """Whether messages may go this way now."""
        return pair.queue in self._pairs

    @property
    def open_pairs(self) -> tuple[Pair, ...]:
        """Every open road, in a stable order."""
        return tuple(self._pairs.values())

    def channel(self, name: ChannelName) -> Channel | None:
        """Find a channel that was ever proposed, whatever its state."""
        return self._channels.get(name)

    @property
    def safeguards(self) -> tuple[JsonObject, ...]:
        """The rules that administrators have put in force, the oldest first; empty: none yet."""
        return self._safeguards

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Every channel that was ever proposed, by name."""
        return tuple(channel for _, channel in sorted(self._channels.items()))

    @property
    def standing(self) -> str:
        """What time has made of this version: the same for every process that is in step."""
        states = [
            f"{one.name} {one.state(self.at)} {one.members(self.at)}" for one in self.channels
        ]
        text = "\n".join((*self._pairs, *states))
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def queues(self) -> tuple[QueueName, ...]:
        """Every open road, in a stable order: of pairs, then of channels and their members."""
        active = [one for one in self.channels if one.state(self.at) is ChannelState.ACTIVE]
        return (
            *self._pairs,
            *(channel_queue(one.name, each) for one in active for each in sorted(one.countries)),
        )

    def queues_of(self, desk: DeskRef) -> tuple[QueueName, ...]:
        """The queues that a desk reads: those of all countries and of its channels.

        A closed pair takes nothing new, and so does a channel that the country has left, but
        what was accepted before is still delivered.
        """
        return (
            *(
                Pair(origin=origin, desk=desk).queue
                for origin in sorted(self.record.countries)
                if origin is not desk.country
            ),
            *(
                channel_queue(one.name, desk.country)
                for one in self.channels
                if one.compartment is desk.compartment and desk.country in one.countries
            ),
        )

    def _signing_entry(self, kid: KeyId, use: KeyUse, at: datetime) -> KeyStatement | None:
        entry = self.ring.by_kid(kid)
        if entry is None or entry.statement.use is not use or not entry.could_sign_at(at):
            return None
        return entry.statement


def _open_pairs(record: DirectoryRecord, opened: frozenset[str]) -> Mapping[QueueName, Pair]:
    every: Iterable[Pair] = (
        Pair(origin=origin, desk=desk)
        for origin in sorted(record.countries)
        for desk in sorted(record.desks)
        if desk.country in record.countries and origin is not desk.country
    )
    return MappingProxyType({pair.queue: pair for pair in every if pair.queue in opened})
