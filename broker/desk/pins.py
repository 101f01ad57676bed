"""Whose word counts here? The roots that this party pinned, learnt by another way.

``roots.json`` is ``{"MX": <root>, …, "GW": <root>}``: under each country, and under ``GW`` for
the exchange itself, one root as its holders signed it. Any version will do: a newer one that
follows from it is found in the directory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

from broker.desk.guarded_file import NOT_FOR_OTHERS_TO_WRITE, read_guarded
from broker.errors import ConfigurationError
from keys import root as root_form
from keys import strict_json
from keys.errors import KeyFormatError, RootError
from keys.identifiers import OWNERS, Owner
from keys.root import Root
from keys.strict_json import JsonObject

MAX_PINS_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """What signatures are held against in the end."""

    roots: Mapping[Owner, Root]

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read ``roots.json``.

        Raises:
            ConfigurationError: Malformed, or writable by others.
        """
        data = read_guarded(file, forbidden=NOT_FOR_OTHERS_TO_WRITE, at_most=MAX_PINS_BYTES)
        try:
            return cls.from_bytes(data)
        except (KeyFormatError, RootError) as error:
            raise ConfigurationError(f"{file}: {error}") from None

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read the pinned roots.

        Raises:
            KeyFormatError: Not of the form above, or a root of another owner.
            RootError: A root that its own threshold has not signed.
        """
        roots: dict[Owner, Root] = {}
        for name, value in strict_json.parse_object(data).items():
            if name not in OWNERS or not isinstance(value, dict):
                raise KeyFormatError("a pinned root is malformed, or of nobody's")
            root = root_form.verify_first(strict_json.write(value).decode("ascii"))
            if root.owner is not OWNERS[name]:
                raise KeyFormatError("a pinned root is another owner's")
            roots[root.owner] = root
        return cls(roots=MappingProxyType(roots))

    def to_bytes(self) -> bytes:
        """Write what :meth:`from_bytes` reads."""
        members: JsonObject = {
            owner.value: strict_json.parse_object(root.token.encode("ascii"))
            for owner, root in self.roots.items()
        }
        return strict_json.write(members)
