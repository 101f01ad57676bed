"""Roots, made as people make them: with commands, and files that go from hand to hand."""

from dataclasses import dataclass
from pathlib import Path

from tests.cli.conftest import Cli

NAMES = ("ana", "luis", "eva")


@dataclass(frozen=True, kw_only=True)
class Ceremony:
    """A country whose holders sit at one table, for a test."""

    folder: Path
    cli: Cli
    passphrase: Path
    owner: str = "MX"

    def key(self, name: str) -> Path:
        """Where a holder's key lies."""
        return self.folder / f"{self.owner}-{name}.key"

    def public(self, name: str) -> Path:
        """Where a holder's public half lies."""
        return self.folder / f"{self.owner}-{name}.pub"

    def holder(self, name: str) -> None:
        """Make a holder's key."""
        ran = self.cli(
            *("keys", "ceremony", "holder", "--for", self.owner, "--name", name),
            *("-o", self.key(name), "--public", self.public(name)),
            *("--passphrase-file", self.passphrase),
        )
        assert ran.code == 0, ran.err

    def draft(self, name: str, *arguments: object, holders: tuple[str, ...] = NAMES) -> Path:
        """Draft a root."""
        file = self.folder / f"{name}.draft"
        named = [each for one in holders for each in ("--holder", self.public(one))]
        ran = self.cli(
            "keys", "ceremony", "draft", self.owner, *named, "-o", file, "--yes", *arguments
        )
        assert ran.code == 0, ran.err
        return file

    def sign(self, file: Path, *names: str) -> None:
        """Let holders sign, one after the other."""
        for name in names:
            ran = self.cli(
                *("keys", "ceremony", "sign", file, "--key", self.key(name), "--yes"),
                *("--passphrase-file", self.passphrase),
            )
            assert ran.code == 0, ran.err

    def finish(self, file: Path, *arguments: object) -> Path:
        """Write what was signed."""
        finished = file.with_suffix(".json")
        ran = self.cli("keys", "ceremony", "finish", file, "-o", finished, *arguments)
        assert ran.code == 0, ran.err
        return finished

    def root(self) -> Path:
        """Make the first root."""
        for name in NAMES:
            self.holder(name)
        file = self.draft("root-1")
        self.sign(file, *NAMES[:2])
        return self.finish(file)
