"""A joint operation: national results over its channel, and what a member adds them up to."""

import asyncio
import json
from collections.abc import Sequence
from typing import Final

from broker.demo.cast import Scene
from broker.demo.desks import inbox_file
from broker.demo.second.house import JOINT_OPERATION, House
from broker.demo.second.letters import letter, scene_of, to_channel
from broker.desk.inbox import read_inbox
from broker.desk.stored import verify_line
from broker.desk.trust import Trust
from broker.directory import Directory
from broker.model.names import AgencyRef, DeskRef
from broker.regional.claims import PLAIN, Claim
from broker.regional.national import NationalResult, Thing
from broker.regional.total import Figure, RegionalTotal, add_up
from schemas.vocabulary import Compartment, Country, Kind

OPERATION: Final = "Quetzal"
READER: Final = DeskRef(country=Country.PANAMA, compartment=Compartment.INTELLIGENCE)
"""A member that adds up what the others have sent."""
HONDURAS: Final = AgencyRef(country=Country.HONDURAS, agency="mp")
SENT: Final[Sequence[tuple[str, AgencyRef]]] = (
    ("quetzal-guatemala", AgencyRef(country=Country.GUATEMALA, agency="mp")),
    ("quetzal-el-salvador", AgencyRef(country=Country.EL_SALVADOR, agency="fgr")),
    # Two accounts of one country, of which neither corrects the other.
    ("quetzal-honduras-police", HONDURAS),
    ("quetzal-honduras-prosecution", HONDURAS),
)
ARREST: Final = Thing(section="actions", codes=("arrest",))
LEAST: Final = 9 + 31 + 5
"""Guatemala's, El Salvador's "at least", and the lower of Honduras' two."""


async def report(house: House) -> None:
    """Send national results, and add them up from a member's inbox.

    Raises:
        NotDeliveredError: A member's desk did not get one.
    """
    house.title("operation.title")
    charter = house.charter(JOINT_OPERATION)
    scenes = [
        scene_of(
            letter(Kind.OPERATION_RESULT, name, sender, to=to_channel(JOINT_OPERATION)), charter
        )
        for name, sender in SENT
    ]
    await house.deliver(scenes)
    house.tell(
        "operation.sent",
        count=len(scenes),
        copies=sum(len(scene.desks) for scene in scenes),
        reader=READER,
    )
    directory = await next(iter(house.senders.values())).directory()
    results = await asyncio.to_thread(_read, house, directory, scenes)
    total = add_up(results)
    figure = _arrests(total)
    if figure is not None:
        _tell(house, figure)
    house.see(
        "operation.total",
        holds=len(results) == len(scenes) and figure is not None and _is_honest(figure),
        least=LEAST,
    )
    house.see(
        "operation.missing",
        holds=total.missing == (Country.NICARAGUA,) and total.preliminary,
        missing=", ".join(total.missing),
    )
    house.see(
        "operation.conflicting",
        holds=figure is not None and _conflicting(figure) == [Country.HONDURAS],
        countries=", ".join(_conflicting(figure) if figure else ()),
    )


def _read(house: House, directory: Directory, scenes: Sequence[Scene]) -> list[NationalResult]:
    """Read the member's inbox; each message is proved again before it counts."""
    trust = Trust(
        directory=directory,
        receipt_keys=directory.receipt_keys,
        issuer=house.world.settings.base_url,
        schemas=house.schemas,
    )
    wanted = {scene.id for scene in scenes}
    results = [
        NationalResult.from_document(json.loads(verify_line(line, trust).message.body))
        for line in read_inbox(inbox_file(house.world, READER))
        if json.loads(line).get("id") in wanted
    ]
    # As they were sent, so that the line on the screen is the same each time.
    return sorted(results, key=lambda each: each.id)


def _arrests(total: RegionalTotal) -> Figure | None:
    figures = [
        figure
        for each in total.totals
        if each.thing == ARREST
        for figure in each.figures
        if figure.unit == PLAIN
    ]
    return figures[0] if figures else None


def _is_honest(figure: Figure) -> bool:
    said = figure.claim.said
    return (said["qualifier"], said.get("value")) == ("at_least", LEAST) and (
        figure.claim.preliminary
    )


def _conflicting(figure: Figure) -> list[Country]:
    return [part.country for part in figure.parts if len(part.claims) > 1]


def _tell(house: House, figure: Figure) -> None:
    parts = [
        f"{part.country} {' | '.join(_number(house, each.claim) for each in part.claims)}"
        for part in figure.parts
    ]
    house.tell(
        "operation.line",
        operation=OPERATION,
        what=house.label("action", ARREST.codes[0]),
        number=_number(house, figure.claim),
        parts=" + ".join(parts),
    )


def _number(house: House, claim: Claim) -> str:
    """Say a number as its country said it: ``at least 31``."""
    qualifier, value = claim.said["qualifier"], claim.said.get("value")
    if qualifier == "exactly":
        return str(value)
    label = house.label("qualifier", qualifier)
    return label if value is None else f"{label} {value}"
