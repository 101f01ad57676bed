"""What several commands ask for in the same words, and how its text is read."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from broker.model.names import AgencyRef, DeskRef
from keys.errors import KeyFormatError
from keys.identifiers import OWNERS, KeyId, Owner, parse_kid
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


@dataclass(frozen=True, slots=True)
class NamedRoot:
    """A country, or the exchange itself."""

    owner: Owner


def read_root_owner(text: str) -> NamedRoot:
    """Read ``MX``, or ``GW`` for the exchange itself.

    Raises:
        ValueError: It is neither a Member Country nor the exchange.
    """
    if text.upper() not in OWNERS:
        raise ValueError("expected a Member Country, or GW")
    return NamedRoot(OWNERS[text.upper()])


def read_moment(text: str) -> datetime:
    """Read ``2026-11-23T12:00:00Z``.

    Raises:
        ValueError: Not of that form, or without the zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("expected a time with its zone, 2026-11-23T12:00:00Z")
    return moment


def read_day(text: str) -> datetime:
    """Read ``2027-01-31``.

    Raises:
        ValueError: Not of that form.
    """
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)


def read_client_id(text: str) -> str:
    """Read ``mx-fiscalia``.

    Raises:
        ValueError: It is not of that form.
    """
    from broker.desk.profile import CLIENT_ID  # noqa: PLC0415 - a tenth of a second

    if CLIENT_ID.fullmatch(text) is None:
        raise ValueError("expected 1 to 64 of a-z, 0-9 and -")
    return text


def read_kid(text: str) -> KeyId:
    """Read ``GT-desk-1``.

    Raises:
        ValueError: It is not of that form.
    """
    try:
        return parse_kid(text)
    except KeyFormatError as error:
        raise ValueError("expected a key id") from error


ProfileOption = Annotated[Path, typer.Option("--profile", envvar="ENLACE_PROFILE", metavar="DIR")]
LedgerOption = Annotated[str | None, typer.Option("--ledger-url", metavar="URL")]
PassphraseOption = Annotated[
    Path | None,
    typer.Option("--passphrase-file", envvar="ENLACE_PASSPHRASE_FILE", metavar="FILE"),
]
ClientIdOption = Annotated[
    str | None, typer.Option("--client-id", parser=read_client_id, metavar="ID")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y")]
RootsOption = Annotated[Path | None, typer.Option("--roots", metavar="FILE")]
SubjectArgument = Annotated[
    Named, typer.Argument(parser=read_subject, metavar="MX/AGENCY|GT.COMPARTMENT")
]
