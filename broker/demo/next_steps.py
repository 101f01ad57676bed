"""What to try by hand while the exchange stays up."""

import os
import shlex
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from broker.demo.cast import Scene, body_for, dated
from broker.demo.desks import inbox_file
from broker.demo.second.channel import MX_FGR
from broker.demo.second.clock import CONVENER
from broker.demo.second.letters import new_id
from broker.demo.second.operation import OPERATION
from broker.demo.second.operation import READER as READER_OF_TOTAL
from broker.demo.words import Words
from broker.desk.sign import message_id
from broker.model.names import AgencyRef, DeskRef
from broker.sandbox.world import World

MESSAGE_FILE: Final = "message.json"


READER: Final = "duty-officer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A message that the reader can send."""

    sender: AgencyRef
    desk: DeskRef
    file: Path
    message_id: str


def make_example(world: World, scenes: Sequence[Scene], taken: Collection[DeskRef]) -> Example:
    """Write a message to a desk, one where nobody receives if there is one."""
    scene, desk = _choose(world, scenes, taken)
    document: dict[str, Any] = dated(scene.document, datetime.now(UTC))
    document["id"] = new_id()
    document["to"] = {"countries": [desk.country.value], "compartment": desk.compartment.value}
    body = body_for(document)
    file = world.folder / MESSAGE_FILE
    file.write_bytes(body)
    return Example(sender=scene.sender, desk=desk, file=file, message_id=message_id(body))


def print_next_steps(console: Console, world: World, example: Example, words: Words) -> None:
    """Print commands that work as they stand, for as long as the exchange is up."""
    enlace = _shown(Path(sys.executable).parent / "enlace")
    curl = f"curl --cacert {_shown(world.folder / 'tls' / 'ca.pem')} {world.settings.base_url}"
    desk = _shown(world.folder_of(example.desk))
    sender = _shown(world.folder_of(example.sender))
    names = {"desk": example.desk, "sender": example.sender}
    others = {"desk": READER_OF_TOTAL, "sender": MX_FGR, "convener": CONVENER}
    inbox = _shown(inbox_file(world, READER_OF_TOTAL))
    convener = _shown(world.folder_of(CONVENER))
    steps = {
        "next.metadata": f"{curl}/.well-known/oauth-authorization-server",
        "next.schemas": f"{curl}/schemas",
        "next.subscribe": f"{enlace} subscribe --profile {desk} --reader {READER}",
        "next.send": f"{enlace} send --profile {sender} {_shown(example.file)}",
        "next.status": f"{enlace} status --profile {sender} {example.message_id}",
    }
    of_second_act = {
        "next.channels": f"{enlace} channels --profile {convener}",
        "next.total": f"{enlace} operation total --operation {OPERATION} {inbox}",
        "next.recalls": f"{enlace} recalls --all --profile {_shown(world.folder_of(MX_FGR))}",
        "next.notices": f"{enlace} notices --profile {convener}",
    }
    console.print()
    console.print(words.text("next.title"))
    told = [(words.text(key, **names), command) for key, command in steps.items()]
    told += [(words.text(key, **others), command) for key, command in of_second_act.items()]
    for text, command in told:
        console.print(f"\n  {text}")
        console.print(f"    {command}", soft_wrap=True, markup=False)


def _choose(
    world: World, scenes: Sequence[Scene], taken: Collection[DeskRef]
) -> tuple[Scene, DeskRef]:
    desks = [each for each in world.holdings if isinstance(each, DeskRef)]
    fitting = [
        (scene, desk)
        for desk in desks
        for scene in scenes
        if desk.compartment is scene.desks[0].compartment
        and desk.country is not scene.sender.country
    ]
    return next((each for each in fitting if each[1] not in taken), fitting[0])


def _shown(path: Path) -> str:
    """A path as one would type it here."""
    here = Path.cwd()
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - keeps the venv's links
    shown = absolute.relative_to(here) if absolute.is_relative_to(here) else absolute
    return shlex.quote(str(shown))
