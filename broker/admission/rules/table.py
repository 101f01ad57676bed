"""Every rule, in the order in which they are asked. Whoever wants to know them reads this.

A rule that is not here is not enforced; a test names each safeguard and finds it.
"""

from typing import Final

from broker.admission import threads
from broker.admission.rules import (
    charter,
    compartments,
    originator,
    people,
    protection,
    purposes,
    reporting,
)
from broker.admission.rules.rule import Check, Rule


def _of_earlier(name: str, check: Check, *, of_what_lies_there: bool = False) -> Rule:
    # A rectification that says from what it derives is held to that, too: nobody needs a
    # lineage to take back what he sent.
    return Rule(
        name=name,
        check=check,
        at_the_desk=False,
        of_earlier=True,
        of_what_lies_there=of_what_lies_there,
        of_a_recall=True,
    )


RULES: Final = (
    Rule(name=purposes.POLICY, check=purposes.there_are_rules, at_the_desk=True),
    Rule(name=charter.NAME, check=charter.kind_is_agreed, at_the_desk=False),
    Rule(name=charter.NAME, check=charter.handling_is_agreed, at_the_desk=False),
    Rule(name=charter.NAME, check=charter.origin_seals, at_the_desk=False, of_a_recall=True),
    Rule(name=threads.NAME, check=threads.check_thread, at_the_desk=False, of_earlier=True),
    Rule(name=compartments.NAME, check=compartments.kind_fits, at_the_desk=True),
    Rule(name=compartments.NAME, check=compartments.sender_sends, at_the_desk=False),
    # First who must never know, then who may: the refusal then names what matters most.
    Rule(name=protection.NAME, check=protection.marks_stay_in_protection, at_the_desk=True),
    Rule(name=protection.NAME, check=protection.nobody_is_sent_home, at_the_desk=True),
    Rule(name=compartments.NAME, check=compartments.somebody_reads, at_the_desk=False),
    Rule(name=compartments.NAME, check=compartments.members_read, at_the_desk=False),
    Rule(
        name=people.CHILDREN, check=people.no_child_is_exposed, at_the_desk=True, of_a_recall=True
    ),
    Rule(name=people.CHILDREN, check=people.children_come_first, at_the_desk=True),
    Rule(name=people.MIGRANTS, check=people.moving_is_no_suspicion, at_the_desk=True),
    Rule(name=people.MIGRANTS, check=people.second_officer_signs, at_the_desk=True),
    Rule(name=people.NARRATIVE, check=people.codes_not_stories, at_the_desk=True, of_a_recall=True),
    Rule(name=purposes.NAME, check=purposes.purpose_fits, at_the_desk=True),
    # What was said before: the gateway knows it, a desk knows only what came to it, and asks
    # what that alone can answer.
    _of_earlier(originator.NAME, originator.lineage_is_known),
    _of_earlier(originator.NAME, originator.only_own_is_granted),
    _of_earlier(originator.NAME, originator.handling_is_kept, of_what_lies_there=True),
    _of_earlier(originator.NAME, originator.recipients_are_granted),
    _of_earlier(originator.NAME, originator.judicial_use_is_granted),
    _of_earlier(reporting.NAME, reporting.nothing_is_upgraded, of_what_lies_there=True),
)
OF_A_RECALL: Final = tuple(rule for rule in RULES if rule.of_a_recall)
"""What is asked of a recall or rectification; see ``Rule.of_a_recall``."""
LEFT_SINCE: Final = Rule(
    name=compartments.NAME, check=compartments.known_sender_sends, at_the_desk=True
)
AT_THE_DESK: Final = (*(rule for rule in RULES if rule.at_the_desk), LEFT_SINCE)
"""What a desk asks again of the content that it opened; see ``Rule.at_the_desk``."""
OF_WHAT_LIES_THERE: Final = tuple(rule for rule in RULES if rule.of_what_lies_there)
"""What it asks of a message all of whose sources lie in its own inbox."""
