"""The flow on one page: what becomes of a posted message until its sender has a receipt.

The relay (``relay.py``) and the hand-over to desks (``hand_over.py``) go on from the ledger.
``docs/life-of-a-message.md`` is the map of all three.
"""

import hashlib
import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from broker.admission.authorise import authorise
from broker.admission.circumstances import Circumstances
from broker.admission.decided import policy_in_force
from broker.admission.facts import named_messages
from broker.admission.message_signature import verify_message_signature
from broker.admission.recall import hides_recipients, keys_to_seal_to
from broker.admission.rules.lineage import unknown_roots
from broker.admission.validate import validate
from broker.claimed import ClaimedPosting, check_sealed, validate_sealed
from broker.directory import Directory
from broker.directory_watch import DirectoryWatch
from broker.errors import (
    Code,
    ConflictError,
    KeyUnavailableError,
    RefusedError,
    UnavailableError,
)
from broker.evidence.receipts import read_recipients
from broker.model.events import Receipt
from broker.model.facts import KnownMessage
from broker.model.message import (
    Acceptance,
    Posting,
    RoutedMessage,
    SealedPosting,
    SignedPosting,
)
from broker.model.names import NO_KEY, AgencyRef, ContentHash, DeskRef, LogPosition, MessageId
from broker.model.status import MessageStatus
from broker.origin_seal import verify_origin_seal
from broker.ports.clock import Clock
from broker.ports.messages import IdTaken, MessageLedger, Overtaken, Recorded
from broker.ports.receipts import SignReceipt
from broker.sealing.content import SignedContent
from broker.sealing.route import route_of
from broker.sealing.seal import SealedMessage, seal
from keys.entropy import Entropy
from keys.identifiers import KeyId
from keys.key import EncryptionKey, VerificationKey
from keys.secret import SecretBytes
from schemas.loader import SchemaSet

