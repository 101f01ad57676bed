"""Which keys does who need, and what are they called?

An agency signs messages and authenticates; a desk opens, signs its answers and authenticates;
a country has a root; the gateway signs receipts and tokens. A key has one use, so each is made
by its purpose, and its name tells it: ``MX-fiscalia-sign-1``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from broker.cli.explain import CommandError
from broker.cli.vocabulary import Purpose, Signing, Wrapping
from broker.model import AgencyRef, DeskRef
from keys.algorithms import EncryptionAlgorithm, SignatureAlgorithm
from keys.errors import KeyFormatError
from keys.holder import Holder
from keys.identifiers import Exchange, KeyId, Owner, parse_kid
from keys.key import DecryptionKey, KeyUse, SigningKey
from keys.strict_json import JsonObject
from schemas.vocabulary import Country

PrivateKey: TypeAlias = SigningKey | DecryptionKey


Whose: TypeAlias = Country | AgencyRef | DeskRef | Exchange
"""For whom keys are made."""

PURPOSES: Final = {
    Country: frozenset({Purpose.ROOT}),
    AgencyRef: frozenset({Purpose.AGENCY, Purpose.CLIENT}),
    DeskRef: frozenset({Purpose.DESK, Purpose.CLIENT}),
    Exchange: frozenset({Purpose.RECEIPT, Purpose.TOKEN}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeKey:
    """A new key with what a statement will say of it."""

    key: PrivateKey
    use: KeyUse
    holder: Holder | None
    """None for a root: no statement makes one."""

    def public(self) -> JsonObject:
        """Describe the public half, for whoever certifies or pins it."""
        public = self.key.public
        return {
            "kid": self.key.kid,
            "holder": None if self.holder is None else self.holder.to_json(),
            "use": self.use.value,
            "algorithm": self.key.algorithm.value,
            "fingerprint": public.fingerprint,
            "thumbprint": public.thumbprint,
            "jwk": public.jwk(),
        }


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

    def make(self, purposes: Sequence[Purpose]) -> list[MadeKey]:
        """Make the keys for these purposes.

        Raises:
            CommandError: A purpose is another sort of holder's, or a name is too long.
        """
        allowed = PURPOSES[type(self.whose)]
        if not allowed.issuperset(purposes):
            names = ", ".join(sorted(allowed))
            raise CommandError(f"{self.whose}: expected keys for {names}")
        return [made for purpose in dict.fromkeys(purposes) for made in self._make(purpose)]

    @property
    def client(self) -> str:
        """The OAuth client's id: ``mx-fiscalia``, ``gt-desk-intelligence``."""
        return self.client_id or f"{self._owner.lower()}-{self._name}"

    def _make(self, purpose: Purpose) -> Iterator[MadeKey]:
        match purpose, self.whose:
            case Purpose.ROOT, _:
                yield self._sign("root", KeyUse.ROOT_SIGNATURE, None)
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

    def _sign(self, name: str, use: KeyUse, holder: Holder | None) -> MadeKey:
        algorithm = SignatureAlgorithm(self.signing.value)
        return MadeKey(key=SigningKey.generate(algorithm, self._kid(name)), use=use, holder=holder)

    def _open(self, name: str, holder: Holder) -> MadeKey:
        algorithm = EncryptionAlgorithm(self.wrapping.value)
        key = DecryptionKey.generate(algorithm, self._kid(name))
        return MadeKey(key=key, use=KeyUse.DESK_ENCRYPTION, holder=holder)

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
    def _name(self) -> str:
        if self.label is not None:
            return self.label
        if isinstance(self.whose, AgencyRef):
            return self.whose.agency
        return f"desk-{self.whose.compartment}" if isinstance(self.whose, DeskRef) else ""
