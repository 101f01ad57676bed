"""Where administrators' decisions lie."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from broker.directory import AgencyRecord, ClientRecord, DirectoryRecord
from broker.model.names import DeskRef
from schemas.vocabulary import Country


class DirectoryStore(Protocol):
    """Where administrators' decisions are kept. Every change is one transaction and one version."""

    async def version(self) -> int:
        """Tell the current version; cheap, so that every process can ask each second."""

    async def load(self) -> DirectoryRecord:
        """Read everything, as of one moment."""

    async def add_country(self, country: Country) -> None:
        """Add a country; repeating it changes nothing."""

    async def put_agency(self, record: AgencyRecord) -> None:
        """Add or change an agency."""

    async def put_client(self, record: ClientRecord) -> None:
        """Add or change a client."""

    async def add_desk(self, desk: DeskRef) -> None:
        """Add a desk; repeating it changes nothing."""

    async def add_statements(self, tokens: Sequence[str], *, at: datetime) -> None:
        """Add signed documents (roots, key statements, acts): all of them or none.

        They stand in the order given, behind all that came before. One that is there already
        stays where it is; if all are, nothing changes. ``at`` is kept as when they came.
        """

    async def versions(self) -> Mapping[str, int]:
        """Tell with which version each document came, where that was noted."""

    async def now(self) -> datetime:
        """Tell the time by the clock of the machine that keeps this, to a second; aware."""