Authenticated: TypeAlias = SignedPosting | ClaimedPosting
"""Proven to be its agency's: open to the gateway, or sealed by its origin."""
MOST_TRIES: Final = 4
"""Administrators change the directory now and then; thrice during one message is a storm."""
MOVED: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The answer to a posting: its receipt, and who will receive it by which rule."""

    message_id: MessageId
    receipt: Receipt
    replayed: bool
    rules: Mapping[DeskRef, str]
    """Each recipient, and the rule that allows it, as the receipt says."""
    not_sealed: frozenset[DeskRef]
    """Those of them that got no copy, for want of a current key (SG-07)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Accepts messages and answers their senders. Holds no key that opens a sealed one."""

    directory: DirectoryWatch
    schemas: SchemaSet
    ledger: MessageLedger
    sign_receipt: SignReceipt
    mac_key: SecretBytes
    """Shared by the gateways, unknown to the ledger: see ``Acceptance.body_mac``."""
    clock: Clock
    draw: Entropy = field(repr=False)

    async def accept(self, posting: Posting | SealedPosting, sender: AgencyRef) -> Accepted:
        """Take a message in, for good.

        1. Did this agency write these bytes?
        2. Are they a message, and may it go where it wants?
        3. Close it for the desks, and forget what it says.
        4. Record it, unless the directory has changed since, or a recall took back what the
           rules went by: then all of this is done again, so that nothing is ever sealed to a
           key that was taken out, nor handed on by a permission that was. After the commit
           the sender has a receipt, and nothing is lost.

        Args:
            posting: The body, and the ``Message-Signature`` that came with it; or what its
                agency has sealed, and the ``Origin-Seal``.
            sender: From the caller's credential, never from the request.

        Raises:
            RefusedError: One of its kinds; nothing of the message was recorded.
            UnavailableError: The same posting may succeed later; posting it again is safe.
        """
        for _ in range(MOST_TRIES):
            accepted = await self._try_to_accept(posting, sender)
            if accepted is not None:
                return accepted
            # Something changed between the judgement and the record: perhaps one of these keys
            # was just taken out. Nothing was recorded; everything is asked anew.
            await self.directory.refresh()
        raise UnavailableError(Code.OVERLOADED, retry_after=MOVED)

    async def _try_to_accept(
        self, posting: Posting | SealedPosting, sender: AgencyRef
    ) -> Accepted | None:
        """Accept by what is known at this moment; None if it was overtaken."""
        now = self.clock()
        version = self.directory.at(now).version
        signed = self._authenticate(posting, sender, now)
        try:
            routed = await self._admit(signed, now)
            keys = self._recipient_keys(routed, now)
            sealed = self._seal(signed, routed, keys)
        except (RefusedError, KeyUnavailableError):
            # Whoever asks again gets the first answer, also when the road was closed or the
            # message ran out in between: else he would never learn that it was accepted.
            first = await self._first_answer(signed)
            if first is None:
                raise
            return first
        # A crash before this line loses nothing: the sender has no receipt and asks again.
        acceptance = replace(
            self._acceptance(signed, routed, keys, sealed, now), directory_version=version
        )
        recorded = await self.ledger.record(acceptance, sign=self.sign_receipt)
        if isinstance(recorded, Overtaken):
            return None
        # A crash here loses nothing either: the relay finds the record, and the sender, who
        # has no answer, asks again and gets the same receipt.
        return _accepted(recorded, routed.message.id)

    async def preview(
        self, posting: Posting | SealedPosting, sender: AgencyRef
    ) -> tuple[RoutedMessage, frozenset[DeskRef]]:
        """Say who would receive a message, and keep nothing (SG-12).

        Returns:
            Where it would go, and which of these desks would get no copy (SG-07).

        Raises:
            RefusedError: As :meth:`accept` would.
            KeyUnavailableError: As :meth:`accept` would.
        """
        now = self.clock()
        self.directory.at(now)
        signed = self._authenticate(posting, sender, now)
        routed = await self._admit(signed, now)
        keys = self._recipient_keys(routed, now)
        if isinstance(signed, ClaimedPosting):
            # What its origin has sealed is whole already, and must be right.
            check_sealed(signed, list(keys.values()))
        return routed, frozenset(each.desk for each in routed.deliveries) - keys.keys()

    async def status(self, message_id: MessageId, sender: AgencyRef) -> MessageStatus | None:
        """Say how far a message has come; None for another agency's, as for an unknown id."""
        return await self.ledger.status(sender, message_id)

    def _authenticate(
        self, posting: Posting | SealedPosting, sender: AgencyRef, now: datetime
    ) -> Authenticated:
        def find_key(kid: KeyId) -> tuple[VerificationKey, AgencyRef] | None:
            return self._current.message_key(kid, now)

        if isinstance(posting, SealedPosting):
            return verify_origin_seal(posting, caller=sender, find_key=find_key, now=now)
        return verify_message_signature(posting, caller=sender, find_key=find_key, now=now)

    async def _admit(self, signed: Authenticated, now: datetime) -> RoutedMessage:
        directory = self._current
        policy = policy_in_force(directory)
        message = (
            validate_sealed(signed, self.schemas, now=now)
            if isinstance(signed, ClaimedPosting)
            else validate(signed, self.schemas, now=now, words=policy.words)
        )
        known = await self._known(named_messages(message.facts))
        circumstances = Circumstances(
            directory=directory,
            policy=policy,
            known=known,
            now=now,
            is_sealed=isinstance(signed, ClaimedPosting),
        )
        routed = authorise(message, circumstances)
        return replace(routed, relies_on=_not_recalled(known)) if known else routed

    async def _known(
        self, named: Collection[MessageId]
    ) -> Mapping[MessageId, Sequence[KnownMessage]]:
        """Look up the messages that one names, and those where their lineage ends."""
        # Most messages name no other, and ask nothing of the ledger here.
        if not named:
            return {}
        known = await self.ledger.known(named)
        roots = unknown_roots(known)
        return {**known, **await self.ledger.known(roots)} if roots else known

    def _seal(
        self,
        signed: Authenticated,
        routed: RoutedMessage,
        keys: Mapping[DeskRef, EncryptionKey],
    ) -> SealedMessage:
        if isinstance(signed, ClaimedPosting):
            return check_sealed(signed, list(keys.values()))
        content = SignedContent(body=signed.body, signature=signed.signature)
        return seal(content, route_of(routed.message), list(keys.values()), self.draw)

    def _recipient_keys(
        self, routed: RoutedMessage, now: datetime
    ) -> Mapping[DeskRef, EncryptionKey]:
        desks = [route.desk for route in routed.deliveries]
        return keys_to_seal_to(routed.message.kind, desks, self._current, now)

    def _acceptance(
        self,
        signed: Authenticated,
        routed: RoutedMessage,
        keys: Mapping[DeskRef, EncryptionKey],
        sealed: SealedMessage,
        now: datetime,
    ) -> Acceptance:
        message = routed.message
        return Acceptance(
            message_id=message.id,
            sender=message.sender,
            body_mac=self._mac(signed.posted),
            kind=message.kind,
            version=message.version,
            urgency=message.urgency,
            created=message.created,
            expires=message.expires,
            accepted_at=now,
            content_hash=ContentHash(sealed.content_hash),
            sealed=sealed.jwe,
            routes=routed.deliveries,
            recipient_keys=_sealed_to(routed, keys),
            signing_key=signed.signed_with,
            second_signing_key=message.second_signed_with,
            compartment=routed.compartment,
            channel=message.to.channel,
            facts=message.facts,
            roots=routed.roots,
            relies_on=routed.relies_on,
            hides_recipients=hides_recipients(message, self._current, now),
            facts_digest=signed.facts_digest if isinstance(signed, ClaimedPosting) else None,
        )

    async def _first_answer(self, signed: Authenticated) -> Accepted | None:
        mac = self._mac(signed.posted)
        found = await self.ledger.find(signed.sender, signed.message_id, body_mac=mac)
        # An id that names another message is not this refusal's business: the sender must
        # mend the message first, and learns of the id then.
        return _accepted(found, signed.message_id) if isinstance(found, Recorded) else None

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self.mac_key.reveal(), body, hashlib.sha256)

    @property
    def _current(self) -> Directory:
        return self.directory.current


def _not_recalled(
    known: Mapping[MessageId, Sequence[KnownMessage]],
) -> frozenset[LogPosition]:
    return frozenset(
        number for each in known.values() for one in each for number in one.not_recalled
    )


def _sealed_to(
    routed: RoutedMessage, keys: Mapping[DeskRef, EncryptionKey]
) -> Mapping[DeskRef, KeyId]:
    desks = [route.desk for route in routed.deliveries]
    return {desk: keys[desk].kid if desk in keys else NO_KEY for desk in desks}


def _accepted(recorded: Recorded | IdTaken, message_id: MessageId) -> Accepted:
    if isinstance(recorded, IdTaken):
        raise ConflictError(Code.ID_REUSED)
    # Not of the road as it is now: a member may have joined or left since the first answer, a
    # desk may have a key again.
    rules, not_sealed = read_recipients(recorded.receipt.token)
    return Accepted(
        message_id=message_id,
        receipt=recorded.receipt,
        replayed=recorded.replayed,
        rules=rules,
        not_sealed=not_sealed,
    )
