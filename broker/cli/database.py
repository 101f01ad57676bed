"""`enlace db`: is the ledger's schema the one that this program knows?"""

import asyncio

import typer

from broker.cli.admin.ledger import ledger_url as find_ledger_url
from broker.cli.exit_codes import ExitCode
from broker.cli.explain import explain, show
from broker.cli.options import LedgerOption
from broker.cli.terminal import finish, terminal_of
from broker.errors import ConfigurationError


def upgrade(context: typer.Context, ledger_url: LedgerOption = None) -> None:
    """Make the ledger, or bring it up to date; repeating it changes nothing."""
    from broker.storage import migrate  # noqa: PLC0415 - half a second

    terminal = terminal_of(context)
    asyncio.run(migrate.upgrade(find_ledger_url(ledger_url, terminal)))
    terminal.record({"schema": "current"}, ("schema",))


def check(context: typer.Context, ledger_url: LedgerOption = None) -> None:
    """Tell whether the ledger is up to date; status 7 if it is not."""
    from broker.storage import migrate  # noqa: PLC0415 - half a second

    terminal = terminal_of(context)
    url = find_ledger_url(ledger_url, terminal)
    try:
        asyncio.run(migrate.check(url))
    except ConfigurationError as error:
        show(explain(error, terminal), terminal)
        terminal.record({"schema": "other"}, ("schema",))
        finish(ExitCode.ACTION_NEEDED)
    else:
        terminal.record({"schema": "current"}, ("schema",))
