"""The gateway as a country's programs see it: typed calls that know when to ask again.

Whatever is sent may be sent twice. So a lost connection, ``429`` and ``503`` are waited out
up to a deadline; any other refusal is raised at once, as :class:`ProblemError`.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Final, Self

import aiohttp
import structlog

from broker.admission.acknowledge import MESSAGE_ID
from broker.desk import recalls, sign, wire
from broker.desk.asked import AskedRequest, read_asked
from broker.desk.failures import AnswerError
from broker.desk.held_keys import HeldKeys
from broker.desk.notices import Noticed, read_notice
from broker.desk.origin_seal import seal_as_origin, taken_back
from broker.desk.pins import Pins
from broker.desk.profile import Profile
from broker.desk.receipts import ReceiptCheck, unknown_signer
from broker.desk.retry import PATIENT, RetryPolicy, with_retries
from broker.desk.session import Answer, Query, Request, Session
from broker.desk.stream import STEADY, HandOverStream, StreamSettings
from broker.desk.timing import REAL_TIME, Timing
from broker.desk.wallet import FileWallet, Wallet
from broker.desk.wire import (
    ContentRef,
    NotSettled,
    Posted,
    ReceivedHandOver,
    Recipient,
    Settled,
)
from broker.desk.wraps import Moved, WaitingPage, read_moved, read_waiting
from broker.directory import Directory
from broker.errors import Code, ConfigurationError, SignatureError
from broker.model import (
    AgencyRef,
    DeliveryNumber,
    HandOverNumber,
    Json,
    MessageId,
    MessageStatus,
    Posting,
    QueueDepth,
    QueueName,
    RefusalReason,
    SealedPosting,
)
from broker.recall_ports import Order
from broker.request_ports import RequestState
from broker.sealing.wire import content_hash
from keys.identifiers import KeyId
from keys.key import SigningKey
from schemas.loader import SchemaSet

JSON_TYPE: Final = {"Content-Type": "application/json"}
SEALED_TYPE: Final = {"Content-Type": "application/jose+json"}
LONGEST_POLL: Final = timedelta(seconds=30)
FIRST: Final = DeliveryNumber(0)
LOOKS: Final = 4
BETWEEN_LOOKS: Final = timedelta(seconds=1)
"""Gateways read the directory once a second: one signs with what another does not state yet."""
MOST_AT_ONCE: Final = 100
"""Hand-overs of one poll, answers of one request (docs/protocol.md)."""


log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The gateway has the message for good; its receipt was verified."""

    id: MessageId
    receipt: str
    """Compact JWS; keep it: it proves the acceptance to anybody."""
    replayed: bool
    """The gateway had it already, with these very bytes."""
    recipients: tuple[Recipient, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A message that the desk returns, and why."""

    ref: ContentRef
    reason: RefusalReason


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """How patient the client is; each has a value that serves."""

    retries: RetryPolicy = PATIENT
    request_timeout: timedelta = timedelta(seconds=30)
    """For one attempt."""
    stream: StreamSettings = STEADY


DEFAULT_SETTINGS: Final = ClientSettings()


def _request_of(posting: Posting | SealedPosting, query: Query) -> Request:
    if isinstance(posting, SealedPosting):
        headers, body = {**SEALED_TYPE, "Origin-Seal": posting.seal}, posting.jwe
    else:
        headers, body = {**JSON_TYPE, "Message-Signature": posting.signature}, posting.body
    return Request(method="POST", path="/v1/messages", query=query, headers=headers, body=body)


class EnlaceClient:
    """One gateway, one client; used as ``async with EnlaceClient.open(profile) as client``.

    Made with keys and pins, it keeps to them. Opened from a profile, it follows the files:
    new keys, another profile, passphrase, pins or authority count without a new start.
    """

    def __init__(
        self,
        profile: Profile,
        keys: HeldKeys,
        pins: Pins,
        *,
        settings: ClientSettings = DEFAULT_SETTINGS,
        timing: Timing = REAL_TIME,
    ) -> None:
        self.timing: Final = timing
        self._wallet = Wallet(profile, keys, pins)
        self._settings = settings
        self._closing = AsyncExitStack()
        self._session: Session | None = None
        self._directory: tuple[str | None, Directory, Pins] | None = None

    @classmethod
    def open(
        cls,
        profile: Profile,
        *,
        settings: ClientSettings = DEFAULT_SETTINGS,
        environ: Mapping[str, str] = os.environ,
    ) -> Self:
        """Make a client from a profile, which follows the files that the profile names.

        Raises:
            ConfigurationError, CustodyError: A file is missing, malformed or readable by
                others, or the passphrase is wrong.
        """
        return cls.of_wallet(FileWallet(profile, environ=environ), settings=settings)

    @classmethod
    def of_wallet(
        cls,
        wallet: Wallet,
        *,
        settings: ClientSettings = DEFAULT_SETTINGS,
        timing: Timing = REAL_TIME,
    ) -> Self:
        """Make a client that asks this wallet, each time, what counts now."""
        held = wallet.current
        client = cls(held.profile, held.keys, held.pins, settings=settings, timing=timing)
        client._wallet = wallet
        return client

    @property
    def wallet(self) -> Wallet:
        """As whom this client acts, and whom it trusts."""
        return self._wallet

    @property
    def profile(self) -> Profile:
        """The profile as it is now."""
        return self._wallet.current.profile

    @property
    def keys(self) -> HeldKeys:
        """The private keys as they are now."""
        return self._wallet.current.keys

    @property
    def pins(self) -> Pins:
        """The pinned keys as they are now."""
        return self._wallet.current.pins

    async def __aenter__(self) -> Self:
        # A file that cannot be used is told here, before anything is sent.
        connector = aiohttp.TCPConnector(ssl=self._wallet.tls)
        http = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        await self._closing.enter_async_context(http)
        self._session = Session(http, self._wallet, timing=self.timing)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session = None
        await self._closing.aclose()

    # --- an agency ------------------------------------------------------------------------

    def sign(
        self, document: Mapping[str, Json] | bytes, *, second: SigningKey | None = None
    ) -> Posting:
        """Sign a message without sending it: ``.body`` and ``.signature``, good for a week.

        Args:
            document: Bytes are signed as they are; a mapping is written as compact JSON.
            second: Another message-signature key of the agency, of its second officer (SG-03).

        Raises:
            DocumentError: Not strict JSON, or without id, kind or version.
            SignatureError: The second key is the author's.
            ConfigurationError: The profile is a desk's.
        """
        agency = self._agency()
        body = document if isinstance(document, bytes) else sign.message_bytes(document)
        key, now = self.keys.signature, self.timing.clock()
        posting = sign.sign_message(body, key, agency=agency, now=now)
        if second is None:
            return posting
        if second.public.form == key.public.form:
            raise SignatureError(Code.SIGNATURE_INVALID)
        return sign.add_second(posting, second, agency=agency, now=now)

    async def send(self, message: bytes | Posting | SealedPosting) -> Accepted:
        """Send a message; what is not signed yet is signed first.

        After it returns nothing is lost. If it raises, sending the same bytes again is safe
        and answers whether they had arrived.

        Raises:
            ProblemError: The gateway refused the message.
            UnreachableError: No answer until the deadline.
            EvidenceError: The receipt does not prove the acceptance of this message.
            AnswerError: The answer is not what the protocol says.
            DocumentError: The bytes are no message at all.
        """
        await self._wallet.refresh()
        origin = self._agency()
        posting = self.sign(message) if isinstance(message, bytes) else message
        answer, posted = await self._post(posting, query=())
        if posted.receipt is None:
            raise AnswerError("the gateway accepted without a receipt")
        receipts = await self.receipts(posted.receipt)
        replayed = answer.headers.get("Idempotent-Replay") == "true"
        receipts.check_accepted(
            posted.receipt,
            message_id=posted.id,
            origin=origin,
            recipients=posted.recipients,
            replayed=replayed,
            content_hash=content_hash(posting.jwe) if isinstance(posting, SealedPosting) else None,
        )
        return Accepted(
            id=posted.id,
            receipt=posted.receipt,
            replayed=replayed,
            recipients=posted.recipients,
        )

    async def seal(
        self, message: bytes | Posting, schemas: SchemaSet, *, second: SigningKey | None = None
    ) -> SealedPosting:
        """Close a message here, for the keys that its recipients have now; sends nothing.

        A second officer (SG-03) signs the message and vouches for the seal: where it needs one,
        sign it with the same key before.

        What comes back is sent by :meth:`send`, and sent again as it is if no answer came:
        sealed anew it would be another message of the same id. Good for an hour.

        Raises:
            DocumentError, PermissionDeniedError, KeyUnavailableError: The gateway would refuse
                it, by what is known here.
            ProblemError, UnreachableError, AnswerError: The directory could not be asked, or
                this agency has not sent what it takes back.
        """
        directory = await self.directory()
        posting = self.sign(message, second=second) if isinstance(message, bytes) else message
        named = taken_back(posting.body)
        held_by = None
        if named is not None:
            held_by = [each.desk for each in (await self.status(named)).recipients]
        return await asyncio.to_thread(
            seal_as_origin,
            posting,
            schemas,
            directory,
            self.keys.signature,
            now=self.timing.clock(),
            draw=os.urandom,
            held_by=held_by,
            second=second,
        )

    async def dry_run(self, message: bytes | Posting | SealedPosting) -> tuple[Recipient, ...]:
        """Ask who would get a message; nothing is sealed or kept.

        Raises:
            ProblemError, UnreachableError, AnswerError, DocumentError: As :meth:`send`.
        """
        await self._wallet.refresh()
        posting = self.sign(message) if isinstance(message, bytes) else message
        _, posted = await self._post(posting, query=(("dry_run", "true"),))
        return posted.recipients

    async def status(self, message_id: MessageId) -> MessageStatus:
        """How far has a message of this agency come?

        Raises:
            ProblemError: ``not-found``, for another agency's id too.
            UnreachableError, AnswerError: As :meth:`send`.
        """
        if MESSAGE_ID.fullmatch(message_id) is None:
            raise ValueError("a message id is a UUIDv7 in lower case")
        answer = await self._request(Request(method="GET", path=f"/v1/messages/{message_id}"))
        return wire.read_status(answer.body)

    # --- a desk ---------------------------------------------------------------------------

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
            NotReadyError: A receipt key signed it that is not pinned here.
            ProblemError, UnreachableError, AnswerError: As :meth:`send`.
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
            sign.sign_refusal(each.ref, each.reason, key, desk=desk, now=now) for each in refusals
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
            ProblemError, UnreachableError, AnswerError: As :meth:`send`.
        """
        await self._wallet.refresh()
        now, desk, key = self.timing.clock(), self.profile.desk, self.keys.signature
        if not uses:
            return ()
        tokens = [
            sign.sign_use(ref, reader, purpose, key, desk=desk, now=now) for ref, purpose in uses
        ]
        body = sign.message_bytes({"uses": list(tokens)})
        answer = await self._request(
            Request(method="POST", path="/v1/uses", headers=JSON_TYPE, body=body)
        )
        return wire.read_noted_uses(answer.body, expected=len(uses))

    async def waiting_wraps(
        self, kid: KeyId, *, after: DeliveryNumber = FIRST, limit: int
    ) -> WaitingPage:
        """What waits for this desk that only this key of its own opens? 1 to 200 at once.

        Raises:
            ProblemError, UnreachableError, AnswerError: As :meth:`send`.
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
        body = sign.message_bytes({"wraps": list(tokens)})
        answer = await self._request(
            Request(method="POST", path="/v1/wraps", headers=JSON_TYPE, body=body)
        )
        results = read_moved(answer.body, expected=len(refs))
        for ref, result in zip(refs, results, strict=True):
            if isinstance(result, Moved):
                receipts = await self.receipts(result.receipt)
                receipts.require_known(result.receipt)
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
        body = sign.message_bytes({"dispositions": list(tokens)})
        answer = await self._request(
            Request(method="POST", path="/v1/dispositions", headers=JSON_TYPE, body=body)
        )
        results = recalls.read_answered(answer.body, expected=len(answers))
        for each, result in zip(answers, results, strict=True):
            if isinstance(result, recalls.Answered):
                receipts = await self.receipts(result.receipt)
                receipts.require_known(result.receipt)
                recalls.check_answered(receipts, each, result)
        return results

    # --- both -----------------------------------------------------------------------------

    async def orders(self, *, only_open: bool = True) -> tuple[Order, ...]:
        """What has this agency taken back, or must this desk answer? Oldest first.

        Raises:
            ProblemError, UnreachableError, AnswerError: As :meth:`send`.
        """
        found: list[Order] = []
        while True:
            after = found[-1].number if found else 0
            query = (("state", "open" if only_open else "all"), ("after", str(after)))
            answer = await self._request(Request(method="GET", path="/v1/recalls", query=query))
            page = recalls.read_orders(answer.body)
            if not page:
                return tuple(found)
            if page[0].number <= after:
                raise AnswerError("the gateway lists again what was listed")
            found += page

    async def directory(self) -> Directory:
        """Who takes part, with the keys that the pinned roots vouch for.

        Asked anew each time; an unchanged one is neither sent nor verified again. A key
        whose statement does not verify is left out.
        """
        await self._wallet.refresh()
        known, pins = self._directory, self.pins
        if known is not None and known[2] is not pins:
            # Verified against other roots than those that count now.
            known = None
        headers = {"If-None-Match": known[0]} if known is not None and known[0] else {}
        answer = await self._request(Request(method="GET", path="/v1/directory", headers=headers))
        now = self.timing.clock()
        if answer.status == 304 and known is not None:  # noqa: PLR2004 - not modified
            self._directory = (known[0], known[1].stepped(now), pins)
            return self._directory[1]
        record = wire.read_directory(answer.body)
        directory, left_out = Directory.verify(record, roots=pins.roots, now=now)
        if left_out:
            log.warning("directory:statements-left-out", count=len(left_out))
        self._directory = (answer.headers.get("ETag"), directory, pins)
        return directory

    async def notices(self, *, after: int = 0) -> tuple[Noticed, ...]:
        """What has the exchange told this country? Oldest first, each verified.

        Args:
            after: Only those with a higher number.

        Raises:
            EvidenceError: A notice is not signed by a receipt key of the exchange.
            ProblemError, UnreachableError, AnswerError: As :meth:`send`.
        """
        found: list[Noticed] = []
        while True:
            request = Request(method="GET", path="/v1/notices", query=(("after", str(after)),))
            page = wire.read_notices((await self._request(request)).body)
            for number, token in page:
                receipts = await self.receipts(token)
                found.append(read_notice(number, token, keys=receipts.keys))
            if not page:
                return tuple(found)
            after = page[-1][0]

    async def requests(
        self, *, received: bool, state: RequestState | None = None
    ) -> tuple[AskedRequest, ...]:
        """Which requests wait for an answer? Oldest first.

        Args:
            received: What this desk was asked; else what this agency's country has asked.
            state: Only those in it.

        Raises:
            ProblemError: Also if a desk asks for what was sent, or an agency for the other.
            UnreachableError, AnswerError: As :meth:`send`.
        """
        found: list[AskedRequest] = []
        cursor: int | None = 0
        while cursor is not None:
            query = (
                ("direction", "received" if received else "sent"),
                ("state", "all" if state is None else state.value),
                ("cursor", str(cursor)),
            )
            answer = await self._request(Request(method="GET", path="/v1/requests", query=query))
            page = read_asked(answer.body)
            found += page.requests
            if page.cursor is not None and page.cursor <= cursor:
                # A gateway that goes round in circles would keep us for ever.
                raise AnswerError("the list of requests does not end")
            cursor = page.cursor
        return tuple(found)

    async def _post(
        self, posting: Posting | SealedPosting, *, query: Query
    ) -> tuple[Answer, Posted]:
        answer = await self._request(_request_of(posting, query))
        posted = wire.read_posted(answer.body)
        if posted.id != sign.message_id_of(posting):
            raise AnswerError("the gateway answered for another message")
        return answer, posted

    async def _answer(
        self, name: str, tokens: Sequence[str], refs: Sequence[ContentRef]
    ) -> tuple[Settled | NotSettled, ...]:
        if len(tokens) > MOST_AT_ONCE:
            raise ValueError("at most 100 answers at once")
        if not tokens:
            return ()
        body = sign.message_bytes({name: list(tokens)})
        answer = await self._request(
            Request(method="POST", path=f"/v1/{name}", headers=JSON_TYPE, body=body)
        )
        results = wire.read_results(answer.body, expected=len(refs))
        for ref, result in zip(refs, results, strict=True):
            if isinstance(result, Settled):
                receipts = await self.receipts(result.receipt)
                receipts.require_known(result.receipt)
                receipts.check_settled(ref, result)
        return results

    async def receipts(self, token: str) -> ReceiptCheck:
        """Hold receipts against the directory, and look again when this one's key is new."""
        known = self._directory
        directory = known[1] if known is not None else await self.directory()
        for look in range(LOOKS):
            if unknown_signer(token, directory.receipt_keys) is None:
                break
            if look:
                await self.timing.sleep(BETWEEN_LOOKS.total_seconds())
            directory = await self.directory()
        return ReceiptCheck(
            keys=directory.receipt_keys,
            issuer=self.profile.issuer,
            counts=directory.receipt_counts,
        )

    async def _request(self, request: Request, *, extra: timedelta = timedelta()) -> Answer:
        timeout = self._settings.request_timeout + extra

        async def attempt() -> Answer:
            return await self._opened().request(request, timeout=timeout)

        return await with_retries(attempt, self._settings.retries, self.timing)

    def _agency(self) -> AgencyRef:
        if isinstance(self.profile.subject, AgencyRef):
            return self.profile.subject
        raise ConfigurationError(f"subject: {self.profile.subject} is a desk, and does not send")

    def _opened(self) -> Session:
        if self._session is None:
            raise RuntimeError("the client is used inside `async with` only")
        return self._session
