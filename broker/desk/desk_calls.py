"""What a desk asks of its gateway: hand over what waits, and take the desk's signed answers."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from broker.desk import recalls, sign, wire
from broker.desk.connection import JSON_TYPE, Connection
from broker.desk.receipts import ReceiptCheck
from broker.desk.session import Request
from broker.desk.stream import HandOverStream
from broker.desk.wire import ContentRef, NotSettled, ReceivedHandOver, Settled
from broker.desk.wraps import Moved, WaitingPage, read_moved, read_waiting
from broker.model.delivery import QueueDepth
from broker.model.events import RefusalReason
from broker.model.names import DeliveryNumber, HandOverNumber, QueueName
from keys.identifiers import KeyId

LONGEST_POLL: Final = timedelta(seconds=30)
FIRST: Final = DeliveryNumber(0)
MOST_AT_ONCE: Final = 100
"""Hand-overs of one poll, answers of one request (docs/protocol.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A message that the desk returns, and why."""

    ref: ContentRef
    reason: RefusalReason
    rule: str | None = None
    """Of ``content-not-valid``: the safeguard that the content breaks, if it is one."""


class DeskCalls(Connection):
    """The calls of a desk."""

    async def queues(self) -> tuple[QueueDepth, ...]:
        """What waits for this desk?"""
        answer = await self._request(Request(method="GET", path="/v1/queues"))
        return wire.read_queues(answer.body)

    async def poll(
        self,
        queue: QueueName,
        *,
        wait: timedelta = LONGEST_POLL,
        limit: int = 50,
    ) -> tuple[ReceivedHandOver, ...]:
        """Take up to ``limit`` hand-overs (1 to 100), waiting up to 30 s for the first."""
        seconds = int(min(wait, LONGEST_POLL).total_seconds())
        request = Request(
            method="GET",
            path=f"/v1/queues/{queue}/messages",
            query=(("wait", str(seconds)), ("limit", str(limit))),
        )
        answer = await self._request(request, extra=timedelta(seconds=seconds))
        return wire.read_hand_overs(answer.body)

    def stream(
        self,
        queues: Sequence[QueueName] = (),
        *,
        last_event_id: HandOverNumber | None = None,
    ) -> AsyncGenerator[ReceivedHandOver]:
        """Receive hand-overs as they come, for ever; connects again by itself.

        Who leaves it early closes it (``contextlib.aclosing``), or the connection stays.

        Args:
            queues: None means all of the desk's.
            last_event_id: The last hand-over that is safe here. What was handed over after
                it comes again at once, instead of when its lease ends.

        Raises:
            ProblemError: The gateway refused for good: no such queue, no such right.
            AnswerError: It speaks another protocol.
        """
        stream = HandOverStream(self._opened, settings=self._settings.stream, timing=self.timing)
        return stream.receive(queues, last_event_id)

    async def acknowledge(self, refs: Sequence[ContentRef]) -> tuple[Settled | NotSettled, ...]:
        """Sign for messages that are opened and stored: 0 to 100, answered in their order.

        Raises:
            EvidenceError: A receipt does not prove what it should.
            NotReadyError: A receipt key signed it that nobody has stated, as far as is known here.
            ProblemError, UnreachableError, AnswerError: As ``EnlaceClient.send``.
        """
        await self._wallet.refresh()
        now, desk, key = self.timing.clock(), self.profile.desk, self.keys.signature
        tokens = [sign.sign_acknowledgement(ref, key, desk=desk, now=now) for ref in refs]
        return await self._answer("acknowledgements", tokens, refs)

    async def refuse(self, refusals: Sequence[Refusal]) -> tuple[Settled | NotSettled, ...]:
        """Return messages with signed reasons: 0 to 100, answered in their order.

        Raises:
            EvidenceError, NotReadyError, ProblemError, UnreachableError, AnswerError: As
                :meth:`acknowledge`.
        """
        await self._wallet.refresh()
        now, desk, key = self.timing.clock(), self.profile.desk, self.keys.signature
        tokens = [
            sign.sign_refusal(each.ref, each.reason, key, desk=desk, now=now, rule=each.rule)
            for each in refusals
        ]
        return await self._answer("refusals", tokens, [each.ref for each in refusals])

    async def state_uses(
        self, uses: Sequence[tuple[ContentRef, str]], *, reader: str
    ) -> tuple[datetime | NotSettled, ...]:
        """State who reads these messages and for what: 0 to 100, answered in their order.

        Args:
            uses: Each content with the code of its purpose.
            reader: A role, never a person's name.

        Returns:
            Since when each is noted, or why it is not: then it must not be read.

        Raises:
            ProblemError, UnreachableError, AnswerError: As ``EnlaceClient.send``.
        """
        await self._wallet.refresh()
        now, desk, key = self.timing.clock(), self.profile.desk, self.keys.signature
        if not uses:
            return ()
        tokens = [
            sign.sign_use(ref, reader, purpose, key, desk=desk, now=now) for ref, purpose in uses
        ]
        body = await self._hand_in("uses", tokens)
        return wire.read_noted_uses(body, expected=len(uses))

    async def waiting_wraps(
        self, kid: KeyId, *, after: DeliveryNumber = FIRST, limit: int
    ) -> WaitingPage:
        """What waits for this desk that only this key of its own opens? 1 to 200 at once.

        Raises:
            ProblemError, UnreachableError, AnswerError: As ``EnlaceClient.send``.
        """
        query = (("key", str(kid)), ("after", str(after)), ("limit", str(limit)))
        answer = await self._request(Request(method="GET", path="/v1/wraps", query=query))
        return read_waiting(answer.body)

    async def rewrap(
        self, tokens: Sequence[str], refs: Sequence[ContentRef], *, new: KeyId
    ) -> tuple[Moved | NotSettled, ...]:
        """Have the entries of these messages replaced, 0 to 100, answered in their order.

        Raises:
            EvidenceError, NotReadyError, ProblemError, UnreachableError, AnswerError: As
                :meth:`acknowledge`.
        """
        if not tokens:
            return ()
        results = read_moved(await self._hand_in("wraps", tokens), expected=len(refs))
        for ref, result in zip(refs, results, strict=True):
            if isinstance(result, Moved):
                receipts = await self._known_receipts(result.receipt)
                receipts.check_moved(ref, result, desk=self.profile.desk, new=new)
        return results

    async def dispose(
        self, answers: Sequence[recalls.Answer]
    ) -> tuple[recalls.Answered | NotSettled, ...]:
        """Sign what became of messages that were recalled or rectified: 0 to 100, in order.

        What is said to be destroyed or corrected must be so when this is called.

        Raises:
            EvidenceError, NotReadyError, ProblemError, UnreachableError, AnswerError: As
                :meth:`acknowledge`.
        """
        if not answers:
            return ()
        await self._wallet.refresh()
        now, key = self.timing.clock(), self.keys.signature
        tokens = [recalls.sign_disposition(each, key, now=now) for each in answers]
        body = await self._hand_in("dispositions", tokens)
        results = recalls.read_answered(body, expected=len(answers))
        for each, result in zip(answers, results, strict=True):
            if isinstance(result, recalls.Answered):
                receipts = await self._known_receipts(result.receipt)
                recalls.check_answered(receipts, each, result)
        return results

    async def _answer(
        self, name: str, tokens: Sequence[str], refs: Sequence[ContentRef]
    ) -> tuple[Settled | NotSettled, ...]:
        if len(tokens) > MOST_AT_ONCE:
            raise ValueError("at most 100 answers at once")
        if not tokens:
            return ()
        results = wire.read_results(await self._hand_in(name, tokens), expected=len(refs))
        for ref, result in zip(refs, results, strict=True):
            if isinstance(result, Settled):
                receipts = await self._known_receipts(result.receipt)
                receipts.check_settled(ref, result, desk=self.profile.desk)
        return results

    async def _hand_in(self, name: str, tokens: Sequence[str]) -> bytes:
        """Post what this desk has signed; the answer has one entry for each, not read yet."""
        body = sign.message_bytes({name: list(tokens)})
        request = Request(method="POST", path=f"/v1/{name}", headers=JSON_TYPE, body=body)
        return (await self._request(request)).body

    async def _known_receipts(self, token: str) -> ReceiptCheck:
        """Hold this receipt against the directory, once its key is known here."""
        receipts = await self.receipts(token)
        receipts.require_known(token)
        return receipts
