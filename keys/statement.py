"""A country's word for a key: this key is this holder's, for this use, for this time.

A key counts only with such a statement, signed by the root key of the country that answers
for the holder. So whoever runs the exchange cannot slip in a recipient of his own.

The serial number rises with every statement of a country, and ``issued`` says when: what a
later rule of rotation or of several roots needs is already under the signature.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, TypeAlias

from keys import jws, strict_json
from keys.algorithms import SignatureAlgorithm
from keys.errors import KeyFormatError, SignatureError, StatementError
from keys.holder import Holder, HolderKind
from keys.identifiers import OWNERS, KeyId, Owner, kid_owner
from keys.key import EncryptionKey, KeyUse, SigningKey, VerificationKey
from keys.strict_json import JsonObject, JsonValue

STATEMENT_TYP: Final = "enlace-key-statement+jws"
MAX_STATEMENT_CHARS: Final = 8 * 1024
"""The largest, for an ML-KEM-1024 key, takes 3.6 KiB."""
MAX_SECONDS: Final = 253402300799
"""31 December 9999, the last that a datetime can say."""
MEMBERS: Final = frozenset(
    {"country", "holder", "use", "key", "not_before", "not_after", "serial", "issued"}
)

USES: Final = {use.value: use for use in KeyUse}

StatedKey: TypeAlias = VerificationKey | EncryptionKey
Roots: TypeAlias = Mapping[Owner, tuple[VerificationKey, ...]]
"""The root keys of each owner, learnt on another way than the statements."""

HOLDER_OF: Final = MappingProxyType(
    {
        KeyUse.MESSAGE_SIGNATURE: HolderKind.AGENCY,
        KeyUse.CLIENT_AUTHENTICATION: HolderKind.CLIENT,
        KeyUse.DESK_ENCRYPTION: HolderKind.DESK,
        KeyUse.DESK_SIGNATURE: HolderKind.DESK,
        KeyUse.RECEIPT_SIGNATURE: HolderKind.SERVICE,
        KeyUse.TOKEN_SIGNATURE: HolderKind.SERVICE,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStatement(StatementTerms):
    """Terms that the owner's root signed; made only by :func:`verify`."""

    token: str = field(repr=False)
    """The statement as it was signed, to be kept and handed on."""
    signed_with: KeyId


def issue(terms: StatementTerms, *, root: SigningKey) -> str:
    """State a key, as the holder of a root key.

    Args:
        terms: Times are kept to the second.
        root: Must be the owner's: ``MX-root-1`` states no key of Guatemala.

    Returns:
        A compact JWS.

    Raises:
        StatementError: The root is another owner's.
    """
    if kid_owner(root.kid) is not terms.owner:
        raise StatementError("the root key is another owner's")
    payload: JsonObject = {
        "country": terms.owner.value,
        "holder": terms.holder.to_json(),
        "use": terms.use.value,
        "key": terms.key.jwk(),
        "not_before": int(terms.not_before.timestamp()),
        "not_after": int(terms.not_after.timestamp()),
        "serial": terms.serial,
        "issued": int(terms.issued.timestamp()),
    }
    return jws.sign_compact(strict_json.write(payload), root, typ=STATEMENT_TYP)


def verify(token: str, *, roots: Roots) -> KeyStatement:
    """Read a statement and hold it against the roots. Time is not judged here.

    Args:
        token: A compact JWS.
        roots: Only the stated country's own roots can vouch for it.

    Raises:
        StatementError: Not signed by a root of the country that it names, the key id is of
            another owner, or use, holder and key type do not belong together.
    """

    def find_root(kid: KeyId) -> VerificationKey | None:
        return next((root for root in roots.get(kid_owner(kid), ()) if root.kid == kid), None)

    try:
        verified = jws.verify_compact(
            token, typ=STATEMENT_TYP, find_key=find_root, max_bytes=MAX_STATEMENT_CHARS
        )
        members = strict_json.parse_object(verified.payload)
    except (SignatureError, KeyFormatError):
        raise StatementError("the statement is not signed by a root of its country") from None
    if members.keys() != MEMBERS:
        raise StatementError("the statement has a member too many or too few")
    statement = _read(members, token, verified.kid)
    if kid_owner(verified.kid) is not statement.owner:
        raise StatementError("the root key is another owner's")
    return statement


def _read(members: JsonObject, token: str, signed_with: KeyId) -> KeyStatement:
    owner, use = OWNERS.get(str(members["country"])), USES.get(str(members["use"]))
    if owner is None or use is None:
        raise StatementError("the statement names an unknown country or use")
    return KeyStatement(
        holder=Holder.from_json(owner, members["holder"]),
        use=use,
        key=_read_key(use, members["key"]),
        not_before=_moment(members["not_before"]),
        not_after=_moment(members["not_after"]),
        serial=_whole_number(members["serial"]),
        issued=_moment(members["issued"]),
        token=token,
        signed_with=signed_with,
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


def _whole_number(value: JsonValue) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_SECONDS:
        return value
    raise StatementError("the statement's times or serial are impossible")


def _moment(value: JsonValue) -> datetime:
    return datetime.fromtimestamp(_whole_number(value), UTC)
