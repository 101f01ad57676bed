"""Does opening prove all that it says, and name the right reason where it does not?"""

import hashlib
from datetime import timedelta
from typing import Any

import orjson
import pytest

from broker.desk import sign
from broker.desk.failures import NotReadyError, OpeningError
from broker.desk.line import message_line
from broker.desk.open import OpenedMessage, open_hand_over
from broker.desk.stored import verify_line
from broker.desk.trust import Trust
from broker.desk.wire import ReceivedHandOver, read_hand_over
from broker.model.events import EventKind, RefusalReason
from broker.model.names import NO_KEY, AgencyRef, DeskRef
from broker.sealing.route import SealRoute
from keys import base64url
from schemas.vocabulary import Compartment, Country, Urgency
from tests.desk import world
from tests.desk.world import FISCALIA, NOW, POLICIA, HandOverParts

CANNOT_OPEN = RefusalReason.CANNOT_OPEN
RECEIPT = RefusalReason.RECEIPT_NOT_VALID
SIGNATURE = RefusalReason.SIGNATURE_NOT_VALID
CONTENT = RefusalReason.CONTENT_NOT_VALID
OTHER_HASH = "A" * 43
OTHER_DESK = DeskRef(country=Country.GUATEMALA, compartment=Compartment.JUDICIAL)


def opened(hand_over: ReceivedHandOver, trust: Trust | None = None) -> OpenedMessage:
    """Open as the desk does, in the standard world."""
    key = world.decryption_key("GT-int-enc-1")
    return open_hand_over(
        hand_over, {key.kid: key}, trust or world.trust(), desk=world.DESK, now=NOW
    )


def bent(member: str, **parts: Any) -> ReceivedHandOver:
    """Change one bit of one member of the sealed form, on its way to the desk."""
    data = HandOverParts(**parts).to_json()
    text = data["sealed"][member]
    data["sealed"][member] = ("B" if text[0] != "B" else "C") + text[1:]
    return read_hand_over(orjson.dumps(data))


def test_open_gives_the_bytes_that_were_signed() -> None:
    """Nothing is parsed and written again on the way."""
    hand_over = world.hand_over()

    message = opened(hand_over)

    assert message.message.body == sign.message_bytes(world.document())
    assert message.message.sender == FISCALIA
    assert message.signed_with == "MX-fiscalia-1"
    assert message.opened_with == "GT-int-enc-1"
    assert message.accepted_at == NOW


def two_officers() -> Trust:
    """What a desk knows when the fiscalia has stated a key of a second officer."""
    return world.trust(
        *world.standard_statements(), world.agency_statement(FISCALIA, "MX-fiscalia-2")
    )


def test_open_names_the_second_officer_when_two_signed() -> None:
    """Both signatures lie under the seal; the line in the inbox names both and proves both."""
    hand_over = world.hand_over(second_signer="MX-fiscalia-2")

    message = opened(hand_over, two_officers())
    line = message_line(message, received_at=NOW)

    assert (message.signed_with, message.second_signed_with) == ("MX-fiscalia-1", "MX-fiscalia-2")
    assert message.message.second_signed_with == "MX-fiscalia-2"
    shown = orjson.loads(line)
    assert (shown["signed_with"], shown["second_signed_with"]) == ("MX-fiscalia-1", "MX-fiscalia-2")
    assert verify_line(line, two_officers()).second_signed_with == "MX-fiscalia-2"


SECOND_BENT: dict[str, tuple[dict[str, Any], str]] = {
    "the author again": ({"second_signer": "MX-fiscalia-1"}, "signature-invalid"),
    "another agency": ({"second_signer": "MX-policia-1"}, "signature-foreign"),
    "a key without a statement": ({"second_signer": "MX-fiscalia-9"}, "signature-invalid"),
    "over other bytes": (
        {
            "second_signer": "MX-fiscalia-2",
            "second_body": sign.message_bytes(world.document(case_id="another")),
        },
        "signature-invalid",
    ),
}


