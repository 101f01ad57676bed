"""What a command writes into the log is signed by the gateway's receipt key, as a gateway's is."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

from broker.cli.admin.ledger import read_settings
from broker.cli.terminal import Terminal

if TYPE_CHECKING:
    from broker.ports.receipts import SignReceipt
    from broker.storage.ledger import Ledger

Signer: TypeAlias = "Callable[[Ledger, datetime], Awaitable[SignReceipt]]"


def gateway_signer(ledger_url: str | None, terminal: Terminal) -> tuple[str, Signer]:
    """Read what the gateway signs with; say which ledger, and how to sign for it.

    Raises:
        ConfigurationError, CustodyError: The gateway's settings or keys cannot be used.
    """
    from broker.directory import Directory  # noqa: PLC0415
    from broker.gateway_keys import GatewayKeys  # noqa: PLC0415 - a second
    from broker.gateway_secrets import read_secrets  # noqa: PLC0415

    settings = read_settings(ledger_url, terminal, whole=True)
    secrets = read_secrets(settings)

    async def signer(ledger: "Ledger", now: datetime) -> "SignReceipt":
        record = await ledger.directory.load()
        directory, _ = Directory.verify(record, roots=secrets.pins.roots, now=now)
        keys = GatewayKeys(secrets, lambda: directory, issuer=settings.base_url, clock=lambda: now)
        keys.check()
        return keys.sign_receipt

    return settings.database_url, signer
