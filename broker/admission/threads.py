"""Does a reply go where its question came from? Replies stay in their channel or pair.

To take what somebody said elsewhere is to hand it on: that is a new message with ``lineage``,
and its originator has a word in it (SG-05).
"""

from broker.admission.circumstances import Circumstances
from broker.admission.recipients import Destination, refusal
from broker.admission.rules.lineage import may_know
from broker.errors import Code
from broker.model.facts import KnownMessage
from broker.model.message import Envelope

POINTER = "/in_reply_to"


def check_thread(message: Envelope, destination: Destination, now: Circumstances) -> None:
    """Return if the message answers nothing, or answers where it was asked.

    Args:
        message: Its ``in_reply_to`` names what it answers.
        destination: Where it wants to go.
        now: Knows the messages that it names.

    Raises:
        PermissionDeniedError: ``reference-unknown``, also for what this country neither sent
            nor received, and for what lies in a compartment that the sender's function does not
            read: nobody learns here that it exists. ``thread-elsewhere``.
    """
    answered = message.facts.in_reply_to
    if answered is None:
        return
    # Agencies choose their ids, so several messages may have one; each was somebody's.
    own = [one for one in now.known.get(answered, ()) if may_know(message, one, now)]
    if not own:
        raise refusal(Code.REFERENCE_UNKNOWN, POINTER)
    if not any(_goes_back(message, destination, one) for one in own):
        raise refusal(Code.THREAD_ELSEWHERE, POINTER)


def _goes_back(message: Envelope, destination: Destination, one: KnownMessage) -> bool:
    if one.channel is not None or message.to.channel is not None:
        return one.channel == message.to.channel
    if destination.compartment is not one.compartment:
        return False
    desks = {route.desk for route in destination.routes}
    if one.sender.country is message.sender.country:
        # Whoever adds to what his own country wrote tells one of those who have it.
        return not desks.isdisjoint(one.desks)
    return one.sender.country in {desk.country for desk in desks}
