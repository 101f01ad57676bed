"""May this message go where it wants, and which desks is that?"""

from broker.admission.circumstances import Circumstances
from broker.admission.recall import TAKING_BACK, take_back
from broker.admission.recipients import Destination, destination_of
from broker.admission.rules.lineage import roots_of
from broker.admission.rules.rule import Rule
from broker.admission.rules.table import OF_A_RECALL, RULES
from broker.model.message import Envelope, RoutedMessage


def authorise(message: Envelope, circumstances: Circumstances) -> RoutedMessage:
    """Decide on every recipient; one that is denied denies the message.

    A message is never sent to some of its recipients only: the sender would believe that
    the others know.

    Raises:
        PermissionDeniedError: A recipient or channel is unknown or closed, or a rule denies it;
            ``rule`` names that one.
    """
    destination = where_to(message, circumstances)
    for rule in rules_of(message):
        rule.check(message, destination, circumstances)
    return RoutedMessage(
        message=message,
        compartment=destination.compartment,
        roots=roots_of(message, circumstances),
        deliveries=destination.routes,
    )


def where_to(message: Envelope, circumstances: Circumstances) -> Destination:
    """Which desks does it want to reach? A recall those that had its message, by its own road.

    Raises:
        PermissionDeniedError: There is no such desk or road, or nothing that could be recalled.
    """
    if message.kind in TAKING_BACK:
        return take_back(message, circumstances)
    return destination_of(message, circumstances.directory, circumstances.now)


def rules_of(message: Envelope) -> tuple[Rule, ...]:
    """Which rules are asked of it? Of a recall, only those that judge what it says itself."""
    return OF_A_RECALL if message.kind in TAKING_BACK else RULES
