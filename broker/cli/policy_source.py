"""Which directory and which policy does `enlace policy` speak of?

Of three places, one: a snapshot of the directory in a file, the ledger, or the gateway by way of
a profile. Offline, the file and the pinned roots are enough.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from broker.cli.admin.ledger import on_ledger
from broker.cli.admin.pinned import read_pins
from broker.cli.documents import read_document
from broker.cli.explain import RefusalError
from broker.cli.session import open_client
from broker.cli.terminal import Terminal

if TYPE_CHECKING:
    from broker.admission.policy import Policy
    from broker.directory import Directory, DirectoryRecord
    from broker.model.facts import KnownMessage
    from broker.model.names import MessageId
    from broker.storage.ledger import Ledger

DirectoryOption = Annotated[str | None, typer.Option("--directory", metavar="FILE")]
ProfileSourceOption = Annotated[Path | None, typer.Option("--profile", metavar="DIR")]
Known = Mapping["MessageId", Sequence["KnownMessage"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where to look; all empty is nowhere."""

    snapshot: str | None = None
    profile: Path | None = None
    ledger_url: str | None = None
    roots: Path | None = None

    @property
    def is_given(self) -> bool:
        """Whether a directory was named at all."""
        return any(each is not None for each in (self.snapshot, self.profile, self.ledger_url))


def read_directory(source: Source, terminal: Terminal) -> "Directory":
    """Read and verify the directory that was named; without any, that of the profile here.

    Raises:
        ConfigurationError, AnswerError, BrokerError: It cannot be had or read.
    """
    if source.snapshot is not None:
        from broker.desk import wire  # noqa: PLC0415 - a tenth of a second

        return _verified(wire.read_directory(read_document(source.snapshot)), source, terminal)
    if source.ledger_url is not None:

        async def load(ledger: "Ledger") -> "DirectoryRecord":
            return await ledger.directory.load()

        return _verified(on_ledger(source.ledger_url, terminal, load), source, terminal)
    return asyncio.run(_of_profile(source.profile or Path(), terminal))


def read_known(
    source: Source, terminal: Terminal, named: "Collection[MessageId]"
) -> "Known | None":
    """Look up the messages that one names; None where there is no ledger to ask."""
    if source.ledger_url is None:
        return None if named else {}
    from broker.admission.rules.lineage import unknown_roots  # noqa: PLC0415 - with a ledger

    async def look_up(ledger: "Ledger") -> "Known":
        known = await ledger.messages.known(named) if named else {}
        roots = unknown_roots(known)
        return {**known, **await ledger.messages.known(roots)} if roots else known

    return on_ledger(source.ledger_url, terminal, look_up)


def read_policy(file: str, terminal: Terminal) -> "Policy":
    """Read a policy as people write it.

    Raises:
        RefusalError: It is none; the text names the member.
    """
    from broker.admission.policy import read_toml  # noqa: PLC0415 - with a file in hand
    from broker.admission.policy_form import PolicyError  # noqa: PLC0415

    try:
        return read_toml(read_document(file).decode())
    except UnicodeDecodeError:
        raise RefusalError(terminal.text("policy.malformed", file=file, cause="UTF-8")) from None
    except PolicyError as error:
        raise RefusalError(terminal.text("policy.malformed", file=file, cause=error)) from None


def policy_there(source: Source, terminal: Terminal) -> "Policy":
    """Find the policy in force in the directory that was named; else the standard one."""
    from broker.admission.decided import policy_in_force  # noqa: PLC0415 - a tenth of a second
    from broker.admission.policy import STANDARD_POLICY  # noqa: PLC0415

    if not source.is_given:
        return STANDARD_POLICY
    return policy_in_force(read_directory(source, terminal))


def _verified(record: "DirectoryRecord", source: Source, terminal: Terminal) -> "Directory":
    from broker.directory import Directory  # noqa: PLC0415 - a tenth of a second

    pins = read_pins(source.roots, terminal)
    directory, left_out = Directory.verify(record, roots=pins.roots, now=datetime.now(UTC))
    if left_out:
        terminal.warn("policy.left_out", number=len(left_out))
    return directory


async def _of_profile(folder: Path, terminal: Terminal) -> "Directory":
    async with open_client(folder, terminal) as client:
        return await client.directory()