@pytest.mark.parametrize("name", SECOND_BENT)
def test_open_refuses_a_message_when_its_second_signature_does_not_hold(name: str) -> None:
    """A gateway that let it pass is not believed."""
    parts, step = SECOND_BENT[name]

    with pytest.raises(OpeningError) as refused:
        opened(world.hand_over(**parts), two_officers())

    assert (refused.value.reason, refused.value.step) == (SIGNATURE, step)


def test_verify_line_refuses_a_line_when_the_second_signature_was_taken_off_and_replaced() -> None:
    """The officer is part of what the line proves."""
    members = orjson.loads(
        message_line(
            opened(world.hand_over(second_signer="MX-fiscalia-2"), two_officers()), received_at=NOW
        )
    )
    author, second = members["signature"].split(",")
    members["signature"] = f"{author},{author}"

    with pytest.raises(OpeningError):
        verify_line(orjson.dumps(members), two_officers())
    members["signature"] = second + "," + author
    assert verify_line(orjson.dumps(members), two_officers()).signed_with == "MX-fiscalia-2"


REFUSED: dict[str, tuple[dict[str, Any], RefusalReason, str]] = {
    "announced under another hash": (
        {"announced": {"content_hash": OTHER_HASH}},
        CANNOT_OPEN,
        "content-hash",
    ),
    "receipt by a key that is no receipt key": (
        {"receipt_signer": "MX-fiscalia-1"},
        RECEIPT,
        "receipt",
    ),
    "receipt that is no token": ({"announced": {"receipt": "x"}}, RECEIPT, "receipt"),
    "receipt of another event": ({"event": {"kind": EventKind.EXPIRED}}, RECEIPT, "receipt"),
    "receipt of another message": (
        {"event": {"message_id": world.message_id(9)}},
        RECEIPT,
        "receipt-of-another",
    ),
    "receipt of another content": (
        {"event": {"content_hash": OTHER_HASH}},
        RECEIPT,
        "receipt-of-another",
    ),
    "receipt of another origin": ({"event": {"sender": POLICIA}}, RECEIPT, "receipt-of-another"),
    "receipt for another desk": (
        {"event": {"recipients": {OTHER_DESK: "GT-int-enc-1"}}},
        RECEIPT,
        "receipt-recipients",
    ),
    "receipt by which no copy was sealed": (
        {"event": {"recipients": {world.DESK: NO_KEY}}},
        RECEIPT,
        "receipt-recipients",
    ),
    "handed over as another agency's": (
        {"origin": POLICIA},
        CONTENT,
        "route",
    ),
    "handed over under another id": (
        {
            "announced": {"id": world.message_id(9)},
            "event": {"message_id": world.message_id(9)},
        },
        CONTENT,
        "route",
    ),
    "handed over from another queue": (
        {"announced": {"queue": "HN.GT.intelligence"}},
        CONTENT,
        "route",
    ),
    "handed over with another urgency": ({"announced": {"urgency": "flash"}}, CONTENT, "route"),
    "addressed to another country": (
        {"route": {"countries": (Country.HONDURAS,)}},
        CONTENT,
        "route",
    ),
    "addressed to another compartment": (
        {"route": {"compartment": Compartment.JUDICIAL}},
        CONTENT,
        "route",
    ),
    "signed by another agency of the country": (
        {"signer": "MX-policia-1"},
        SIGNATURE,
        "signature-foreign",
    ),
    "signed by a key without a statement": (
        {"signer": "MX-fiscalia-9"},
        SIGNATURE,
        "signature-invalid",
    ),
    "signed by the desk's own key": ({"signer": "GT-int-sig-1"}, SIGNATURE, "signature-invalid"),
    "other bytes than those that were signed": (
        {"body": b"{}"},
        SIGNATURE,
        "signature-invalid",
    ),
    "signed eight days before it was accepted": (
        {"signed_at": NOW - timedelta(days=8)},
        SIGNATURE,
        "signature-stale",
    ),
    "claims to be of another agency": (
        {"signed_org": POLICIA},
        SIGNATURE,
        "signature-mismatch",
    ),
    "body of another agency": (
        {"members": {"from": {"country": "MX", "agency": "policia"}}},
        CONTENT,
        "sender-foreign",
    ),
    "body of a version that the route does not name": (
        {"members": {"version": "9.0"}, "route": {"version": "1.0"}},
        CONTENT,
        "version-unknown",
    ),
    "body that its schema refuses": ({"members": {"urgency": "soon"}}, CONTENT, "schema-violation"),
    "body with impossible times": (
        {"members": {"created": "2027-01-01T00:00:00Z", "expires": "2027-12-01T00:00:00Z"}},
        CONTENT,
        "time-invalid",
    ),
    "body that says another urgency than the route": (
        {"members": {"urgency": "flash"}},
        CONTENT,
        "route-of-body",
    ),
    "body that says other recipients than the route": (
        {"members": {"to": {"countries": ["GT", "HN"], "compartment": "intelligence"}}},
        CONTENT,
        "route-of-body",
    ),
}


