"""What everyone on the way may read of a sealed message, and nobody may change: its route.

It is the additional authenticated data of the JWE, in one spelling only: compact JSON,
members sorted, ASCII. The members are those of the message itself, so that the desk can
compare them with what it opens.
"""

import re
from dataclasses import dataclass
from typing import Final

from broker.model.message import Envelope
from keys import strict_json
from keys.charter import NAME, ChannelName
from keys.errors import KeyFormatError
from keys.strict_json import JsonObject, JsonValue
from schemas.vocabulary import Compartment, Country, Kind, Urgency

MAX_ROUTE_BYTES: Final = 2048
"""Eleven countries and the longest of everything take 700."""
TEXT_PATTERN: Final = re.compile(r"[A-Za-z0-9.:+_-]{1,64}", re.ASCII)
"""Identifiers, versions and RFC 3339 times; no space, quote or control character."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealRoute:
    """From whom, to whom, what kind, how urgent, until when; never what it says."""

    message_id: str
    origin: Country
    agency: str
    countries: tuple[Country, ...] = ()
    compartment: Compartment | None = None
    channel: ChannelName | None = None
    """A channel; then the two before are empty."""
    own_copy: bool = False
    """Of a channel: whether the sender's own country asked for a copy."""
    kind: Kind
    version: str
    created: str
    """As the sender wrote it."""
    urgency: Urgency
    expires: str
    """As the sender wrote it."""

    def __post_init__(self) -> None:
        texts = (self.message_id, self.agency, self.version, self.created, self.expires)
        if not all(TEXT_PATTERN.fullmatch(text) for text in texts):
            raise KeyFormatError("the route is malformed")
        if self.channel is None:
            _check_countries(self.countries, self.compartment)
        elif self.countries or self.compartment or not NAME.fullmatch(self.channel):
            raise KeyFormatError("the route is malformed")
        if self.own_copy and self.channel is None:
            raise KeyFormatError("the route is malformed")

    def to_bytes(self) -> bytes:
        """Write the only spelling of this route."""
        to: JsonObject = (
            {"countries": [str(country) for country in self.countries]}
            if self.channel is None
            else {"channel": self.channel}
        )
        if self.compartment is not None:
            to["compartment"] = self.compartment.value
        if self.own_copy:
            to["own_copy"] = True
        return strict_json.write(
            {
                "id": self.message_id,
                "from": {"country": self.origin.value, "agency": self.agency},
                "to": to,
                "kind": self.kind.value,
                "version": self.version,
                "created": self.created,
                "urgency": self.urgency.value,
                "expires": self.expires,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "SealRoute":
        """Read a route in its only spelling.

        Raises:
            KeyFormatError: Another spelling, an unknown member or an unknown value.
        """
        if len(data) > MAX_ROUTE_BYTES:
            raise KeyFormatError("the route is too long")
        members = strict_json.parse_object(data)
        try:
            route = _read(members)
        except (KeyError, ValueError, TypeError):
            raise KeyFormatError("the route is malformed") from None
        # Also catches members that were not looked at: they would not be written again.
        if route.to_bytes() != data:
            raise KeyFormatError("the route has more than one spelling")
        return route


def route_of(message: Envelope) -> SealRoute:
    """Take from a message what everyone on the way may read of it."""
    return SealRoute(
        message_id=message.id,
        origin=message.sender.country,
        agency=message.sender.agency,
        countries=message.to.countries,
        compartment=message.to.compartment,
        channel=message.to.channel,
        own_copy=message.to.own_copy,
        kind=message.kind,
        version=message.version,
        created=message.created_text,
        urgency=message.urgency,
        expires=message.expires_text,
    )


def _read(members: JsonObject) -> SealRoute:
    sender, to = _object(members["from"]), _object(members["to"])
    countries = to.get("countries", [])
    if not isinstance(countries, list):
        raise TypeError
    return SealRoute(
        message_id=_text(members["id"]),
        origin=Country(_text(sender["country"])),
        agency=_text(sender["agency"]),
        countries=tuple(Country(_text(country)) for country in countries),
        compartment=Compartment(_text(to["compartment"])) if "compartment" in to else None,
        channel=ChannelName(_text(to["channel"])) if "channel" in to else None,
        own_copy=to.get("own_copy") is True,
        kind=Kind(_text(members["kind"])),
        version=_text(members["version"]),
        created=_text(members["created"]),
        urgency=Urgency(_text(members["urgency"])),
        expires=_text(members["expires"]),
    )


def _check_countries(countries: tuple[Country, ...], compartment: Compartment | None) -> None:
    if not countries or compartment is None or len(set(countries)) != len(countries):
        raise KeyFormatError("the route is malformed")


def _object(value: JsonValue) -> JsonObject:
    if not isinstance(value, dict):
        raise TypeError
    return value


def _text(value: JsonValue) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
