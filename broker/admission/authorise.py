"""May this message go where it wants, and which desks is that?"""

from dataclasses import replace

from broker.admission.circumstances import Circumstances
from broker.admission.recall import TAKING_BACK, take_back
from broker.admission.recipients import Destination, destination_of, refusal
from broker.admission.rules.lineage import roots_of
from broker.admission.rules.table import RULES
from broker.admission.threads import check_thread
from broker.errors import Code
from broker.model.message import Envelope, RoutedMessage
from keys.charter import Charter, Sealing


def authorise(message: Envelope, circumstances: Circumstances) -> RoutedMessage:
    """Decide on every recipient; one that is denied denies the message.

    A message is never sent to some of its recipients only: the sender would believe that
    the others know.

    Raises:
        PermissionDeniedError: A recipient or channel is unknown, closed or left out by its
            charter, or a rule denies it; ``rule`` names that one.
    """
    if message.kind in TAKING_BACK:
        return _take_back(message, circumstances)
    destination = destination_of(message, circumstances.directory, circumstances.now)
    _check_charter(destination.charter, circumstances)
    check_thread(message, destination, circumstances)
    for rule in RULES:
        rule.check(message, destination, circumstances)
    return RoutedMessage(
        message=message,
        compartment=destination.compartment,
        roots=roots_of(message, circumstances),
        deliveries=destination.routes,
    )


def _take_back(message: Envelope, circumstances: Circumstances) -> RoutedMessage:
    """Route a recall: whom it reaches is settled, and the rules judge only what it says."""
    routed = take_back(message, circumstances.known)
    name = message.to.channel
    channel = None if name is None else circumstances.directory.channel(name)
    if channel is not None:
        # Nothing that was closed keeps a recall back; but the gateway must not read it either.
        _check_charter(channel.charter(circumstances.now), circumstances)
    destination = Destination(compartment=routed.compartment, routes=routed.deliveries)
    for rule in RULES:
        if rule.of_a_recall:
            rule.check(message, destination, circumstances)
    return replace(routed, roots=roots_of(message, circumstances))


def _check_charter(charter: Charter | None, circumstances: Circumstances) -> None:
    if charter is None or circumstances.is_sealed:
        return
    if charter.sealing is Sealing.ORIGIN:
        raise refusal(Code.ORIGIN_SEALING_REQUIRED, "/to/channel")
