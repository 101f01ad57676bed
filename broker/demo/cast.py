"""Who writes what to whom: the real cases as postings, and everybody whom they need."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Final

from broker.errors import ConfigurationError
from broker.evidence.receipts import parse_agency
from broker.model.names import AgencyRef, DeskRef, MessageId, Pair
from broker.sandbox.world import Plan
from keys.charter import Charter
from schemas.examples import Case, cases
from schemas.vocabulary import AgencyFunction, Compartment, Country, Kind

AGENCIES_FILE: Final = "agencies.json"
TIMES: Final = ("expires", "review_by", "reply_by")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One case, ready to be posted."""

    name: str
    id: MessageId
    kind: Kind
    sender: AgencyRef
    desks: tuple[DeskRef, ...]
    document: Mapping[str, Any]
    body: bytes
    """The exact bytes that are signed and posted, and that each desk must find."""

    @property
    def is_reply(self) -> bool:
        """Whether it answers another case."""
        return "in_reply_to" in self.document

    @property
    def pairs(self) -> frozenset[Pair]:
        """The roads that it takes."""
        return frozenset(Pair(origin=self.sender.country, desk=desk) for desk in self.desks)


def read_scenes(now: datetime) -> list[Scene]:
    """Read the real cases, dated today: nothing else in them is changed.

    Raises:
        ConfigurationError: There are none, or two have one id.
    """
    scenes = [_scene(case, now) for case in cases()]
    if not scenes:
        raise ConfigurationError("schemas/examples/cases holds no cases")
    if len({scene.id for scene in scenes}) != len(scenes):
        raise ConfigurationError("schemas/examples/cases: two cases have one message id")
    return scenes


def plan_for(scenes: Sequence[Scene], channels: tuple[Charter, ...] = ()) -> Plan:
    """All eleven countries with all desks and pairs, the agencies of cases, and channels."""
    known = _agencies()
    senders = {scene.sender for scene in scenes}
    # Those that only read as well: nothing goes where nobody may read it (SG-02).
    everybody = sorted(senders | {parse_agency(name) for name in known})
    return Plan.everybody({each: _registration(each, known) for each in everybody}, channels)


def body_for(document: Mapping[str, Any]) -> bytes:
    """Write a message as an agency's own program would: compact JSON in UTF-8."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def dated(document: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Move a message to now; it lives as long after as it did before."""
    moved = dict(document)
    moved["created"] = _written(now)
    for name in TIMES:
        if name in document:
            life = _moment(document[name]) - _moment(document["created"])
            moved[name] = _written(now + life)
    return moved


def _scene(case: Case, now: datetime) -> Scene:
    document = dated(case.message, now)
    sender = AgencyRef(
        country=Country(document["from"]["country"]), agency=document["from"]["agency"]
    )
    compartment = Compartment(document["to"]["compartment"])
    return Scene(
        name=case.name.removesuffix(".json"),
        id=MessageId(document["id"]),
        kind=Kind(document["kind"]),
        sender=sender,
        desks=tuple(
            DeskRef(country=Country(country), compartment=compartment)
            for country in document["to"]["countries"]
        ),
        document=document,
        body=body_for(document),
    )


def _agencies() -> Mapping[str, Mapping[str, str]]:
    file = files("schemas").joinpath("examples", "cases", AGENCIES_FILE)
    found: dict[str, Mapping[str, str]] = json.loads(file.read_text("utf-8"))
    return found


def _registration(
    sender: AgencyRef, known: Mapping[str, Mapping[str, str]]
) -> tuple[AgencyFunction, str]:
    if str(sender) not in known:
        raise ConfigurationError(f"schemas/examples/cases/{AGENCIES_FILE}: {sender} is missing")
    entry = known[str(sender)]
    return AgencyFunction(entry["function"]), entry["name"]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
