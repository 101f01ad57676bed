"""What the second act sends: published examples, from these agencies to these desks, of today."""

import os
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any, Final

from broker.demo.cast import Scene, body_for, dated
from broker.errors import ConfigurationError
from broker.model.names import AgencyRef, DeskRef, MessageId
from keys.charter import ChannelName, Charter
from schemas.examples import accepted
from schemas.vocabulary import Compartment, Country, Kind

VERSION_7: Final = 0x7
VARIANT: Final = 0b10
OF_ANOTHER: Final = ("reply_by", "in_reply_to", "lineage", "attachments")
"""Members of an example that name what was never sent here."""
INTELLIGENCE: Final = Compartment.INTELLIGENCE


def new_id() -> MessageId:
    """Make a UUIDv7 of now (RFC 9562 section 5.7: milliseconds, then what was drawn)."""
    bits = int(datetime.now(UTC).timestamp() * 1000) << 80 | int.from_bytes(os.urandom(10))
    bits = bits & ~(0xF << 76) | VERSION_7 << 76
    bits = bits & ~(0x3 << 62) | VARIANT << 62
    text = f"{bits:032x}"
    return MessageId("-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:])))


def letter(kind: Kind, name: str, sender: AgencyRef, **members: object) -> dict[str, Any]:
    """Take a published example of a kind, and send it as this agency, today.

    Args:
        kind: Of the message.
        name: Of the example's file, without its ending.
        sender: Who writes it here.
        members: Those that replace the example's own; ``to`` is one of them.

    Raises:
        ConfigurationError: There is no such example.
    """
    file = f"{name}.json"
    example = next((each for each in accepted(kind.value) if each.name in (name, file)), None)
    if example is None:
        raise ConfigurationError(f"schemas/{kind}/examples/accept/{file} is missing")
    document = dated(deepcopy(example.message), datetime.now(UTC))
    for other in OF_ANOTHER:
        document.pop(other, None)
    origin = {"country": sender.country.value, "agency": sender.agency}
    return {**document, "id": new_id(), "from": origin, **members}


def to_channel(channel: ChannelName) -> Mapping[str, Any]:
    """Address a channel."""
    return {"channel": channel}


def to_country(country: Country, compartment: Compartment = INTELLIGENCE) -> Mapping[str, Any]:
    """Address one desk of a country."""
    return {"countries": [country.value], "compartment": compartment.value}


def scene_of(document: Mapping[str, Any], charter: Charter) -> Scene:
    """Make a channel message ready to be posted: it goes to each member but its sender."""
    sender = AgencyRef(
        country=Country(document["from"]["country"]), agency=document["from"]["agency"]
    )
    return Scene(
        name=charter.channel,
        id=MessageId(document["id"]),
        kind=Kind(document["kind"]),
        sender=sender,
        desks=tuple(
            DeskRef(country=country, compartment=charter.compartment)
            for country in sorted(charter.members)
            if country is not sender.country
        ),
        document=document,
        body=body_for(document),
    )
