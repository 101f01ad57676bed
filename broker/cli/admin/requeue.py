"""`enlace admin requeue`: send again what a desk did not get."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from broker.cli.admin.ledger import read_settings, run_on
from broker.cli.options import LedgerOption, read_desk
from broker.cli.terminal import terminal_of
from broker.model.names import QueueName, channel_queue, pair_queue
from keys.charter import NAME as CHANNEL_NAME
from keys.charter import ChannelName
from schemas.vocabulary import Country

if TYPE_CHECKING:
    from broker.storage.ledger import Ledger


@dataclass(frozen=True, slots=True)
class NamedQueue:
    """A queue that a pair may have, or a member of a channel."""

    name: QueueName


def read_queue(text: str) -> NamedQueue:
    """Read ``MX.GT.intelligence``, or ``hlsg-mx-gt.GT`` of a channel.

    Raises:
        ValueError: It is of neither form.
    """
    first, _, rest = text.partition(".")
    if CHANNEL_NAME.fullmatch(first):
        return NamedQueue(channel_queue(ChannelName(first), Country(rest)))
    return NamedQueue(pair_queue(Country(first), read_desk(rest)))


def requeue(
    context: typer.Context,
    queue: Annotated[NamedQueue, typer.Argument(parser=read_queue, metavar="QUEUE")],
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
            queue.name, dead_letters_only=dead_letters, now=now, sign=keys.sign_receipt
        )

    number = run_on(settings.database_url, work)
    terminal.record({"queue": queue.name, "requeued": number}, ("queue", "requeued"))
