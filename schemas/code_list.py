"""What may a coded member say, and how is it read in each language?"""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """One code, with a label for each language of the exchange."""

    code: str
    labels: Mapping[str, str]
    source: str | None = None
    """Where this code comes from, if not from the source of its list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeList:
    """The codes that one member may hold, and where they come from."""

    name: str
    version: str
    title: Mapping[str, str]
    source: str
    valid_from: str
    codes: tuple[Code, ...]

    @classmethod
    def from_bytes(cls, content: bytes) -> "CodeList":
        """Read a list as it stands in ``code_lists/``; an unknown member is an error."""
        data = orjson.loads(content)
        return cls(**{**data, "codes": tuple(Code(**each) for each in data["codes"])})
