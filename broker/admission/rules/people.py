"""SG-03, SG-04 and SG-10: what is said of a person, and how."""

from typing import Final

from broker.admission.circumstances import Circumstances
from broker.admission.recipients import Destination, refusal
from broker.errors import Code
from broker.model.message import Envelope
from schemas.vocabulary import Compartment, Urgency

MIGRANTS: Final = "SG-03"
CHILDREN: Final = "SG-04"
NARRATIVE: Final = "SG-10"


def moving_is_no_suspicion(message: Envelope, _: Destination, __: Circumstances) -> None:
    """Nobody is accused of having been smuggled (Smuggling Protocol, Art. 5)."""
    if message.facts.criminalises:
        raise refusal(Code.CATEGORY_DENIED, "/body", rule=MIGRANTS)


def second_officer_signs(message: Envelope, _: Destination, __: Circumstances) -> None:
    """Who says that a migrant acted as guide or driver does not say it alone."""
    if message.facts.needs_second_officer and message.second_signed_with is None:
        raise refusal(Code.SECOND_OFFICER_REQUIRED, "/body", rule=MIGRANTS)


def no_child_is_exposed(message: Envelope, _: Destination, __: Circumstances) -> None:
    """Nobody who may be a child can be searched for (CRC, Art. 16)."""
    if message.facts.exposes_child:
        raise refusal(Code.CHILD_EXPOSED, "/body", rule=CHILDREN)


def children_come_first(message: Envelope, destination: Destination, _: Circumstances) -> None:
    """In protection, what is about children is never routine (CRC, Art. 3)."""
    if (
        message.facts.has_children
        and destination.compartment is Compartment.PROTECTION
        and message.urgency is Urgency.ROUTINE
    ):
        raise refusal(Code.URGENCY_DENIED, "/urgency", rule=CHILDREN)


def codes_not_stories(message: Envelope, destination: Destination, _: Circumstances) -> None:
    """A protection body tells in codes; words only where the policy lists them."""
    if message.facts.has_narrative and destination.compartment is Compartment.PROTECTION:
        raise refusal(Code.NARRATIVE_DENIED, "/body", rule=NARRATIVE)
