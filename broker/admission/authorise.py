"""May this message go where it wants, and which desks is that?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from broker.admission.policy import Policy
from broker.admission.recall import TAKING_BACK, take_back
from broker.admission.recipients import Destination, destination_of, refusal
from broker.directory import Directory
from broker.errors import Code
from broker.model import Envelope, KnownMessage, MessageId, RoutedMessage
from keys.charter import Sealing
from schemas.vocabulary import Compartment

COMPARTMENTS: Final = "SG-02"
FIREWALL: Final = "SG-01"


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """All that a decision depends on beside the message itself."""

    directory: Directory
    policy: Policy
    now: datetime
    is_sealed: bool = False
    """Whether its origin has sealed it, so that the facts are its word."""
    known: Mapping[MessageId, Sequence[KnownMessage]] = field(default_factory=dict)
    """What is known of the messages that this one names."""


def authorise(message: Envelope, circumstances: Circumstances) -> RoutedMessage:
    """Decide on every recipient; one that is denied denies the message.

    A message is never sent to some of its recipients only: the sender would believe that
    the others know.

    Raises:
        PermissionDeniedError: A recipient or channel is unknown, closed or left out by its
            charter, or a rule denies it; ``rule`` names that one.
    """
    if message.kind in TAKING_BACK:
        return take_back(message, circumstances.known)
    destination = destination_of(message, circumstances.directory, circumstances.now)
    _check_sealing(destination, circumstances)
    _check_compartment(message, destination, circumstances)
    _check_firewall(message, destination)
    return RoutedMessage(
        message=message, compartment=destination.compartment, deliveries=destination.routes
    )


def _check_sealing(destination: Destination, circumstances: Circumstances) -> None:
    charter = destination.charter
    if charter is None or circumstances.is_sealed:
        return
    if charter.sealing is Sealing.ORIGIN:
        raise refusal(Code.ORIGIN_SEALING_REQUIRED, "/to/channel")


def _check_compartment(
    message: Envelope, destination: Destination, circumstances: Circumstances
) -> None:
    agency = circumstances.directory.agency(message.sender)
    # An agency that left between its token and its message is no agency any more.
    if agency is None or not circumstances.policy.allows(
        agency.function, message.kind, destination.compartment
    ):
        raise refusal(Code.COMPARTMENT_DENIED, "/to/compartment", rule=COMPARTMENTS)


def _check_firewall(message: Envelope, destination: Destination) -> None:
    is_protection = destination.compartment is Compartment.PROTECTION
    fled = message.facts.all_origins if is_protection else message.facts.marked_origins
    for index, route in enumerate(destination.routes):
        if route.desk.country in fled:
            raise refusal(Code.PROTECTION_DENIED, pointer_to(message, index), rule=FIREWALL)


def pointer_to(message: Envelope, index: int) -> str:
    """Where does the message name this recipient?"""
    return "/to/channel" if message.to.channel is not None else f"/to/countries/{index}"
