"""What is a rule? A name, and a question that a message passes or does not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from broker.admission.circumstances import Circumstances
from broker.admission.recipients import Destination
from broker.model import Message

Check: TypeAlias = Callable[[Message, Destination, Circumstances], None]
"""Returns, or raises ``PermissionDeniedError`` with the name of its rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of the table."""

    name: str
    """``SG-01``, as a refusal gives it."""
    check: Check
    at_the_desk: bool
    """Whether a desk, which opens the content, asks it again."""


def pointer_to(message: Message, index: int) -> str:
    """Where does the message name this recipient?"""
    return "/to/channel" if message.to.channel is not None else f"/to/countries/{index}"


def pointer_to_compartment(message: Message) -> str:
    """Where does the message name its compartment?"""
    return "/to/channel" if message.to.channel is not None else "/to/compartment"
