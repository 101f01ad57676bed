"""What several commands ask for in the same words, and how its text is read."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from broker.model import AgencyRef, DeskRef
from schemas.vocabulary import Country

MAX_AGENCY_CHARS: Final = 32


def read_agency(text: str) -> AgencyRef:
    """Read ``MX/fiscalia``.

    Raises:
        ValueError: It is not of that form.
    """
    from broker.evidence.receipts import parse_agency  # noqa: PLC0415 - a tenth of a second

    agency = parse_agency(text)
    name = agency.agency
    if len(name) > MAX_AGENCY_CHARS or set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789-"):
        raise ValueError("not an agency")
    return agency


def read_desk(text: str) -> DeskRef:
    """Read ``GT.intelligence``.

    Raises:
        ValueError: It is not of that form.
    """
    from broker.evidence.receipts import parse_desk  # noqa: PLC0415 - a tenth of a second

    return parse_desk(text)


@dataclass(frozen=True, slots=True)
class Named:
    """An agency or a desk; typer takes one type where we mean one of two."""

    subject: AgencyRef | DeskRef


@dataclass(frozen=True, slots=True)
class NamedOwner:
    """A country, an agency or a desk."""

    whose: Country | AgencyRef | DeskRef


def read_subject(text: str) -> Named:
    """Read an agency, ``MX/fiscalia``, or a desk, ``GT.intelligence``.

    Raises:
        ValueError: It is neither.
    """
    return Named(read_agency(text) if "/" in text else read_desk(text))


def read_owner(text: str) -> NamedOwner:
    """Read a country, an agency or a desk.

    Raises:
        ValueError: It is none of them.
    """
    return NamedOwner(read_subject(text).subject if set("/.") & set(text) else Country(text))


def read_client_id(text: str) -> str:
    """Read ``mx-fiscalia``.

    Raises:
        ValueError: It is not of that form.
    """
    from broker.desk.profile import CLIENT_ID  # noqa: PLC0415 - a tenth of a second

    if CLIENT_ID.fullmatch(text) is None:
        raise ValueError("expected 1 to 64 of a-z, 0-9 and -")
    return text


ProfileOption = Annotated[Path, typer.Option("--profile", envvar="ENLACE_PROFILE", metavar="DIR")]
LedgerOption = Annotated[str | None, typer.Option("--ledger-url", metavar="URL")]
PassphraseOption = Annotated[
    Path | None,
    typer.Option("--passphrase-file", envvar="ENLACE_PASSPHRASE_FILE", metavar="FILE"),
]
ClientIdOption = Annotated[
    str | None, typer.Option("--client-id", parser=read_client_id, metavar="ID")
]
SubjectArgument = Annotated[
    Named, typer.Argument(parser=read_subject, metavar="MX/AGENCY|GT.COMPARTMENT")
]
