"""Seal a message here, so that nobody on the way can read it, the gateway included."""

from collections.abc import Sequence
from datetime import datetime

from broker.admission import strict_json
from broker.admission.desk_word import MESSAGE_ID
from broker.admission.message_signature import verify_message_signature
from broker.admission.recall import TAKING_BACK, keys_to_seal_to
from broker.admission.recipients import destination_of
from broker.admission.validate import validate
from broker.desk.failures import AnswerError
from broker.directory import Directory
from broker.errors import Code, SignatureError
from broker.model.message import Message, Posting, SealedPosting
from broker.model.names import DeskRef, MessageId
from broker.origin_seal import state_facts
from broker.sealing.content import SignedContent
from broker.sealing.route import route_of
from broker.sealing.seal import seal
from keys.entropy import Entropy
from keys.key import SigningKey
from schemas.loader import SchemaSet


def taken_back(body: bytes) -> MessageId | None:
    """Which message does a recall or rectification name? None for any other kind.

    It goes to whoever has that message, whatever was closed since; only its status knows.

    Raises:
        DocumentError: It is not strict JSON.
    """
    document = strict_json.parse(body)
    inside = document.get("body")
    named = inside.get("of") if isinstance(inside, dict) else None
    if document.get("kind") not in TAKING_BACK or not isinstance(named, str):
        return None
    return MessageId(named) if MESSAGE_ID.fullmatch(named) else None


def seal_as_origin(  # noqa: PLR0913 - what is sealed, for whom, by whom, and when
    posting: Posting,
    schemas: SchemaSet,
    directory: Directory,
    key: SigningKey,
    *,
    now: datetime,
    draw: Entropy,
    held_by: Sequence[DeskRef] | None = None,
    second: SigningKey | None = None,
) -> SealedPosting:
    """Close a signed message for its recipients, and vouch for the facts that rules need.

    Args:
        posting: Signed by this agency: body and detached signature, both go inside.
        schemas: The message is held against them here, since the gateway cannot.
        directory: Verified against the pinned roots; its keys are sealed to.
        key: A message-signature key of the agency.
        now: The keys that count at this moment are sealed to.
        draw: Asked twice: content key and nonce.
        second: The second officer's key, where the message needs one (SG-03).
        held_by: Of a message that is taken back, all its desks (see :func:`taken_back`), by the
            gateway's word: each must be one that the message itself is addressed to.

    Raises:
        SignatureError: The directory knows no such key.
        DocumentError: It is no message that its kind and version promise.
        PermissionDeniedError: It is another agency's, or a recipient is unknown or closed.
        KeyUnavailableError: A recipient has no current key, and nothing is taken back.
        AnswerError: ``held_by`` names a desk that it is not addressed to.
    """
    found = directory.message_key(key.kid, now)
    if found is None:
        raise SignatureError(Code.SIGNATURE_INVALID)
    signed = verify_message_signature(
        posting, caller=found[1], find_key=lambda kid: directory.message_key(kid, now), now=now
    )
    message = validate(signed, schemas, now=now)
    if held_by is None:
        held_by = [route.desk for route in destination_of(message, directory, now).routes]
    elif not all(_may_have_had_it(desk, message, directory, now) for desk in held_by):
        # Its ledger may name whom it likes: what is sealed to them, they can read.
        raise AnswerError("the gateway names a desk that the message was never addressed to")
    sealed = seal(
        SignedContent(body=posting.body, signature=posting.signature),
        route_of(message),
        list(keys_to_seal_to(message.kind, held_by, directory, now).values()),
        draw,
    )
    return state_facts(sealed, message, key, now=now, second=second)


def _may_have_had_it(desk: DeskRef, message: Message, directory: Directory, now: datetime) -> bool:
    """Whether what the origin itself has signed, or its channel's members have, leads to this desk.

    A channel's former members are asked too: they hold what they got (SG-07).
    """
    to = message.to
    if to.channel is None:
        return desk.country in to.countries and desk.compartment is to.compartment
    channel = directory.channel(to.channel)
    if channel is None or desk.compartment is not channel.compartment:
        return False
    if desk.country is message.sender.country and not to.own_copy:
        return False
    terms = [term.charter for term in channel.terms if term.since <= now]
    return any(desk.country in charter.members for charter in terms)
