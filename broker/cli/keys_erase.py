"""`enlace keys erase`: a desk's old private key goes for good, once nothing needs it any more."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from broker.cli.confirm import confirm
from broker.cli.explain import CommandError
from broker.cli.options import PassphraseOption, ProfileOption, YesOption, read_kid
from broker.cli.passphrases import read_passphrase
from broker.cli.session import open_client
from broker.cli.terminal import Terminal, terminal_of
from broker.model.names import DeliveryNumber
from keys.act_kind import ActKind
from keys.identifiers import KeyId

if TYPE_CHECKING:
    from broker.desk.client import EnlaceClient


def erase(
    context: typer.Context,
    kid: Annotated[KeyId, typer.Argument(parser=read_kid, metavar="KID")],
    profile: ProfileOption = Path(),
    yes: YesOption = False,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Erase a private key that two administrators let go, and for which nothing waits."""
    from keys.custody.provider import open_provider  # noqa: PLC0415 - a tenth of a second

    terminal = terminal_of(context)
    client = open_client(profile, terminal)
    asyncio.run(_require_let_go(client, kid, terminal))
    terminal.say("erase.key", kid=kid, file=client.profile.key_file)
    confirm(terminal, yes=yes)
    file = passphrase_file or client.profile.passphrase_file
    open_provider(client.profile.key_file, read_passphrase(file, terminal)).erase(kid)
    terminal.record({"kid": kid, "state": "erased"}, ("kid", "state"))


async def _require_let_go(client: "EnlaceClient", kid: KeyId, terminal: Terminal) -> None:
    """Ask the exchange, not the person: what is erased too early loses messages."""
    async with client:
        directory, now = await client.directory(), client.timing.clock()
        events = directory.decisions.events_of(kid)
        if not any(one.kind is ActKind.DESTROY and one.at <= now for one in events):
            raise CommandError(terminal.text("erase.undecided", kid=kid))
        page = await client.waiting_wraps(kid, after=DeliveryNumber(0), limit=1)
        if page.total or page.entries:
            raise CommandError(terminal.text("erase.waiting", kid=kid, count=page.total))
