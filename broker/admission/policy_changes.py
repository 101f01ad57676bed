"""What would another policy change? Each way that it opens or closes, and how many there are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final

from broker.admission.policy import Policy
from schemas.vocabulary import AgencyFunction, Compartment, Country, Kind

ORDERED_PAIRS: Final = len(Country) * (len(Country) - 1)
WAYS: Final = ORDERED_PAIRS * len(AgencyFunction) * len(Compartment) * len(Kind)
"""Who writes to whom, with which function, where and what: 110 by 7 by 3 by 13."""
OPENED: Final = "opened"
CLOSED: Final = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of a table that differs."""

    change: str
    """``opened`` or ``closed``."""
    table: str
    """``sends``, ``reads``, ``reads_addressed``, ``readers``, ``purposes``, ``consent`` or
    ``words``."""
    what: str
    """Whom or what it is about: ``police_intelligence > protection``."""
    codes: tuple[str, ...] = ()
    """Of ``sends``, the kinds; of the others, the codes that changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """All that differs between two policies."""

    opened: int
    """Of :data:`WAYS`, those that only the new one allows."""
    closed: int
    """Those that only the old one allows."""
    changes: tuple[Change, ...]


def compare(before: Policy, after: Policy) -> Changes:
    """Say what a new policy opens and closes."""
    old, new = _ways(before), _ways(after)
    return Changes(
        opened=ORDERED_PAIRS * len(new - old),
        closed=ORDERED_PAIRS * len(old - new),
        changes=(
            *_of_ways(OPENED, new - old),
            *_of_ways(CLOSED, old - new),
            *_others(before, after),
        ),
    )


_Way = tuple[AgencyFunction, Compartment, Kind]


def _ways(policy: Policy) -> frozenset[_Way]:
    return frozenset(
        (function, compartment, kind)
        for function, compartment, kind in product(AgencyFunction, Compartment, Kind)
        if policy.allows(function, kind, compartment)
    )


def _of_ways(change: str, ways: frozenset[_Way]) -> Iterator[Change]:
    for function, compartment in product(AgencyFunction, Compartment):
        kinds = tuple(kind.value for kind in Kind if (function, compartment, kind) in ways)
        if kinds:
            what = f"{function} > {compartment}"
            yield Change(change=change, table="sends", what=what, codes=kinds)


def _others(before: Policy, after: Policy) -> Iterator[Change]:
    tables: tuple[tuple[str, Mapping[str, frozenset[str]], Mapping[str, frozenset[str]]], ...] = (
        ("reads", _plain(before.function_reads), _plain(after.function_reads)),
        ("reads_addressed", _plain(before.reads_addressed), _plain(after.reads_addressed)),
        ("readers", {"": _codes(before.needs_reader)}, {"": _codes(after.needs_reader)}),
        ("purposes", _plain(before.purposes), _plain(after.purposes)),
        ("consent", {"": before.judicial_purposes}, {"": after.judicial_purposes}),
        ("words", _lengths(before), _lengths(after)),
    )
    nothing: frozenset[str] = frozenset()
    for table, old, new in tables:
        for what in sorted({*old, *new}):
            had, has = old.get(what, nothing), new.get(what, nothing)
            for change, codes in ((OPENED, has - had), (CLOSED, had - has)):
                if codes:
                    yield Change(change=change, table=table, what=what, codes=tuple(sorted(codes)))


def _plain(
    table: Mapping[AgencyFunction, frozenset[Compartment]]
    | Mapping[AgencyFunction, frozenset[Kind]]
    | Mapping[Compartment, frozenset[str]],
) -> Mapping[str, frozenset[str]]:
    return {str(key): _codes(values) for key, values in table.items()}


def _codes(values: frozenset[Compartment] | frozenset[Kind] | frozenset[str]) -> frozenset[str]:
    return frozenset(str(each) for each in values)


def _lengths(policy: Policy) -> Mapping[str, frozenset[str]]:
    return {"": frozenset(f"{end} {most}" for end, most in policy.words.items())}
