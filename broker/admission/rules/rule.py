"""What is a rule? A name, and a question that a message passes or does not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from broker.admission.circumstances import Circumstances
from broker.admission.recipients import Destination
from broker.model.message import Envelope
from schemas.vocabulary import Country

Check: TypeAlias = Callable[[Envelope, Destination, Circumstances], None]
"""Returns, or raises ``PermissionDeniedError`` with the name of its rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of the table."""

    name: str
    """``SG-01``, as a refusal gives it."""
    check: Check
    at_the_desk: bool
    """Whether a desk, which opens the content, asks it again."""
    of_earlier: bool = False
    """Whether it asks what is known of earlier messages."""
    of_what_lies_there: bool = False
    """Whether a desk asks it, too, of the earlier messages that lie in its own inbox."""
    of_a_recall: bool = False
    """Whether it is asked of a recall or rectification too: those go where their message went,
    whatever was closed since (SG-07), so only what they say themselves is judged."""


def pointer_to(message: Envelope, country: Country) -> str:
    """Where does the message name this recipient?

    A desk may hold one that was never addressed to it; then it is named nowhere.
    """
    if message.to.channel is not None:
        return "/to/channel"
    named = message.to.countries
    return f"/to/countries/{named.index(country)}" if country in named else "/to/countries"


def pointer_to_compartment(message: Envelope) -> str:
    """Where does the message name its compartment?"""
    return "/to/channel" if message.to.channel is not None else "/to/compartment"
