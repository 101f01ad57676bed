"""`enlace admin approve|cancel|acts` and `admin policy propose`: what administrators decide."""

import tomllib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from broker.cli.admin.act_options import AsOption, access_of
from broker.cli.admin.ledger import on_ledger
from broker.cli.admin.pinned import read_pins
from broker.cli.documents import read_document
from broker.cli.exit_codes import ExitCode
from broker.cli.explain import RefusalError
from broker.cli.options import LedgerOption, PassphraseOption, RootsOption, YesOption
from broker.cli.terminal import Terminal, finish, terminal_of

if TYPE_CHECKING:
    from broker.directory import DirectoryRecord
    from broker.storage.ledger import Ledger
    from keys.strict_json import JsonObject

FEWEST_CHARS: Final = 8
"""So much of an act's id is enough to name it: one in 2^48 begins the same."""


def read_act_id(text: str) -> str:
    """Read an act's id, or its beginning.

    Raises:
        ValueError: Too short.
    """
    if len(text) < FEWEST_CHARS:
        raise ValueError(f"expected at least {FEWEST_CHARS} characters of the id")
    return text


ActArgument = Annotated[str, typer.Argument(parser=read_act_id, metavar="ACT")]


def approve(  # noqa: PLR0917 - a command has the options it has
    context: typer.Context,
    act_name: ActArgument,
    key_file: AsOption,
    yes: YesOption = False,
    passphrase_file: PassphraseOption = None,
    roots: RootsOption = None,
    ledger_url: LedgerOption = None,
) -> None:
    """Agree with somebody else's act."""
    from broker.cli.admin.acting import Wish, act  # noqa: PLC0415 - half a second
    from keys.act_kind import ActKind  # noqa: PLC0415

    access = access_of(key_file, passphrase_file, roots, ledger_url, yes=yes)
    act(Wish(kind=ActKind.APPROVE, of=act_name), access, terminal_of(context))


def cancel(
    context: typer.Context,
    act_name: ActArgument,
    key_file: AsOption,
    passphrase_file: PassphraseOption = None,
    roots: RootsOption = None,
    ledger_url: LedgerOption = None,
) -> None:
    """Stop what was proposed and has not taken effect."""
    from broker.cli.admin.acting import Wish, act  # noqa: PLC0415 - half a second
    from keys.act_kind import ActKind  # noqa: PLC0415

    access = access_of(key_file, passphrase_file, roots, ledger_url)
    act(Wish(kind=ActKind.CANCEL, of=act_name), access, terminal_of(context))


def propose_policy(  # noqa: PLR0917 - a command has the options it has
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE")],
    key_file: AsOption,
    yes: YesOption = False,
    passphrase_file: PassphraseOption = None,
    roots: RootsOption = None,
    ledger_url: LedgerOption = None,
) -> None:
    """Propose to ask something else of keys."""
    from broker.cli.admin.acting import Wish, act  # noqa: PLC0415 - half a second
    from keys.act_kind import ActKind  # noqa: PLC0415

    terminal = terminal_of(context)
    access = access_of(key_file, passphrase_file, roots, ledger_url, yes=yes)
    act(Wish(kind=ActKind.POLICY, policy=_read_policy(file, terminal)), access, terminal)


def acts(
    context: typer.Context, roots: RootsOption = None, ledger_url: LedgerOption = None
) -> None:
    """List what was decided; status 7 if an emergency act waits too long for a second."""
    from broker.cli.admin.acts import COLUMNS, act_rows  # noqa: PLC0415 - half a second
    from broker.directory import Directory  # noqa: PLC0415

    async def work(ledger: "Ledger") -> "DirectoryRecord":
        return await ledger.directory.load()

    terminal, now = terminal_of(context), datetime.now(UTC)
    pins = read_pins(roots, terminal)
    record = on_ledger(ledger_url, terminal, work)
    directory, _ = Directory.verify(record, roots=pins.roots, now=now)
    rows = [*act_rows(directory, now)]
    terminal.rows(rows, COLUMNS)
    overdue = [row["id"] for row in rows if row["state"] == "overdue"]
    if overdue:
        terminal.warn("act.overdue", number=len(overdue))
        finish(ExitCode.ACTION_NEEDED)


def _read_policy(file: str, terminal: Terminal) -> "JsonObject":
    from keys import strict_json  # noqa: PLC0415 - loaded already
    from keys.errors import KeyFormatError  # noqa: PLC0415
    from keys.policy import KeyPolicy  # noqa: PLC0415

    try:
        members = tomllib.loads(read_document(file).decode())
        policy = strict_json.parse_object(strict_json.write(members))
    except (ValueError, TypeError, KeyFormatError):
        raise RefusalError(terminal.text("act.policy_malformed", file=file)) from None
    KeyPolicy.from_json(policy)
    return policy
