"""Nobody reads a message before it is said who reads it and for what, and the gateway noted it."""

from collections.abc import Sequence
from dataclasses import dataclass

from broker.desk.client import EnlaceClient
from broker.desk.desk_calls import MOST_AT_ONCE
from broker.desk.failures import UseNotNotedError
from broker.desk.open import OpenedMessage
from broker.desk.wire import ContentRef, NotSettled


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who reads here."""

    role: str
    """Never a person's name."""
    purpose: str | None = None
    """None: what each message says it is for."""

    async def state(self, client: EnlaceClient, opened: Sequence[OpenedMessage]) -> None:
        """State the use of messages that are about to be shown.

        Raises:
            UseNotNotedError: One was not noted: none of them may be shown.
            ProblemError, UnreachableError, AnswerError: Nor if it is not known.
        """
        uses = [(each.hand_over.ref, self.purpose or each.message.facts.purpose) for each in opened]
        await state_all(client, uses, reader=self.role)


async def state_all(
    client: EnlaceClient, uses: Sequence[tuple[ContentRef, str]], *, reader: str
) -> None:
    """State these uses; return only if each is noted.

    Raises:
        UseNotNotedError: One is not.
        ProblemError, UnreachableError, AnswerError: It is not known whether they are.
    """
    for start in range(0, len(uses), MOST_AT_ONCE):
        part = uses[start : start + MOST_AT_ONCE]
        results = await client.state_uses(part, reader=reader)
        for (ref, _), result in zip(part, results, strict=True):
            if isinstance(result, NotSettled):
                raise UseNotNotedError(ref.message_id, result.code)
