"""`enlace keys new`: make private keys, in an encrypted file or in a token."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from broker.cli.explain import CommandError
from broker.cli.options import ClientIdOption, NamedOwner, PassphraseOption, read_owner
from broker.cli.passphrases import read_passphrase
from broker.cli.public_keys import show_public_keys, write_public_keys
from broker.cli.terminal import terminal_of
from broker.cli.vocabulary import Purpose, Signing, Wrapping
from keys.identifiers import Exchange
from keys.secret import Passphrase

if TYPE_CHECKING:
    from broker.cli.key_making import MadeKey


def new(  # noqa: PLR0917 - a command has the options it has
    context: typer.Context,
    purposes: Annotated[list[Purpose], typer.Argument(metavar="PURPOSE")],
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE")] = None,
    into: Annotated[str | None, typer.Option("--into", metavar="FILE|pkcs11:URI")] = None,
    whose: Annotated[
        NamedOwner | None,
        typer.Option("--for", parser=read_owner, metavar="MX|MX/AGENCY|MX.COMPARTMENT"),
    ] = None,
    public: Annotated[Path | None, typer.Option("--public", metavar="FILE")] = None,
    label: Annotated[str | None, typer.Option("--label", metavar="NAME")] = None,
    number: Annotated[int, typer.Option("--number", min=1, metavar="N")] = 1,
    client_id: ClientIdOption = None,
    algorithm: Annotated[Signing, typer.Option("--algorithm")] = Signing.ED25519,
    wrapping: Annotated[Wrapping, typer.Option("--wrapping")] = Wrapping.HPKE_9_KE,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Make keys: into a new key file, or to those of an existing file or token."""
    from broker.cli.key_making import KeyPlan  # noqa: PLC0415 - a tenth of a second
    from keys.custody.provider import open_provider  # noqa: PLC0415

    terminal = terminal_of(context)
    if (output is None) == (into is None):
        raise CommandError(terminal.text("keys.one_place"))
    if public is not None and public.exists():
        # Before any key is made: a key whose public half was lost is of no use.
        raise CommandError(terminal.text("keys.public_exists", file=public))
    plan = KeyPlan(
        whose=Exchange.GATEWAY if whose is None else whose.whose,
        label=label,
        number=number,
        client_id=client_id,
        signing=algorithm,
        wrapping=wrapping,
    )
    if into is not None:
        provider = open_provider(into, read_passphrase(passphrase_file, terminal))
        made = plan.make(purposes, provider.generate)
    else:
        made = plan.make(purposes)
        _write(output, made, read_passphrase(passphrase_file, terminal, confirm=True))
    if public is not None:
        write_public_keys(public, made)
    show_public_keys([each.public() for each in made], terminal)
    terminal.say("keys.added" if into is not None else "keys.written", file=into or output)


def _write(file: Path | None, made: "Sequence[MadeKey]", passphrase: Passphrase) -> None:
    from keys.custody.file_provider import FileProvider  # noqa: PLC0415 - loaded already

    if file is not None:
        FileProvider.create(file, passphrase, [each.key for each in made])
