"""How is a regional result written as the body of one ``operation-result``?

Each total is followed by its countries' numbers, which are ``part_of`` it. Persons, free text and
places are left in the national messages: a regional result is numbers and where they are from.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any, Final

from broker.regional.claims import PLAIN, Claim
from broker.regional.national import NationalResult, Thing
from broker.regional.standing import MessageKey
from broker.regional.total import Cited, Figure, Part, RegionalTotal, ThingTotal

LETTERS: Final = {"groups": "G", "actions": "C", "seizures": "Z"}
LIMITS: Final = {"groups": 200, "actions": 80, "seizures": 100, "accounts": 30, "sources": 30}
"""What schemas/operation-result/1.0.json holds."""
MAX_CLAIMS: Final = 10
"""Of one account; schemas/common/1.0.json, as are the next ones."""
MAX_AMOUNTS: Final = 12
MAX_OFFENCES: Final = 30
MAX_SUM_OF: Final = 20
MAX_NOTE: Final = 2000


class LimitError(ValueError):
    """One body cannot hold all of it, and nothing is left out in silence."""

    def __init__(self, member: str, limit: int) -> None:
        super().__init__(f"more than {limit} {member}")
        self.member = member
        self.limit = limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a body says in sentences, in the language of its message."""

    spoken: Callable[[Claim], str]
    """A number in words: ``at least 31 (preliminary)``."""
    missing: str
    """``{countries}`` take part and have sent nothing yet."""
    silent: str
    """``{countries}`` give no number of this."""
    beside: str
    """``{claims}`` are not in the number."""


@dataclass(kw_only=True)
class _Writer:
    """A body in the making."""

    words: Words
    refs: Mapping[MessageKey, str]
    """Under which name each message is cited."""
    items: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    accounts: list[dict[str, Any]] = field(default_factory=list)


def write_body(total: RegionalTotal, words: Words) -> dict[str, Any]:
    """Write a regional result.

    Args:
        total: Of one message or more.
        words: In the language of the message that will carry it.

    Returns:
        A body that ``operation-result/1.0`` accepts.

    Raises:
        LimitError: It would be larger than the schema allows; add fewer messages.
    """
    refs = {each.key: f"S{number}" for number, each in enumerate(total.results, start=1)}
    writer = _Writer(words=words, refs=refs)
    for each in total.totals:
        _write_thing(each, writer)
    body: dict[str, Any] = {
        "operation": _operation(total, words),
        "countries": sorted({each.sender.country.value for each in total.results}),
        **writer.items,
        "accounts": writer.accounts,
        "sources": [_source(each, refs[each.key]) for each in total.results],
    }
    for member, limit in LIMITS.items():
        _bounded(member, body.get(member, ()), limit)
    return {member: value for member, value in body.items() if value}


def _operation(total: RegionalTotal, words: Words) -> dict[str, Any]:
    newest = max(each.created for each in total.results).astimezone(UTC)
    missing = ", ".join(total.missing)
    return {
        **total.operation,
        "countries": [country.value for country in total.countries],
        "as_of": {"date": newest.date().isoformat()},
        "preliminary": total.preliminary,
        **({"in_progress": True} if total.in_progress else {}),
        **({"note": words.missing.format(countries=missing)} if missing else {}),
    }


def _source(result: NationalResult, ref: str) -> dict[str, Any]:
    return {
        "ref": ref,
        "kind": "agency_record",
        "title": f"{result.sender} {result.id}",
        "published": result.created.astimezone(UTC).date().isoformat(),
        "language": result.language,
    }


def _write_thing(total: ThingTotal, writer: _Writer) -> None:
    """Write a total, then a part for each country that speaks of it."""
    section = total.thing.section
    items = writer.items.setdefault(section, [])
    everybody = [each.result for said in total.mentioned.values() for each in said]
    everybody += [each.result for each in total.stated if not total.mentioned]
    agreeing = [cited for figure in total.figures for cited in figure.agreeing]
    everybody += [source for cited in agreeing for source in cited.sources]
    place, ref = len(items), f"{LETTERS[section]}{len(items) + 1}"
    notes = filter(None, (_note(figure, writer.words) for figure in total.figures))
    note = "".join(_bounded("note", "\n".join(notes), MAX_NOTE))
    items.append(
        {
            "ref": ref,
            **_named(total.thing, total.offences, [country.value for country in total.mentioned]),
            **_numbers(figure.claim for figure in total.figures),
            "according_to": _refs(everybody, writer),
            **({"note": note} if note else {}),
        }
    )
    for figure, about in zip(total.figures, _places(section, place, total.figures), strict=True):
        _tell_stated(figure, about, writer)
    for country, said in total.mentioned.items():
        offences = frozenset[str]().union(*(each.mention.offences for each in said))
        parts = [
            part for figure in total.figures for part in figure.parts if part.country == country
        ]
        place = len(items)
        items.append(
            {
                "ref": f"{LETTERS[section]}{place + 1}",
                "part_of": ref,
                **_named(total.thing, offences, [country.value]),
                **_numbers(part.claim for part in parts),
                "according_to": _refs([each.result for each in said], writer),
            }
        )
        for part, about in zip(parts, _places(section, place, parts), strict=True):
            _tell_rivals(part, about, writer)


