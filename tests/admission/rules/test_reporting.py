"""May a report become surer by being told again (SG-11)?"""

from collections.abc import Iterable

import pytest

from broker.model.facts import Evaluation, KnownMessage
from broker.model.message import Message
from broker.model.names import MessageId
from tests.admission.region import (
    ALLOWED,
    MESSAGE,
    MX,
    PARTNER,
    allowed,
    around,
    denied,
    desk,
    known,
    message,
    message_id_of,
)


def rated(text: str) -> Evaluation:
    """``4x4/B/2``."""
    scheme, source, information = text.split("/")
    return Evaluation(scheme=scheme, source=source, information=information)


def reported(number: int, evaluation: str | None, *roots: MessageId) -> KnownMessage:
    """An earlier report that Mexico received."""
    return known(
        number,
        PARTNER,
        desk(MX),
        roots=roots,
        evaluation=None if evaluation is None else rated(evaluation),
    )


UPGRADED = ("evaluation-upgraded", "SG-11", "/evaluation")
ROOT = message_id_of(1)


@pytest.mark.parametrize(
    ("earlier", "given", "passes"),
    [
        ([reported(1, "4x4/B/2")], "4x4/B/2", True),
        ([reported(1, "4x4/B/2")], "4x4/C/3", True),
        ([reported(1, "4x4/B/2")], "4x4/A/2", False),
        ([reported(1, "4x4/B/2")], "4x4/B/1", False),
        ([reported(1, "4x4/X/4")], "4x4/C/4", False),
        ([reported(1, "4x4/B/2")], "admiralty/B/2", False),
        ([reported(1, None)], "4x4/A/1", True),
        ([reported(1, "4x4/B/2")], None, True),
        # Two reports of one origin are one report.
        ([reported(1, "4x4/B/2"), reported(2, "4x4/B/2", ROOT)], "4x4/A/1", False),
        ([reported(1, "4x4/A/3"), reported(2, "4x4/B/1", ROOT)], "4x4/A/1", False),
        ([reported(1, "4x4/A/1"), reported(2, "4x4/C/3", ROOT)], "4x4/A/1", True),
        # Two origins may confirm each other.
        ([reported(1, "4x4/B/2"), reported(2, "4x4/B/2")], "4x4/A/1", True),
        ([reported(1, "4x4/B/2"), reported(2, "admiralty/B/2")], "admiralty/A/1", True),
    ],
)
def test_evaluation_is_not_upgraded_by_a_single_origin(
    earlier: Iterable[KnownMessage], given: str | None, *, passes: bool
) -> None:
    """The same report told twice is no surer than it was."""
    named = tuple(earlier)
    sent = message(
        lineage=tuple(each.id for each in named),
        evaluation=None if given is None else rated(given),
    )

    assert denied(sent, around(*named)) == (ALLOWED if passes else UPGRADED)


def test_evaluation_is_held_to_the_origin_that_was_not_named() -> None:
    """Who names only the second report may restore the first one's grade, and go no further."""
    first, second = reported(1, "4x4/A/2"), reported(2, "4x4/C/4", ROOT)

    def told(given: str) -> Message:
        return message(lineage=(second.id,), evaluation=rated(given))

    assert denied(told("4x4/A/2"), around(second, first)) == ALLOWED
    assert denied(told("4x4/A/1"), around(second, first)) == UPGRADED
    assert denied(told("4x4/A/2"), around(second)) == UPGRADED


def test_evaluation_is_free_when_nothing_was_before() -> None:
    """A first report is as sure as its author says."""
    assert denied(message(evaluation=rated("4x4/A/1"))) == ALLOWED


def test_roots_are_those_of_the_lineage_or_the_message_itself() -> None:
    """What is recorded of a message, for those that will name it."""
    first, second = reported(1, None), reported(3, None, message_id_of(7), ROOT)
    sent = message(lineage=(first.id, second.id))

    assert allowed(sent, around(first, second)).roots == {ROOT, message_id_of(7)}
    assert allowed(message()).roots == {MESSAGE.id}
