"""What the members of a channel have agreed to: its kinds, how restricted, and who seals."""

from typing import Final

from broker.admission.circumstances import Circumstances
from broker.admission.recipients import STRICTNESS, Destination, refusal
from broker.errors import Code
from broker.model.message import Envelope
from keys.charter import Sealing

NAME: Final = "charter"


def kind_is_agreed(message: Envelope, destination: Destination, _: Circumstances) -> None:
    """The charter lists the kind of the message."""
    charter = destination.charter
    if charter is not None and message.kind not in charter.kinds:
        raise refusal(Code.CHARTER_DENIED, "/kind", rule=NAME)


def handling_is_agreed(message: Envelope, destination: Destination, _: Circumstances) -> None:
    """Nothing is more restricted than the members have agreed to keep."""
    charter = destination.charter
    if charter is not None and STRICTNESS.index(message.handling) > STRICTNESS.index(
        charter.ceiling
    ):
        raise refusal(Code.CHARTER_DENIED, "/handling/code", rule=NAME)


def origin_seals(_: Envelope, destination: Destination, now: Circumstances) -> None:
    """Where the gateway must not read, it is sealed already.

    That holds for a recall, too: nothing that was closed keeps it back, but the gateway must not
    read it either.
    """
    charter = destination.charter
    if charter is not None and charter.sealing is Sealing.ORIGIN and not now.is_sealed:
        raise refusal(Code.ORIGIN_SEALING_REQUIRED, "/to/channel", rule=NAME)
