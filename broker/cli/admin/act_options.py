"""What every command that signs an act asks for."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from keys.identifiers import KeyId, parse_kid

if TYPE_CHECKING:
    from broker.cli.admin.acting import Access


def read_kid(text: str) -> KeyId:
    """Read ``MX-fiscalia-sign-1``.

    Raises:
        ValueError: It is not of that form.
    """
    from keys.errors import KeyFormatError  # noqa: PLC0415 - loaded already

    try:
        return parse_kid(text)
    except KeyFormatError:
        raise ValueError("not a key id") from None


def access_of(
    key_file: Path,
    passphrase_file: Path | None,
    roots: Path | None,
    ledger_url: str | None,
    *,
    yes: bool = False,
) -> "Access":
    """Put the options together."""
    from broker.cli.admin.acting import Access  # noqa: PLC0415 - half a second

    return Access(
        key_file=key_file,
        passphrase_file=passphrase_file,
        roots=roots,
        ledger_url=ledger_url,
        yes=yes,
    )


AsOption = Annotated[Path, typer.Option("--as", metavar="FILE")]
KidsArgument = Annotated[list[KeyId], typer.Argument(parser=read_kid, metavar="KID")]
