"""SG-01: nobody who seeks protection becomes known to whom he fled, nor to those who remove.

The 1951 Convention, Art. 33, forbids to return a refugee to where he is in danger; a message
that tells that country who asked for protection is the first step of it.
"""

from typing import Final

from broker.admission.circumstances import Circumstances
from broker.admission.recipients import Destination, refusal
from broker.admission.rules.rule import pointer_to, pointer_to_compartment
from broker.errors import Code
from broker.model.message import Envelope
from schemas.vocabulary import Compartment

NAME: Final = "SG-01"


def marks_stay_in_protection(message: Envelope, destination: Destination, _: Circumstances) -> None:
    """What marks somebody goes to desks that police and migration control never read.

    Groups count as persons do: "200 asylum seekers at this shelter" finds each of them.
    """
    if message.facts.has_marked and destination.compartment is not Compartment.PROTECTION:
        raise refusal(Code.PROTECTION_DENIED, pointer_to_compartment(message), rule=NAME)


def nobody_is_sent_home(message: Envelope, destination: Destination, _: Circumstances) -> None:
    """No recipient is a country that somebody marked comes from; in protection, that anybody does.

    A channel's member is a recipient like any other, and so is a copy for the sender's country.
    """
    facts = message.facts
    is_protection = destination.compartment is Compartment.PROTECTION
    fled = facts.all_origins | facts.marked_origins if is_protection else facts.marked_origins
    for route in destination.routes:
        if route.desk.country in fled:
            raise refusal(
                Code.PROTECTION_DENIED, pointer_to(message, route.desk.country), rule=NAME
            )
