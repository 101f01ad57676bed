"""`enlace keys passphrase`: the same private keys, under another passphrase or PIN."""

from pathlib import Path
from typing import Annotated

import typer

from broker.cli.options import PassphraseOption
from broker.cli.passphrases import read_passphrase
from broker.cli.terminal import terminal_of


def passphrase(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE|pkcs11:URI")],
    passphrase_file: PassphraseOption = None,
    new_passphrase_file: Annotated[
        Path | None, typer.Option("--new-passphrase-file", metavar="FILE")
    ] = None,
) -> None:
    """Change the passphrase of a key file, or the PIN of a token."""
    from keys.custody.provider import open_provider  # noqa: PLC0415 - a tenth of a second

    terminal = terminal_of(context)
    provider = open_provider(file, read_passphrase(passphrase_file, terminal))
    # Before anybody thinks of a new one: does the old one open it?
    provider.read()
    new = read_passphrase(new_passphrase_file, terminal, confirm=True, ask="passphrase.ask_new")
    provider.change_passphrase(new)
    terminal.say("keys.passphrase_changed", file=file)
