"""`enlace keys new`: make private keys, into one encrypted file that only its owner reads."""

from pathlib import Path
from typing import Annotated

import typer

from broker.cli.options import ClientIdOption, NamedOwner, PassphraseOption, read_owner
from broker.cli.passphrases import read_passphrase
from broker.cli.public_keys import show_public_keys, write_public_keys
from broker.cli.terminal import terminal_of
from broker.cli.vocabulary import Purpose, Signing, Wrapping
from keys.identifiers import Exchange


def new(  # noqa: PLR0917 - a command has the options it has
    context: typer.Context,
    purposes: Annotated[list[Purpose], typer.Argument(metavar="PURPOSE")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE")],
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
    """Make keys and write them to a new key file of mode 0600."""
    from broker.cli.key_making import KeyPlan  # noqa: PLC0415 - half a second
    from keys.custody.bundle import KeyBundle, write_bundle  # noqa: PLC0415

    terminal = terminal_of(context)
    plan = KeyPlan(
        whose=Exchange.GATEWAY if whose is None else whose.whose,
        label=label,
        number=number,
        client_id=client_id,
        signing=algorithm,
        wrapping=wrapping,
    )
    made = plan.make(purposes)
    passphrase = read_passphrase(passphrase_file, terminal, confirm=True)
    write_bundle(output, KeyBundle.of(each.key for each in made), passphrase)
    if public is not None:
        write_public_keys(public, made)
    show_public_keys([each.public() for each in made], terminal)
    terminal.say("keys.written", file=output)
