"""Decryption keys beside a token: their seeds in a file that only the token opens.

No token keeps our post-quantum keys yet. Their seeds lie in a file, closed by AES-256-GCM under
a key that the token made and never gives out: a copy of the file is worth nothing without the
token. Every change of the file draws a new key and destroys the old one in the token, so an
erased seed is gone from all backups of the file too. (GCM and not a key wrap: it authenticates
the header with the content, and every token that does AES has it.)
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol, cast

import pkcs11
from pkcs11 import Attribute, GCMParams, KeyType, Mechanism, ObjectClass

from keys import base64url, strict_json
from keys.custody.bundle import KeyBundle, decode_bundle, encode_bundle
from keys.custody.file import exclusive, read_private, replace_private
from keys.custody.token_session import GONE, TokenSession
from keys.entropy import Entropy
from keys.errors import CustodyError, CustodyFault, KeyFormatError
from keys.secret import Hidden, SecretBytes, without_frames
from keys.strict_json import JsonObject

FORMAT: Final = "enlace-token-seeds-1"
MEMBERS: Final = frozenset({"format", "store", "key", "nonce", "ciphertext"})
NAME_BYTES: Final = 16
NONCE_BYTES: Final = 12
TAG_BITS: Final = 128
KEY_BITS: Final = 256


class TokenKey(Protocol):
    """What we use of a secret key; the library adds these as the key's attributes allow."""

    id: bytes

    def encrypt(self, data: bytes, *, mechanism: Mechanism, mechanism_param: GCMParams) -> bytes:
        """Encrypt in the token."""

    def decrypt(self, data: bytes, *, mechanism: Mechanism, mechanism_param: GCMParams) -> bytes:
        """Decrypt in the token."""

    def destroy(self) -> None:
        """Destroy it there."""


class SeedFile(Hidden):
    """The file beside one token."""

    __slots__ = ("_draw", "_path", "_session")

    def __init__(self, session: TokenSession, path: Path, draw: Entropy = os.urandom) -> None:
        self._session = session
        self._path = path
        self._draw = draw

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other writers out; see :func:`keys.custody.file.exclusive`."""
        with exclusive(self._path):
            yield

    @without_frames
    def read(self) -> KeyBundle:
        """Read the keys; none, if there is no file yet.

        Raises:
            CustodyError: Others may read it, or the token's key does not open it.
        """
        if not os.path.lexists(self._path):
            return KeyBundle.of(())
        members = self._members()
        header = {name: value for name, value in members.items() if name != "ciphertext"}
        nonce, closed = (_octets(members, name) for name in ("nonce", "ciphertext"))
        key = _octets(members, "key")
        opened = self._session.ask(
            lambda session: _open(_key(session, _label(members), key), header, nonce, closed)
        )
        return decode_bundle(opened)

    @without_frames
    def write(self, bundle: KeyBundle) -> None:
        """Exchange the keys, under a new key of the token; destroy the old one.

        Raises:
            CustodyError: The token or the disk refuses. Then the old key of the token is kept
                with the new one, for either file may be there; the next change tidies up.
        """
        store = self._draw(NAME_BYTES)
        if os.path.lexists(self._path):
            store = _octets(self._members(), "store")
        header: JsonObject = {
            "format": FORMAT,
            "store": base64url.encode(store),
            "key": base64url.encode(name := self._draw(NAME_BYTES)),
            "nonce": base64url.encode(nonce := self._draw(NONCE_BYTES)),
        }
        closed = self._session.ask(
            lambda session: _close(_new_key(session, _label(header), name), header, nonce, bundle)
        )
        data = strict_json.write({**header, "ciphertext": base64url.encode(closed)}) + b"\n"
        replace_private(self._path, data)
        # A crash before this line leaves a key that opens nothing current.
        self._session.ask(lambda session: _destroy_others(session, _label(header), name))

    def _members(self) -> JsonObject:
        try:
            members = strict_json.parse_object(read_private(self._path))
        except KeyFormatError:
            raise CustodyError(CustodyFault.MALFORMED) from None
        if members.keys() != MEMBERS or members["format"] != FORMAT:
            raise CustodyError(CustodyFault.MALFORMED)
        return members


def _octets(members: JsonObject, name: str) -> bytes:
    value = members[name]
    try:
        return base64url.decode(value if isinstance(value, str) else "=")
    except KeyFormatError:
        raise CustodyError(CustodyFault.MALFORMED) from None


def _label(header: JsonObject) -> str:
    return f"enlace-seeds-{header['store']}"


def _keys(session: pkcs11.Session, label: str) -> list[TokenKey]:
    wanted = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: label}
    return [cast(TokenKey, each) for each in session.get_objects(wanted)]


def _key(session: pkcs11.Session, label: str, name: bytes) -> TokenKey:
    for each in _keys(session, label):
        if each.id == name:
            return each
    raise CustodyError(CustodyFault.CANNOT_OPEN)


def _new_key(session: pkcs11.Session, label: str, name: bytes) -> TokenKey:
    template = {
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.ENCRYPT: True,
        Attribute.DECRYPT: True,
        Attribute.WRAP: False,
        Attribute.UNWRAP: False,
    }
    made = session.generate_key(
        KeyType.AES, KEY_BITS, id=name, label=label, store=True, template=template
    )
    return cast(TokenKey, made)


def _destroy_others(session: pkcs11.Session, label: str, name: bytes) -> None:
    for each in _keys(session, label):
        if each.id != name:
            each.destroy()


def _close(key: TokenKey, header: JsonObject, nonce: bytes, bundle: KeyBundle) -> bytes:
    parameters = GCMParams(nonce, strict_json.write(header), TAG_BITS)
    return key.encrypt(
        encode_bundle(bundle).reveal(), mechanism=Mechanism.AES_GCM, mechanism_param=parameters
    )


def _open(key: TokenKey, header: JsonObject, nonce: bytes, closed: bytes) -> SecretBytes:
    parameters = GCMParams(nonce, strict_json.write(header), TAG_BITS)
    try:
        return SecretBytes(
            key.decrypt(closed, mechanism=Mechanism.AES_GCM, mechanism_param=parameters)
        )
    except pkcs11.PKCS11Error as error:
        # Tokens name a wrong tag in many ways, but none of them as a token that is gone.
        if isinstance(error, GONE):
            raise
        raise CustodyError(CustodyFault.CANNOT_OPEN) from None
