"""What does opening prove?

That a named agency wrote these very bytes, by a key that its own country vouches for; that
the gateway accepted them for this desk, and when; that nobody on the way, the gateway
included, changed or redirected them. Time is taken from the receipt: a key or a signature
counts if it was good when the message was accepted, however long the desk was away.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from broker.admission import strict_json
from broker.admission.circumstances import Circumstances
from broker.admission.facts import facts_of
from broker.desk.earlier import held_here
from broker.desk.failures import OpeningError
from broker.desk.judge import judge
from broker.desk.membership import fault_of, must_be_sealed
from broker.desk.own_fault import find_own_fault
from broker.desk.prove import check_content, check_signature, policy_at, read_receipt
from broker.desk.trust import Trust
from broker.desk.wire import ReceivedHandOver
from broker.errors import PermissionDeniedError, UnsealError
from broker.evidence.receipts import ReceiptContent
from broker.model.events import RefusalReason
from broker.model.message import Message, Posting
from broker.model.names import AgencyRef, DeskRef, QueueName, channel_queue, pair_queue
from broker.origin_seal import facts_digest
from broker.sealing.route import SealRoute, route_of
from broker.sealing.unseal import Unsealed, unseal
from broker.sealing.wire import content_hash
from keys.identifiers import KeyId
from keys.key import DecryptionKey

CLOCKS_APART: Final = timedelta(minutes=5)
"""How far the gateway's clock may be ahead of the desk's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedMessage:
    """A message that may be stored and acknowledged."""

    hand_over: ReceivedHandOver
    message: Message = field(repr=False)
    accepted_at: datetime
    """When the gateway accepted it, by its receipt."""
    signed_with: KeyId
    """The origin's key."""
    opened_with: KeyId
    """The desk's own."""
    second_signed_with: KeyId | None = None
    """The key of a second officer of the origin, if one signed (SG-03)."""


def open_hand_over(
    hand_over: ReceivedHandOver,
    keys: Mapping[KeyId, DecryptionKey],
    trust: Trust,
    *,
    desk: DeskRef,
    now: datetime,
) -> OpenedMessage:
    """Open a hand-over, or say why it must be returned.

    Args:
        hand_over: As it came.
        keys: The desk's own decryption keys, draining ones included.
        trust: Nothing in it comes with the message.
        desk: Whose inbox this is.
        now: The receipt must not be from later, but for :data:`CLOCKS_APART`.

    Raises:
        OpeningError: Steps 1 and 3 ``cannot-open``, 2 ``receipt-not-valid``, 5
            ``signature-not-valid``, 4, 6, 7 and 9 ``content-not-valid``, 8 ``facts-not-true``.
        NotReadyError: It did not open, but may once something here is mended. It must not
            be answered.

    Source:
        docs/protocol.md, "Subscribing", "Sealed form", "Receipts", "Message signature".
    """
    try:
        return _open(hand_over, keys, trust, desk=desk, now=now)
    except OpeningError as error:
        own = find_own_fault(error.step, hand_over, keys, trust, now=now)
        if own is None:
            raise
        raise own from None


def _open(
    hand_over: ReceivedHandOver,
    keys: Mapping[KeyId, DecryptionKey],
    trust: Trust,
    *,
    desk: DeskRef,
    now: datetime,
) -> OpenedMessage:
    # (1) What came is what was announced. The answer of this desk will name that hash.
    _check_hash(hand_over)
    # (2) The gateway signed that it accepted this content, from this origin, for this desk.
    receipt = _check_receipt(hand_over, trust, desk=desk, now=now)
    # (3) It opens with a key of this desk. Not checked: that it is the key which the receipt
    # names. The content key may have been wrapped anew since, and the content is the same.
    unsealed = _unseal(hand_over, keys)
    # (4) The route under the seal is the way it came, and that way was this desk's: of a
    # channel, by the acts of its members.
    _check_route(unsealed.route, hand_over, desk)
    _check_channel(unsealed.route, receipt, trust, desk=desk)
    # (5) The origin signed these bytes, and (6) they are a message: strict JSON, its schema,
    # its sender, its times, and the claims of the signature.
    posting = Posting(body=unsealed.body, signature=unsealed.signature)
    signed = check_signature(posting, hand_over.origin, receipt, trust)
    message = check_content(signed, receipt, trust)
    # (7) The body says what the route says: what the gateway routed by is what was signed.
    _check_same_route(message, unsealed.route)
    # (8) Where the gateway could not see it, the origin had said what it is: it is that.
    _check_facts(message, receipt, unsealed, trust)
    # (9) The safeguards let this content come to this desk, by the policy of that moment.
    _check_rules(message, hand_over, desk, trust, receipt)
    return OpenedMessage(
        hand_over=hand_over,
        message=message,
        accepted_at=receipt.at,
        signed_with=signed.signed_with,
        opened_with=unsealed.kid,
        second_signed_with=signed.second_signed_with,
    )


