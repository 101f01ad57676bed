"""`enlace admin channel`: groups of countries, by their own signed acts."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from broker.cli.admin.act_command import Acting, ReasonOption, alone, proposes
from broker.cli.admin.deciding import ActArgument
from broker.cli.admin.ledger import on_ledger
from broker.cli.admin.pinned import read_pins
from broker.cli.admin.wish import Wish
from broker.cli.documents import read_document
from broker.cli.exit_codes import ExitCode
from broker.cli.explain import RefusalError
from broker.cli.options import LedgerOption, RootsOption
from broker.cli.terminal import Terminal, finish, terminal_of
from keys.act_kind import ActKind, ActReason
from keys.charter import NAME, ChannelName

if TYPE_CHECKING:
    from pathlib import Path

    from broker.directory import Directory, DirectoryRecord
    from broker.storage.ledger import Ledger


def read_channel(text: str) -> ChannelName:
    """Read ``hlsg-mx-gt``.

    Raises:
        ValueError: It is not of that form.
    """
    if NAME.fullmatch(text) is None:
        raise ValueError("expected 2 to 28 of a-z, 0-9 and -")
    return ChannelName(text)


ChannelArgument = Annotated[ChannelName, typer.Argument(parser=read_channel, metavar="CHANNEL")]


@proposes
def propose(acting: Acting, file: Annotated[str, typer.Argument(metavar="FILE")]) -> None:
    """Propose a channel, or the next version of its charter."""
    text = read_document(file).decode("utf-8", errors="replace")
    acting.act(Wish(kind=ActKind.CHARTER, charter=text))


@proposes
def consent(acting: Acting, act_name: ActArgument) -> None:
    """Consent to a charter, for one's own country."""
    acting.act(Wish(kind=ActKind.CONSENT, of=act_name))


@alone
def leave(
    acting: Acting, channel: ChannelArgument, *, reason: ReasonOption = ActReason.ROUTINE
) -> None:
    """Take one's own country out of a channel."""
    acting.act(Wish(kind=ActKind.LEAVE_CHANNEL, channel=channel, reason=reason))


@alone
def suspend(
    acting: Acting, channel: ChannelArgument, *, reason: ReasonOption = ActReason.ROUTINE
) -> None:
    """Let a channel take nothing new."""
    acting.act(Wish(kind=ActKind.SUSPEND_CHANNEL, channel=channel, reason=reason))


@alone
def close(
    acting: Acting, channel: ChannelArgument, *, reason: ReasonOption = ActReason.ROUTINE
) -> None:
    """End a channel for good."""
    acting.act(Wish(kind=ActKind.CLOSE_CHANNEL, channel=channel, reason=reason))


@proposes
def resume(acting: Acting, channel: ChannelArgument) -> None:
    """Propose to let a suspended channel go on."""
    acting.act(Wish(kind=ActKind.RESUME_CHANNEL, channel=channel))


def list_channels(
    context: typer.Context, roots: RootsOption = None, ledger_url: LedgerOption = None
) -> None:
    """List the channels; status 7 if a charter's review is due."""
    from broker.cli.admin.channel_rows import COLUMNS, channel_rows, for_table  # noqa: PLC0415
    from keys.channel_outlook import reviews_due  # noqa: PLC0415

    terminal, now = terminal_of(context), datetime.now(UTC)
    directory = _directory(terminal, roots, ledger_url, now)
    rows = [*channel_rows(directory, now)]
    terminal.rows(rows if terminal.json else [for_table(row) for row in rows], COLUMNS)
    due = reviews_due(directory.channels, directory.decisions.policy(now), now)
    if due:
        terminal.warn("channel.due", number=len(due), names=", ".join(one.channel for one in due))
        finish(ExitCode.ACTION_NEEDED)


def show(
    context: typer.Context,
    channel: ChannelArgument,
    roots: RootsOption = None,
    ledger_url: LedgerOption = None,
) -> None:
    """Show a channel: its charter, who has consented, and every change with who signed it."""
    from broker.cli.admin import channel_rows as rows  # noqa: PLC0415 - a tenth of a second

    terminal, now = terminal_of(context), datetime.now(UTC)
    directory = _directory(terminal, roots, ledger_url, now)
    found = directory.channel(channel)
    row = None if found is None else rows.channel_row(found, directory, now)
    if found is None or row is None:
        raise RefusalError(terminal.text("channel.unknown", channel=channel))
    consents = [*rows.consent_rows(found)]
    changes = [*rows.change_rows(found, directory, now)]
    if terminal.json:
        terminal.line({**row, "consents": [*map(dict, consents)], "changes": [*map(dict, changes)]})
        return
    terminal.record(rows.for_people(row), rows.CHARTER)
    terminal.rows(consents, rows.CONSENTS)
    terminal.rows(changes, rows.CHANGES)


def _directory(
    terminal: Terminal, roots: "Path | None", ledger_url: str | None, now: datetime
) -> "Directory":
    from broker.directory import Directory  # noqa: PLC0415 - a tenth of a second

    async def work(ledger: "Ledger") -> "DirectoryRecord":
        return await ledger.directory.load()

    pins = read_pins(roots, terminal)
    record = on_ledger(ledger_url, terminal, work)
    directory, _ = Directory.verify(record, roots=pins.roots, now=now)
    return directory
