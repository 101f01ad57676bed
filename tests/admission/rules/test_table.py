"""Which safeguards is a message asked, and which are asked of a recall and again at the desk?"""

from dataclasses import replace
from typing import Any

from broker.admission.circumstances import Circumstances
from broker.admission.policy import EMPTY_POLICY
from broker.admission.rules.table import AT_THE_DESK, RULES
from broker.model.facts import KnownMessage
from broker.model.message import Message
from keys.charter import Sealing
from schemas.vocabulary import Kind
from tests.admission.region import (
    ALLOWED,
    CHANNEL,
    EVERY_AGENCY,
    GT,
    HN,
    INTELLIGENCE,
    ME,
    MX,
    PROTECTION,
    Region,
    allowed,
    around,
    charter,
    denied,
    desk,
    known,
    message,
)


def test_rules_are_all_there() -> None:
    """Each safeguard that is a question to a message stands in the table."""
    names = {rule.name for rule in RULES}

    assert names == {
        "policy",
        "SG-01",
        "SG-02",
        "SG-03",
        "SG-04",
        "SG-05",
        "SG-06",
        "SG-10",
        "SG-11",
        "SG-13",
        "charter",
    }
    assert RULES[0].name == "policy"


def test_rules_that_need_nothing_else_are_asked_at_the_desk_too() -> None:
    """What a desk can judge by the content alone it judges again."""
    again = {rule.name for rule in RULES if rule.at_the_desk}

    assert again == {"policy", "SG-01", "SG-02", "SG-03", "SG-04", "SG-06", "SG-10"}
    assert len(AT_THE_DESK) == sum(rule.at_the_desk for rule in RULES) + 1


def test_rules_say_where_else_they_are_asked() -> None:
    """Of a recall only what it says itself; without a ledger nothing about earlier messages."""
    of_a_recall = {
        rule.check.__name__ for rule in RULES if rule.of_a_recall and not rule.of_earlier
    }
    of_earlier = {rule.name for rule in RULES if rule.of_earlier}
    again = {rule.check.__name__ for rule in RULES if rule.at_the_desk}

    assert of_a_recall == {"origin_seals", "no_child_is_exposed", "codes_not_stories"}
    assert of_earlier == {"SG-05", "SG-11", "SG-13"}
    assert {rule.name for rule in RULES if rule.of_earlier and not rule.of_a_recall} == {"SG-13"}
    assert again == {
        "there_are_rules",
        "kind_fits",
        "marks_stay_in_protection",
        "nobody_is_sent_home",
        "no_child_is_exposed",
        "children_come_first",
        "moving_is_no_suspicion",
        "second_officer_signs",
        "codes_not_stories",
        "purpose_fits",
    }
    assert all(rule.at_the_desk for rule in AT_THE_DESK)


def test_everything_is_denied_when_there_are_no_rules() -> None:
    """An empty policy denies what any other lets pass."""
    assert denied(message()) == ALLOWED
    assert denied(message(), around(policy=EMPTY_POLICY)) == ("policy-denies-all", "policy", "")


def test_routes_keep_the_rule_that_allows_them() -> None:
    """A dry run shows which road it is (SG-12)."""
    routed = allowed(message(to=(GT, HN)))

    assert [route.rule for route in routed.deliveries] == ["open-pair", "open-pair"]
    assert routed.compartment is INTELLIGENCE


def test_every_agency_of_the_region_is_registered() -> None:
    """The world of these tests is whole, so that what is denied is denied by its rule."""
    circumstances: Circumstances = around()

    assert all(circumstances.directory.agency(ref) is not None for ref in EVERY_AGENCY)


ORIGIN_SEALED = replace(
    charter({MX: ("prosecution",), GT: ("prosecution",)}, INTELLIGENCE), sealing=Sealing.ORIGIN
)
SEALING = ("origin-sealing-required", "charter", "/to/channel")


def test_channel_that_asks_for_origin_sealing_takes_nothing_else() -> None:
    """The gateway must not read it, so it is refused before a rule is asked."""
    circumstances = around(directory=Region(charters=[ORIGIN_SEALED]))
    sent = message(channel=CHANNEL)

    assert denied(sent, circumstances) == SEALING
    assert denied(sent, replace(circumstances, is_sealed=True)) == ALLOWED


def recall(subject: KnownMessage, **more: Any) -> Message:
    """Take an earlier message back, with the address that it had."""
    return message(
        kind=Kind.RECALL,
        channel=subject.channel,
        concerns=subject.id,
        compartment=subject.compartment,
        **more,
    )


def test_recall_over_a_channel_is_sealed_as_its_messages_are() -> None:
    """Nothing that was closed keeps it back; but the gateway must not read it either."""
    subject = known(1, ME, desk(GT), channel=CHANNEL)
    circumstances = around(subject, directory=Region(charters=[ORIGIN_SEALED]))

    assert denied(recall(subject), circumstances) == SEALING
    assert denied(recall(subject), replace(circumstances, is_sealed=True)) == ALLOWED
    assert denied(recall(subject), around(subject)) == ALLOWED


def test_recall_is_judged_by_what_it_says_itself() -> None:
    """In protection it tells no story, and it exposes no child; nothing else is asked."""
    subject = known(1, ME, desk(GT, PROTECTION), compartment=PROTECTION)
    circumstances = around(subject, policy=EMPTY_POLICY)

    assert denied(recall(subject, purpose="prosecution"), circumstances) == ALLOWED
    assert denied(recall(subject, has_narrative=True), circumstances)[0] == "narrative-denied"
    assert denied(recall(subject, exposes_child=True), circumstances)[0] == "child-exposed"
