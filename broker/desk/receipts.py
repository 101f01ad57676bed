"""Does the gateway's receipt prove what we need it to prove?"""

from collections.abc import Container, Sequence
from dataclasses import dataclass

from broker.desk.failures import NotReadyError
from broker.desk.pins import Pins
from broker.desk.wire import ContentRef, Recipient, Settled
from broker.errors import Code, EvidenceError
from broker.evidence.receipts import RECEIPT_TYP, ReceiptContent, verify_receipt
from broker.model import AgencyRef, EventKind, MessageId
from keys import jws
from keys.errors import KeysError
from keys.identifiers import Exchange, KeyId, kid_owner, parse_kid


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptCheck:
    """Receipts of one gateway, held against the keys that are pinned for it."""

    pins: Pins
    issuer: str

    def verify(self, token: str) -> ReceiptContent:
        """Read a receipt that this gateway signed.

        Raises:
            EvidenceError: It is none, or another issuer's.
        """
        content = verify_receipt(token, find_key=self.pins.receipt_keys.get)
        if content.issuer != self.issuer:
            raise EvidenceError(Code.EVIDENCE_INVALID)
        return content

    def require_pinned(self, token: str) -> None:
        """Tell a key that is missing here from a receipt that is wrong.

        Raises:
            NotReadyError: A newer receipt key of the gateway signed it, as it seems.
        """
        kid = unpinned_signer(token, self.pins.receipt_keys)
        if kid is not None:
            raise not_pinned(kid)

    def check_accepted(
        self,
        token: str,
        *,
        message_id: MessageId,
        origin: AgencyRef,
        recipients: Sequence[Recipient],
    ) -> ReceiptContent:
        """Prove that this message was accepted for these desks.

        The content hash cannot be compared: only the gateway has seen the sealed form.

        Raises:
            EvidenceError: The receipt says something else.
        """
        content = self.verify(token)
        if (
            content.event is not EventKind.ACCEPTED
            or (content.message_id, content.origin) != (message_id, origin)
            or content.recipients.keys() != {each.desk for each in recipients}
        ):
            raise EvidenceError(Code.EVIDENCE_INVALID)
        return content

    def check_settled(self, ref: ContentRef, result: Settled) -> ReceiptContent:
        """Prove that a delivery of this content stands as the gateway says.

        Raises:
            EvidenceError: The receipt says something else.
        """
        content = self.verify(result.receipt)
        if (
            content.event.value != result.state.value
            or result.message_id != ref.message_id
            or content.message_id != ref.message_id
            or content.content_hash != ref.content_hash
        ):
            raise EvidenceError(Code.EVIDENCE_INVALID)
        return content


def unpinned_signer(token: str, pinned: Container[KeyId]) -> KeyId | None:
    """Which receipt key, not pinned here, does this receipt name? None: that is not its fault."""
    try:
        header = jws.read_header(token)
        kid = parse_kid(header.kid)
    except KeysError:
        return None
    is_ours = header.typ == RECEIPT_TYP and kid_owner(kid) is Exchange.GATEWAY
    return kid if is_ours and kid not in pinned else None


def not_pinned(kid: KeyId) -> NotReadyError:
    """Say that a receipt key is missing here."""
    return NotReadyError(
        f"the receipt is signed by {kid}, which is not pinned here: update roots.json",
        step="receipt-key",
    )
