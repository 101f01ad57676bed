"""May this message go where it wants, and which desks is that?"""

from broker.admission.circumstances import Circumstances
from broker.admission.recipients import destination_of
from broker.admission.rules.lineage import roots_of
from broker.admission.rules.table import RULES
from broker.model import Message, RoutedMessage


def authorise(message: Message, circumstances: Circumstances) -> RoutedMessage:
    """Decide on every recipient; one that is denied denies the message.

    A message is never sent to some of its recipients only: the sender would believe that
    the others know.

    Raises:
        PermissionDeniedError: A recipient or channel is unknown, closed or left out by its
            charter, or a rule denies it; ``rule`` names that one.
    """
    destination = destination_of(message, circumstances.directory, circumstances.now)
    for rule in RULES:
        rule.check(message, destination, circumstances)
    return RoutedMessage(
        message=message,
        compartment=destination.compartment,
        roots=roots_of(message, circumstances),
        deliveries=destination.routes,
    )
