"""What do the results of several countries come to, thing by thing?

Silence is not zero: a country that takes part and gives no number leaves the upper end open,
whether it has sent nothing at all or only nothing of this. A country that counted none says so.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from broker.regional.claims import Claim, Unit, reconcile, unspoken
from broker.regional.claims import add as add_claims
from broker.regional.national import NationalResult, Thing
from broker.regional.retraction import Retraction, without_retracted
from broker.regional.standing import Standing, once, standing
from schemas.vocabulary import Country

Spoken: TypeAlias = Mapping[Country, tuple[Standing, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cited:
    """A claim, and the messages that make it."""

    claim: Claim
    sources: tuple[NationalResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A country's number."""

    country: Country
    claims: tuple[Cited, ...]
    """More than one where its messages contradict each other; none is preferred."""

    @property
    def claim(self) -> Claim:
        """What holds whichever of them is true."""
        return reconcile([each.claim for each in self.claims])


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number of the region, with what it is made of."""

    unit: Unit
    parts: tuple[Part, ...]
    silent: tuple[Country, ...]
    """Who takes part and gives no number."""
    stated: tuple[Cited, ...]
    """What a regional body says it comes to."""

    @property
    def claim(self) -> Claim:
        """The sum of what the countries say; a single number is the sum of itself."""
        parts = [part.claim for part in self.parts]
        if not parts:
            return unspoken(self.unit)
        if len(parts) == 1 and not self.silent:
            return parts[0]
        return add_claims([*parts, *(unspoken(self.unit) for _ in self.silent)])

    @property
    def beside(self) -> tuple[Part, ...]:
        """Parts with a word or a rough number that the sum cannot hold."""
        if self.claim.bounds.about is not None or self.claim.word:
            return ()
        return tuple(part for part in self.parts if any(each.claim.is_soft for each in part.claims))

    @property
    def differing(self) -> tuple[Cited, ...]:
        """What a regional body says that is not the sum."""
        return tuple(each for each in self.stated if each.claim != self.claim)

    @property
    def agreeing(self) -> tuple[Cited, ...]:
        """What a regional body says, where it is the sum."""
        return tuple(each for each in self.stated if each.claim == self.claim)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingTotal:
    """A thing that was counted or done."""

    thing: Thing
    offences: frozenset[str]
    mentioned: Spoken
    """Who speaks of it, with or without a number."""
    stated: tuple[Standing, ...]
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionalTotal:
    """What the results come to."""

    operation: Mapping[str, Any]
    """Name, edition and time, as far as all say the same of them."""
    countries: tuple[Country, ...]
    """Who takes part."""
    missing: tuple[Country, ...]
    """Who has sent nothing yet."""
    preliminary: bool
    in_progress: bool
    results: tuple[NationalResult, ...]
    """Every message of which something stands, national or stated, once."""
    totals: tuple[ThingTotal, ...]


def add_up(
    national: Iterable[NationalResult],
    *,
    stated: Iterable[NationalResult] = (),
    retractions: Sequence[Retraction] = (),
    countries: Iterable[Country] = (),
) -> RegionalTotal:
    """Add national results up to a regional one.

    Args:
        national: In any order; repetitions count once.
        stated: Results of a regional body for all of the operation. They stand beside the
            sums and change none.
        retractions: What agencies have taken back or corrected of these.
        countries: Who takes part, besides those that have sent a result. Without any, the
            countries that the messages name as taking part.

    Raises:
        ConflictError: Two different messages of an agency have one id.
    """
    sent, sent_beside = once(national), once(stated)
    own = without_retracted(sent, retractions)
    theirs = without_retracted(sent_beside, retractions)
    senders = {each.sender.country for each in own}
    named = set(countries) or _named(once((*sent, *sent_beside)))
    # Who has recalled its only result takes part all the same: it is missing.
    taking_part = tuple(sorted(named | {each.sender.country for each in sent}))
    spoken, totals = standing(own), standing(theirs)
    valid, beside = _results(spoken), _results(totals)
    missing = tuple(country for country in taking_part if country not in senders)
    sums = tuple(
        _total(thing, spoken.get(thing, {}), _flat(totals.get(thing, {})), taking_part)
        for thing in sorted({*spoken, *totals})
    )
    early = [figure.claim.preliminary for each in sums for figure in each.figures]
    early += [each.operation["preliminary"] for each in valid]
    return RegionalTotal(
        operation=_in_common((*valid, *beside)),
        countries=taking_part,
        missing=missing,
        preliminary=bool(missing) or any(early),
        in_progress=any(each.operation.get("in_progress", False) for each in valid),
        results=once((*valid, *beside)),
        totals=sums,
    )


def _total(
    thing: Thing, spoken: Spoken, stated: Sequence[Standing], taking_part: Sequence[Country]
) -> ThingTotal:
    everybody = [*_flat(spoken), *stated]
    asked = [country for country in taking_part if thing.only in {"", country.value}]
    units = sorted({unit for each in everybody for unit in each.mention.figures})
    return ThingTotal(
        thing=thing,
        offences=frozenset().union(*(each.mention.offences for each in everybody)),
        mentioned=spoken,
        stated=tuple(stated),
        figures=tuple(_figure(unit, spoken, stated, asked) for unit in units),
    )


def _figure(
    unit: Unit, spoken: Spoken, stated: Sequence[Standing], asked: Sequence[Country]
) -> Figure:
    cited = {country: _cited(unit, said) for country, said in spoken.items()}
    parts = tuple(
        Part(country=country, claims=claims) for country, claims in cited.items() if claims
    )
    return Figure(
        unit=unit,
        parts=parts,
        silent=tuple(country for country in asked if not cited.get(country)),
        stated=_cited(unit, stated),
    )


def _cited(unit: Unit, said: Sequence[Standing]) -> tuple[Cited, ...]:
    """Gather the claims; those that mean the same are one, with several sources."""
    found: dict[Claim, list[tuple[Claim, NationalResult]]] = {}
    for each in said:
        for claim in each.mention.figures.get(unit, ()):
            found.setdefault(claim, []).append((claim, each.result))
    return tuple(
        Cited(
            claim=reconcile([claim for claim, _ in made]),
            sources=once(source for _, source in made),
        )
        for made in found.values()
    )


def _results(spoken: Mapping[Thing, Spoken]) -> tuple[NationalResult, ...]:
    return once(each.result for said in spoken.values() for each in _flat(said))


def _flat(spoken: Spoken) -> tuple[Standing, ...]:
    return tuple(each for said in spoken.values() for each in said)


def _named(results: Sequence[NationalResult]) -> set[Country]:
    """Find the Member Countries that the messages name as taking part."""
    members = {country.value for country in Country}
    return {
        Country(code)
        for each in results
        for code in each.operation.get("countries", ())
        if code in members
    }


def _in_common(results: Sequence[NationalResult]) -> dict[str, Any]:
    """Keep what every message says alike of the operation."""
    common: dict[str, Any] = {}
    for name in ("name", "edition", "when"):
        said = [each.operation.get(name) for each in results]
        if said and said[0] is not None and all(each == said[0] for each in said):
            common[name] = said[0]
    return common
