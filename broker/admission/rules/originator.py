"""SG-05: what an originator restricted stays restricted, whoever hands it on.

Smuggling Protocol, Art. 10(2): who receives information complies with the conditions that its
sender put on it.
"""

from typing import Final

from broker.admission.circumstances import Circumstances
from broker.admission.recipients import STRICTNESS, Destination, refusal
from broker.admission.rules.lineage import ancestry, parents, roots_of
from broker.admission.rules.rule import pointer_to
from broker.errors import Code
from broker.model.facts import Grant, KnownMessage
from broker.model.message import Envelope
from broker.model.names import DeskRef
from schemas.vocabulary import Compartment, HandlingCode

NAME: Final = "SG-05"
MOST_ROOTS: Final = 1000
"""How many messages a lineage may end in; no report has so many originators."""
ASKED_FOR_RECIPIENTS: Final = STRICTNESS.index(HandlingCode.H2)
ASKED_FOR_JUDICIAL_USE: Final = STRICTNESS.index(HandlingCode.H1)


def lineage_is_known(message: Envelope, _: Destination, now: Circumstances) -> None:
    """Every message that it derives from is one that its sender may know.

    One answer for what never was and for what is not the sender's to know. And none derives from
    itself: agencies choose their ids, and under that of its own origin it would look like one, so
    that nobody would ask the originator any more.
    """
    found = {
        index for index, one in parents(message, now) if message.id not in {one.id, *one.roots}
    }
    for index in range(len(message.facts.lineage)):
        if index not in found:
            raise refusal(Code.REFERENCE_UNKNOWN, f"/lineage/{index}", rule=NAME)
    if len(roots_of(message, now)) > MOST_ROOTS:
        # Else fifty times fifty times fifty origins are looked up for one message, for ever.
        raise refusal(Code.LINEAGE_TOO_WIDE, "/lineage", rule=NAME)


def only_own_is_granted(message: Envelope, _: Destination, now: Circumstances) -> None:
    """Who permits to hand on is the originator, and no one else."""
    grant = message.facts.grant
    if grant is None:
        return
    for message_id in grant.of:
        if all(one.sender != message.sender for one in now.known.get(message_id, ())):
            raise refusal(Code.REFERENCE_UNKNOWN, "/body/permission/for", rule=NAME)


def handling_is_kept(message: Envelope, _: Destination, now: Circumstances) -> None:
    """What derives from a message of others is handled as strictly as that."""
    for one in ancestry(message, now):
        if one.sender != message.sender and _strictness(one.handling) > _strictness(
            message.handling
        ):
            raise refusal(Code.HANDLING_DENIED, "/handling/code", rule=NAME)


def recipients_are_granted(message: Envelope, destination: Destination, now: Circumstances) -> None:
    """From H2 on, a recipient had it from the originator, or the originator lets him have it."""
    for one in ancestry(message, now):
        if one.sender == message.sender or _strictness(one.handling) < ASKED_FOR_RECIPIENTS:
            continue
        for route in destination.routes:
            if not (_had_it(one, route.desk) or _grants(one, route.desk, message, now)):
                raise refusal(
                    Code.ORIGINATOR_DENIED, pointer_to(message, route.desk.country), rule=NAME
                )


def judicial_use_is_granted(
    message: Envelope, destination: Destination, now: Circumstances
) -> None:
    """From H1 on, the originator consents to use in court, or sent it for that himself."""
    if not _is_judicial(destination.compartment, message.facts.purpose, now):
        return
    for one in ancestry(message, now):
        if (
            one.sender == message.sender
            or _strictness(one.handling) < ASKED_FOR_JUDICIAL_USE
            or _is_judicial(one.compartment, one.purpose, now)
        ):
            continue
        for route in destination.routes:
            if not any(
                _covers(grant, one, route.desk, message, now)
                and grant.purposes & now.policy.judicial_purposes
                for grant in one.grants
            ):
                raise refusal(
                    Code.ORIGINATOR_DENIED, pointer_to(message, route.desk.country), rule=NAME
                )


def _had_it(one: KnownMessage, desk: DeskRef) -> bool:
    """Whether this desk received it from its originator, or is the originator's own."""
    is_own = desk.country is one.sender.country and desk.compartment is one.compartment
    return is_own or desk in one.held_by


def _grants(one: KnownMessage, desk: DeskRef, message: Envelope, now: Circumstances) -> bool:
    return any(_covers(grant, one, desk, message, now) for grant in one.grants)


def _covers(
    grant: Grant, one: KnownMessage, desk: DeskRef, message: Envelope, now: Circumstances
) -> bool:
    """Whether a permission is for this country, this purpose and this time."""
    return (
        desk.country in grant.to_countries
        and message.facts.purpose in (grant.purposes or {one.purpose})
        and (grant.until is None or now.now <= grant.until)
    )


def _is_judicial(compartment: Compartment, purpose: str, now: Circumstances) -> bool:
    return compartment is Compartment.JUDICIAL or purpose in now.policy.judicial_purposes


def _strictness(code: HandlingCode) -> int:
    return STRICTNESS.index(code)
