"""May this agency take that message back, and whom must it reach? (SG-07)

A recall protects people, so nothing that was closed since the message went out may keep it
from a desk that holds it: neither pair nor channel nor policy is asked. It tells nothing new
to anybody: only who wrote the message may name it, and only who had it hears of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from broker.admission.circumstances import Circumstances
from broker.admission.recipients import Destination, refusal
from broker.directory import Directory
from broker.errors import Code, KeyUnavailableError, PermissionDeniedError
from broker.model.facts import KnownMessage
from broker.model.message import Envelope, Route
from broker.model.names import DeskRef, MessageId, QueueName, channel_queue, pair_queue
from keys.key import EncryptionKey
from schemas.vocabulary import Kind

TAKING_BACK: Final = frozenset({Kind.RECALL, Kind.RECTIFICATION})
HELD_BY_DESK: Final = "SG-07"
"""The rule that allows a recipient: the message was addressed to it."""
OF: Final = "/body/of"


def take_back(message: Envelope, now: Circumstances) -> Destination:
    """Route a recall or rectification to every desk of the message that it names.

    Args:
        message: Of a kind in :data:`TAKING_BACK`.
        now: Knows the message that it names, and by which charter its channel works.

    Raises:
        PermissionDeniedError: ``RECALL_DENIED``. An id that is unknown and one of another
            agency look the same: nobody learns here what others have sent.
    """
    subject = _own(message, now.known)
    if subject is None or subject.kind in TAKING_BACK:
        raise _denied(OF)
    if not _has_same_address(message, subject):
        raise _denied("/to")
    if message.facts.replaced_by in {subject.id, message.id}:
        raise _denied("/body/replaced_by")
    channel = None if subject.channel is None else now.directory.channel(subject.channel)
    return Destination(
        compartment=subject.compartment,
        routes=tuple(
            Route(desk=desk, queue=_queue(subject, desk), rule=HELD_BY_DESK)
            for desk in sorted(subject.desks)
        ),
        charter=None if channel is None else channel.charter(now.now),
    )


def keys_to_seal_to(
    kind: Kind, desks: Iterable[DeskRef], directory: Directory, now: datetime
) -> Mapping[DeskRef, EncryptionKey]:
    """Find the key of each desk, in this order.

    What takes a message back does not wait for a desk that has none, and is sealed without it:
    the copies of all the others must end now. It may be sealed to nobody.

    Raises:
        KeyUnavailableError: Of any other kind, where one desk has no current key.
    """
    keys: dict[DeskRef, EncryptionKey] = {}
    for desk in desks:
        try:
            keys[desk] = directory.encryption_key(desk, now)
        except KeyUnavailableError:
            if kind not in TAKING_BACK:
                raise
    if not keys and kind not in TAKING_BACK:
        raise RuntimeError("a message is routed to nobody")
    return keys


def hides_recipients(message: Envelope, directory: Directory, now: datetime) -> bool:
    """Whether the desks of this message must not learn of each other (SG-12).

    A recall goes to those who had the message, by whichever terms that was: it shows them to each
    other only if none of the channel's charters ever hid them.
    """
    if message.to.channel is None:
        # A message to countries names them all, and its sender has signed that.
        return False
    channel = directory.channel(message.to.channel)
    if channel is None:
        return True
    charters = [channel.charter(now)]
    if message.kind in TAKING_BACK:
        charters += [term.charter for term in channel.terms]
    return any(one is None or not one.shows_recipients for one in charters)


def _own(
    message: Envelope, known: Mapping[MessageId, Sequence[KnownMessage]]
) -> KnownMessage | None:
    concerns = message.facts.concerns
    # Where its origin has sealed it, the facts are its own word: it may name nothing at all.
    same_id = () if concerns is None else known.get(concerns, ())
    return next((each for each in same_id if each.sender == message.sender), None)


def _has_same_address(message: Envelope, subject: KnownMessage) -> bool:
    to, countries = message.to, {desk.country for desk in subject.desks}
    if subject.channel is not None:
        had_own_copy = message.sender.country in countries
        return (to.channel, to.own_copy) == (subject.channel, had_own_copy)
    return (to.channel, to.compartment, set(to.countries)) == (
        None,
        subject.compartment,
        countries,
    )


def _queue(subject: KnownMessage, desk: DeskRef) -> QueueName:
    # The way the message went: a desk reads it for as long as it takes part in the exchange.
    if subject.channel is not None:
        return channel_queue(subject.channel, desk.country)
    return pair_queue(subject.sender.country, desk)


def _denied(pointer: str) -> PermissionDeniedError:
    return refusal(Code.RECALL_DENIED, pointer, rule=HELD_BY_DESK)
