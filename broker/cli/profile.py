"""`enlace profile`: all that a system of an agency or a desk needs, in one folder."""

import shutil
from pathlib import Path
from typing import Annotated, Final

import typer

from broker.cli.options import ClientIdOption, PassphraseOption, ProfileOption, SubjectArgument
from broker.cli.passphrases import read_passphrase
from broker.cli.public_keys import show_public_keys, write_public_keys
from broker.cli.terminal import terminal_of
from broker.cli.vocabulary import Purpose
from broker.model.names import AgencyRef
from schemas.vocabulary import Language

PUBLIC_FILE: Final = "public.jsonl"


def new(  # noqa: PLR0917 - a command has the options it has
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR")],
    named: SubjectArgument,
    gateway: Annotated[str, typer.Option("--gateway", metavar="URL")],
    roots: Annotated[Path | None, typer.Option("--roots", metavar="FILE")] = None,
    ca_file: Annotated[Path | None, typer.Option("--ca-file", metavar="FILE")] = None,
    issuer: Annotated[str | None, typer.Option("--issuer", metavar="URL")] = None,
    client_id: ClientIdOption = None,
    label: Annotated[str | None, typer.Option("--label", metavar="NAME")] = None,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Make keys and write the profile that uses them."""
    from broker.cli.key_making import KeyPlan  # noqa: PLC0415 - a tenth of a second
    from broker.desk.profile import Profile  # noqa: PLC0415
    from keys.custody.bundle import KeyBundle, write_bundle  # noqa: PLC0415

    terminal, subject = terminal_of(context), named.subject
    plan = KeyPlan(whose=subject, label=label, client_id=client_id)
    own = Purpose.AGENCY if isinstance(subject, AgencyRef) else Purpose.DESK
    client, signature, *_ = made = plan.make([Purpose.CLIENT, own])
    profile = Profile(
        gateway=gateway.rstrip("/"),
        issuer=issuer or gateway.rstrip("/"),
        client_id=plan.client,
        subject=subject,
        authentication_key=client.key.kid,
        signature_key=signature.key.kid,
        language=Language(terminal.language),
        key_file=folder / "client.key",
        roots_file=folder / "roots.json",
        ca_file=None if ca_file is None else folder / "ca.pem",
        passphrase_file=None if passphrase_file is None else passphrase_file.absolute(),
    )
    passphrase = read_passphrase(passphrase_file, terminal, confirm=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_bundle(profile.key_file, KeyBundle.of(each.key for each in made), passphrase)
    write_public_keys(folder / PUBLIC_FILE, made)
    for source, name in ((roots, "roots.json"), (ca_file, "ca.pem")):
        if source is not None:
            shutil.copyfile(source, folder / name)
    # Last: a crash before this line leaves a folder that nothing takes for a profile.
    profile.write(folder)
    show_public_keys([each.public() for each in made], terminal)
    terminal.say("profile.next", folder=folder, public=folder / PUBLIC_FILE)


def show(context: typer.Context, profile: ProfileOption = Path()) -> None:
    """Show a profile: which gateway, as whom, with which keys."""
    from broker.desk.profile import Profile  # noqa: PLC0415 - a tenth of a second

    loaded = Profile.load(profile)
    record = {
        "gateway": loaded.gateway,
        "client_id": loaded.client_id,
        "subject": str(loaded.subject),
        "authentication_key": loaded.authentication_key,
        "signature_key": loaded.signature_key,
        "key_file": str(loaded.key_file),
        "roots_file": str(loaded.roots_file),
    }
    terminal_of(context).record({**record}, tuple(record))
