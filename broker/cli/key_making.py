"""Which keys does who need, and what are they called?

An agency signs messages and authenticates; a desk opens, signs its answers and authenticates;
the gateway signs receipts and tokens; a country and the exchange have a root, whose holders are
persons, and administrators. A key has one use, so each is made by its purpose, and its name tells
it: ``MX-fiscalia-sign-1``.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from broker.cli.explain import CommandError
from broker.cli.vocabulary import Purpose, Signing, Wrapping
from broker.model.names import AgencyRef, DeskRef
from keys.algorithms import EncryptionAlgorithm, SignatureAlgorithm
from keys.custody.bundle import PrivateKey
from keys.custody.provider import KeyWish
from keys.errors import KeyFormatError
from keys.holder import NAME_PATTERN, Holder
from keys.identifiers import Exchange, KeyId, Owner, parse_kid
from keys.key import KeyUse
from keys.strict_json import JsonObject
from schemas.vocabulary import Country

Whose: TypeAlias = Country | AgencyRef | DeskRef | Exchange
"""For whom keys are made."""
Generate: TypeAlias = Callable[[Sequence[KeyWish]], Sequence[PrivateKey]]
"""Makes keys where they are to live: a provider's method, or this process."""

PURPOSES: Final = {
    Country: frozenset({Purpose.ROOT, Purpose.ADMINISTRATOR}),
    AgencyRef: frozenset({Purpose.AGENCY, Purpose.CLIENT}),
    DeskRef: frozenset({Purpose.DESK, Purpose.CLIENT}),
    Exchange: frozenset({Purpose.RECEIPT, Purpose.TOKEN, Purpose.ROOT, Purpose.ADMINISTRATOR}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeKey:
    """A new key with what a statement will say of it."""

    key: PrivateKey
    use: KeyUse
    holder: JsonObject | None
    """What a statement or a root will say; None for a root's key without a person."""

    def public(self) -> JsonObject:
        """Describe the public half, for whoever certifies or pins it."""
        public = self.key.public
        return {
            "kid": self.key.kid,
            "holder": self.holder,
            "use": self.use.value,
            "algorithm": self.key.algorithm.value,
            "fingerprint": public.fingerprint,
            "thumbprint": public.thumbprint,
            "jwk": public.jwk(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Planned:
    wish: KeyWish
    use: KeyUse
    holder: JsonObject | None


def in_process(wishes: Sequence[KeyWish]) -> list[PrivateKey]:
    """Make keys here, for a key file that is still to be written."""
    return [wish.make() for wish in wishes]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPlan:
    """For whom, under which names, with which algorithms."""

    whose: Whose
    label: str | None = None
    """In the place of the agency's name or ``desk-<compartment>`` in the key ids."""
    number: int = 1
    client_id: str | None = None
    signing: Signing = Signing.ED25519
    wrapping: Wrapping = Wrapping.HPKE_9_KE

    def make(self, purposes: Sequence[Purpose], generate: Generate = in_process) -> list[MadeKey]:
        """Make the keys for these purposes.

        Raises:
            CustodyError: They cannot be made where they are to live.
            CommandError: A purpose is another sort of holder's, or a name is too long.
        """
        allowed = PURPOSES[type(self.whose)]
        if not allowed.issuperset(purposes):
            names = ", ".join(sorted(allowed))
            raise CommandError(f"{self.whose}: expected keys for {names}")
        planned = [each for purpose in dict.fromkeys(purposes) for each in self._plan(purpose)]
        keys = generate([each.wish for each in planned])
        return [
            MadeKey(key=key, use=each.use, holder=each.holder)
            for key, each in zip(keys, planned, strict=True)
        ]

    @property
    def client(self) -> str:
        """The OAuth client's id: ``mx-fiscalia``, ``gt-desk-intelligence``."""
        return self.client_id or f"{self._owner.lower()}-{self._name}"

    def _plan(self, purpose: Purpose) -> Iterator[_Planned]:
        match purpose, self.whose:
            case Purpose.ROOT, _:
                yield self._root()
            case Purpose.ADMINISTRATOR, _:
                holder = Holder.administrator(self._owner, self._person)
                yield self._sign(f"admin-{self._person}", KeyUse.ADMINISTRATION, holder)
            case Purpose.RECEIPT, _:
                holder = Holder.service("receipts")
                yield self._sign("receipt", KeyUse.RECEIPT_SIGNATURE, holder)
            case Purpose.TOKEN, _:
                yield self._sign("token", KeyUse.TOKEN_SIGNATURE, Holder.service("tokens"))
            case Purpose.AGENCY, AgencyRef(country=country, agency=agency):
                holder = Holder.agency(country, agency)
                yield self._sign(f"{self._name}-sign", KeyUse.MESSAGE_SIGNATURE, holder)
            case Purpose.DESK, DeskRef(country=country, compartment=compartment):
                holder = Holder.desk(country, compartment)
                yield self._sign(f"{self._name}-ack", KeyUse.DESK_SIGNATURE, holder)
                yield self._open(self._name, holder)
            case Purpose.CLIENT, AgencyRef(country=country) | DeskRef(country=country):
                holder = Holder.client(country, self.client)
                yield self._sign(f"{self._name}-client", KeyUse.CLIENT_AUTHENTICATION, holder)

    def _root(self) -> _Planned:
        if self.label is None:
            return self._planned("root", KeyUse.ROOT_SIGNATURE, None)
        holder: JsonObject = {"root": self._person}
        return self._planned(f"root-{self._person}", KeyUse.ROOT_SIGNATURE, holder)

    def _sign(self, name: str, use: KeyUse, holder: Holder) -> _Planned:
        return self._planned(name, use, holder.to_json())

    def _planned(self, name: str, use: KeyUse, holder: JsonObject | None) -> _Planned:
        algorithm = SignatureAlgorithm(self.signing.value)
        wish = KeyWish(kid=self._kid(name), algorithm=algorithm)
        return _Planned(wish=wish, use=use, holder=holder)

    def _open(self, name: str, holder: Holder) -> _Planned:
        algorithm = EncryptionAlgorithm(self.wrapping.value)
        wish = KeyWish(kid=self._kid(name), algorithm=algorithm)
        return _Planned(wish=wish, use=KeyUse.DESK_ENCRYPTION, holder=holder.to_json())

    def _kid(self, name: str) -> KeyId:
        try:
            return parse_kid(f"{self._owner}-{name}-{self.number}")
        except KeyFormatError:
            raise CommandError(
                f"{self._owner}-{name}-{self.number}: too long for a key id; choose a --label"
            ) from None

    @property
    def _owner(self) -> Owner:
        return self.whose.country if isinstance(self.whose, AgencyRef | DeskRef) else self.whose

    @property
    def _person(self) -> str:
        if self.label is None or NAME_PATTERN.fullmatch(self.label) is None:
            raise CommandError("a person holds this key: say who with --label, in a-z, 0-9, -")
        return self.label

    @property
    def _name(self) -> str:
        if self.label is not None:
            return self.label
        if isinstance(self.whose, AgencyRef):
            return self.whose.agency
        return f"desk-{self.whose.compartment}" if isinstance(self.whose, DeskRef) else ""