SAFEGUARDS: dict[str, tuple[dict[str, Any], str]] = {
    "an asylum seeker in intelligence": (
        {"groups": [{"category": "other", "protection_status": "asylum_seeker"}]},
        "SG-01",
    ),
    "a person named without an age": (
        {"persons": [{"category": "witness", "name": {"family": "X"}}]},
        "SG-04",
    ),
    "a migrant as driver without a second officer": (
        {
            "persons": [
                {
                    "category": "smuggled_migrant",
                    "roles": ["driver"],
                    "separate_basis": {"codes": ["received_payment"]},
                }
            ]
        },
        "SG-03",
    ),
}


@pytest.mark.parametrize("name", SAFEGUARDS)
def test_open_refuses_what_the_gateway_should_have_denied(name: str) -> None:
    """A gateway that forgot a rule is found out by whoever reads; its name goes to the sender."""
    people, rule = SAFEGUARDS[name]
    body = {**world.document()["body"], **people}

    with pytest.raises(OpeningError) as refused:
        opened(world.hand_over(members={"body": body}))

    assert (refused.value.reason, refused.value.step) == (CONTENT, rule)
    assert refused.value.rule == rule


@pytest.mark.parametrize("name", REFUSED)
def test_open_refuses_a_message_when_a_part_is_bent(name: str) -> None:
    """Each part that somebody could bend is told by its own reason."""
    parts, reason, step = REFUSED[name]

    with pytest.raises(OpeningError) as refused:
        opened(world.hand_over(**parts))

    assert (refused.value.reason, refused.value.step) == (reason, step)
    # Of what is bent otherwise the sender learns the reason alone.
    assert refused.value.rule is None


NOT_READY: dict[str, tuple[dict[str, Any], str, str]] = {
    "receipt from later than our clock says": (
        {"accepted_at": NOW + timedelta(minutes=6)},
        "clock",
        "says 2026-11-23T12:00:00+00:00: set the clock",
    ),
    "receipt by a key that is not stated": (
        {"receipt_signer": "GW-receipt-2"},
        "receipt-key",
        "signed by GW-receipt-2, which the root of the exchange does not state",
    ),
    "receipt of another issuer by a stated key": (
        {"receipt_issuer": "https://else"},
        "issuer",
        "the receipt is of https://else, and this desk expects https://enlace.test",
    ),
    "sealed to a key that this desk does not hold": (
        {"sealed_to": "GT-int-enc-2"},
        "decryption-key",
        "sealed to GT-int-enc-2, which is not in the key file",
    ),
    "a version that is not published here": (
        {"members": {"version": "9.0"}},
        "schema",
        "the schema route-report/9.0 is not known here: update this program",
    ),
}


