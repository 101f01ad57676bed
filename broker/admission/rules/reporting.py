"""SG-11: a report does not become surer by being reported again."""

from typing import Final

from broker.admission.circumstances import Circumstances
from broker.admission.recipients import Destination, refusal
from broker.admission.rules.lineage import ancestry, roots_of
from broker.errors import Code
from broker.model.facts import Evaluation
from broker.model.message import Envelope

NAME: Final = "SG-11"


def nothing_is_upgraded(message: Envelope, _: Destination, now: Circumstances) -> None:
    """With one root, the evaluation is no better than one that its chain already has.

    Two independent roots may confirm each other. Schemes are kept as given and never
    converted, so with one root another scheme is no evaluation of the same.
    """
    given = message.facts.evaluation
    if given is None or not message.facts.lineage or len(roots_of(message, now)) > 1:
        return
    chain = [one.evaluation for one in ancestry(message, now) if one.evaluation is not None]
    if chain and not any(_is_no_better(given, than=each) for each in chain):
        raise refusal(Code.EVALUATION_UPGRADED, "/evaluation", rule=NAME)


def _is_no_better(given: Evaluation, *, than: Evaluation) -> bool:
    """Whether both grades are the same or worse; in every scheme the best comes first."""
    return (
        given.scheme == than.scheme
        and given.source >= than.source
        and given.information >= than.information
    )
