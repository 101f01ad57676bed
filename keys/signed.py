"""A document that several people sign, each on a machine of his own.

It is a JWS in General JSON Serialization: one payload, and a signature for each holder who
has signed so far. Each is a compact JWS of ours when it is put together, so there is one
reader of signatures in this package and no second.

Source:
    RFC 7515 section 7.2.1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from keys import base64url, jws, strict_json
from keys.errors import KeyFormatError, SignatureError
from keys.identifiers import KeyId, parse_kid
from keys.key import SigningKey
from keys.strict_json import JsonObject, JsonValue

MAX_SIGNATURES: Final = 18
"""Nine holders of an old root and nine of a new one."""
MAX_CHARS: Final = 24 * 1024
"""The largest key takes 3 KiB, nine holders' keys 2, eighteen signatures 4."""
MEMBERS: Final = frozenset({"payload", "signatures"})
SIGNATURE_MEMBERS: Final = frozenset({"protected", "signature"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A document as it lies there; whose signatures hold is asked of :func:`signers_of`."""

    payload: bytes = field(repr=False)
    parts: tuple[tuple[str, str], ...] = field(repr=False)
    """Protected header and signature of each."""

    @property
    def kids(self) -> tuple[KeyId, ...]:
        """Who is said to have signed."""
        return tuple(_kid(header) for header, _ in self.parts)


def sign(payload: bytes, signers: Sequence[SigningKey], *, typ: str) -> str:
    """Sign a document with each of these keys; with none it is a draft.

    Returns:
        General JSON Serialization, in its one spelling: signatures sorted by key id.
    """
    parts = [_part(payload, key, typ) for key in signers]
    return _write(payload, parts)


def add_signature(token: str, signer: SigningKey, *, typ: str) -> str:
    """Add one holder's signature; who has signed already signs in place of it.

    Raises:
        SignatureError: The document is malformed.
    """
    signed = read(token)
    others = [part for part in signed.parts if _kid(part[0]) != signer.kid]
    return _write(signed.payload, [*others, _part(signed.payload, signer, typ)])


def read(token: str) -> Signed:
    """Read a document strictly, without verifying anything.

    Raises:
        SignatureError: Too long, malformed, or one key signs twice.
    """
    if len(token) > MAX_CHARS or not token.isascii():
        raise SignatureError("the document is too long, or not ASCII")
    try:
        members = strict_json.parse_object(token.encode("ascii"))
        listed = members.get("signatures")
        if members.keys() != MEMBERS or not isinstance(listed, list):
            raise SignatureError("the document is malformed")
        parts = tuple(_read_part(value) for value in listed)
        payload = base64url.decode(_text(members["payload"]))
    except KeyFormatError:
        raise SignatureError("the document is malformed") from None
    kids = [_kid(header) for header, _ in parts]
    if len(parts) > MAX_SIGNATURES or len(set(kids)) != len(kids):
        raise SignatureError("the document has too many signatures")
    if _write(payload, parts) != token:
        # Else one statement could lie there in many spellings, each a document of its own.
        raise SignatureError("the document has more than one spelling")
    return Signed(payload=payload, parts=parts)


def signers_of(signed: Signed, *, typ: str, find_key: jws.FindKey) -> frozenset[KeyId]:
    """Whose signature holds, of those that the caller knows?

    A signature by somebody unknown counts for nothing: it may be of another version of the
    root. One by a known key that does not hold spoils the document.

    Raises:
        SignatureError: A known key's signature does not hold, or is for something else.
    """
    payload = base64url.encode(signed.payload)
    holding = set()
    for header, signature in signed.parts:
        if find_key(_kid(header)) is None:
            continue
        token = f"{header}.{payload}.{signature}"
        holding.add(jws.verify_compact(token, typ=typ, find_key=find_key, max_bytes=MAX_CHARS).kid)
    return frozenset(holding)


def typ_of(token: str) -> str | None:
    """For what is this document said to be? None: nobody has signed it, or it is malformed."""
    try:
        parts = read(token).parts
        headers = [jws.read_header(f"{header}..{signature}") for header, signature in parts]
    except SignatureError:
        return None
    types = {header.typ for header in headers}
    return types.pop() if len(types) == 1 else None


def _part(payload: bytes, key: SigningKey, typ: str) -> tuple[str, str]:
    header, _, signature = jws.sign_compact(payload, key, typ=typ).split(".")
    return header, signature


def _write(payload: bytes, parts: Sequence[tuple[str, str]]) -> str:
    ordered = sorted(parts, key=lambda part: _kid(part[0]))
    signatures: list[JsonValue] = [
        {"protected": header, "signature": signature} for header, signature in ordered
    ]
    members: JsonObject = {"payload": base64url.encode(payload), "signatures": signatures}
    return strict_json.write(members).decode("ascii")


def _read_part(value: JsonValue) -> tuple[str, str]:
    if not isinstance(value, dict) or value.keys() != SIGNATURE_MEMBERS:
        raise SignatureError("the document is malformed")
    return _text(value["protected"]), _text(value["signature"])


def _kid(header: str) -> KeyId:
    try:
        return parse_kid(jws.read_header(f"{header}..AA").kid)
    except KeyFormatError:
        raise SignatureError("the key is unknown") from None


def _text(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise SignatureError("the document is malformed")
    return value
