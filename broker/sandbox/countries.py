"""A country for the sandbox: its root key, and the signed keys of its agencies and desks."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Final

from broker.model import AgencyRef, DeskRef, Scope
from keys.algorithms import EncryptionAlgorithm, SignatureAlgorithm
from keys.custody.bundle import KeyBundle
from keys.holder import Holder
from keys.identifiers import KeyId
from keys.key import DecryptionKey, EncryptionKey, KeyUse, SigningKey, VerificationKey
from keys.statement import StatementTerms, issue
from schemas.vocabulary import Country

KEY_LIFE: Final = timedelta(days=365)
EARLIER: Final = timedelta(hours=1)
SENDING: Final = frozenset({Scope.MESSAGES_SEND, Scope.DIRECTORY_READ})
RECEIVING: Final = frozenset({Scope.MESSAGES_RECEIVE, Scope.DIRECTORY_READ})


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One client with all its private keys: what a country keeps, and nobody else."""

    subject: AgencyRef | DeskRef
    client_id: str
    authentication: SigningKey
    signature: SigningKey
    decryption: DecryptionKey | None
    scopes: frozenset[Scope]

    @property
    def bundle(self) -> KeyBundle:
        """All keys, for one file."""
        keys = [self.authentication, self.signature]
        return KeyBundle.of([*keys, self.decryption] if self.decryption else keys)


@dataclass(slots=True, kw_only=True)
class CountryKit:
    """Makes keys and signs their statements with the country's root."""

    country: Country
    now: datetime
    algorithm: SignatureAlgorithm = SignatureAlgorithm.ED25519
    root: SigningKey = field(init=False)
    statements: list[str] = field(default_factory=list)
    _serial: "count[int]" = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        kid = KeyId(f"{self.country}-root-1")
        self.root = SigningKey.generate(SignatureAlgorithm.ED25519, kid)

    def agency(self, ref: AgencyRef) -> Holding:
        """Make the keys of an agency: one to authenticate, one to sign messages."""
        client_id = f"{self.country.lower()}-{ref.agency}"
        authentication = self._signing(f"{ref.agency}-client-1")
        signature = self._signing(f"{ref.agency}-sign-1")
        self._state(
            Holder.client(self.country, client_id),
            KeyUse.CLIENT_AUTHENTICATION,
            authentication.public,
        )
        self._state(
            Holder.agency(self.country, ref.agency), KeyUse.MESSAGE_SIGNATURE, signature.public
        )
        return Holding(
            subject=ref,
            client_id=client_id,
            authentication=authentication,
            signature=signature,
            decryption=None,
            scopes=SENDING,
        )

    def desk(self, ref: DeskRef) -> Holding:
        """Make the keys of a desk: to authenticate, to sign answers, and to open messages."""
        name = f"desk-{ref.compartment}"
        client_id = f"{self.country.lower()}-{name}"
        authentication, signature = (
            self._signing(f"{name}-client-1"),
            self._signing(f"{name}-ack-1"),
        )
        decryption = DecryptionKey.generate(
            EncryptionAlgorithm.HPKE_9_KE, KeyId(f"{self.country}-{name}-1")
        )
        holder = Holder.desk(self.country, ref.compartment)
        self._state(
            Holder.client(self.country, client_id),
            KeyUse.CLIENT_AUTHENTICATION,
            authentication.public,
        )
        self._state(holder, KeyUse.DESK_SIGNATURE, signature.public)
        self._state(holder, KeyUse.DESK_ENCRYPTION, decryption.public)
        return Holding(
            subject=ref,
            client_id=client_id,
            authentication=authentication,
            signature=signature,
            decryption=decryption,
            scopes=RECEIVING,
        )

    def _signing(self, name: str) -> SigningKey:
        return SigningKey.generate(self.algorithm, KeyId(f"{self.country}-{name}"))

    def _state(self, holder: Holder, use: KeyUse, key: VerificationKey | EncryptionKey) -> None:
        terms = StatementTerms(
            holder=holder,
            use=use,
            key=key,
            not_before=self.now - EARLIER,
            not_after=self.now + KEY_LIFE,
            serial=next(self._serial),
            issued=self.now,
        )
        self.statements.append(issue(terms, root=self.root))
