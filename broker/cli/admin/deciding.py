"""`enlace admin approve|cancel|acts` and `admin policy propose`: what administrators decide."""

import tomllib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from broker.cli.admin.act_command import Acting, alone, proposes
from broker.cli.admin.ledger import on_ledger
from broker.cli.admin.pinned import read_pins
from broker.cli.admin.wish import Wish
from broker.cli.documents import read_document
from broker.cli.exit_codes import ExitCode
from broker.cli.explain import RefusalError
from broker.cli.options import LedgerOption, RootsOption
from broker.cli.terminal import Terminal, finish, terminal_of
from keys import strict_json
from keys.act_kind import ActKind
from keys.errors import KeyFormatError
from keys.strict_json import JsonObject

if TYPE_CHECKING:
    from broker.directory import DirectoryRecord
    from broker.storage.ledger import Ledger

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


@proposes
def approve(acting: Acting, act_name: ActArgument) -> None:
    """Agree with somebody else's act."""
    acting.act(Wish(kind=ActKind.APPROVE, of=act_name))


@alone
def cancel(acting: Acting, act_name: ActArgument) -> None:
    """Stop what was proposed and has not taken effect."""
    acting.act(Wish(kind=ActKind.CANCEL, of=act_name))


@proposes
def propose_policy(acting: Acting, file: Annotated[str, typer.Argument(metavar="FILE")]) -> None:
    """Propose to ask something else of keys."""
    acting.act(Wish(kind=ActKind.POLICY, policy=_read_policy(file, acting.terminal)))


def acts(
    context: typer.Context, roots: RootsOption = None, ledger_url: LedgerOption = None
) -> None:
    """List what was decided; status 7 if an emergency act waits too long for a second."""
    from broker.cli.admin.acts import COLUMNS, act_rows  # noqa: PLC0415 - a tenth of a second
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


def _read_policy(file: str, terminal: Terminal) -> JsonObject:
    from keys.policy import KeyPolicy  # noqa: PLC0415 - loads cryptography

    try:
        members = tomllib.loads(read_document(file).decode())
        policy = strict_json.parse_object(strict_json.write(members))
    except (ValueError, TypeError, KeyFormatError):
        raise RefusalError(terminal.text("act.policy_malformed", file=file)) from None
    KeyPolicy.from_json(policy)
    return policy