@pytest.mark.parametrize("name", NOT_READY)
def test_open_is_not_ready_when_the_fault_is_the_desks_own(name: str) -> None:
    """What could open here tomorrow is not refused today, and the text says what to mend."""
    parts, step, text = NOT_READY[name]

    with pytest.raises(NotReadyError) as stopped:
        opened(world.hand_over(**parts))

    assert stopped.value.step == step
    assert text in str(stopped.value)


def test_open_goes_by_the_receipt_when_the_clock_is_fast() -> None:
    """A clock that is days ahead neither ends keys nor messages."""
    key = world.decryption_key("GT-int-enc-1")
    late = NOW + timedelta(days=3)

    message = open_hand_over(
        world.hand_over(), {key.kid: key}, world.trust(), desk=world.DESK, now=late
    )

    assert message.accepted_at == NOW


def test_open_is_not_ready_when_the_key_is_stated_by_a_root_that_does_not_follow() -> None:
    """A country's new root is missing here: its messages wait for roots.json."""
    fresh = world.agency_statement(FISCALIA, "MX-fiscalia-2", signed_by="cuatro cinco")
    record = world.record(*world.standard_statements(), "x", fresh)
    directory, _ = world.verified(record)
    trust = world.trust(directory=directory, roots=directory.roots)

    with pytest.raises(NotReadyError) as stopped:
        opened(world.hand_over(signer="MX-fiscalia-2"), trust)

    assert stopped.value.step == "root"
    assert "MX-fiscalia-2 is stated by MX-root-cinco, of a root that does not" in str(stopped.value)


@pytest.mark.parametrize(
    "parts", [{"signer": "MX-fiscalia-9"}, {"body": b"{}"}], ids=["no statement", "other bytes"]
)
def test_open_refuses_a_signature_when_no_root_is_missing(parts: dict[str, Any]) -> None:
    """A key that nobody states, and bytes that nobody signed, stay refused."""
    roots = world.trust().directory.roots

    with pytest.raises(OpeningError) as refused:
        opened(world.hand_over(**parts), world.trust(roots=roots))

    assert refused.value.reason is SIGNATURE


def test_open_is_not_ready_when_the_sealed_form_is_newer_but_whole() -> None:
    """A form of tomorrow under the announced hash is for a newer program to open."""
    data = HandOverParts().to_json()
    sealed = data["sealed"]
    header = orjson.loads(base64url.decode(sealed["protected"])) | {"suite": "of-tomorrow"}
    sealed["protected"] = base64url.encode(orjson.dumps(header, option=orjson.OPT_SORT_KEYS))
    text = ".".join(sealed[name] for name in ("protected", "aad", "iv", "ciphertext", "tag"))
    data["content_hash"] = base64url.encode(hashlib.sha256(text.encode()).digest())

    with pytest.raises(NotReadyError, match="sealed form of the message is newer") as stopped:
        opened(read_hand_over(orjson.dumps(data)))

    assert stopped.value.step == "form"


def test_open_refuses_a_sealed_form_when_it_is_none() -> None:
    """What lacks a member is no form of tomorrow either."""
    data = HandOverParts().to_json()
    del data["sealed"]["tag"]

    with pytest.raises(OpeningError) as refused:
        opened(read_hand_over(orjson.dumps(data)))

    assert (refused.value.reason, refused.value.step) == (CANNOT_OPEN, "sealed-form")


class RouteOfTomorrow(SealRoute):
    """Names a kind that this program does not know."""

    def to_bytes(self) -> bytes:
        """Write the route with that kind."""
        return super().to_bytes().replace(b"route-report", b"drone-report")


