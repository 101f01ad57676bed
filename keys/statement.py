"""A country's word for a key: this key is this holder's, for this use, for this time.

A key counts only with such a statement, signed by enough holders of the root of the country
that answers for the key. So whoever runs the exchange cannot slip in a recipient of his own.

The serial number rises with every statement of a country. It also says which version of the
root makes the statement, so holders who have left can state nothing new.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final, TypeAlias

from keys import numbers, signed, strict_json
from keys.algorithms import SignatureAlgorithm
from keys.errors import KeyFormatError, SignatureError, StatementError
from keys.holder import Holder, HolderKind
from keys.identifiers import OWNERS, KeyId, Owner, kid_owner
from keys.key import EncryptionKey, KeyUse, SigningKey, VerificationKey
from keys.root import Root, Roots
from keys.strict_json import JsonObject, JsonValue

STATEMENT_TYP: Final = "enlace-key-statement+jws"
MEMBERS: Final = frozenset(
    {"country", "holder", "use", "key", "not_before", "not_after", "serial", "issued"}
)

NOT_SIGNED: Final = "the statement is not signed by enough holders of its country's root"
USES: Final = {use.value: use for use in KeyUse}

StatedKey: TypeAlias = VerificationKey | EncryptionKey
HOLDER_OF: Final = MappingProxyType(
    {
        KeyUse.MESSAGE_SIGNATURE: HolderKind.AGENCY,
        KeyUse.CLIENT_AUTHENTICATION: HolderKind.CLIENT,
        KeyUse.DESK_ENCRYPTION: HolderKind.DESK,
        KeyUse.DESK_SIGNATURE: HolderKind.DESK,
        KeyUse.RECEIPT_SIGNATURE: HolderKind.SERVICE,
        KeyUse.TOKEN_SIGNATURE: HolderKind.SERVICE,
        KeyUse.ADMINISTRATION: HolderKind.ADMINISTRATOR,
    }
)
"""Which kind of holder a use belongs to. No statement makes a root key: roots come first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementTerms:
    """What a statement says, before or after it is signed."""

    holder: Holder
    use: KeyUse
    key: StatedKey
    not_before: datetime
    not_after: datetime
    """The first moment at which the key no longer counts."""
    serial: int
    """Rises with every statement of one owner."""
    issued: datetime

    def __post_init__(self) -> None:
        _check_purpose(self)
        if not self.not_before < self.not_after or self.serial < 1:
            raise StatementError("the statement's times or serial are impossible")

    @property
    def owner(self) -> Owner:
        """Who answers for the key."""
        return self.holder.owner

    @property
    def kid(self) -> KeyId:
        """The key's own name."""
        return self.key.kid

    def valid_at(self, now: datetime) -> bool:
        """Is this moment inside the key's time? Says nothing of revocation: see the ring."""
        return self.not_before <= now < self.not_after

    def payload(self) -> bytes:
        """Write what the root's holders sign."""
        return strict_json.write(
            {
                "country": self.owner.value,
                "holder": self.holder.to_json(),
                "use": self.use.value,
                "key": self.key.jwk(),
                "not_before": int(self.not_before.timestamp()),
                "not_after": int(self.not_after.timestamp()),
                "serial": self.serial,
                "issued": int(self.issued.timestamp()),
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStatement(StatementTerms):
    """Terms that enough holders of the owner's root signed; made only by :func:`verify`."""

    token: str = field(repr=False)
    """The statement as it was signed, to be kept and handed on."""
    root_version: int
    signed_with: frozenset[KeyId]


Statements: TypeAlias = Mapping[KeyId, KeyStatement]
"""Every stated key, by its id."""


def issue(terms: StatementTerms, *, signers: Sequence[SigningKey]) -> str:
    """State a key, as some holders of the owner's root.

    Args:
        terms: Times are kept to the second.
        signers: Must be the owner's: a Mexican holder states no key of Guatemala.

    Returns:
        A JWS in General JSON Serialization.

    Raises:
        StatementError: A signer is another owner's.
    """
    if any(kid_owner(key.kid) is not terms.owner for key in signers):
        raise StatementError("the root key is another owner's")
    return signed.sign(terms.payload(), signers, typ=STATEMENT_TYP)


def read(token: str) -> StatementTerms:
    """Read what a statement says, without asking who signed it.

    Raises:
        StatementError: Malformed, or use, holder and key do not belong together.
    """
    try:
        members = strict_json.parse_object(signed.read(token).payload)
    except (SignatureError, KeyFormatError):
        raise StatementError("the statement is malformed") from None
    if members.keys() != MEMBERS:
        raise StatementError("the statement has a member too many or too few")
    return _read(members)


def verify(token: str, *, roots: Roots) -> KeyStatement:
    """Read a statement and hold it against the roots. The present time is not judged here.

    Args:
        token: A JWS in General JSON Serialization.
        roots: Only the stated country's own can vouch for it, in the version of its serial.

    Raises:
        StatementError: Too few holders of the country's root signed it, the root had
            expired, the key id is of another owner, or use, holder and key type do not
            belong together.
    """
    terms = read(token)
    chain = roots.get(terms.owner)
    if chain is None:
        raise StatementError(NOT_SIGNED)
    root = chain.of_serial(terms.serial)
    signers = _signers(token, root)
    if len(signers) < root.threshold:
        raise StatementError(NOT_SIGNED)
    if not terms.issued < root.expires:
        raise StatementError("the root had expired when the statement was made")
    return KeyStatement(
        holder=terms.holder,
        use=terms.use,
        key=terms.key,
        not_before=terms.not_before,
        not_after=terms.not_after,
        serial=terms.serial,
        issued=terms.issued,
        token=token,
        root_version=root.version,
        signed_with=signers,
    )


def _signers(token: str, root: Root) -> frozenset[KeyId]:
    try:
        return signed.signers_of(signed.read(token), typ=STATEMENT_TYP, find_key=root.find)
    except SignatureError:
        raise StatementError(NOT_SIGNED) from None


def _read(members: JsonObject) -> StatementTerms:
    owner, use = OWNERS.get(str(members["country"])), USES.get(str(members["use"]))
    if owner is None or use is None:
        raise StatementError("the statement names an unknown country or use")
    return StatementTerms(
        holder=Holder.from_json(owner, members["holder"]),
        use=use,
        key=_read_key(use, members["key"]),
        not_before=numbers.moment(members["not_before"], StatementError),
        not_after=numbers.moment(members["not_after"], StatementError),
        serial=numbers.whole_number(members["serial"], StatementError),
        issued=numbers.moment(members["issued"], StatementError),
    )


def _read_key(use: KeyUse, jwk: JsonValue) -> StatedKey:
    if not isinstance(jwk, dict):
        raise StatementError("the statement holds no key")
    kind = EncryptionKey if use is KeyUse.DESK_ENCRYPTION else VerificationKey
    try:
        return kind.from_jwk(jwk)
    except KeyFormatError:
        raise StatementError("the statement holds no key for its use") from None


def _check_purpose(terms: StatementTerms) -> None:
    if HOLDER_OF.get(terms.use) is not terms.holder.kind:
        raise StatementError("the use does not belong to this kind of holder")
    if kid_owner(terms.key.kid) is not terms.owner:
        raise StatementError("the key id is another owner's")
    if isinstance(terms.key, EncryptionKey) is not (terms.use is KeyUse.DESK_ENCRYPTION):
        raise StatementError("the key does not fit its use")
    # RSA is for clients of other make that authenticate themselves, and nothing else.
    if (
        terms.key.algorithm is SignatureAlgorithm.PS256
        and terms.use is not KeyUse.CLIENT_AUTHENTICATION
    ):
        raise StatementError("the key does not fit its use")
