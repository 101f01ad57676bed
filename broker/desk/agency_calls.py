"""What an agency asks of its gateway: to take a message, and how far one has come."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from broker.admission.desk_word import MESSAGE_ID
from broker.desk import sign, wire
from broker.desk.connection import JSON_TYPE, Connection
from broker.desk.failures import AnswerError
from broker.desk.origin_seal import seal_as_origin, taken_back
from broker.desk.receipts import Sent
from broker.desk.session import Answer, Query, Request
from broker.desk.status import read_status
from broker.desk.wire import Posted, Recipient
from broker.errors import Code, ConfigurationError, EvidenceError, SignatureError
from broker.evidence.receipts import verify_receipt
from broker.model.events import EventKind
from broker.model.message import Posting, SealedPosting
from broker.model.names import AgencyRef, DeskRef, Json, MessageId
from broker.model.status import MessageStatus
from broker.sealing.wire import content_hash, parse
from keys.key import SigningKey
from schemas.loader import SchemaSet

SEALED_TYPE: Final = {"Content-Type": "application/jose+json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The gateway has the message for good; its receipt was verified."""

    id: MessageId
    receipt: str
    """Compact JWS; keep it: it proves the acceptance to anybody."""
    replayed: bool
    """The gateway had it already, with these very bytes."""
    recipients: tuple[Recipient, ...]


class AgencyCalls(Connection):
    """The calls of an agency; a desk's profile is told that it does not send."""

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
            TakenBackError: The receipt could not be judged; nothing was sent.
            DocumentError: The bytes are no message at all.
        """
        await self._wallet.refresh()
        origin = self._agency()
        posting = self.sign(message) if isinstance(message, bytes) else message
        await self._require_directory()
        answer, posted = await self._post(posting, query=())
        if posted.receipt is None:
            raise AnswerError("the gateway accepted without a receipt")
        receipts = await self.receipts(posted.receipt)
        replayed = answer.headers.get("Idempotent-Replay") == "true"
        receipts.check_accepted(
            posted.receipt,
            _sent(posting, posted.id, origin),
            recipients=posted.recipients,
            replayed=replayed,
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
            EvidenceError, AnswerError: By the gateway's word of who has what is taken back, it
                would be sealed to somebody else.
        """
        directory = await self.directory()
        posting = self.sign(message, second=second) if isinstance(message, bytes) else message
        named = taken_back(posting.body)
        held_by = None if named is None else await self._desks_of(named)
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
        return read_status(answer.body)

    async def _desks_of(self, message_id: MessageId) -> Sequence[DeskRef]:
        """Which desks was this message of ours accepted for? By the gateway's receipt.

        Raises:
            EvidenceError: The receipt names others than the answer does.
        """
        status = await self.status(message_id)
        receipts = await self.receipts(status.receipt)
        # Not asked: whether its key counts still. A recall does not wait for what became of that.
        receipt = verify_receipt(status.receipt, find_key=receipts.keys.get)
        desks = [each.desk for each in status.recipients]
        proven = (receipt.event, receipt.message_id, receipt.origin, receipt.content_hash)
        if (
            proven != (EventKind.ACCEPTED, message_id, self._agency(), status.content_hash)
            or status.id != message_id
            or receipt.recipients.keys() != set(desks)
        ):
            raise EvidenceError(Code.EVIDENCE_INVALID)
        return desks

    async def _post(
        self, posting: Posting | SealedPosting, *, query: Query
    ) -> tuple[Answer, Posted]:
        answer = await self._request(_request_of(posting, query))
        posted = wire.read_posted(answer.body)
        if posted.id != sign.message_id_of(posting):
            raise AnswerError("the gateway answered for another message")
        return answer, posted

    def _agency(self) -> AgencyRef:
        if isinstance(self.profile.subject, AgencyRef):
            return self.profile.subject
        raise ConfigurationError(f"subject: {self.profile.subject} is a desk, and does not send")


def _request_of(posting: Posting | SealedPosting, query: Query) -> Request:
    if isinstance(posting, SealedPosting):
        headers, body = {**SEALED_TYPE, "Origin-Seal": posting.seal}, posting.jwe
    else:
        headers, body = {**JSON_TYPE, "Message-Signature": posting.signature}, posting.body
    return Request(method="POST", path="/v1/messages", query=query, headers=headers, body=body)


def _sent(posting: Posting | SealedPosting, message_id: MessageId, origin: AgencyRef) -> Sent:
    sent = Sent(message_id=message_id, origin=origin, desks=sign.desks_named_by(posting))
    if isinstance(posting, Posting):
        return sent
    return replace(
        sent,
        content_hash=content_hash(posting.jwe, fewest=0),
        kids=[each.kid for each in parse(posting.jwe, fewest=0).recipients],
    )
