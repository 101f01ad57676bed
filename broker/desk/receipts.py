"""Does the gateway's receipt prove what we need it to prove?"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from broker.desk.failures import NotReadyError
from broker.desk.notices import MAX_NOTICE_CHARS, NOTICE_TYP, moment_of
from broker.desk.values import moment
from broker.desk.wire import ContentRef, Recipient, Settled
from broker.desk.wraps import Moved
from broker.errors import Code, EvidenceError
from broker.evidence.receipts import RECEIPT_TYP, ReceiptContent, verify_receipt
from broker.model.events import EventKind
from broker.model.names import NO_KEY, AgencyRef, DeskRef, MessageId
from keys import jws, strict_json
from keys.errors import KeysError
from keys.identifiers import Exchange, KeyId, kid_owner, parse_kid
from keys.key import VerificationKey

BY_RECEIPT_KEYS: Final = frozenset({RECEIPT_TYP, NOTICE_TYP})
"""What the exchange signs with them."""
RECEIPT_KEY_STEP: Final = "receipt-key"
"""What a desk says when it does not know the key of a receipt; it looks again before it stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a sender knows of his own message: the receipt of its acceptance must agree."""

    message_id: MessageId
    origin: AgencyRef
    desks: frozenset[DeskRef] | None = None
    """Those that it names itself; None: it names a channel."""
    content_hash: str | None = None
    """Where he has sealed it; otherwise only the gateway has seen that form."""
    kids: Sequence[KeyId] | None = None
    """The same: to which keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptCheck:
    """Receipts of one gateway, held against the keys that its root states."""

    keys: Mapping[KeyId, VerificationKey] = field(repr=False)
    issuer: str
    counts: Callable[[KeyId, datetime], bool] = lambda _kid, _at: True
    """Did this receipt key count at that moment? ``Directory.receipt_counts``."""

    def verify(self, token: str) -> ReceiptContent:
        """Read a receipt that this gateway signed.

        Raises:
            EvidenceError: It is none, or another issuer's.
        """
        content = verify_receipt(token, find_key=self.keys.get)
        if content.issuer != self.issuer or not self.counts(content.signed_with, content.at):
            raise EvidenceError(Code.EVIDENCE_INVALID)
        return content

    def may_be_out_of_date(self, token: str) -> bool:
        """Might a newer directory let this receipt, or notice, count where this one does not?"""
        if unknown_signer(token, self.keys) is not None:
            return True
        signed = _signed(token, self.keys)
        return signed is not None and not self.counts(*signed)

    def require_known(self, token: str) -> None:
        """Tell a key that is missing here from a receipt that is wrong.

        Raises:
            NotReadyError: A newer receipt key of the gateway signed it, as it seems.
        """
        kid = unknown_signer(token, self.keys)
        if kid is not None:
            raise not_stated(kid)

    def check_accepted(
        self,
        token: str,
        sent: Sent,
        *,
        recipients: Sequence[Recipient],
        replayed: bool = False,
    ) -> ReceiptContent:
        """Prove that this message was accepted for these desks, each by this rule (SG-12).

        Args:
            token: The receipt.
            sent: What the sender knows himself.
            recipients: As the gateway answered.
            replayed: It was accepted before: the receipt of one that was accepted long ago may
                name no rules.

        Raises:
            EvidenceError: The receipt says something else.
        """
        content = self.verify(token)
        rules = {each.desk: each.rule for each in recipients}
        not_sealed = {each.desk for each in recipients if not each.sealed}
        sealed_to = [kid for kid in content.recipients.values() if kid != NO_KEY]
        if (
            content.event is not EventKind.ACCEPTED
            or (content.message_id, content.origin) != (sent.message_id, sent.origin)
            or content.recipients.keys() != rules.keys()
            or content.not_sealed != not_sealed
            or (content.rules != rules and (content.rules or not replayed))
            or sent.desks not in {None, frozenset(rules)}
            or sent.content_hash not in {None, content.content_hash}
            or (sent.kids is not None and sorted(sent.kids) != sorted(sealed_to))
        ):
            raise EvidenceError(Code.EVIDENCE_INVALID)
        return content

    def check_settled(self, ref: ContentRef, result: Settled, *, desk: DeskRef) -> ReceiptContent:
        """Prove that the delivery of this content to this desk stands as the gateway says.

        Raises:
            EvidenceError: The receipt says something else.
        """
        content = self.verify(result.receipt)
        if (
            content.event.value != result.state.value
            or result.message_id != ref.message_id
            or content.message_id != ref.message_id
            or content.content_hash != ref.content_hash
            or desk not in content.recipients
        ):
            raise EvidenceError(Code.EVIDENCE_INVALID)
        return content

    def check_moved(
        self, ref: ContentRef, result: Moved, *, desk: DeskRef, new: KeyId
    ) -> ReceiptContent:
        """Prove that this desk's entry is for its new key now.

        Raises:
            EvidenceError: The receipt says something else.
        """
        content = self.verify(result.receipt)
        if (
            content.event is not EventKind.REWRAPPED
            or (result.message_id, result.kid) != (ref.message_id, new)
            or (content.message_id, content.content_hash) != (ref.message_id, ref.content_hash)
            or content.recipients != {desk: new}
        ):
            raise EvidenceError(Code.EVIDENCE_INVALID)
        return content


def unknown_signer(token: str, known: Container[KeyId]) -> KeyId | None:
    """Which receipt key, not known here, does this token name? None: that is not its fault."""
    try:
        header = jws.read_header(token, max_bytes=MAX_NOTICE_CHARS)
        kid = parse_kid(header.kid)
    except KeysError:
        return None
    is_ours = header.typ in BY_RECEIPT_KEYS and kid_owner(kid) is Exchange.GATEWAY
    return kid if is_ours and kid not in known else None


def _signed(token: str, keys: Mapping[KeyId, VerificationKey]) -> tuple[KeyId, datetime] | None:
    """By which receipt key, and when, was this signed? None: it is nothing that one signs."""
    try:
        typ = jws.read_header(token, max_bytes=MAX_NOTICE_CHARS).typ
        if typ not in BY_RECEIPT_KEYS:
            return None
        verified = jws.verify_compact(token, typ=typ, find_key=keys.get, max_bytes=MAX_NOTICE_CHARS)
        at = strict_json.parse_object(verified.payload)["at"]
        # A receipt writes a text, a notice seconds.
        signed_at = moment(at) if isinstance(at, str) else moment_of(at)
    except (KeysError, KeyError, TypeError, ValueError, OverflowError, OSError):
        return None
    return verified.kid, signed_at


def not_stated(kid: KeyId) -> NotReadyError:
    """Say that a receipt key is missing here."""
    return NotReadyError(
        f"the receipt is signed by {kid}, which the root of the exchange does not state, as far "
        "as it is known here: compare roots.json with the other members",
        step=RECEIPT_KEY_STEP,
    )
