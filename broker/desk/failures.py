"""What can go wrong between a country and the gateway, and who must act?

::

    DeskError
    ├─ ProblemError       the gateway refused: the sender acts, by ``code``
    │  ├─ AccessError     it gave no token: the keeper of the client key acts
    │  └─ BusyError        an UnreachableError too: it still asks to wait
    ├─ UnreachableError   no answer within the deadline: the same call may succeed later
    ├─ AnswerError        an answer that the protocol does not know: call an operator
    ├─ TakenBackError     what was signed and seen before is not served any more: call one, too
    ├─ NotReadyError      the clock, keys, pins or program here: their keeper acts
    ├─ StoreError         the inbox cannot be read, locked or written safely
    ├─ UseNotNotedError   nobody may be shown the message yet
    └─ OpeningError       the message is at fault: it is returned to its sender

Beside these a caller meets ``ConfigurationError`` (the profile), ``CustodyError`` (its keys)
and ``EvidenceError`` (a receipt that proves nothing). No text repeats content or a token.
"""

from datetime import timedelta
from pathlib import Path

from broker.errors import FieldProblem
from broker.model.events import RefusalReason


class DeskError(Exception):
    """Anything that keeps a country from exchanging messages."""


class ProblemError(DeskError):
    """The gateway answered with a problem document (RFC 9457)."""

    def __init__(  # noqa: PLR0913 - the members of a problem document
        self,
        code: str,
        *,
        status: int,
        detail: str = "",
        errors: tuple[FieldProblem, ...] = (),
        request_id: str | None = None,
        rule: str | None = None,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        """One of ``broker.errors.Code``, or one that a newer gateway knows."""
        self.status = status
        """The HTTP status."""
        self.detail = detail
        """For people, in the language of the profile."""
        self.errors = errors
        """Where the submitted document is at fault; never with its values."""
        self.request_id = request_id
        """What to name when asking the operator."""
        self.rule = rule
        """The rule that denied it, where one did."""
        self.retry_after = retry_after


class AccessError(ProblemError):
    """The token endpoint refused this client; ``code`` is RFC 6749's ``error``."""


class UnreachableError(DeskError):
    """The gateway gave no usable answer until the deadline; sending again is safe."""


class BusyError(ProblemError, UnreachableError):
    """The gateway, or a proxy before it, still asked to wait at the deadline."""


class AnswerError(DeskError):
    """The gateway's answer is not what the protocol says; the text names the part."""


class TakenBackError(DeskError):
    """The gateway no longer serves a signed document that counted here once."""

    def __init__(self, file: Path | None) -> None:
        super().__init__("" if file is None else str(file))
        self.file = file
        """Which remembers them; whoever knows that all is right removes it."""


class NotReadyError(DeskError):
    """A message or receipt cannot be judged before something here is mended; the text says what.

    It is not answered: its lease ends, and it comes again.
    """

    def __init__(self, detail: str, *, step: str = "other") -> None:
        super().__init__(detail)
        self.step = step
        """What has to be mended, for logs: ``clock``, ``receipt-key``, ``decryption-key``, …"""


class StoreError(DeskError):
    """The inbox cannot be opened, locked or written; what is not acknowledged comes again."""


class UseNotNotedError(DeskError):
    """The gateway did not note who reads a message and for what, so it is not shown."""

    def __init__(self, message_id: str, code: str) -> None:
        super().__init__(f"{message_id} ({code})")
        self.code = code
        """One of ``broker.errors.Code``."""


class OpeningError(DeskError):
    """A message that this desk must return: nothing that is mended here would open it."""

    def __init__(self, reason: RefusalReason, *, step: str, rule: str | None = None) -> None:
        super().__init__(f"{reason.value} ({step})")
        self.reason = reason
        """What the sender is told, under the desk's signature."""
        self.step = step
        """Which step failed; for the operator of this desk only."""
        self.rule = rule
        """The safeguard that the content breaks, if it is one; the sender is told its name."""
