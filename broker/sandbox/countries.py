"""A country for the sandbox: its root, and the signed keys of its agencies and desks."""

from dataclasses import dataclass, field
from typing import Final

from broker.model.names import AgencyRef, DeskRef, Scope
from broker.sandbox.kits import Kit
from keys.act_kind import ActKind
from keys.algorithms import EncryptionAlgorithm
from keys.custody.bundle import KeyBundle
from keys.holder import Holder
from keys.identifiers import KeyId, Owner
from keys.key import DecryptionKey, KeyUse, SigningKey
from schemas.vocabulary import Country

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
class CountryKit(Kit):
    """Makes the keys of a country's agencies and desks."""

    country: Country
    owner: Owner = field(init=False)
    desk_keys: list[KeyId] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.owner = self.country
        # Not ``super()``: a dataclass with slots is made twice, and ``super()`` finds the first.
        Kit.__post_init__(self)

    @property
    def acts(self) -> tuple[str, str]:
        """Both administrators let the desks' keys receive: proposal and approval."""
        return self.decide(ActKind.ACTIVATE, keys=self.desk_keys)

    def agency(self, ref: AgencyRef) -> Holding:
        """Make the keys of an agency: one to authenticate, one to sign messages."""
        client_id = f"{self.country.lower()}-{ref.agency}"
        authentication = self.signing(f"{ref.agency}-client-1")
        signature = self.signing(f"{ref.agency}-sign-1")
        self.state(
            Holder.client(self.country, client_id),
            KeyUse.CLIENT_AUTHENTICATION,
            authentication.public,
        )
        self.state(
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
            self.signing(f"{name}-client-1"),
            self.signing(f"{name}-ack-1"),
        )
        decryption = DecryptionKey.generate(
            EncryptionAlgorithm.HPKE_9_KE, KeyId(f"{self.country}-{name}-1")
        )
        self.desk_keys.append(decryption.kid)
        holder = Holder.desk(self.country, ref.compartment)
        self.state(
            Holder.client(self.country, client_id),
            KeyUse.CLIENT_AUTHENTICATION,
            authentication.public,
        )
        self.state(holder, KeyUse.DESK_SIGNATURE, signature.public)
        self.state(holder, KeyUse.DESK_ENCRYPTION, decryption.public)
        return Holding(
            subject=ref,
            client_id=client_id,
            authentication=authentication,
            signature=signature,
            decryption=decryption,
            scopes=RECEIVING,
        )
