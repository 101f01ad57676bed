"""What the demonstration says, in the reader's language."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from broker.texts.catalogue import Catalogue, negotiate

VARIABLES: Final = ("ENLACE_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
"""The first one that is set decides."""


@dataclass(frozen=True, slots=True)
class Words:
    """The texts of one language; steps go to stderr, results to stdout."""

    language: str

    @classmethod
    def choose(cls, wanted: str | None, environ: Mapping[str, str]) -> "Words":
        """Take what the command line asks for, else what the environment says."""
        named = wanted or next((environ[name] for name in VARIABLES if environ.get(name)), "")
        tag = named.partition(".")[0].replace("_", "-")
        return cls(negotiate(tag, Catalogue.load("demo").languages))

    def text(self, key: str, **values: object) -> str:
        """Find a text; numbers and names are put in."""
        return Catalogue.load("demo").text(key, self.language, **values)

    def say(self, key: str, **values: object) -> None:
        """Tell the reader what happens now."""
        print(self.text(key, **values), file=sys.stderr, flush=True)  # noqa: T201 - a program