def _check_hash(hand_over: ReceivedHandOver) -> None:
    try:
        came = content_hash(hand_over.sealed)
    except UnsealError:
        raise OpeningError(RefusalReason.CANNOT_OPEN, step="sealed-form") from None
    if came != hand_over.content_hash:
        raise OpeningError(RefusalReason.CANNOT_OPEN, step="content-hash")


def _check_receipt(
    hand_over: ReceivedHandOver, trust: Trust, *, desk: DeskRef, now: datetime
) -> ReceiptContent:
    receipt = read_receipt(hand_over.receipt, trust)
    proven = (receipt.message_id, receipt.origin, receipt.content_hash)
    announced = (hand_over.message_id, hand_over.origin, hand_over.content_hash)
    if proven != announced:
        raise OpeningError(RefusalReason.RECEIPT_NOT_VALID, step="receipt-of-another")
    if desk not in receipt.recipients or desk in receipt.not_sealed:
        raise OpeningError(RefusalReason.RECEIPT_NOT_VALID, step="receipt-recipients")
    if receipt.at > now + CLOCKS_APART:
        raise OpeningError(RefusalReason.RECEIPT_NOT_VALID, step="receipt-time")
    return receipt


def _unseal(hand_over: ReceivedHandOver, keys: Mapping[KeyId, DecryptionKey]) -> Unsealed:
    try:
        return unseal(hand_over.sealed, keys)
    except UnsealError:
        raise OpeningError(RefusalReason.CANNOT_OPEN, step="unseal") from None


def _check_route(route: SealRoute, hand_over: ReceivedHandOver, desk: DeskRef) -> None:
    origin = AgencyRef(country=route.origin, agency=route.agency)
    if (
        (route.message_id, origin) != (hand_over.message_id, hand_over.origin)
        or hand_over.queue != _queue_of(route, desk)
        or hand_over.urgency is not route.urgency
        or (route.channel is None and not _is_named(desk, route))
    ):
        raise OpeningError(RefusalReason.CONTENT_NOT_VALID, step="route")


def _queue_of(route: SealRoute, desk: DeskRef) -> QueueName:
    if route.channel is None:
        return pair_queue(route.origin, desk)
    return channel_queue(route.channel, desk.country)


def _is_named(desk: DeskRef, route: SealRoute) -> bool:
    return desk.country in route.countries and desk.compartment is route.compartment


def _check_channel(
    route: SealRoute, receipt: ReceiptContent, trust: Trust, *, desk: DeskRef
) -> None:
    if route.channel is None:
        return
    step = fault_of(route, desk=desk, at=receipt.at, directory=trust.directory)
    if step is not None:
        raise OpeningError(RefusalReason.CONTENT_NOT_VALID, step=step)


def _check_same_route(message: Message, route: SealRoute) -> None:
    if route_of(message) != route:
        raise OpeningError(RefusalReason.CONTENT_NOT_VALID, step="route-of-body")


def _check_rules(
    message: Message,
    hand_over: ReceivedHandOver,
    desk: DeskRef,
    trust: Trust,
    receipt: ReceiptContent,
) -> None:
    circumstances = Circumstances(
        directory=trust.directory,
        policy=policy_at(receipt.at, trust),
        now=receipt.at,
        known=held_here(message.facts.lineage, trust.find_lines, trust, desk=desk),
    )
    try:
        judge(message, desk, hand_over.queue, circumstances)
    except PermissionDeniedError as error:
        # The sender reads which safeguard it was, and nothing else: a name is not content, and
        # he may have sent in good faith.
        step = error.rule or error.code.value
        raise OpeningError(RefusalReason.CONTENT_NOT_VALID, step=step, rule=error.rule) from None


def _check_facts(
    message: Message, receipt: ReceiptContent, unsealed: Unsealed, trust: Trust
) -> None:
    said = receipt.facts_digest
    if said is None:
        if must_be_sealed(unsealed.route, at=receipt.at, directory=trust.directory):
            raise OpeningError(RefusalReason.CONTENT_NOT_VALID, step="origin-sealing")
        return
    # Said by the words of the standard policy, whichever is in force: a change of the policy
    # between two clocks must not make a liar of anybody.
    facts = facts_of(strict_json.parse(message.body))
    if said != facts_digest(facts, unsealed.facts_salt):
        raise OpeningError(RefusalReason.FACTS_NOT_TRUE, step="facts")
