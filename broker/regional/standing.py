"""Which claims of a country stand: what was sent twice, corrected, or contradicted?

A later message takes the place of an earlier one of its country only if it names it, and only
for the things of which it says something. Nothing else makes one of two messages the better one:
not its date, not its agency, not that both name the same case.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from broker.errors import Code, ConflictError
from broker.model.names import AgencyRef, MessageId
from broker.regional.national import Mention, NationalResult, Thing
from schemas.vocabulary import Country

MessageKey: TypeAlias = tuple[AgencyRef, MessageId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a message says of a thing, and nobody of its country has taken back."""

    result: NationalResult
    mention: Mention


def once(results: Iterable[NationalResult]) -> tuple[NationalResult, ...]:
    """Take each message once, in an order of their own.

    Raises:
        ConflictError: Two different messages of an agency have one id.
    """
    known: dict[MessageKey, NationalResult] = {}
    for result in results:
        first = known.setdefault(result.key, result)
        if first.document != result.document:
            raise ConflictError(Code.ID_REUSED)
    return tuple(sorted(known.values(), key=lambda each: (each.sender.country, *_age(each))))


def standing(
    results: Sequence[NationalResult],
) -> Mapping[Thing, Mapping[Country, tuple[Standing, ...]]]:
    """Sort what is said by thing and country, without what was corrected.

    Args:
        results: As :func:`once` gives them.
    """
    found: dict[Thing, dict[Country, tuple[Standing, ...]]] = {}
    for country in sorted({each.sender.country for each in results}):
        own = [each for each in results if each.sender.country == country]
        replaced = {each.key: frozenset(_corrected(each, own)) for each in own}
        for thing in sorted({thing for each in own for thing in each.mentions}):
            speaking = [each for each in own if thing in each.mentions]
            gone = frozenset[MessageKey]().union(*(replaced[each.key] for each in speaking))
            found.setdefault(thing, {})[country] = tuple(
                Standing(result=each, mention=each.mentions[thing])
                for each in speaking
                if each.key not in gone
            )
    return found


def _corrected(later: NationalResult, own: Sequence[NationalResult]) -> Iterator[MessageKey]:
    """Find what a message names, and what those name in turn; always earlier ones."""
    named = set(later.corrects)
    for each in sorted(own, key=_age, reverse=True):
        if each.id in named and _age(each) < _age(later):
            named |= each.corrects
            yield each.key


def _age(result: NationalResult) -> tuple[object, ...]:
    return (result.created, result.sender.agency, result.id)
