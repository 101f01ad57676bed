"""Does a message not open because something here has to be mended?

A refusal is final: the gateway forgets the message. So a desk refuses only what would not
open with a right clock, all its keys and pins, and today's program either. Everything here is
asked after opening has failed, and believes no more than it proves.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from broker.admission.message_signature import signatures_of
from broker.desk import membership
from broker.desk.failures import NotReadyError
from broker.desk.receipts import not_stated, unknown_signer
from broker.desk.trust import Trust
from broker.desk.wire import ReceivedHandOver
from broker.errors import Code, EvidenceError, SignatureError, UnsealError
from broker.evidence.receipts import verify_receipt
from broker.model.names import DeskRef
from broker.sealing.route import SealRoute
from broker.sealing.unseal import unseal
from broker.sealing.wire import parse, read_recipient
from keys import base64url, jws, signed, statement, strict_json
from keys.algorithms import is_post_quantum
from keys.errors import KeyFormatError, KeysError
from keys.holder import Holder
from keys.identifiers import KeyId, kid_owner, parse_kid
from keys.key import DecryptionKey, KeyUse
from keys.root import Roots

HASHED: Final = ("protected", "aad", "iv", "ciphertext", "tag")


def find_own_fault(
    step: str,
    hand_over: ReceivedHandOver,
    keys: Mapping[KeyId, DecryptionKey],
    trust: Trust,
    *,
    now: datetime,
) -> NotReadyError | None:
    """Say what has to be mended here; None: the message itself is at fault.

    Args:
        step: Where opening failed (``OpeningError.step``).
        hand_over: What did not open.
        keys: The desk's own.
        trust: What it was held against.
        now: This machine's time.
    """
    found: NotReadyError | None
    match step:
        case "sealed-form":
            found = _in_sealed_form(hand_over)
        case "receipt":
            found = _in_receipt(hand_over.receipt, trust)
        case "receipt-time":
            found = _in_clock(hand_over.receipt, trust, now)
        case "unseal":
            found = _in_keys(hand_over, keys, trust)
        case membership.UNKNOWN_STEP:
            found = _in_channels()
        case Code.SIGNATURE_INVALID.value if trust.roots is not None:
            found = _in_roots(hand_over.sealed, keys, trust, trust.roots)
        case Code.KIND_UNKNOWN.value | Code.VERSION_UNKNOWN.value:
            found = _in_schemas(hand_over.sealed, trust)
        case "policy":
            found = NotReadyError(
                "the policy that is in force cannot be read here, or was not above the one before: "
                "update this program, or ask the administrators of the exchange",
                step="policy",
            )
        case _:
            found = None
    return found


def _in_sealed_form(hand_over: ReceivedHandOver) -> NotReadyError | None:
    """A form that we do not know, but whole: its hash is the announced one.

    What lies outside the hash anybody on the way may have changed, so it must be of the form
    that we know: only then is the unknown part the gateway's own.
    """
    try:
        members = strict_json.parse_object(hand_over.sealed)
        parts = ".".join(str(members[name]) for name in HASHED)
        recipients = members["recipients"]
        if members.keys() != {*HASHED, "recipients"} or not isinstance(recipients, list):
            return None
        entries = [read_recipient(value) for value in recipients]
        if not entries or not all(is_post_quantum(entry.algorithm) for entry in entries):
            return None
    except (KeysError, KeyError, UnsealError):
        return None
    came = base64url.encode(hashlib.sha256(parts.encode()).digest())
    return _too_old("sealed form") if came == hand_over.content_hash else None


def _in_receipt(token: str, trust: Trust) -> NotReadyError | None:
    kid = unknown_signer(token, trust.receipt_keys)
    if kid is not None:
        return not_stated(kid)
    try:
        receipt = verify_receipt(token, find_key=trust.receipt_keys.get)
    except EvidenceError:
        return None
    if receipt.issuer == trust.issuer:
        return None
    return NotReadyError(
        f"the receipt is of {receipt.issuer}, and this desk expects {trust.issuer}: "
        "correct issuer in profile.toml",
        step="issuer",
    )


def _in_clock(token: str, trust: Trust, now: datetime) -> NotReadyError:
    at = verify_receipt(token, find_key=trust.receipt_keys.get).at
    return NotReadyError(
        f"the receipt is of {at.isoformat(timespec='seconds')}, and the clock of this machine "
        f"says {now.isoformat(timespec='seconds')}: set the clock",
        step="clock",
    )


def _in_channels() -> NotReadyError:
    # Whatever the gateway says, it has not shown us the acts: perhaps it will, perhaps the root
    # of one of the members is missing here. A refusal would end the message either way.
    return NotReadyError(
        "the message is of a channel that no acts known here make: compare roots.json with the "
        "other members, and ask the exchange for the channel's charter",
        step=membership.UNKNOWN_STEP,
    )


def _in_keys(
    hand_over: ReceivedHandOver, keys: Mapping[KeyId, DecryptionKey], trust: Trust
) -> NotReadyError | None:
    jwe = parse(hand_over.sealed)
    kids = [entry.kid for entry in jwe.recipients]
    receipt = verify_receipt(hand_over.receipt, find_key=trust.receipt_keys.get)
    if not any(kid in keys for kid in kids):
        own = [desk for desk, kid in receipt.recipients.items() if kid in keys]
        if own and not any(_is_stated_for(own[0], kid, trust) for kid in kids):
            # The gateway signed that it was sealed to our key; somebody took the entry out.
            return None
        # Or it was re-wrapped since, by a colleague who has the desk's next key already.
        return NotReadyError(
            f"the message is sealed to {', '.join(kids)}, which is not in the key file here: "
            "add the key, or put the old one back",
            step="decryption-key",
        )
    try:
        # The receipt proves that the gateway wrote it so.
        SealRoute.from_bytes(base64url.decode(jwe.aad))
    except KeyFormatError:
        return _too_old("route")
    return None


def _is_stated_for(desk: DeskRef, kid: KeyId, trust: Trust) -> bool:
    """Has our country stated that messages for this desk may be sealed to this key?"""
    if trust.roots is None:
        return True
    for token in trust.directory.record.statements:
        if not _stated_by(token, kid):
            continue
        try:
            stated = statement.verify(token, roots=trust.roots)
        except KeysError:
            continue
        holder = Holder.desk(desk.country, desk.compartment)
        if stated.use is KeyUse.DESK_ENCRYPTION and stated.holder == holder:
            return True
    return False


def _in_schemas(sealed: bytes, trust: Trust) -> NotReadyError | None:
    # The route says what the gateway accepted. If we know that schema, the body lied.
    route = SealRoute.from_bytes(base64url.decode(parse(sealed).aad))
    if trust.schemas.knows(route.kind.value, route.version):
        return None
    return NotReadyError(
        f"the schema {route.kind.value}/{route.version} is not known here: update this program",
        step="schema",
    )


def _in_roots(
    sealed: bytes, keys: Mapping[KeyId, DecryptionKey], trust: Trust, roots: Roots
) -> NotReadyError | None:
    """Is the origin's key stated by a root of its country that we have not pinned?"""
    try:
        signers = [
            parse_kid(jws.read_header(each, claims=jws.MESSAGE_CLAIMS).kid)
            for each in signatures_of(unseal(sealed, keys).signature)
        ]
    except (KeysError, UnsealError, SignatureError):
        return None
    found = (_in_root_of(signer, trust, roots) for signer in signers)
    return next((fault for fault in found if fault is not None), None)


def _in_root_of(signer: KeyId, trust: Trust, roots: Roots) -> NotReadyError | None:
    chain = roots.get(kid_owner(signer))
    versions = chain.versions if chain is not None else ()
    known = {holder.key.kid for root in versions for holder in root.holders}
    for token in trust.directory.record.statements:
        for holder in _stated_by(token, signer):
            if holder not in known and kid_owner(holder) is kid_owner(signer):
                return NotReadyError(
                    f"the key {signer} is stated by {holder}, of a root that does not follow "
                    "from the one that is pinned here: update roots.json",
                    step="root",
                )
    return None


def _stated_by(token: str, kid: KeyId) -> tuple[KeyId, ...]:
    """Who claims to state this key? Not verified: by an unknown root, it cannot be."""
    try:
        return signed.read(token).kids if statement.read(token).kid == kid else ()
    except KeysError:
        return ()


def _too_old(what: str) -> NotReadyError:
    return NotReadyError(
        f"the {what} of the message is newer than this program: update it", step="form"
    )
