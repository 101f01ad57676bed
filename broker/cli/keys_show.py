"""`enlace keys show` and `keys pin`: look at keys, and choose whom to trust."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from broker.cli.explain import CommandError
from broker.cli.options import PassphraseOption
from broker.cli.passphrases import read_passphrase
from broker.cli.public_keys import show_public_keys
from broker.cli.terminal import terminal_of
from keys.strict_json import JsonObject

if TYPE_CHECKING:
    from keys.custody.bundle import PrivateKey
    from keys.identifiers import Owner
    from keys.root import Root


def show(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE|pkcs11:URI")],
    passphrase_file: PassphraseOption = None,
) -> None:
    """Show the public halves of the keys in a key file."""
    from keys.custody.provider import open_provider  # noqa: PLC0415 - a tenth of a second

    terminal = terminal_of(context)
    bundle = open_provider(file, read_passphrase(passphrase_file, terminal)).read()
    show_public_keys([_public(key) for key in bundle.keys], terminal)


def pin(
    context: typer.Context, files: Annotated[list[Path], typer.Argument(metavar="ROOT")]
) -> None:
    """Write `roots.json` from roots that came by a safe way."""
    from broker.cli.ceremony.files import read_root  # noqa: PLC0415 - a tenth of a second
    from broker.cli.ceremony.telling import show_root  # noqa: PLC0415
    from broker.desk.pins import Pins  # noqa: PLC0415

    terminal = terminal_of(context)
    roots: dict[Owner, Root] = {}
    for file in files:
        root = read_root(file, terminal)
        if root.owner in roots:
            raise CommandError(terminal.text("keys.pinned_twice", owner=root.owner.value))
        show_root(root, terminal)
        roots[root.owner] = root
    sys.stdout.write(Pins(roots=roots).to_bytes().decode() + "\n")


def _public(key: "PrivateKey") -> JsonObject:
    public = key.public
    return {
        "kid": key.kid,
        "algorithm": key.algorithm.value,
        "fingerprint": public.fingerprint,
        "thumbprint": public.thumbprint,
        "jwk": public.jwk(),
    }
