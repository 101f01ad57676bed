"""Each change of a policy is shown in the direction in which it goes: people decide by it."""

from dataclasses import replace
from typing import Any

import pytest

from broker.admission.policy import STANDARD_POLICY, Policy
from broker.admission.policy_changes import ORDERED_PAIRS, Changes, compare
from schemas.vocabulary import AgencyFunction, Compartment, Kind

POLICE, PROSECUTION, MIGRATION, FINANCE, REFUGEES, CHILDREN, CIVIL = AgencyFunction
INTELLIGENCE, JUDICIAL, PROTECTION = Compartment
READERS_OF_PROTECTION = (REFUGEES, CHILDREN, CIVIL)
OPENED, CLOSED = "opened", "closed"


def changed(**tables: Any) -> Policy:
    """The standard policy with other tables."""
    return replace(STANDARD_POLICY, **tables)


def with_row(table: str, key: object, values: set[Any]) -> Policy:
    """The standard policy with another row in one of its tables."""
    return changed(**{table: {**getattr(STANDARD_POLICY, table), key: frozenset(values)}})


def rows(changes: Changes) -> set[tuple[str, str, str, tuple[str, ...]]]:
    """What is shown."""
    return {(each.change, each.table, each.what, each.codes) for each in changes.changes}


MORE: dict[str, tuple[Policy, set[tuple[str, str, tuple[str, ...]]]]] = {
    "another function sends": (
        with_row("function_sends_to", MIGRATION, {INTELLIGENCE, JUDICIAL, PROTECTION}),
        {
            (
                "sends",
                "migration_control > judicial",
                tuple(kind for kind in Kind if STANDARD_POLICY.takes(JUDICIAL, kind)),
            )
        },
    ),
    "another kind goes there": (
        with_row("kind_goes_to", Kind.ROUTE_REPORT, {INTELLIGENCE, JUDICIAL, PROTECTION}),
        {
            ("sends", f"{function} > protection", ("route-report",))
            for function in AgencyFunction
            if STANDARD_POLICY.sends(function, PROTECTION)
        },
    ),
    "another function reads": (
        with_row("function_reads", MIGRATION, {INTELLIGENCE, JUDICIAL}),
        {("reads", "migration_control", ("judicial",))},
    ),
    "another purpose is served": (
        with_row(
            "purposes", INTELLIGENCE, {*STANDARD_POLICY.purposes[INTELLIGENCE], "prosecution"}
        ),
        {("purposes", "intelligence", ("prosecution",))},
    ),
    "no desk needs a reader": (
        changed(needs_reader=frozenset()),
        {("readers", "", ("protection",))},
    ),
    "words are longer": (
        changed(words={**STANDARD_POLICY.words, "title": 200}),
        {("words", "title", ("120 > 200",))},
    ),
    "words stand where none stood": (
        changed(words={**STANDARD_POLICY.words, "summary": 9}),
        {("words", "summary", ("0 > 9",))},
    ),
    "the rest of a shorter ending is left": (
        changed(
            words={
                **{end: most for end, most in STANDARD_POLICY.words.items() if "/" not in end},
                "text": 300,
                "note": 200,
                "last_resort_reason": 300,
                "conditions": 300,
            }
        ),
        {
            ("words", "steps/*/note", ("40 > 200",)),
            ("words", "claims/*/text", ("80 > 300",)),
            ("words", "text", ("0 > 300",)),
            ("words", "note", ("0 > 200",)),
            ("words", "last_resort_reason", ("0 > 300",)),
            ("words", "conditions", ("0 > 300",)),
        },
    ),
}


def turned(change: tuple[str, str, tuple[str, ...]], direction: str) -> tuple[Any, ...]:
    """A change as it is shown; of words, the other way round they are counted back."""
    table, what, codes = change
    if table == "words" and direction == CLOSED:
        codes = tuple(" > ".join(reversed(each.split(" > "))) for each in codes)
    return direction, table, what, codes


@pytest.mark.parametrize("name", MORE)
def test_compare_says_opened_of_what_lets_more_through_and_closed_of_the_way_back(
    name: str,
) -> None:
    """Whichever table it stands in."""
    looser, expected = MORE[name]

    there, back = compare(STANDARD_POLICY, looser), compare(looser, STANDARD_POLICY)

    assert rows(there) == {turned(each, OPENED) for each in expected}
    assert rows(back) == {turned(each, CLOSED) for each in expected}
    ways = ORDERED_PAIRS * sum(len(each.codes) for each in there.changes if each.table == "sends")
    assert (there.opened, there.closed) == (ways, 0)
    assert (back.opened, back.closed) == (0, ways)


def test_compare_says_closed_of_a_function_that_reads_only_what_names_it() -> None:
    """It read everything: all but that kind is closed, and what does not name it; and back."""
    only = changed(
        reads_addressed={
            **STANDARD_POLICY.reads_addressed,
            FINANCE: frozenset({Kind.FINANCIAL_TRANSACTION}),
        }
    )
    expected = {"not named", *Kind} - {Kind.FINANCIAL_TRANSACTION}

    [there] = compare(STANDARD_POLICY, only).changes
    [back] = compare(only, STANDARD_POLICY).changes

    assert (there.change, there.table, there.what) == (CLOSED, "reads_addressed", FINANCE)
    assert set(there.codes) == set(back.codes) == expected
    assert back.change == OPENED


