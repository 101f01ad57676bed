"""A PKCS#11 URI (RFC 7512), as far as it says where a party's keys are."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from keys.custody.provider import TOKEN_SCHEME
from keys.errors import CustodyError, CustodyFault

MAX_CHARS: Final = 4096
"""A path has no more."""
PATH_ATTRIBUTES: Final = frozenset({"token", "serial"})
QUERY_ATTRIBUTES: Final = frozenset({"module-path", "x-seed-file"})
"""``pin-value`` and ``pin-source`` are refused: a URI stands in process lists and settings,
and the PIN comes the way of every passphrase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUri:
    """Which token, through which library, and with which file beside it?"""

    token: str
    """Its label."""
    serial: str | None
    """Tells apart two tokens of one label."""
    module: Path
    """The vendor's PKCS#11 library."""
    seed_file: Path | None
    """Decryption keys, which no token holds yet, wrapped by a key of the token."""

    @classmethod
    def parse(cls, text: str) -> "TokenUri":
        """Read ``pkcs11:token=NAME?module-path=/LIB.so&x-seed-file=/FILE``.

        Raises:
            CustodyError: Not of that form, an attribute that we do not know, or a PIN.
        """
        if not text.startswith(TOKEN_SCHEME) or len(text) > MAX_CHARS:
            raise CustodyError(CustodyFault.BAD_LOCATION)
        path, _, query = text.removeprefix(TOKEN_SCHEME).partition("?")
        named = _attributes(path.split(";"), PATH_ATTRIBUTES)
        asked = _attributes(query.split("&"), QUERY_ATTRIBUTES)
        module, seeds = asked.get("module-path"), asked.get("x-seed-file")
        if "token" not in named or module is None:
            raise CustodyError(CustodyFault.BAD_LOCATION)
        return cls(
            token=named["token"],
            serial=named.get("serial"),
            module=_absolute(module),
            seed_file=None if seeds is None else _absolute(seeds),
        )


def _attributes(parts: Sequence[str], known: frozenset[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, parts):
        name, equals, value = part.partition("=")
        if name not in known or name in found or not equals or not value:
            raise CustodyError(CustodyFault.BAD_LOCATION)
        try:
            found[name] = unquote(value, errors="strict")
        except UnicodeDecodeError:
            raise CustodyError(CustodyFault.BAD_LOCATION) from None
    return found


def _absolute(text: str) -> Path:
    # A relative library would be looked for on the loader's path, where others may put one.
    if not text.startswith("/") or "\0" in text:
        raise CustodyError(CustodyFault.BAD_LOCATION)
    return Path(text)
