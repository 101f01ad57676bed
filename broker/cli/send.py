"""`enlace send`: sign messages and post them, several at a time; one bad one stops no other."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from broker.cli.documents import read_document, with_id
from broker.cli.exit_codes import worst
from broker.cli.explain import EXPECTED, CommandError, Explanation, explain, show
from broker.cli.officers import read_officer_key, read_signature
from broker.cli.options import ProfileOption
from broker.cli.session import open_client
from broker.cli.terminal import Record, Terminal, finish, terminal_of
from broker.model.message import Posting

if TYPE_CHECKING:
    from broker.desk.client import EnlaceClient
    from broker.desk.wire import Recipient
    from broker.model.message import SealedPosting
    from keys.key import SigningKey
    from schemas.loader import SchemaSet

COLUMNS = ("file", "id", "status", "recipients")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one file."""

    file: str
    id: str | None = None
    status: str
    """``accepted``, ``replayed``, ``dry-run`` or ``failed``."""
    recipients: tuple["Recipient", ...] = ()
    receipt: str | None = None
    failure: Explanation | None = None

    def to_json(self) -> Record:
        """One line for a program; the members are always the same."""
        return {
            "file": self.file,
            "id": self.id,
            "status": self.status,
            "recipients": [
                {
                    "country": each.desk.country,
                    "compartment": each.desk.compartment,
                    "rule": each.rule,
                    "sealed": each.sealed,
                }
                for each in self.recipients
            ],
            "receipt": self.receipt,
            "error": None if self.failure is None else dict(self.failure.to_json()),
        }

    def to_row(self) -> Record:
        """One row for a person."""
        desks = [str(each.desk) for each in self.recipients]
        return {"file": self.file, "id": self.id, "status": self.status, "recipients": list(desks)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """How files are sent."""

    client: "EnlaceClient"
    terminal: Terminal
    dry_run: bool
    new_id: bool
    second: "SigningKey | None" = None
    """The second officer's."""
    signature: str | None = None
    """Made before; the bytes are sent as they are."""
    schemas: "SchemaSet | None" = None
    """To seal here, so that the gateway cannot read it; None lets the gateway seal."""

    async def one(self, file: str) -> Outcome:
        """Send one file; whatever is wrong with it is its outcome."""
        message_id: str | None = None
        try:
            body = await asyncio.to_thread(read_document, file)
            if self.new_id:
                body = with_id(body, now=datetime.now(UTC), draw=os.urandom)
            signed = self._signed(body)
            message_id = _id_of(signed.body)
            posting: Posting | SealedPosting = signed
            if self.schemas is not None:
                posting = await self.client.seal(signed, self.schemas, second=self.second)
            if self.dry_run:
                recipients = await self.client.dry_run(posting)
                return Outcome(file=file, id=message_id, status="dry-run", recipients=recipients)
            accepted = await self.client.send(posting)
        except EXPECTED as error:
            failure = explain(error, self.terminal)
            return Outcome(file=file, id=message_id, status="failed", failure=failure)
        return Outcome(
            file=file,
            id=accepted.id,
            status="replayed" if accepted.replayed else "accepted",
            recipients=accepted.recipients,
            receipt=accepted.receipt,
        )

    def _signed(self, body: bytes) -> Posting:
        if self.signature is not None:
            return Posting(body=body, signature=self.signature)
        return self.client.sign(body, second=self.second)


def send(  # noqa: PLR0917 - a command has the options it has
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE")],
    profile: ProfileOption = Path(),
    dry_run: Annotated[bool, typer.Option("--dry-run")] = False,
    new_id: Annotated[bool, typer.Option("--new-id")] = False,
    seal: Annotated[bool, typer.Option("--seal")] = False,
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=64, metavar="N")] = 8,
    second_officer: Annotated[
        Path | None, typer.Option("--second-officer", metavar="KEYFILE")
    ] = None,
    second_passphrase_file: Annotated[
        Path | None, typer.Option("--second-passphrase-file", metavar="FILE")
    ] = None,
    signature: Annotated[str | None, typer.Option("--signature", metavar="FILE.sig")] = None,
) -> None:
    """Sign and post messages."""
    terminal = terminal_of(context)
    if signature is not None and (len(files) > 1 or new_id or second_officer is not None):
        raise CommandError(terminal.text("send.signed_alone"))
    second = None
    if second_officer is not None:
        second = read_officer_key(second_officer, second_passphrase_file, terminal)
    sending = Sending(
        client=open_client(profile, terminal),
        terminal=terminal,
        dry_run=dry_run,
        new_id=new_id,
        second=second,
        signature=None if signature is None else read_signature(signature, terminal),
        schemas=_schemas() if seal else None,
    )
    with _progress(len(files), terminal) as advance:
        outcomes = asyncio.run(_send_all(sending, files, jobs, advance))
    if not terminal.json:
        terminal.rows([each.to_row() for each in outcomes], COLUMNS)
    failures = [each.failure for each in outcomes if each.failure is not None]
    finish(worst(each.exit_code for each in failures))


async def _send_all(
    sending: Sending, files: Sequence[str], jobs: int, advance: Callable[[], None]
) -> list[Outcome]:
    places = asyncio.Semaphore(jobs)

    async def one(file: str) -> Outcome:
        async with places:
            outcome = await sending.one(file)
        # Told at once: whoever stops us later has the receipts so far.
        _tell(outcome, sending.terminal)
        advance()
        return outcome

    async with sending.client:
        return await asyncio.gather(*(one(file) for file in files))


def _tell(outcome: Outcome, terminal: Terminal) -> None:
    for each in outcome.recipients:
        if not each.sealed:
            terminal.warn("send.not_sealed", file=outcome.file, desk=str(each.desk))
    if terminal.json:
        terminal.line(outcome.to_json())
    elif outcome.failure is not None:
        terminal.warn("send.failed", file=outcome.file)
        show(outcome.failure, terminal)


@contextmanager
def _progress(total: int, terminal: Terminal) -> Iterator[Callable[[], None]]:
    """Show a bar, if somebody looks and there is something to wait for."""
    if total == 1 or terminal.quiet or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.progress import Progress  # noqa: PLC0415 - a quarter of a second

    with Progress(console=terminal.console(sys.stderr), transient=True) as bar:
        task = bar.add_task(terminal.text("send.progress"), total=total)
        yield lambda: bar.advance(task)


def _schemas() -> "SchemaSet":
    from schemas.loader import SchemaSet  # noqa: PLC0415 - half a second

    return SchemaSet.load()


def _id_of(body: bytes) -> str:
    from broker.desk.sign import message_id  # noqa: PLC0415 - loaded by the client already

    return message_id(body)