def test_compare_says_both_of_a_purpose_that_becomes_judicial() -> None:
    """Use for it needs consent now; what was sent for it may go to court without."""
    strict = changed(judicial_purposes=frozenset({"prosecution", "investigation"}))

    assert rows(compare(STANDARD_POLICY, strict)) == {
        (CLOSED, "consent", "use", ("investigation",)),
        (OPENED, "consent", "source", ("investigation",)),
    }
    assert rows(compare(strict, STANDARD_POLICY)) == {
        (OPENED, "consent", "use", ("investigation",)),
        (CLOSED, "consent", "source", ("investigation",)),
    }


def without_readers(**tables: Any) -> Policy:
    """A policy by which nobody reads protection."""
    reads = {function: at - {PROTECTION} for function, at in STANDARD_POLICY.function_reads.items()}
    return changed(function_reads=reads, **tables)


def ways_into_protection() -> set[tuple[AgencyFunction, Kind]]:
    """What goes there by the standard policy, but for what is taken back."""
    return {
        (function, kind)
        for function in AgencyFunction
        for kind in Kind
        if STANDARD_POLICY.allows(function, kind, PROTECTION)
        and kind not in {Kind.RECALL, Kind.RECTIFICATION}
    }


def test_compare_closes_the_ways_to_a_desk_that_nobody_may_read() -> None:
    """The count says it, and names each way beside the readers; a recall goes all the same."""
    closed = compare(STANDARD_POLICY, without_readers())
    opened = compare(without_readers(), STANDARD_POLICY)

    assert (closed.opened, closed.closed) == (0, ORDERED_PAIRS * len(ways_into_protection()))
    assert (opened.opened, opened.closed) == (closed.closed, 0)
    named = {
        (each.what, kind) for each in closed.changes if each.table == "ways" for kind in each.codes
    }
    assert named == {
        (f"{function} > protection", kind.value) for function, kind in ways_into_protection()
    }
    assert {each.change for each in closed.changes} == {CLOSED}
    assert {each.what for each in closed.changes if each.table == "reads"} == set(
        READERS_OF_PROTECTION
    )


def test_compare_counts_no_way_that_is_opened_to_nobody() -> None:
    """A kind more into a desk without readers goes nowhere; the line is shown all the same."""
    kinds = {**STANDARD_POLICY.kind_goes_to, Kind.ROUTE_REPORT: frozenset(Compartment)}

    changes = compare(without_readers(), without_readers(kind_goes_to=kinds))

    assert (changes.opened, changes.closed) == (0, 0)
    assert {(each.change, each.table) for each in changes.changes} == {(OPENED, "sends")}


def test_compare_counts_as_read_what_no_desk_must_have_a_reader_for() -> None:
    """Where no reader is asked for, the gateway sends; giving that up opens all its ways."""
    changes = compare(without_readers(), without_readers(needs_reader=frozenset()))

    assert (changes.opened, changes.closed) == (ORDERED_PAIRS * len(ways_into_protection()), 0)
    assert {(each.change, each.table) for each in changes.changes} == {
        (OPENED, "readers"),
        (OPENED, "ways"),
    }


def test_compare_leaves_the_way_of_a_referral_open_to_civil_society() -> None:
    """Who reads only referrals keeps just their way open."""
    reads = {
        **STANDARD_POLICY.function_reads,
        REFUGEES: frozenset[Compartment](),
        CHILDREN: frozenset[Compartment](),
    }

    changes = compare(STANDARD_POLICY, changed(function_reads=reads))

    still = {each for each in ways_into_protection() if each[1] is not Kind.PROTECTION_REFERRAL}
    assert (changes.opened, changes.closed) == (0, ORDERED_PAIRS * len(still))


def test_compare_closes_the_ways_to_where_no_purpose_is_served() -> None:
    """Every message has a purpose, so nothing goes any more."""
    changes = compare(STANDARD_POLICY, with_row("purposes", PROTECTION, set()))

    assert (changes.opened, changes.closed) == (0, ORDERED_PAIRS * len(ways_into_protection()))
    assert {(each.change, each.table) for each in changes.changes} == {
        (CLOSED, "purposes"),
        (CLOSED, "ways"),
    }


def test_compare_shows_a_row_that_only_one_of_the_two_has() -> None:
    """A compartment that is used for something for the first time, or no longer for anything."""
    purposes = STANDARD_POLICY.purposes
    without = changed(purposes={each: purposes[each] for each in (INTELLIGENCE, JUDICIAL)})
    row = ("purposes", "protection", tuple(sorted(purposes[PROTECTION])))

    assert (OPENED, *row) in rows(compare(without, STANDARD_POLICY))
    assert (CLOSED, *row) in rows(compare(STANDARD_POLICY, without))
