"""`enlace keys certify`: a country's root says whose a key is.

What is signed here decides who can read. So the fingerprints are shown first, to be compared
with what the holder reads out, and a person says yes.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from broker.cli.admin.statements import statement_row
from broker.cli.explain import CommandError
from broker.cli.options import PassphraseOption
from broker.cli.passphrases import read_passphrase
from broker.cli.public_keys import read_public_keys
from broker.cli.terminal import Terminal, terminal_of

if TYPE_CHECKING:
    from keys.key import SigningKey
    from keys.statement import StatementTerms
    from keys.strict_json import JsonObject

EARLIER: Final = timedelta(minutes=5)
"""A key counts a little before it was stated: clocks differ."""


def certify(  # noqa: PLR0917 - a command has the options it has
    context: typer.Context,
    files: Annotated[list[str], typer.Argument(metavar="FILE")],
    root: Annotated[Path, typer.Option("--root", metavar="FILE")],
    days: Annotated[int, typer.Option("--days", min=1, max=3660, metavar="N")] = 365,
    serial: Annotated[int | None, typer.Option("--serial", min=1, metavar="N")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y")] = False,
    passphrase_file: PassphraseOption = None,
) -> None:
    """Sign a key statement for each public key."""
    from keys.statement import issue, verify  # noqa: PLC0415 - a quarter of a second

    terminal = terminal_of(context)
    now = datetime.now(UTC)
    # Seconds since 1970 rise by themselves; whoever keeps a register gives a number.
    first = serial if serial is not None else int(now.timestamp())
    terms = [
        _terms(record, now=now, days=days, serial=first + place)
        for place, record in enumerate(read_public_keys(files))
    ]
    _confirm(terms, terminal, yes=yes)
    signing = _root_key(root, passphrase_file, terminal)
    for each in terms:
        token = issue(each, root=signing)
        if terminal.json:
            stated = verify(token, roots={each.owner: (signing.public,)})
            terminal.line({**statement_row(stated), "statement": token})
        else:
            sys.stdout.write(token + "\n")


def _terms(record: "JsonObject", *, now: datetime, days: int, serial: int) -> "StatementTerms":
    from keys.errors import StatementError  # noqa: PLC0415 - loaded already
    from keys.holder import Holder  # noqa: PLC0415
    from keys.identifiers import kid_owner, parse_kid  # noqa: PLC0415
    from keys.key import EncryptionKey, KeyUse, VerificationKey  # noqa: PLC0415
    from keys.statement import USES, StatementTerms  # noqa: PLC0415

    use, jwk = USES.get(str(record["use"])), record["jwk"]
    if use is None or not isinstance(jwk, dict):
        raise StatementError("no key statement can be made of this key")
    kind = EncryptionKey if use is KeyUse.DESK_ENCRYPTION else VerificationKey
    key = kind.from_jwk(jwk)
    return StatementTerms(
        holder=Holder.from_json(kid_owner(parse_kid(key.kid)), record["holder"]),
        use=use,
        key=key,
        not_before=now - EARLIER,
        not_after=now + timedelta(days=days),
        serial=serial,
        issued=now,
    )


def _confirm(terms: "Sequence[StatementTerms]", terminal: Terminal, *, yes: bool) -> None:
    for each in terms:
        terminal.say(
            "certify.key",
            holder=f"{each.owner.value} {each.holder.kind.value} {each.holder.name}",
            use=each.use.value,
            kid=each.kid,
            fingerprint=each.key.fingerprint,
        )
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError(terminal.text("certify.unconfirmed"))
    sys.stderr.write(terminal.text("certify.ask") + " ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().casefold() not in terminal.text("certify.yes").split():
        raise typer.Abort


def _root_key(file: Path, passphrase_file: Path | None, terminal: Terminal) -> "SigningKey":
    from keys.custody.bundle import read_bundle  # noqa: PLC0415 - loaded already

    bundle = read_bundle(file, read_passphrase(passphrase_file, terminal))
    if len(bundle.signing) != 1:
        raise CommandError(terminal.text("certify.one_root", file=file))
    return next(iter(bundle.signing.values()))
