"""May this message go where it wants, and which desks is that?"""

from typing import Final

from broker.admission.policy import Policy
from broker.directory import Directory
from broker.errors import Code, FieldProblem, PermissionDeniedError
from broker.model import DeskRef, Message, Pair, Route, RoutedMessage
from schemas.vocabulary import Compartment

OPEN_PAIR: Final = "open-pair"
"""The rule that allows a recipient: its pair is open and function and kind fit."""
COMPARTMENTS: Final = "SG-02"
FIREWALL: Final = "SG-01"


def authorise(message: Message, directory: Directory, policy: Policy) -> RoutedMessage:
    """Decide on every recipient; one that is denied denies the message.

    A message is never sent to some of its recipients only: the sender would believe that
    the others know.

    Raises:
        PermissionDeniedError: A recipient or channel is unknown, a pair is closed, or the
            compartment is not open to this function or kind (``rule`` SG-02), or a recipient is
            the country that a protected person fled (``rule`` SG-01).
    """
    compartment = message.to.compartment
    if compartment is None:
        raise _refusal(Code.RECIPIENT_UNKNOWN, "/to/channel")
    _check_compartment(message, directory, policy, compartment)
    return RoutedMessage(
        message=message,
        deliveries=tuple(
            _route(message, directory, compartment, index)
            for index in range(len(message.to.countries))
        ),
    )


def _check_compartment(
    message: Message, directory: Directory, policy: Policy, compartment: Compartment
) -> None:
    agency = directory.agency(message.sender)
    # An agency that left between its token and its message is no agency any more.
    if agency is None or not policy.allows(agency.function, message.kind, compartment):
        raise _refusal(Code.COMPARTMENT_DENIED, "/to/compartment", rule=COMPARTMENTS)


def _route(message: Message, directory: Directory, compartment: Compartment, index: int) -> Route:
    desk = DeskRef(country=message.to.countries[index], compartment=compartment)
    pair = Pair(origin=message.sender.country, desk=desk)
    if not directory.has_desk(desk):
        raise _refusal(Code.RECIPIENT_UNKNOWN, f"/to/countries/{index}")
    if desk.country in message.protected_origins:
        raise _refusal(Code.PROTECTION_DENIED, f"/to/countries/{index}", rule=FIREWALL)
    if not directory.is_open(pair):
        raise _refusal(Code.PAIR_CLOSED, f"/to/countries/{index}")
    return Route(pair=pair, rule=OPEN_PAIR)


def _refusal(code: Code, pointer: str, *, rule: str | None = None) -> PermissionDeniedError:
    problem = FieldProblem(pointer=pointer, code=code.value)
    return PermissionDeniedError(code, problems=[problem], rule=rule)
