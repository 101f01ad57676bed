"""Pure. Who takes part, which roads are open, and which key is whose.

Rows in a database are nobody's word: a ``Directory`` is made only by :meth:`Directory.verify`,
which lets a key in only with its country's signed statement. So whoever holds the database
cannot slip in a reader or a writer. He can open and close roads and change what an agency is
for: those rows are not signed yet.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from broker.errors import Code, KeyUnavailableError
from broker.model import AgencyRef, DeskRef, Pair, QueueName, Scope
from keys import statement
from keys.errors import KeysError, NoKeyError
from keys.holder import Holder
from keys.identifiers import KeyId
from keys.key import EncryptionKey, KeyUse, VerificationKey
from keys.ring import KeyRing, KeyState, RingEntry
from keys.statement import KeyStatement, Roots, StatedKey
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
    open_pairs: frozenset[Pair] = frozenset()
    statements: tuple[str, ...] = field(default=(), repr=False)
    """Signed key statements, compact JWS; each is verified against its country's root."""


class Directory:
    """What the exchange acts on at one moment; a change makes a new one."""

    __slots__ = ("_agencies", "_clients", "_pairs", "_ring", "record")

    def __init__(self, record: DirectoryRecord, ring: KeyRing) -> None:
        self.record = record
        self._ring = ring
        self._agencies = MappingProxyType({row.ref: row for row in record.agencies})
        self._clients = MappingProxyType({row.client_id: row for row in record.clients})
        self._pairs = _open_pairs(record)

    @classmethod
    def verify(
        cls, record: DirectoryRecord, *, roots: Roots
    ) -> "tuple[Directory, tuple[str, ...]]":
        """Let in what the countries' roots vouch for.

        Args:
            record: The rows as they lie in the ledger.
            roots: Pinned in this process's own configuration, never read from the ledger.

        Returns:
            The directory, and why each statement that is left out was left out.
        """
        stated: dict[KeyId, list[KeyStatement]] = {}
        rejected: list[str] = []
        for token in record.statements:
            try:
                one = statement.verify(token, roots=roots)
            except KeysError as error:
                rejected.append(str(error))
                continue
            stated.setdefault(one.kid, []).append(one)
        entries = [entry for entry in map(_entry, stated.values()) if entry is not None]
        rejected += ["a key id names two keys"] * (len(stated) - len(entries))
        ring = KeyRing(entries)
        return cls(record, ring), tuple(rejected)

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
        return self._ring.keys_that_verify(holder, KeyUse.CLIENT_AUTHENTICATION, at)

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
            return self._ring.encryption_key_for(Holder.desk(desk.country, desk.compartment), at)
        except NoKeyError:
            raise KeyUnavailableError(Code.RECIPIENT_KEY_UNAVAILABLE) from None

    def has_desk(self, desk: DeskRef) -> bool:
        """Whether the country has set up this desk."""
        return desk in self.record.desks

    def is_open(self, pair: Pair) -> bool:
        """Whether messages may go this way now."""
        return pair.queue in self._pairs

    def queues(self) -> tuple[QueueName, ...]:
        """Every open road, in a stable order."""
        return tuple(self._pairs)

    def queues_of(self, desk: DeskRef) -> tuple[QueueName, ...]:
        """The queues that a desk reads: those of all countries, open or closed since.

        A closed pair takes nothing new, but what was accepted before is still delivered.
        """
        return tuple(
            Pair(origin=origin, desk=desk).queue
            for origin in sorted(self.record.countries)
            if origin is not desk.country
        )

    def _signing_entry(self, kid: KeyId, use: KeyUse, at: datetime) -> KeyStatement | None:
        entry = self._ring.by_kid(kid)
        if entry is None or entry.statement.use is not use or not entry.could_sign_at(at):
            return None
        return entry.statement


def _entry(statements: Sequence[KeyStatement]) -> RingEntry | None:
    """Take a key's newest statement; one that renews an older one keeps its beginning.

    Else whatever was signed before the renewal would stop verifying. Two keys, holders or
    uses under one name are neither: whoever orders the rows could choose between them.
    """
    newest = max(statements, key=lambda one: one.serial)
    if any((one.key, one.holder, one.use) != _purpose(newest) for one in statements):
        return None
    since = min(one.not_before for one in statements)
    return RingEntry(
        statement=replace(newest, not_before=since), state=KeyState.ACTIVE, since=since
    )


def _purpose(stated: KeyStatement) -> tuple[StatedKey, Holder, KeyUse]:
    return stated.key, stated.holder, stated.use


def _open_pairs(record: DirectoryRecord) -> Mapping[QueueName, Pair]:
    usable: Iterable[Pair] = (
        pair
        for pair in sorted(record.open_pairs)
        if pair.origin in record.countries
        and pair.desk.country in record.countries
        and pair.desk in record.desks
        and pair.origin is not pair.desk.country
    )
    return MappingProxyType({pair.queue: pair for pair in usable})
