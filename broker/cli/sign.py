"""`enlace sign`: sign a message with an officer's key, on a machine that need not be online."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from broker.cli.documents import read_document
from broker.cli.officers import read_officer_key, read_signature
from broker.cli.options import PassphraseOption, read_kid
from broker.cli.terminal import terminal_of
from broker.model.message import Posting
from keys.identifiers import KeyId


def sign(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE")],
    key_file: Annotated[Path, typer.Argument(metavar="KEYFILE")],
    signature: Annotated[str | None, typer.Option("--signature", metavar="FILE.sig")] = None,
    kid: Annotated[KeyId | None, typer.Option("--kid", parser=read_kid, metavar="KID")] = None,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Print the signature of a message, or the author's with the second officer's."""
    from broker.desk.sign import (  # noqa: PLC0415 - loads the keys
        add_second,
        message_id,
        origin_of,
        sign_message,
    )

    terminal = terminal_of(context)
    body = read_document(file)
    agency = origin_of(body)
    author = None if signature is None else read_signature(signature, terminal)
    key = read_officer_key(key_file, passphrase_file, terminal, kid=kid)
    now = datetime.now(UTC)
    if author is None:
        posting = sign_message(body, key, agency=agency, now=now)
    else:
        posting = add_second(Posting(body=body, signature=author), key, agency=agency, now=now)
    if terminal.json:
        terminal.line({"id": message_id(body), "kid": key.kid, "signature": posting.signature})
    else:
        sys.stdout.write(posting.signature + "\n")
    terminal.say("sign.signed", id=message_id(body), kid=key.kid, agency=agency)
