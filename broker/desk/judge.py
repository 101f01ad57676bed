"""May this content lie at this desk? The safeguards once more, where the content is open.

The gateway asked them before it sealed. A desk asks again, for itself alone, so that a gateway
that forgot or bent a rule is found out by whoever reads. It asks what content and directory can
answer years later: not whether the sender's agency still takes part. Of what was said before it
knows only what came to it: it asks about a message that derives from nothing else.
"""

from broker.admission.circumstances import Circumstances
from broker.admission.recall import TAKING_BACK
from broker.admission.recipients import Destination
from broker.admission.rules.table import AT_THE_DESK, OF_WHAT_LIES_THERE
from broker.model.message import Message, Route
from broker.model.names import DeskRef, QueueName


def judge(message: Message, desk: DeskRef, queue: QueueName, circumstances: Circumstances) -> None:
    """Return if no safeguard keeps this message from this desk.

    Args:
        message: Opened and proven.
        desk: Whose inbox this is.
        queue: By which road it came.
        circumstances: Of when the gateway accepted it, by its receipt, and with the earlier
            messages that lie here.

    Raises:
        PermissionDeniedError: It names the rule.
    """
    route = Route(desk=desk, queue=queue, rule="")
    destination = Destination(compartment=desk.compartment, routes=(route,))
    is_recall = message.kind in TAKING_BACK
    for rule in AT_THE_DESK:
        if rule.of_a_recall or not is_recall:
            rule.check(message, destination, circumstances)
    if _derives_from_what_lies_here(message, circumstances):
        for rule in OF_WHAT_LIES_THERE:
            rule.check(message, destination, circumstances)


def _derives_from_what_lies_here(message: Message, circumstances: Circumstances) -> bool:
    """Whether all its sources lie here, and each is where its lineage ends.

    With one that does not, nobody here can say what it adds; so nothing is asked of it.
    """
    sources = [circumstances.known.get(each, ()) for each in message.facts.lineage]
    return bool(sources) and all(each and all(one.roots for one in each) for each in sources)
