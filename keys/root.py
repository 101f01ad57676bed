"""Who speaks for a country? Its root: several holders, of whom a threshold must agree.

A root is a signed document, and a new one follows from the old one: its version is the next,
and both the old threshold and the new one have signed. So whoever pinned any version finds the
way to the newest by himself, from whomever the documents come.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeAlias

from keys import signed, strict_json
from keys.algorithms import SignatureAlgorithm
from keys.errors import KeyFormatError, KeysError, RootError, SignatureError
from keys.holder import NAME_PATTERN
from keys.identifiers import OWNERS, KeyId, Owner, kid_owner
from keys.key import SigningKey, VerificationKey
from keys.numbers import moment, whole_number
from keys.strict_json import JsonObject, JsonValue

ROOT_TYP: Final = "enlace-root+jws"
MEMBERS: Final = frozenset(
    {"owner", "version", "threshold", "holders", "first_serial", "issued", "expires"}
)
FEWEST_HOLDERS: Final = 3
LOWEST_THRESHOLD: Final = 2
"""Two of three: one holder can be lost, and none can act alone."""
MOST_HOLDERS: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class RootHolder:
    """A person who keeps one of a root's keys, on a machine that need not be online."""

    name: str
    key: VerificationKey


@dataclass(frozen=True, slots=True, kw_only=True)
class RootTerms:
    """What a root says, before or after it is signed."""

    owner: Owner
    version: int
    threshold: int
    holders: tuple[RootHolder, ...]
    first_serial: int
    """Statements from this serial on are this root's; earlier ones its predecessors'."""
    issued: datetime
    expires: datetime
    """From then on it makes no new statement; those that it made live by their own times."""

    def __post_init__(self) -> None:
        names = {holder.name for holder in self.holders}
        kids = {holder.key.kid for holder in self.holders}
        keys = {holder.key.form for holder in self.holders}
        if not FEWEST_HOLDERS <= len(self.holders) <= MOST_HOLDERS:
            raise RootError("a root has three to nine holders")
        if not len(names) == len(kids) == len(keys) == len(self.holders):
            raise RootError("each holder has a name and a key of his own")
        if not LOWEST_THRESHOLD <= self.threshold <= len(self.holders):
            raise RootError("the threshold is at least two, and at most all holders")
        if not self.issued < self.expires or self.version < 1 or self.first_serial < 1:
            raise RootError("the root's version, serial or times are impossible")
        if not all(_may_hold(holder, self.owner) for holder in self.holders):
            raise RootError("a holder's name or key does not belong to this root")

    def payload(self) -> bytes:
        """Write what holders sign."""
        return strict_json.write(
            {
                "owner": self.owner.value,
                "version": self.version,
                "threshold": self.threshold,
                "holders": [
                    {"name": holder.name, "key": holder.key.jwk()} for holder in self.holders
                ],
                "first_serial": self.first_serial,
                "issued": int(self.issued.timestamp()),
                "expires": int(self.expires.timestamp()),
            }
        )

    def find(self, kid: KeyId) -> VerificationKey | None:
        """Find a holder's key."""
        return next((one.key for one in self.holders if one.key.kid == kid), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Root(RootTerms):
    """Terms that enough holders signed; made by :func:`verify_first` and :func:`verify_next`."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RootChain:
    """An owner's roots, from the pinned one to the newest, each following from the one before."""

    versions: tuple[Root, ...]

    @property
    def newest(self) -> Root:
        """The one that speaks now."""
        return self.versions[-1]

    def before(self, tokens: Iterable[str]) -> "RootChain":
        """Add the versions that came before the pinned one, as far as they are among these.

        They signed the one that follows, and themselves: nobody else can make such a pair.
        """
        versions, waiting = list(self.versions), list(tokens)
        while (older := next(_previous(waiting, versions[0]), None)) is not None:
            versions.insert(0, older)
        return RootChain(tuple(versions))

    def of_serial(self, serial: int) -> Root:
        """Which version makes, or made, the statement of this serial?

        What is older than the pinned version is asked of the pinned one, and refused there.
        """
        fitting = [root for root in self.versions if root.first_serial <= serial]
        return fitting[-1] if fitting else self.versions[0]


Roots: TypeAlias = Mapping[Owner, RootChain]
"""The roots of each owner: pinned ones, and what follows from them."""


def sign(terms: RootTerms, signers: Sequence[SigningKey]) -> str:
    """Sign a root as some of its holders, old and new."""
    return signed.sign(terms.payload(), signers, typ=ROOT_TYP)


def read(token: str) -> Root:
    """Read a root without asking who signed it.

    Raises:
        RootError: Malformed, or its terms are impossible.
    """
    try:
        members = strict_json.parse_object(signed.read(token).payload)
    except (SignatureError, KeyFormatError):
        raise RootError("the root is malformed") from None
    if members.keys() != MEMBERS:
        raise RootError("the root has a member too many or too few")
    owner, holders = OWNERS.get(str(members["owner"])), members["holders"]
    if owner is None or not isinstance(holders, list):
        raise RootError("the root names an unknown country")
    return Root(
        owner=owner,
        version=whole_number(members["version"], RootError),
        threshold=whole_number(members["threshold"], RootError),
        holders=tuple(_read_holder(value) for value in holders),
        first_serial=whole_number(members["first_serial"], RootError),
        issued=moment(members["issued"], RootError),
        expires=moment(members["expires"], RootError),
        token=token,
    )


def verify_first(token: str) -> Root:
    """Read a root that is to be pinned: its own threshold has signed it.

    That it is the country's, only people can say: they compare the fingerprints.

    Raises:
        RootError: Too few of its holders signed.
    """
    root = read(token)
    _require(root, root)
    return root


def verify_next(token: str, *, previous: Root) -> Root:
    """Read a root that follows from another.

    An old root may have expired: else a country that came too late could never come back.

    Raises:
        RootError: Another owner, not the next version, or the old or the new threshold is
            not reached.

    Source:
        The Update Framework, specification 1.0.33, section 5.3 (client workflow for roots).
    """
    root = read(token)
    if root.owner is not previous.owner:
        raise RootError("the root is another owner's")
    if root.version != previous.version + 1:
        raise RootError("the root's version is not the next one")
    if root.first_serial < previous.first_serial or root.issued < previous.issued:
        raise RootError("the root's version, serial or times are impossible")
    _require(root, previous)
    _require(root, root)
    return root


def follow(pinned: Root, tokens: Iterable[str]) -> RootChain:
    """Go from a pinned root to the newest that follows from it; what does not, counts not."""
    versions = [pinned]
    waiting = list(tokens)
    while True:
        found = next((root for root in _nexts(waiting, versions[-1])), None)
        if found is None:
            return RootChain(tuple(versions))
        versions.append(found)


def _nexts(tokens: Iterable[str], previous: Root) -> Iterable[Root]:
    for token in tokens:
        try:
            yield verify_next(token, previous=previous)
        except KeysError:
            continue


def _previous(tokens: Iterable[str], following: Root) -> Iterator[Root]:
    for token in tokens:
        with suppress(KeysError):
            older = verify_first(token)
            verify_next(following.token, previous=older)
            yield older


def _require(root: Root, holders: RootTerms) -> None:
    """Demand that a threshold of these holders signed this root."""
    try:
        signers = signed.signers_of(signed.read(root.token), typ=ROOT_TYP, find_key=holders.find)
    except SignatureError:
        raise RootError("a holder's signature does not hold") from None
    if len(signers) < holders.threshold:
        raise RootError("too few holders signed the root")


def _read_holder(value: JsonValue) -> RootHolder:
    if not isinstance(value, dict) or value.keys() != {"name", "key"}:
        raise RootError("the root is malformed")
    return RootHolder(name=_name(value), key=_key(value))


def _name(value: JsonObject) -> str:
    name = value["name"]
    if not isinstance(name, str):
        raise RootError("the root is malformed")
    return name


def _key(value: JsonObject) -> VerificationKey:
    jwk = value["key"]
    try:
        return VerificationKey.from_jwk(jwk if isinstance(jwk, dict) else {})
    except KeyFormatError:
        raise RootError("a holder's name or key does not belong to this root") from None


def _may_hold(holder: RootHolder, owner: Owner) -> bool:
    return (
        NAME_PATTERN.fullmatch(holder.name) is not None
        and kid_owner(holder.key.kid) is owner
        and holder.key.algorithm is not SignatureAlgorithm.PS256
    )
