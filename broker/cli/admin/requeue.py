"""`enlace admin requeue`: send again what a desk did not get."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from broker.cli.admin.ledger import read_settings, run_on
from broker.cli.options import LedgerOption, read_desk
from broker.cli.terminal import terminal_of
from broker.model import Pair
from schemas.vocabulary import Country

if TYPE_CHECKING:
    from broker.storage.ledger import Ledger


def read_pair(text: str) -> Pair:
    """Read ``MX.GT.intelligence``.

    Raises:
        ValueError: It is not of that form.
    """
    origin, _, desk = text.partition(".")
    return Pair(origin=Country(origin), desk=read_desk(desk))


def requeue(
    context: typer.Context,
    queue: Annotated[Pair, typer.Argument(parser=read_pair, metavar="QUEUE")],
    dead_letters: Annotated[bool, typer.Option("--dead-letters")] = False,
    ledger_url: LedgerOption = None,
) -> None:
    """Send again the dead letters of a queue, or everything of a queue that was lost.

    The log gets a signed event for each, so this needs the gateway's receipt key.
    """
    from broker.directory import Directory  # noqa: PLC0415
    from broker.gateway_keys import GatewayKeys  # noqa: PLC0415 - a second
    from broker.gateway_secrets import read_secrets  # noqa: PLC0415

    terminal = terminal_of(context)
    settings = read_settings(ledger_url, terminal, whole=True)
    secrets = read_secrets(settings)

    async def work(ledger: "Ledger") -> int:
        now = datetime.now(UTC)
        record = await ledger.directory.load()
        directory, _ = Directory.verify(record, roots=secrets.pins.roots, now=now)
        keys = GatewayKeys(secrets, lambda: directory, issuer=settings.base_url, clock=lambda: now)
        keys.check()
        return await ledger.deliveries.requeue(
            queue.queue, dead_letters_only=dead_letters, now=now, sign=keys.sign_receipt
        )

    number = run_on(settings.database_url, work)
    terminal.record({"queue": queue.queue, "requeued": number}, ("queue", "requeued"))
