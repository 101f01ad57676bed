"""Who reads at this desk, and for what? From the command line, else from the profile."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from broker.desk.profile import Profile
    from broker.desk.reading import Reader


def read_role(text: str) -> str:
    """Read a role.

    Raises:
        ValueError: Not one line of 1 to 64 characters, or an address of a person.
    """
    from broker.admission.use import is_reader  # noqa: PLC0415 - a tenth of a second

    if not is_reader(text):
        raise ValueError("expected a role of 1 to 64 characters, and no address")
    return text


ReaderOption = Annotated[
    str | None, typer.Option("--reader", parser=read_role, envvar="ENLACE_READER", metavar="ROLE")
]
PurposeOption = Annotated[
    str | None, typer.Option("--purpose", envvar="ENLACE_PURPOSE", metavar="CODE")
]


def choose_reader(
    profile: "Profile", *, reader: str | None, purpose: str | None
) -> "Reader | None":
    """Say who reads; None if nobody has said so."""
    from broker.desk.reading import Reader  # noqa: PLC0415 - loads the client

    role = reader or profile.reader
    return None if role is None else Reader(role=role, purpose=purpose or profile.purpose)
