"""`enlace keys show` and `keys pin`: look at keys, and choose whom to trust."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from broker.cli.options import PassphraseOption
from broker.cli.passphrases import read_passphrase
from broker.cli.public_keys import read_public_keys, show_public_keys
from broker.cli.terminal import terminal_of
from keys.strict_json import JsonObject

if TYPE_CHECKING:
    from broker.cli.key_making import PrivateKey
    from keys.identifiers import Owner


def show(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    passphrase_file: PassphraseOption = None,
) -> None:
    """Show the public halves of the keys in a key file."""
    from keys.custody.bundle import read_bundle  # noqa: PLC0415 - a quarter of a second

    terminal = terminal_of(context)
    bundle = read_bundle(file, read_passphrase(passphrase_file, terminal))
    keys: list[PrivateKey] = [*bundle.signing.values(), *bundle.decryption.values()]
    show_public_keys([_public(key) for key in keys], terminal)


def pin(
    context: typer.Context, files: Annotated[list[str], typer.Argument(metavar="FILE")]
) -> None:
    """Write `roots.json` from the public keys of roots and of receipts."""
    from broker.desk.pins import Pins  # noqa: PLC0415 - half a second
    from keys.identifiers import kid_owner  # noqa: PLC0415
    from keys.key import KeyUse, VerificationKey  # noqa: PLC0415

    terminal = terminal_of(context)
    roots: dict[Owner, tuple[VerificationKey, ...]] = {}
    receipt_keys = {}
    for each in read_public_keys(files):
        key = VerificationKey.from_jwk(_jwk(each))
        if each["use"] == KeyUse.ROOT_SIGNATURE:
            roots[kid_owner(key.kid)] = (*roots.get(kid_owner(key.kid), ()), key)
        elif each["use"] == KeyUse.RECEIPT_SIGNATURE:
            receipt_keys[key.kid] = key
        else:
            continue
        terminal.say("keys.pinned", kid=key.kid, fingerprint=key.fingerprint)
    sys.stdout.write(Pins(roots=roots, receipt_keys=receipt_keys).to_bytes().decode() + "\n")


def _public(key: "PrivateKey") -> JsonObject:
    public = key.public
    return {
        "kid": key.kid,
        "algorithm": key.algorithm.value,
        "fingerprint": public.fingerprint,
        "thumbprint": public.thumbprint,
        "jwk": public.jwk(),
    }


def _jwk(record: JsonObject) -> JsonObject:
    jwk = record["jwk"]
    return jwk if isinstance(jwk, dict) else {}
