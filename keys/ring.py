"""Which key, for whom, for what, at this moment? And: whose signature was this, then?

A ring never forgets a key: new messages ask what is active now, old evidence asks what was
good when it was signed. A ring is a value; a change makes a new one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from keys.errors import KeysError, NoKeyError
from keys.holder import Holder
from keys.identifiers import KeyId
from keys.key import EncryptionKey, KeyUse, VerificationKey
from keys.statement import KeyStatement, StatedKey


class KeyState(StrEnum):
    """Where a key stands in its life, and the two ways of being taken out of it."""

    ANNOUNCED = "announced"
    """Published, not yet used."""
    ACTIVE = "active"
    """Messages are sealed to it, signatures made with it."""
    DRAINING = "draining"
    """It still opens what is under way; nothing new is sealed to it."""
    EMPTY = "empty"
    """Nothing is under way any more; its grace runs."""
    DESTROYED = "destroyed"
    """The private half is gone; old signatures still verify."""
    SUSPENDED = "suspended"
    """Taken out at once by one person; comes back or is revoked."""
    COMPROMISED = "compromised"
    """Somebody else may hold the private half since then."""


REVOKED: Final = frozenset({KeyState.SUSPENDED, KeyState.COMPROMISED})


@dataclass(frozen=True, slots=True, kw_only=True)
class RingEntry:
    """One stated key and its present state."""

    statement: KeyStatement
    state: KeyState
    since: datetime
    """When it entered this state; for a revoked key, the end of what it can prove."""

    def could_sign_at(self, moment: datetime) -> bool:
        """Does a signature from that moment count?"""
        if self.state is KeyState.ANNOUNCED or not self.statement.valid_at(moment):
            return False
        return self.state not in REVOKED or moment < self.since


class KeyRing:
    """All stated keys that a party knows, by name and by purpose."""

    __slots__ = ("_by_kid", "_by_purpose")

    def __init__(self, entries: Iterable[RingEntry] = ()) -> None:
        by_kid: dict[KeyId, RingEntry] = {}
        by_purpose: dict[tuple[Holder, KeyUse], tuple[RingEntry, ...]] = {}
        for entry in entries:
            statement = entry.statement
            if statement.kid in by_kid:
                # Two keys under one name: a verifier could be shown either.
                raise KeysError("a key id stands twice in the ring")
            by_kid[statement.kid] = entry
            purpose = (statement.holder, statement.use)
            by_purpose[purpose] = (*by_purpose.get(purpose, ()), entry)
        self._by_kid: Final = MappingProxyType(by_kid)
        self._by_purpose: Final = MappingProxyType(by_purpose)

    @property
    def entries(self) -> Mapping[KeyId, RingEntry]:
        """Every key, by name."""
        return self._by_kid

    def by_kid(self, kid: KeyId) -> RingEntry | None:
        """Find a key by its name, whatever its state."""
        return self._by_kid.get(kid)

    def with_entry(self, entry: RingEntry) -> "KeyRing":
        """Make a ring in which this entry is new, or stands in place of the one it renews."""
        others = (old for kid, old in self._by_kid.items() if kid != entry.statement.kid)
        return KeyRing((*others, entry))

    def key_for(self, holder: Holder, use: KeyUse, at: datetime) -> StatedKey:
        """Which key serves this purpose at this moment? Of several, the one stated last.

        Raises:
            NoKeyError: None is active and in its time.
        """
        fitting = [
            entry.statement
            for entry in self._by_purpose.get((holder, use), ())
            if entry.state is KeyState.ACTIVE and entry.since <= at and entry.statement.valid_at(at)
        ]
        if not fitting:
            raise NoKeyError("no key is active for this purpose")
        return max(fitting, key=lambda statement: statement.serial).key

    def encryption_key_for(self, holder: Holder, at: datetime) -> EncryptionKey:
        """To which key is a message for this desk sealed now?

        Raises:
            NoKeyError: None is active and in its time.
        """
        key = self.key_for(holder, KeyUse.DESK_ENCRYPTION, at)
        if not isinstance(key, EncryptionKey):  # pragma: no cover - a statement forbids it
            raise NoKeyError("no key is active for this purpose")
        return key

    def keys_that_verify(
        self, holder: Holder, use: KeyUse, signed_at: datetime
    ) -> tuple[VerificationKey, ...]:
        """Which keys could have signed for this purpose at that moment? Old ones included.

        That the signature is really as old as it says must be proved by the log.
        """
        return tuple(
            entry.statement.key
            for entry in self._by_purpose.get((holder, use), ())
            if entry.could_sign_at(signed_at) and isinstance(entry.statement.key, VerificationKey)
        )
