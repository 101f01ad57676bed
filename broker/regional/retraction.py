"""What has an agency taken back or corrected of its own messages?

A ``recall`` takes a message out of every total. A ``rectification`` that names the corrected
message lets that one take its place; one that names none leaves the number standing as it was
sent, and whoever adds up is told. Nobody takes back what another agency has sent.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from broker.model.names import AgencyRef
from broker.regional.national import NationalResult
from schemas.vocabulary import Country, Kind

RETRACTING: Final = frozenset({Kind.RECALL, Kind.RECTIFICATION})


@dataclass(frozen=True, slots=True, kw_only=True)
class Retraction:
    """A recall or a rectification."""

    sender: AgencyRef
    kind: Kind
    of: str
    """The message that was wrong."""
    replaced_by: str | None
    """The corrected message, if there is one."""

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Self:
        """Read a message that its schema has accepted."""
        sender, body = document["from"], document["body"]
        return cls(
            sender=AgencyRef(country=Country(sender["country"]), agency=sender["agency"]),
            kind=Kind(document["kind"]),
            of=body["of"],
            replaced_by=body.get("replaced_by"),
        )


def without_retracted(
    results: Iterable[NationalResult], retractions: Sequence[Retraction]
) -> tuple[NationalResult, ...]:
    """Leave out what was recalled, and let corrected messages name what they correct."""
    recalled = {(each.sender, each.of) for each in retractions if each.kind is Kind.RECALL}
    return tuple(
        replace(
            result,
            corrects=result.corrects
            | {
                each.of
                for each in retractions
                if (each.sender, each.replaced_by) == (result.sender, result.id)
            },
        )
        for result in results
        if (result.sender, result.id) not in recalled
    )


def known_wrong(
    results: Sequence[NationalResult], retractions: Sequence[Retraction]
) -> tuple[NationalResult, ...]:
    """Find those that count although their agency calls them wrong and has not corrected them."""
    there = {(each.sender, each.id) for each in results}
    rectified = {
        (each.sender, each.of)
        for each in retractions
        if each.kind is Kind.RECTIFICATION and (each.sender, each.replaced_by) not in there
    }
    return tuple(each for each in results if (each.sender, each.id) in rectified)
