"""What an administrator does, signed by him: suspend a key, open a pair, consent to a channel.

Whoever may only *take away* acts alone and at once. Whoever *gives* proposes, and somebody else
approves. Every act is kept for ever, in the order in which it came.
"""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NewType

from keys import base64url, jws, numbers, strict_json
from keys import charter as charter_form
from keys.act_kind import ON_ACTS, ON_CHANNELS, ON_KEYS, ON_PAIRS, ON_POLICIES, ActKind, ActReason
from keys.charter import ChannelName
from keys.errors import ActError, KeyFormatError, SignatureError, StatementError
from keys.holder import Holder, HolderKind
from keys.identifiers import OWNERS, KeyId, kid_owner, parse_kid
from keys.key import SigningKey
from keys.strict_json import JsonObject, JsonValue

NOT_SIGNED: Final = "the act is malformed, or not signed by an administrator"
ACT_TYP: Final = "enlace-act+jws"
MAX_ACT_CHARS: Final = 32 * 1024
"""All 330 pairs of eleven countries take 8 KiB; the longest charter that its own limits allow,
of eleven members with twenty agencies each, takes 21."""
PAIR: Final = re.compile(r"[A-Z]{2}\.[A-Z]{2}\.[a-z]{1,20}", re.ASCII)
ACT_ID: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)

MEMBERS: Final = frozenset({"act", "by", "at", "reason"})
OPTIONAL: Final = frozenset({"keys", "pairs", "policy", "charter", "channel", "of", "since"})

ActId = NewType("ActId", str)
"""Base64url SHA-256 of the signed act: what an approval names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActTerms:
    """What an act says, before or after it is signed."""

    kind: ActKind
    by: Holder
    at: datetime
    reason: ActReason = ActReason.ROUTINE
    keys: tuple[KeyId, ...] = ()
    pairs: tuple[str, ...] = ()
    policy: JsonObject | None = None
    """What is asked of keys, or the rules of who may send what to whom."""
    charter: JsonObject | None = None
    channel: ChannelName | None = None
    of: ActId | None = None
    """The act that is approved, consented to or cancelled."""
    since: datetime | None = None
    """Of a compromise: from when on somebody else may have had the key."""

    def __post_init__(self) -> None:
        if self.by.kind is not HolderKind.ADMINISTRATOR:
            raise ActError("an act is an administrator's")
        fits = (
            bool(self.keys) is (self.kind in ON_KEYS),
            bool(self.pairs) is (self.kind in ON_PAIRS),
            (self.policy is not None) is (self.kind in ON_POLICIES),
            (self.charter is not None) is (self.kind is ActKind.CHARTER),
            (self.channel is not None) is (self.kind in ON_CHANNELS),
            self.channel is None or charter_form.NAME.fullmatch(self.channel),
            (self.of is not None) is (self.kind in ON_ACTS),
            self.since is None or self.kind is ActKind.COMPROMISE,
            self.since is None or self.since <= self.at,
            len(set(self.keys)) == len(self.keys) and len(set(self.pairs)) == len(self.pairs),
            all(PAIR.fullmatch(pair) for pair in self.pairs),
        )
        if not all(fits):
            raise ActError("the act's kind and what it is about do not belong together")

    def payload(self) -> bytes:
        """Write what is signed."""
        members: JsonObject = {
            "act": self.kind.value,
            "by": {"owner": self.by.owner.value, **self.by.to_json()},
            "at": int(self.at.timestamp()),
            "reason": self.reason.value,
        }
        if self.keys:
            members["keys"] = list(self.keys)
        if self.pairs:
            members["pairs"] = list(self.pairs)
        if self.policy is not None:
            members["policy"] = self.policy
        if self.charter is not None:
            members["charter"] = self.charter
        if self.channel is not None:
            members["channel"] = self.channel
        if self.of is not None:
            members["of"] = self.of
        if self.since is not None:
            members["since"] = int(self.since.timestamp())
        return strict_json.write(members)


@dataclass(frozen=True, slots=True, kw_only=True)
class Act(ActTerms):
    """An act as it lies there; who signed it is checked by :mod:`keys.decide`."""

    token: str = field(repr=False)
    signed_with: KeyId

    @property
    def id(self) -> ActId:
        """Its name, for approvals."""
        return act_id(self.token)


def act_id(token: str) -> ActId:
    """Name an act by its bytes."""
    return ActId(base64url.encode(hashlib.sha256(token.encode("utf-8", "replace")).digest()))


def sign(terms: ActTerms, key: SigningKey) -> str:
    """Sign an act as its administrator.

    Raises:
        ActError: The key is another owner's, or nobody would read an act of this length.
    """
    if kid_owner(key.kid) is not terms.by.owner:
        raise ActError("the key is another owner's")
    token = jws.sign_compact(terms.payload(), key, typ=ACT_TYP)
    if len(token) > MAX_ACT_CHARS:
        raise ActError(f"the act is longer than {MAX_ACT_CHARS} characters: make two of it")
    return token


def verify(token: str, *, find_key: jws.FindKey) -> Act:
    """Read an act and prove who signed it.

    Args:
        token: A compact JWS.
        find_key: Looks only among administrators' keys.

    Raises:
        ActError: Not signed by such a key, or malformed.
    """
    try:
        verified = jws.verify_compact(
            token, typ=ACT_TYP, find_key=find_key, max_bytes=MAX_ACT_CHARS
        )
        members = strict_json.parse_object(verified.payload)
        return _read(members, token, verified.kid)
    except (SignatureError, KeyFormatError, StatementError, ValueError):
        raise ActError(NOT_SIGNED) from None


def _read(members: JsonObject, token: str, signed_with: KeyId) -> Act:
    if not MEMBERS <= members.keys() <= MEMBERS | OPTIONAL:
        raise ActError("the act has a member too many or too few")
    return Act(
        kind=ActKind(str(members["act"])),
        by=_by(members["by"]),
        at=numbers.moment(members["at"], ActError),
        reason=ActReason(str(members["reason"])),
        keys=tuple(parse_kid(kid) for kid in _list(members, "keys")),
        pairs=tuple(str(pair) for pair in _list(members, "pairs")),
        policy=_object(members, "policy"),
        charter=_object(members, "charter"),
        channel=_channel(members["channel"]) if "channel" in members else None,
        of=_act_id(members["of"]) if "of" in members else None,
        since=numbers.moment(members["since"], ActError) if "since" in members else None,
        token=token,
        signed_with=signed_with,
    )


def _by(value: JsonValue) -> Holder:
    if not isinstance(value, dict):
        raise ActError("the act names nobody")
    owner = OWNERS.get(str(value.get("owner")))
    if owner is None:
        raise ActError("the act names an unknown owner")
    return Holder.from_json(owner, {name: each for name, each in value.items() if name != "owner"})


def _list(members: JsonObject, name: str) -> list[JsonValue]:
    value = members.get(name, [])
    if not isinstance(value, list):
        raise ActError("the act is malformed")
    return value


def _object(members: JsonObject, name: str) -> JsonObject | None:
    value = members.get(name)
    if value is not None and not isinstance(value, dict):
        raise ActError("the act is malformed")
    return value


def _channel(value: JsonValue) -> ChannelName:
    if not isinstance(value, str):
        raise ActError("the act names no channel")
    return ChannelName(value)


def _act_id(value: JsonValue) -> ActId:
    if not isinstance(value, str) or ACT_ID.fullmatch(value) is None:
        raise ActError("the act names no act")
    return ActId(value)
