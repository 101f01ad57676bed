"""Every text that a person reads, by key and language; a new language is a new file."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Final, Self

from babel import negotiate_locale

from keys.strict_json import JsonValue

FALLBACK: Final = "en"
MAX_LANGUAGES: Final = 16
"""More than anybody speaks; bounds the work of one header."""


class Catalogue:
    """The texts of one part of the program: ``<name>.<language>.toml``."""

    def __init__(self, texts: Mapping[str, Mapping[str, str]]) -> None:
        self._texts = texts

    @classmethod
    @cache
    def load(cls, name: str) -> Self:
        """Read a catalogue from the package."""
        texts: dict[str, dict[str, str]] = {}
        for entry in resources.files("broker.texts").iterdir():
            stem, _, rest = entry.name.partition(".")
            language, _, suffix = rest.partition(".")
            if stem == name and suffix == "toml":
                texts[language] = dict(_flat("", tomllib.loads(entry.read_text("utf-8"))))
        return cls(texts)

    @property
    def languages(self) -> tuple[str, ...]:
        """What there is, the fallback first."""
        return (FALLBACK, *sorted(set(self._texts) - {FALLBACK}))

    def keys(self, language: str) -> frozenset[str]:
        """What a language has texts for."""
        return frozenset(self._texts.get(language, ()))

    def text(self, key: str, language: str, **values: object) -> str:
        """Find a text, in English where the language lacks it.

        Raises:
            KeyError: No language has it: a defect.
        """
        texts = self._texts.get(language, {})
        found = texts[key] if key in texts else self._texts[FALLBACK][key]
        return found.format(**values) if values else found


def negotiate(accept_language: str | None, available: Sequence[str]) -> str:
    """Choose a language for a reader (RFC 9110 section 12.5.4); ``es-MX`` is served by ``es``."""
    wanted = sorted(_ranges(accept_language or ""), key=lambda one: -one[1])
    tags = [tag.replace("-", "_") for tag, quality in wanted if quality > 0]
    return negotiate_locale(tags, available) or available[0]


def _ranges(header: str) -> Iterator[tuple[str, float]]:
    for part in header.split(",")[:MAX_LANGUAGES]:
        tag, _, parameter = part.strip().partition(";")
        try:
            quality = float(parameter.strip().removeprefix("q=")) if parameter else 1.0
        except ValueError:
            continue
        if tag and tag != "*":
            yield tag, quality


def _flat(prefix: str, table: Mapping[str, JsonValue]) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", str(value)
