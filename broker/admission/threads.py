"""Does a reply go where its question came from? Replies stay in their channel or pair.

To take what somebody said elsewhere is to hand it on: that is a new message with ``lineage``,
and its originator has a word in it (SG-05).
"""

from collections.abc import Mapping, Sequence

from broker.admission.recipients import Destination, refusal
from broker.errors import Code
from broker.model import Envelope, KnownMessage, MessageId
from schemas.vocabulary import Country

POINTER = "/in_reply_to"


def check_thread(
    message: Envelope,
    destination: Destination,
    known: Mapping[MessageId, Sequence[KnownMessage]],
) -> None:
    """Return if the message answers nothing, or answers where it was asked.

    Args:
        message: Its ``in_reply_to`` names what it answers.
        destination: Where it wants to go.
        known: What is known of the messages that it names.

    Raises:
        PermissionDeniedError: ``reference-unknown``, also for what this country neither sent
            nor received: nobody learns here that it exists. ``thread-elsewhere``.
    """
    answered = message.facts.in_reply_to
    if answered is None:
        return
    country = message.sender.country
    # Agencies choose their ids, so several messages may have one; each was somebody's.
    own = [one for one in known.get(answered, ()) if _is_shared_with(country, one)]
    if not own:
        raise refusal(Code.REFERENCE_UNKNOWN, POINTER)
    if not any(_goes_back(message, destination, one) for one in own):
        raise refusal(Code.THREAD_ELSEWHERE, POINTER)


def _is_shared_with(country: Country, one: KnownMessage) -> bool:
    return one.sender.country is country or any(desk.country is country for desk in one.desks)


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
