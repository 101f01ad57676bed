"""`enlace keys ceremony holder|sign`: what one holder does, at his own machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from broker.cli.confirm import confirm
from broker.cli.explain import RefusalError
from broker.cli.options import NamedRoot, PassphraseOption, YesOption, read_root_owner
from broker.cli.passphrases import read_passphrase
from broker.cli.public_files import replace_file, write_new
from broker.cli.public_keys import show_public_keys, write_public_keys
from broker.cli.terminal import Terminal, terminal_of
from broker.cli.vocabulary import Purpose, Signing

if TYPE_CHECKING:
    from broker.cli.ceremony.drafts import Draft
    from keys.key import SigningKey
    from keys.root import RootHolder


def holder(  # noqa: PLR0917 - a command has the options it has
    context: typer.Context,
    whose: Annotated[NamedRoot, typer.Option("--for", parser=read_root_owner, metavar="MX|GW")],
    name: Annotated[str, typer.Option("--name", metavar="NAME")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE")],
    public: Annotated[Path, typer.Option("--public", metavar="FILE")],
    number: Annotated[int, typer.Option("--number", min=1, metavar="N")] = 1,
    algorithm: Annotated[Signing, typer.Option("--algorithm")] = Signing.ED25519,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Make a root holder's key, and the public half for the draft."""
    from broker.cli.key_making import KeyPlan  # noqa: PLC0415 - a tenth of a second
    from keys.custody.bundle import KeyBundle, write_bundle  # noqa: PLC0415

    terminal = terminal_of(context)
    plan = KeyPlan(whose=whose.owner, label=name, number=number, signing=algorithm)
    made = plan.make([Purpose.ROOT])
    passphrase = read_passphrase(passphrase_file, terminal, confirm=True)
    write_bundle(output, KeyBundle.of(each.key for each in made), passphrase)
    write_public_keys(public, made)
    show_public_keys([each.public() for each in made], terminal)
    terminal.say("keys.written", file=output)
    terminal.say("ceremony.next_draft", public=public, owner=whose.owner.value)


def sign(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="DRAFT")],
    key: Annotated[Path, typer.Option("--key", metavar="FILE")],
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE")] = None,
    yes: YesOption = False,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Add one holder's signature to every document of a draft."""
    from broker.cli.ceremony.drafts import Draft, read_draft  # noqa: PLC0415 - a tenth of a second
    from broker.cli.ceremony.telling import say_lacking, show_draft  # noqa: PLC0415

    terminal = terminal_of(context)
    draft = read_draft(str(file))
    signing = _signing_key(draft, key, passphrase_file, terminal)
    show_draft(draft, terminal)
    confirm(terminal, yes=yes)
    signed = Draft(
        base=draft.base, documents=tuple(each.signed_by(signing) for each in draft.documents)
    )
    if output is None:
        replace_file(file, signed.lines())
    else:
        write_new(output, signed.lines())
    written = output or file
    terminal.say("ceremony.signed", kid=signing.kid, file=written)
    if not say_lacking(signed, terminal):
        terminal.say("ceremony.next_finish", file=written)
    terminal.tell_program({"signed": signing.kid, "file": str(written)})


def _signing_key(
    draft: "Draft", file: Path, passphrase_file: Path | None, terminal: Terminal
) -> "SigningKey":
    from broker.cli.ceremony.drafts import holder_of  # noqa: PLC0415 - loaded already
    from keys.custody.bundle import read_bundle  # noqa: PLC0415

    bundle = read_bundle(file, read_passphrase(passphrase_file, terminal))
    found: tuple[RootHolder, SigningKey] | None = holder_of(draft, [*bundle.signing.values()])
    if found is None:
        raise RefusalError(terminal.text("ceremony.stranger", file=file))
    return found[1]
