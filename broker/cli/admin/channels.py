"""`enlace admin channel`: groups of countries, by their own signed acts.

What one person may do alone, and what he only proposes, are two forms of one command; the table
says which verb is which act.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from broker.cli.admin.act_options import AsOption, access_of
from broker.cli.admin.deciding import ActArgument
from broker.cli.admin.ledger import on_ledger
from broker.cli.admin.pinned import read_pins
from broker.cli.documents import read_document
from broker.cli.exit_codes import ExitCode
from broker.cli.explain import RefusalError
from broker.cli.options import LedgerOption, PassphraseOption, RootsOption, YesOption
from broker.cli.terminal import Terminal, finish, terminal_of
from broker.cli.vocabulary import Reason
from keys.charter import NAME, ChannelName

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from broker.directory import Directory, DirectoryRecord
    from broker.storage.ledger import Ledger

ALONE: Final = {
    "leave": "leave-channel",
    "suspend": "suspend-channel",
    "close": "close-channel",
}
"""One person, at once."""
PROPOSED: Final = {"resume": "resume-channel"}
"""Another one, of another owner, approves: `enlace admin approve`."""


def read_channel(text: str) -> ChannelName:
    """Read ``hlsg-mx-gt``.

    Raises:
        ValueError: It is not of that form.
    """
    if NAME.fullmatch(text) is None:
        raise ValueError("expected 2 to 28 of a-z, 0-9 and -")
    return ChannelName(text)


ChannelArgument = Annotated[str, typer.Argument(parser=read_channel, metavar="CHANNEL")]
ReasonOption = Annotated[Reason, typer.Option("--reason")]


def commands() -> "dict[str, Callable[..., None]]":
    """Every verb of the group."""
    return {
        "propose": propose,
        "consent": consent,
        **{verb: _alone(kind) for verb, kind in ALONE.items()},
        **{verb: _proposed(kind) for verb, kind in PROPOSED.items()},
        "list": list_channels,
        "show": show,
    }


def propose(  # noqa: PLR0917 - a command has the options it has
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE")],
    key_file: AsOption,
    yes: YesOption = False,
    passphrase_file: PassphraseOption = None,
    roots: RootsOption = None,
    ledger_url: LedgerOption = None,
) -> None:
    """Propose a channel, or the next version of its charter."""
    from broker.cli.admin.acting import Wish, act  # noqa: PLC0415 - half a second
    from keys.act_kind import ActKind  # noqa: PLC0415

    access = access_of(key_file, passphrase_file, roots, ledger_url, yes=yes)
    text = read_document(file).decode("utf-8", errors="replace")
    act(Wish(kind=ActKind.CHARTER, charter=text), access, terminal_of(context))


def consent(  # noqa: PLR0917 - a command has the options it has
    context: typer.Context,
    act_name: ActArgument,
    key_file: AsOption,
    yes: YesOption = False,
    passphrase_file: PassphraseOption = None,
    roots: RootsOption = None,
    ledger_url: LedgerOption = None,
) -> None:
    """Consent to a charter, for one's own country."""
    from broker.cli.admin.acting import Wish, act  # noqa: PLC0415 - half a second
    from keys.act_kind import ActKind  # noqa: PLC0415

    access = access_of(key_file, passphrase_file, roots, ledger_url, yes=yes)
    act(Wish(kind=ActKind.CONSENT, of=act_name), access, terminal_of(context))


def _alone(kind: str) -> "Callable[..., None]":
    def command(  # noqa: PLR0917 - a command has the options it has
        context: typer.Context,
        channel: ChannelArgument,
        key_file: AsOption,
        reason: ReasonOption = Reason.ROUTINE,
        passphrase_file: PassphraseOption = None,
        roots: RootsOption = None,
        ledger_url: LedgerOption = None,
    ) -> None:
        from broker.cli.admin.acting import Wish, act  # noqa: PLC0415 - half a second
        from keys.act_kind import ActKind, ActReason  # noqa: PLC0415

        access = access_of(key_file, passphrase_file, roots, ledger_url)
        name, why = ChannelName(channel), ActReason(reason.value)
        act(Wish(kind=ActKind(kind), channel=name, reason=why), access, terminal_of(context))

    return command


def _proposed(kind: str) -> "Callable[..., None]":
    def command(  # noqa: PLR0917 - a command has the options it has
        context: typer.Context,
        channel: ChannelArgument,
        key_file: AsOption,
        yes: YesOption = False,
        passphrase_file: PassphraseOption = None,
        roots: RootsOption = None,
        ledger_url: LedgerOption = None,
    ) -> None:
        from broker.cli.admin.acting import Wish, act  # noqa: PLC0415 - half a second
        from keys.act_kind import ActKind  # noqa: PLC0415

        access = access_of(key_file, passphrase_file, roots, ledger_url, yes=yes)
        act(Wish(kind=ActKind(kind), channel=ChannelName(channel)), access, terminal_of(context))

    return command


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
    from broker.cli.admin import channel_rows as rows  # noqa: PLC0415 - half a second

    terminal, now = terminal_of(context), datetime.now(UTC)
    directory = _directory(terminal, roots, ledger_url, now)
    found = directory.channel(ChannelName(channel))
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
    from broker.directory import Directory  # noqa: PLC0415 - half a second

    async def work(ledger: "Ledger") -> "DirectoryRecord":
        return await ledger.directory.load()

    pins = read_pins(roots, terminal)
    record = on_ledger(ledger_url, terminal, work)
    directory, _ = Directory.verify(record, roots=pins.roots, now=now)
    return directory
