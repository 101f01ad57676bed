"""Nobody reads a message before it is said who reads it and for what, and the gateway noted it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog

from broker.desk.client import EnlaceClient
from broker.desk.desk_calls import MOST_AT_ONCE
from broker.desk.failures import UseNotNotedError
from broker.desk.open import OpenedMessage
from broker.desk.wire import ContentRef, NotSettled

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who reads here."""

    role: str
    """Never a person's name."""
    purpose: str | None = None
    """None: what each message says it is for."""

    async def state(
        self, client: EnlaceClient, opened: Sequence[OpenedMessage]
    ) -> Mapping[ContentRef, UseNotNotedError]:
        """State the use of messages that are about to be shown; name those that may not be.

        One that was not noted keeps nobody from the others: its sender chose its purpose, or took
        it back a moment ago.

        Raises:
            ProblemError, UnreachableError, AnswerError: It is not known whether they are noted:
                none of them may be shown.
        """
        uses = [(each.hand_over.ref, self.purpose or each.message.facts.purpose) for each in opened]
        results = await _stated(client, uses, reader=self.role)
        not_noted: dict[ContentRef, UseNotNotedError] = {}
        for (ref, _), result in zip(uses, results, strict=True):
            if isinstance(result, NotSettled):
                log.error("use:not-noted", code=result.code)
                not_noted[ref] = UseNotNotedError(ref.message_id, result.code)
        return not_noted


async def state_all(
    client: EnlaceClient, uses: Sequence[tuple[ContentRef, str]], *, reader: str
) -> None:
    """State these uses; return only if each is noted.

    Raises:
        UseNotNotedError: One is not.
        ProblemError, UnreachableError, AnswerError: It is not known whether they are.
    """
    results = await _stated(client, uses, reader=reader)
    for (ref, _), result in zip(uses, results, strict=True):
        if isinstance(result, NotSettled):
            raise UseNotNotedError(ref.message_id, result.code)


async def _stated(
    client: EnlaceClient, uses: Sequence[tuple[ContentRef, str]], *, reader: str
) -> Sequence[datetime | NotSettled]:
    results: list[datetime | NotSettled] = []
    for start in range(0, len(uses), MOST_AT_ONCE):
        results += await client.state_uses(uses[start : start + MOST_AT_ONCE], reader=reader)
    return results
