"""What would another policy change? Each line that it opens or closes, and the ways that follow.

Administrators decide by this. ``opened`` is whatever lets more through than before, whichever
table it stands in: a reader more, a purpose more, a consent that is no longer needed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Final, TypeAlias

from broker.admission.narrative import length_at
from broker.admission.policy import Policy
from broker.admission.recall import TAKING_BACK
from schemas.vocabulary import AgencyFunction, Compartment, Country, Kind

ORDERED_PAIRS: Final = len(Country) * (len(Country) - 1)
WAYS: Final = ORDERED_PAIRS * len(AgencyFunction) * len(Compartment) * len(Kind)
"""Who writes to whom, with which function, where and what: 110 by 7 by 3 by 13."""
OPENED: Final = "opened"
CLOSED: Final = "closed"
NOT_NAMED: Final = "not named"
"""Of ``reads_addressed``: it reads, too, what does not name it."""
USE: Final = "use"
"""Of ``consent``: use for this purpose needs the originator's consent."""
SOURCE: Final = "source"
"""Of ``consent``: what was sent for this purpose may be used in court without asking."""

Table: TypeAlias = Mapping[str, frozenset[str]]
Way: TypeAlias = tuple[AgencyFunction, Compartment, Kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of a table that differs."""

    change: str
    """``opened`` or ``closed``."""
    table: str
    """``sends``, ``reads``, ``reads_addressed``, ``readers``, ``purposes``, ``consent`` or
    ``words``; ``ways``: a way that these tables together open or close, though ``sends`` says
    the same as before."""
    what: str
    """Whom or what it is about: ``police_intelligence > protection``."""
    codes: tuple[str, ...] = ()
    """Of ``sends`` and ``ways``, the kinds; of ``words``, the characters before and after; of the
    others, the codes that changed."""


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
    had, has = _ways(before, _arrives), _ways(after, _arrives)
    sent, sends = _ways(before, Policy.allows), _ways(after, Policy.allows)
    return Changes(
        opened=ORDERED_PAIRS * len(has - had),
        closed=ORDERED_PAIRS * len(had - has),
        changes=(
            *_of_ways(OPENED, "sends", sends - sent),
            *_of_ways(CLOSED, "sends", sent - sends),
            *_of_ways(OPENED, "ways", (has - had) - (sends - sent)),
            *_of_ways(CLOSED, "ways", (had - has) - (sent - sends)),
            *_of_tables(before, after),
            *_of_words(before.words, after.words),
        ),
    )


def _ways(
    policy: Policy, is_open: Callable[[Policy, AgencyFunction, Kind, Compartment], bool]
) -> frozenset[Way]:
    return frozenset(
        (function, compartment, kind)
        for function, compartment, kind in product(AgencyFunction, Compartment, Kind)
        if is_open(policy, function, kind, compartment)
    )


def _arrives(
    policy: Policy, function: AgencyFunction, kind: Kind, compartment: Compartment
) -> bool:
    """Whether it would go, were there an agency of each function in each country."""
    if not policy.allows(function, kind, compartment):
        return False
    # A recall goes where its message went, for whatever purpose and whoever reads there (SG-07).
    return kind in TAKING_BACK or (
        bool(policy.purposes.get(compartment)) and _is_read(policy, kind, compartment)
    )


def _is_read(policy: Policy, kind: Kind, compartment: Compartment) -> bool:
    # Only a referral can name the agency that shall read it.
    is_addressed = kind is Kind.PROTECTION_REFERRAL
    return compartment not in policy.needs_reader or any(
        policy.reads_kind(function, kind, compartment, addressed=is_addressed)
        for function in AgencyFunction
    )


def _of_ways(change: str, table: str, ways: frozenset[Way]) -> Iterator[Change]:
    for function, compartment in product(AgencyFunction, Compartment):
        kinds = tuple(kind.value for kind in Kind if (function, compartment, kind) in ways)
        if kinds:
            what = f"{function} > {compartment}"
            yield Change(change=change, table=table, what=what, codes=kinds)


def _of_tables(before: Policy, after: Policy) -> Iterator[Change]:
    # What stands in these opens.
    yield from _more("reads", _plain(before.function_reads), _plain(after.function_reads))
    yield from _more("reads_addressed", _kinds_read(before), _kinds_read(after))
    yield from _more("purposes", _plain(before.purposes), _plain(after.purposes))
    yield from _more("consent", _of(SOURCE, before), _of(SOURCE, after))
    # What stands in these closes: the other way round.
    yield from _more("readers", _needs_reader(after), _needs_reader(before))
    yield from _more("consent", _of(USE, after), _of(USE, before))


def _more(table: str, before: Table, after: Table) -> Iterator[Change]:
    """Show what more lets through, and what less."""
    nothing: frozenset[str] = frozenset()
    for what in sorted({*before, *after}):
        had, has = before.get(what, nothing), after.get(what, nothing)
        for change, codes in ((OPENED, has - had), (CLOSED, had - has)):
            if codes:
                yield Change(change=change, table=table, what=what, codes=tuple(sorted(codes)))


def _kinds_read(policy: Policy) -> Table:
    """What each function reads, where it reads: who is not in the table reads everything."""
    everything = frozenset({*Kind, NOT_NAMED})
    return {
        function.value: _codes(policy.reads_addressed.get(function, everything))
        for function in AgencyFunction
    }


def _needs_reader(policy: Policy) -> Table:
    return {"": _codes(policy.needs_reader)}


def _of(what: str, policy: Policy) -> Table:
    return {what: policy.judicial_purposes}


def _of_words(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[Change]:
    for end in sorted({*before, *after}):
        # What is not listed itself may fall under a shorter ending.
        had, has = length_at(end, before), length_at(end, after)
        codes = (f"{had} > {has}",)
        if has > had:
            yield Change(change=OPENED, table="words", what=end, codes=codes)
        if has < had:
            yield Change(change=CLOSED, table="words", what=end, codes=codes)


def _plain(
    table: Mapping[AgencyFunction, frozenset[Compartment]] | Mapping[Compartment, frozenset[str]],
) -> Table:
    return {str(key): _codes(values) for key, values in table.items()}


def _codes(values: Iterable[str]) -> frozenset[str]:
    return frozenset(str(each) for each in values)
