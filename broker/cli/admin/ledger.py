"""Which ledger do administrators' commands write to?"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from broker.cli.explain import CommandError
from broker.cli.terminal import Terminal

if TYPE_CHECKING:
    from broker.settings import Settings
    from broker.storage.ledger import Ledger

T = TypeVar("T")


def on_ledger(url: str | None, terminal: Terminal, work: "Callable[[Ledger], Awaitable[T]]") -> T:
    """Open the ledger, do the work, close it.

    Raises:
        ConfigurationError: The settings name no usable ledger, or its schema is another's.
        LedgerUnavailableError: It does not answer.
    """
    return run_on(ledger_url(url, terminal), work)


def run_on(url: str, work: "Callable[[Ledger], Awaitable[T]]") -> T:
    """Do the work on the ledger of this URL, which may hold a password."""
    return asyncio.run(_run(url, work))


def ledger_url(url: str | None, terminal: Terminal) -> str:
    """Find the ledger's URL: from the command line, else from the settings."""
    if url is None:
        return read_settings(None, terminal).database_url
    if urlsplit(url).password is not None:
        raise CommandError(terminal.text("admin.password"))
    return url


def read_settings(url: str | None, terminal: Terminal, *, whole: bool = False) -> "Settings":
    """Read the gateway's settings.

    Args:
        url: Put in the place of the ledger's URL.
        terminal: Of this call.
        whole: Also what only a running gateway needs: RabbitMQ, the public address.
    """
    from broker.settings import Mode, load_settings  # noqa: PLC0415 - a third of a second

    overrides: dict[str, object] = {} if whole else {"mode": Mode.DEVELOPMENT}
    if url is not None:
        overrides |= {"ledger_url": ledger_url(url, terminal), "ledger_url_file": None}
    return load_settings(**overrides)


async def _run(url: str, work: "Callable[[Ledger], Awaitable[T]]") -> T:
    from broker.storage.ledger import open_ledger  # noqa: PLC0415 - half a second

    async with open_ledger(url) as ledger:
        return await work(ledger)
