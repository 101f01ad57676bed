"""Which policy is in force, and what happens when nobody could say."""

from dataclasses import replace
from typing import Any

import pytest

from broker.admission.decided import highest_version, policy_in_force, policy_of
from broker.admission.policy import EMPTY_POLICY, STANDARD_POLICY, Policy, read_toml
from broker.admission.policy_changes import ORDERED_PAIRS, WAYS, compare
from broker.admission.policy_form import PolicyError, Purpose
from keys.strict_json import JsonObject
from schemas.loader import SchemaSet
from schemas.vocabulary import AgencyFunction, Compartment, Kind
from tests.admission.region import ALLOWED, Region, around, denied, message


def nested(depth: int) -> Any:
    """Lists in lists."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def policy(version: int = 2, **tables: Any) -> JsonObject:
    """A policy as it is decided: the standard one with another version, and these tables."""
    return {**STANDARD_POLICY.to_json(), "version": version, **tables}


def test_standard_counts_until_another_is_decided() -> None:
    """An exchange works before its administrators have said a word."""
    assert policy_of(()) is STANDARD_POLICY
    assert policy_in_force(Region()) is STANDARD_POLICY


def test_last_one_decided_counts() -> None:
    """The whole of it: nothing of the standard one is left."""
    decided = (policy(2), policy(5, consent={"purposes": []}))

    assert policy_of(decided).version == 5
    assert policy_of(decided).judicial_purposes == frozenset()
    assert policy_in_force(Region(decided=decided)).version == 5


@pytest.mark.parametrize(
    "decided",
    [
        ({},),
        ({"version": 2},),
        (policy(2, extra={}),),
        (policy(2, kinds={}),),
        (policy(2, words={"title": 5000}),),
        (policy(2, words={"title": -1}),),
        (policy(2, words={"title": True}),),
        (policy(2, sends_to=[]),),
        (policy(2, readers={"required": "protection"}),),
        (policy(2, readers={"required": ["protection", "protection"]}),),
        (policy(2, readers={}),),
        ({**policy(2), "version": True},),
        ({**policy(2), "version": "2"},),
        (policy(0),),
        (policy(-1),),
        # Not above the standard one, nor above the one before.
        (policy(1),),
        (policy(2), policy(2)),
        (policy(3), policy(2)),
        (policy(3), policy(4), policy(4)),
        # An unreadable one has used its number up.
        ({"version": 7}, policy(7)),
        # Of which none could follow.
        (policy(1002),),
        (policy(10**4299),),
        # JSON has no word for what this is read as.
        (policy(2, words={"title": float("inf")}),),
        (policy(2, words={"title": nested(100_000)}),),
    ],
)
def test_everything_is_denied_when_the_last_one_is_unclear(decided: tuple[JsonObject, ...]) -> None:
    """Empty, unreadable, or with a version that does not rise."""
    assert policy_of(decided) is EMPTY_POLICY
    assert denied(message(), around(policy=policy_of(decided)))[0] == "policy-denies-all"


def test_a_readable_one_after_an_unclear_one_counts() -> None:
    """Administrators mend it with the next number."""
    assert policy_of(({"version": "x"}, policy(2))).version == 2
    assert policy_of((policy(3), policy(2), policy(4))).version == 4
    assert policy_of((policy(10**4299), policy(2))).version == 2
    assert policy_of((policy(1001), policy(2001))).version == 2001
    assert highest_version([policy(3), policy(2)]) == 3
    assert highest_version([]) == 1
    assert highest_version([{"version": True}, {"version": "9"}]) == 1


@pytest.mark.parametrize(
    ("table", "value", "rule"),
    [
        ("reads", {"police_intelligence": ["protection"]}, "SG-02"),
        ("reads", {"migration_control": ["intelligence", "protection"]}, "SG-02"),
        ("reads", {"civil_society": ["intelligence"]}, "SG-02"),
        ("kinds", {"protection-referral": ["protection", "judicial"]}, "SG-01"),
    ],
)
def test_floor_holds_against_any_policy(table: str, value: dict[str, Any], rule: str) -> None:
    """Two administrators cannot decide what no policy may allow."""
    whole = policy(2)
    tables = whole[table]
    assert isinstance(tables, dict)

    with pytest.raises(PolicyError, match=rule):
        Policy.from_json({**whole, table: {**tables, **value}})


@pytest.mark.parametrize("addressed", [{}, {"civil_society": ["protection-referral", "reply"]}])
def test_floor_keeps_civil_society_to_what_is_addressed_to_it(addressed: JsonObject) -> None:
    """It reads referrals that name it, or nothing."""
    with pytest.raises(PolicyError, match="civil_society"):
        Policy.from_json(policy(2, reads_addressed=addressed))


def test_civil_society_may_read_nothing() -> None:
    """A policy may be stricter than the floor."""
    reads = {**policy()["reads"], "civil_society": []}  # type: ignore[dict-item] # a table

    assert Policy.from_json(policy(2, reads=reads, reads_addressed={})).version == 2
    assert (
        Policy.from_json(policy(2, reads=reads, reads_addressed={"civil_society": []})).version == 2
    )


def test_policy_is_the_same_when_it_is_written_and_read() -> None:
    """What an act holds is what people wrote."""
    assert Policy.from_json(STANDARD_POLICY.to_json()) == STANDARD_POLICY
    assert STANDARD_POLICY.version == 1
    assert not STANDARD_POLICY.denies_all
    assert EMPTY_POLICY.denies_all


@pytest.mark.parametrize("text", ["version = ", "version = 2026-01-01", ""])
def test_policy_is_refused_when_it_is_no_toml_of_ours(text: str) -> None:
    """A date cannot be signed, and nothing is no policy."""
    with pytest.raises(PolicyError):
        read_toml(text)


def test_policy_names_what_is_missing_and_no_value() -> None:
    """Whoever writes one reads which line is wrong."""
    kinds = {**policy()["kinds"]}  # type: ignore[dict-item] # a table
    kinds.pop("reply")

    with pytest.raises(PolicyError, match="kinds: lacks reply"):
        Policy.from_json(policy(2, kinds=kinds))
    with pytest.raises(PolicyError, match="names something unknown") as refused:
        Policy.from_json(policy(2, consent={"purposes": ["secret-value"]}))
    assert "secret-value" not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 0}, "^version: "),
        ({"extra": {}}, "^policy: has a member"),
        ({"readers": {"required": "protection"}}, "^readers: must be a list"),
        ({"consent": {"purposes": ["prosecution", "prosecution"]}}, "^consent: names something tw"),
    ],
)
def test_policy_names_the_table_that_is_wrong(change: JsonObject, said: str) -> None:
    """The first word of the refusal says where to look."""
    with pytest.raises(PolicyError, match=said):
        Policy.from_json({**policy(2), **change})


def test_purposes_are_those_of_the_code_list() -> None:
    """A policy speaks of the purposes that messages have."""
    listed = SchemaSet.load().code_lists()["purpose"]

    assert {each.value for each in Purpose} == {each.code for each in listed.codes}


def test_compare_counts_what_opens_and_closes() -> None:
    """Against nothing, everything that the standard policy allows is opened."""
    allowed = sum(
        STANDARD_POLICY.allows(function, kind, compartment)
        for function in AgencyFunction
        for kind in Kind
        for compartment in Compartment
    )

    opened = compare(EMPTY_POLICY, STANDARD_POLICY)
    closed = compare(STANDARD_POLICY, EMPTY_POLICY)

    assert (opened.opened, opened.closed) == (ORDERED_PAIRS * allowed, 0)
    assert (closed.opened, closed.closed) == (0, ORDERED_PAIRS * allowed)
    # The standard policy restricts, too: by whom civil society reads, and by what needs consent.
    restricts = {("reads_addressed", "civil_society"), ("readers", ""), ("consent", "use")}
    assert {(each.table, each.what) for each in opened.changes if each.change == "closed"} == (
        restricts
    )
    assert {each.table for each in closed.changes} == {
        "sends",
        "reads",
        "reads_addressed",
        "readers",
        "purposes",
        "consent",
    }
    assert WAYS == 30_030
    assert compare(STANDARD_POLICY, replace(STANDARD_POLICY, version=9)).changes == ()


def test_everything_that_the_standard_policy_says_is_used() -> None:
    """The region of these tests works by it."""
    assert denied(message(), around(policy=STANDARD_POLICY)) == ALLOWED