def _named(thing: Thing, offences: Iterable[str], countries: Sequence[str]) -> dict[str, Any]:
    match thing.section:
        case "groups":
            category, *outcomes = thing.codes
            suspected = _bounded("suspected_of", sorted(offences), MAX_OFFENCES)
            return {
                "category": category,
                **({"outcomes": outcomes} if outcomes else {}),
                **({"suspected_of": suspected} if suspected else {}),
                **({"countries": countries} if countries else {}),
            }
        case "actions":
            named = {"code": thing.codes[0]}
        case _:
            named = {"asset": thing.codes[0], "measure": thing.codes[1]}
    places = [{"country": country} for country in countries]
    return {**named, **({"places": places} if places else {})}


def _numbers(claims: Iterable[Claim]) -> dict[str, Any]:
    numbers: dict[str, Any] = {}
    for claim in claims:
        if claim.unit == PLAIN:
            numbers["count"] = claim.written()
        else:
            numbers.setdefault("amounts", []).append(claim.written())
    _bounded("amounts", numbers.get("amounts", ()), MAX_AMOUNTS)
    return numbers


def _places(section: str, place: int, numbers: Sequence[Figure | Part]) -> list[str]:
    """Point to each number as :func:`_numbers` has placed it."""
    pointers, amounts = [], 0
    for number in numbers:
        unit = number.unit if isinstance(number, Figure) else number.claim.unit
        pointers.append("count" if unit == PLAIN else f"amounts/{amounts}")
        amounts += unit != PLAIN
    return [f"/{section}/{place}/{each}" for each in pointers]


def _note(figure: Figure, words: Words) -> str:
    beside = [
        f"{part.country}: {' | '.join(words.spoken(each.claim) for each in part.claims)}"
        for part in figure.beside
    ]
    silent = ", ".join(figure.silent)
    unit = f"{figure.unit.currency}: " if figure.unit.currency else ""
    return "\n".join(
        [
            *([unit + words.beside.format(claims="; ".join(beside))] if beside else ()),
            *([unit + words.silent.format(countries=silent)] if silent else ()),
        ]
    )


def _tell_stated(figure: Figure, about: str, writer: _Writer) -> None:
    """Set what a regional body says beside the sum, where it is another number."""
    if not figure.differing:
        return
    made_by = [source for part in figure.parts for each in part.claims for source in each.sources]
    parts = [part.claim.written() for part in figure.parts]
    is_count = figure.unit == PLAIN and parts
    own = {
        **_claim(figure.claim),
        **({"according_to": _refs(made_by, writer)} if made_by else {}),
        **({"sum_of": _bounded("sum_of", parts, MAX_SUM_OF)} if is_count else {}),
    }
    theirs = [_cited(each, writer) for each in figure.differing]
    _tell(about, [own, *theirs], "parts_do_not_add_up", writer)


def _tell_rivals(part: Part, about: str, writer: _Writer) -> None:
    """Set what the messages of a country say beside each other, where they disagree."""
    if len(part.claims) == 1:
        return
    sources = {source.key for each in part.claims for source in each.sources}
    told = next((each.claim.difference for each in part.claims if each.claim.difference), "unclear")
    difference = told if len(sources) == 1 else "sources_differ"
    _tell(about, [_cited(each, writer) for each in part.claims], difference, writer)


def _tell(about: str, claims: list[dict[str, Any]], difference: str, writer: _Writer) -> None:
    _bounded("claims", claims, MAX_CLAIMS)
    writer.accounts.append({"about": about, "claims": claims, "difference": difference})


def _cited(cited: Cited, writer: _Writer) -> dict[str, Any]:
    return {**_claim(cited.claim), "according_to": _refs(cited.sources, writer)}


def _claim(claim: Claim) -> dict[str, Any]:
    return {"quantity" if claim.unit == PLAIN else "money": claim.written()}


def _refs(results: Iterable[NationalResult], writer: _Writer) -> list[str]:
    refs = {writer.refs[each.key] for each in results}
    return sorted(refs, key=lambda ref: int(ref[1:]))


def _bounded(member: str, values: Sequence[Any], limit: int) -> Sequence[Any]:
    if len(values) > limit:
        raise LimitError(member, limit)
    return values
