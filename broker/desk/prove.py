"""Who wrote a message, and did the gateway accept it?

What a desk proves when it opens a message, and again of one that it has stored. Time is taken
from the receipt: a key or a signature counts if it was good when the message was accepted.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from broker.admission.decided import policy_of
from broker.admission.message_signature import verify_message_signature
from broker.admission.policy import Policy
from broker.admission.validate import validate
from broker.desk.failures import OpeningError
from broker.desk.trust import Trust
from broker.errors import (
    BrokerError,
    DocumentError,
    EvidenceError,
    PermissionDeniedError,
    SignatureError,
)
from broker.evidence.receipts import ReceiptContent, verify_receipt
from broker.model.events import EventKind, RefusalReason
from broker.model.message import Message, Posting, SignedPosting
from broker.model.names import AgencyRef
from keys.identifiers import KeyId

NOT_COUNTED_STEP: Final = "receipt-key-not-counted"
"""What is said of a receipt whose key did not count then; a desk looks again before it refuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenMessage:
    """A message, and who proves it."""

    message: Message
    receipt: ReceiptContent
    signed_with: KeyId
    second_signed_with: KeyId | None = None


def prove_message(
    posting: Posting, receipt_token: str, origin: AgencyRef, trust: Trust
) -> ProvenMessage:
    """Prove a stored message again: its receipt, then steps 5 and 6 of opening.

    Raises:
        OpeningError: It is not proven, by what is known here; nothing is refused for it.
    """
    receipt = read_receipt(receipt_token, trust)
    signed = check_signature(posting, origin, receipt, trust)
    message = check_content(signed, receipt, trust)
    if (receipt.message_id, receipt.origin) != (message.id, message.sender):
        raise OpeningError(RefusalReason.RECEIPT_NOT_VALID, step="receipt")
    return ProvenMessage(
        message=message,
        receipt=receipt,
        signed_with=signed.signed_with,
        second_signed_with=signed.second_signed_with,
    )


def read_receipt(token: str, trust: Trust) -> ReceiptContent:
    """Read the gateway's word that it accepted a message; no other receipt will do."""
    try:
        receipt = verify_receipt(token, find_key=trust.receipt_keys.get)
    except EvidenceError:
        raise OpeningError(RefusalReason.RECEIPT_NOT_VALID, step="receipt") from None
    if receipt.event is not EventKind.ACCEPTED or receipt.issuer != trust.issuer:
        raise OpeningError(RefusalReason.RECEIPT_NOT_VALID, step="receipt")
    if not trust.directory.receipt_counts(receipt.signed_with, receipt.at):
        raise OpeningError(RefusalReason.RECEIPT_NOT_VALID, step=NOT_COUNTED_STEP)
    return receipt


def check_signature(
    posting: Posting, origin: AgencyRef, receipt: ReceiptContent, trust: Trust
) -> SignedPosting:
    """Prove that this agency signed these bytes, by a key that counted at the acceptance."""
    try:
        return verify_message_signature(
            posting,
            caller=origin,
            find_key=lambda kid: trust.directory.message_key(kid, receipt.at),
            now=receipt.at,
        )
    except SignatureError as error:
        raise _returned(RefusalReason.SIGNATURE_NOT_VALID, error) from None


def check_content(signed: SignedPosting, receipt: ReceiptContent, trust: Trust) -> Message:
    """Prove that what was signed is a message: strict JSON, its schema, its sender and times.

    The claims of the signature must be true of it.
    """
    try:
        words = policy_at(receipt.at, trust).words
        return validate(signed, trust.schemas, now=receipt.at, words=words)
    except SignatureError as error:
        raise _returned(RefusalReason.SIGNATURE_NOT_VALID, error) from None
    except (DocumentError, PermissionDeniedError) as error:
        raise _returned(RefusalReason.CONTENT_NOT_VALID, error) from None


def policy_at(at: datetime, trust: Trust) -> Policy:
    """Which policy was in force then?"""
    return policy_of(trust.directory.decisions.safeguards(at))


def _returned(reason: RefusalReason, error: BrokerError) -> OpeningError:
    return OpeningError(reason, step=error.code.value)
