"""SG-13: does a reply go where its question came from? It stays in its channel or pair.

To take what somebody said elsewhere is to hand it on: that is a new message with ``lineage``,
and its originator has a word in it (SG-05).
"""

from typing import Final

from broker.admission.circumstances import Circumstances
from broker.admission.recipients import Destination, refusal
from broker.admission.rules.lineage import may_know
from broker.admission.rules.rule import pointer_to
from broker.errors import Code
from broker.model.facts import KnownMessage
from broker.model.message import Envelope
from schemas.vocabulary import Country

NAME: Final = "SG-13"
POINTER: Final = "/in_reply_to"


def check_thread(message: Envelope, destination: Destination, now: Circumstances) -> None:
    """Return if the message answers nothing, or answers where it was asked, and nobody else.

    Args:
        message: Its ``in_reply_to`` names what it answers.
        destination: Where it wants to go.
        now: Knows the messages that it names.

    Raises:
        PermissionDeniedError: ``reference-unknown``, also for what this country neither sent
            nor received, and for what lies in a compartment that the sender's function does not
            read: nobody learns here that it exists. ``thread-elsewhere``, with the recipient
            who was not asked, or at ``in_reply_to`` where who asked gets no answer.
    """
    answered = message.facts.in_reply_to
    if answered is None:
        return
    # Agencies choose their ids, so several messages may have one; each was somebody's.
    own = [one for one in now.known.get(answered, ()) if may_know(message, one, now)]
    if not own:
        raise refusal(Code.REFERENCE_UNKNOWN, POINTER, rule=NAME)
    meant = [one for one in own if _goes_back(message, destination, one)]
    if not meant:
        raise refusal(Code.THREAD_ELSEWHERE, POINTER, rule=NAME)
    strangers = min((_strangers(message, one) for one in meant), key=len)
    for route in destination.routes:
        if route.desk.country in strangers:
            pointer = pointer_to(message, route.desk.country)
            raise refusal(Code.THREAD_ELSEWHERE, pointer, rule=NAME)


def _goes_back(message: Envelope, destination: Destination, one: KnownMessage) -> bool:
    if one.channel is not None or message.to.channel is not None:
        return one.channel == message.to.channel
    if destination.compartment is not one.compartment:
        return False
    if one.sender.country is message.sender.country:
        # Whoever adds to what his own country wrote tells one of those who have it.
        return not _asked(one).isdisjoint(message.to.countries)
    return one.sender.country in message.to.countries


def _strangers(message: Envelope, one: KnownMessage) -> frozenset[Country]:
    """Who would read the answer to a question that he was never asked?

    What a country wrote itself it may tell whom it likes.
    """
    if one.channel is not None or one.sender.country is message.sender.country:
        return frozenset()
    return frozenset(message.to.countries) - _asked(one) - {one.sender.country}


def _asked(one: KnownMessage) -> frozenset[Country]:
    return frozenset(desk.country for desk in one.held_by)
