"""Who holds a key: an agency, a desk, a client, or a service of the exchange."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from keys.errors import StatementError
from keys.identifiers import Exchange, Owner
from keys.strict_json import JsonObject, JsonValue
from schemas.vocabulary import Compartment, Country

NAME_PATTERN: Final = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)
COMPARTMENTS: Final = frozenset(compartment.value for compartment in Compartment)


class HolderKind(StrEnum):
    """What sort of holder; the member name in a statement."""

    AGENCY = "agency"
    DESK = "desk"
    CLIENT = "client"
    SERVICE = "service"
    """A part of the exchange itself: receipts, tokens."""
    ADMINISTRATOR = "administrator"
    """A person who decides on keys and pairs, for a country or for the exchange."""


KINDS: Final = {kind.value: kind for kind in HolderKind}


@dataclass(frozen=True, slots=True)
class Holder:
    """One holder of keys, and who answers for it; made by the named constructors."""

    owner: Owner
    kind: HolderKind
    name: str

    def __post_init__(self) -> None:
        if NAME_PATTERN.fullmatch(self.name) is None or self.kind not in _kinds_of(self.owner):
            raise StatementError("not a holder of keys")
        if self.kind is HolderKind.DESK and self.name not in COMPARTMENTS:
            raise StatementError("not a holder of keys")

    @classmethod
    def agency(cls, country: Country, agency: str) -> "Holder":
        """Name an agency, which signs messages."""
        return cls(country, HolderKind.AGENCY, agency)

    @classmethod
    def desk(cls, country: Country, compartment: Compartment) -> "Holder":
        """Name a country's desk for one compartment, which opens and acknowledges."""
        return cls(country, HolderKind.DESK, compartment.value)

    @classmethod
    def client(cls, country: Country, client: str) -> "Holder":
        """Name an OAuth client, which authenticates itself."""
        return cls(country, HolderKind.CLIENT, client)

    @classmethod
    def service(cls, name: str) -> "Holder":
        """Name a service of the exchange."""
        return cls(Exchange.GATEWAY, HolderKind.SERVICE, name)

    @classmethod
    def administrator(cls, owner: Owner, name: str) -> "Holder":
        """Name a person who decides on keys and pairs."""
        return cls(owner, HolderKind.ADMINISTRATOR, name)

    def __str__(self) -> str:
        return f"{self.owner}/{self.kind}/{self.name}"

    @classmethod
    def from_json(cls, owner: Owner, value: JsonValue) -> "Holder":
        """Read ``{"desk": "judicial"}`` and its like.

        Raises:
            StatementError: Not one member, an unknown kind, or an impossible name.
        """
        if not isinstance(value, dict) or len(value) != 1:
            raise StatementError("not a holder of keys")
        (kind_text, name) = next(iter(value.items()))
        kind = KINDS.get(kind_text)
        if kind is None or not isinstance(name, str):
            raise StatementError("not a holder of keys")
        return cls(owner, kind, name)

    def to_json(self) -> JsonObject:
        """Write what :meth:`from_json` reads."""
        return {self.kind.value: self.name}


def _kinds_of(owner: Owner) -> frozenset[HolderKind]:
    if isinstance(owner, Exchange):
        return frozenset({HolderKind.SERVICE, HolderKind.ADMINISTRATOR})
    return frozenset(HolderKind) - {HolderKind.SERVICE}