def test_open_is_not_ready_when_the_route_names_a_kind_of_tomorrow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A kind that is younger than this program cannot be refused by it."""
    monkeypatch.setattr(world, "SealRoute", RouteOfTomorrow)

    with pytest.raises(NotReadyError, match="route of the message is newer") as stopped:
        opened(world.hand_over())

    assert stopped.value.step == "form"


@pytest.mark.parametrize("member", ["protected", "aad", "iv", "ciphertext", "tag"])
def test_open_refuses_a_message_when_its_sealed_form_was_changed(member: str) -> None:
    """The announced hash covers every member but the recipients."""
    with pytest.raises(OpeningError) as refused:
        opened(bent(member))

    assert refused.value.reason is CANNOT_OPEN


def test_open_refuses_a_message_when_its_wrap_was_changed() -> None:
    """The recipients are outside the hash; the wrap protects itself."""
    data = HandOverParts().to_json()
    data["sealed"]["recipients"][0]["encrypted_key"] = base64url.encode(bytes(48))

    with pytest.raises(OpeningError) as refused:
        opened(read_hand_over(orjson.dumps(data)))

    assert (refused.value.reason, refused.value.step) == (CANNOT_OPEN, "unseal")


def test_open_takes_the_time_of_the_receipt_when_the_key_has_ended_since() -> None:
    """A desk that was away opens what was good when it was accepted."""
    accepted_at = NOW - timedelta(days=2)
    statement = world.agency_statement(FISCALIA, "MX-fiscalia-1", not_after=NOW - timedelta(days=1))
    members = {"created": "2026-11-21T11:59:00Z"}
    hand_over = world.hand_over(accepted_at=accepted_at, signed_at=accepted_at, members=members)

    message = opened(hand_over, world.trust(statement))

    assert message.accepted_at == accepted_at


def test_open_refuses_a_key_that_had_ended_when_the_message_was_accepted() -> None:
    """A statement ends; what is signed after does not count."""
    statement = world.agency_statement(FISCALIA, "MX-fiscalia-1", not_after=NOW - timedelta(days=1))

    with pytest.raises(OpeningError) as refused:
        opened(world.hand_over(), world.trust(statement))

    assert refused.value.reason is SIGNATURE


def test_verify_line_proves_a_stored_message_again() -> None:
    """The line alone, with the keys, says who wrote it and when it was accepted."""
    message = opened(world.hand_over())

    proven = verify_line(message_line(message, received_at=NOW), world.trust())

    assert proven.message.body == message.message.body
    assert proven.receipt.at == NOW
    assert proven.signed_with == "MX-fiscalia-1"


def changed(line: bytes, member: str, value: Any) -> bytes:
    """Change one member of a line."""
    return orjson.dumps({**orjson.loads(line), member: value})


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("message", {"kind": "route-report"}),
        ("body", base64url.encode(sign.message_bytes(world.document(2)))),
        ("body", "*"),
        ("id", world.message_id(2)),
        ("content_hash", OTHER_HASH),
        ("receipt", "x"),
        ("signature", "x"),
        ("origin", {"country": "MX", "agency": "policia"}),
        ("origin", None),
    ],
)
def test_verify_line_refuses_a_line_when_a_member_was_changed(member: str, value: Any) -> None:
    """What people read is what was signed, or the line says so."""
    line = message_line(opened(world.hand_over()), received_at=NOW)

    with pytest.raises(OpeningError):
        verify_line(changed(line, member, value), world.trust())


def test_verify_line_refuses_a_receipt_of_another_message() -> None:
    """A receipt is good for its own message only."""
    line = message_line(opened(world.hand_over(1)), received_at=NOW)
    other = world.hand_over(2)
    swapped = orjson.loads(line) | {
        "receipt": other.receipt,
        "content_hash": other.content_hash,
    }

    with pytest.raises(OpeningError) as refused:
        verify_line(orjson.dumps(swapped), world.trust())

    assert refused.value.reason is RECEIPT


def test_tell_urgency_and_origin_of_a_hand_over() -> None:
    """A hand-over is read into the types of the exchange."""
    hand_over = world.hand_over()

    assert hand_over.urgency is Urgency.ROUTINE
    assert hand_over.origin == AgencyRef(country=Country.MEXICO, agency="fiscalia")
