"""Seal a message here, so that nobody on the way can read it, the gateway included."""

from datetime import datetime

from broker.admission.message_signature import verify_message_signature
from broker.admission.recipients import destination_of
from broker.admission.validate import validate
from broker.directory import Directory
from broker.errors import Code, SignatureError
from broker.model import Posting, SealedPosting
from broker.origin_seal import state_facts
from broker.sealing.content import SignedContent
from broker.sealing.route import route_of
from broker.sealing.seal import seal
from keys.entropy import Entropy
from keys.key import SigningKey
from schemas.loader import SchemaSet


def seal_as_origin(
    posting: Posting,
    schemas: SchemaSet,
    directory: Directory,
    key: SigningKey,
    *,
    now: datetime,
    draw: Entropy,
) -> SealedPosting:
    """Close a signed message for its recipients, and vouch for the facts that rules need.

    Args:
        posting: Signed by this agency: body and detached signature, both go inside.
        schemas: The message is held against them here, since the gateway cannot.
        directory: Verified against the pinned roots; its keys are sealed to.
        key: A message-signature key of the agency.
        now: The keys that count at this moment are sealed to.
        draw: Asked twice: content key and nonce.

    Raises:
        SignatureError: The directory knows no such key.
        DocumentError: It is no message that its kind and version promise.
        PermissionDeniedError: It is another agency's, or a recipient is unknown or closed.
        KeyUnavailableError: A recipient has no current key.
    """
    found = directory.message_key(key.kid, now)
    if found is None:
        raise SignatureError(Code.SIGNATURE_INVALID)
    signed = verify_message_signature(
        posting, caller=found[1], find_key=lambda kid: directory.message_key(kid, now), now=now
    )
    message = validate(signed, schemas, now=now)
    destination = destination_of(message, directory, now)
    sealed = seal(
        SignedContent(body=posting.body, signature=posting.signature),
        route_of(message),
        [directory.encryption_key(route.desk, now) for route in destination.routes],
        draw,
    )
    return state_facts(sealed, message, key, now=now)
