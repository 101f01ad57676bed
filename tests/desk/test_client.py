"""Does the client ask again when it should, and only then, and believe only what is proved?"""

from datetime import timedelta
from typing import Any

import pytest

from broker.desk import sign
from broker.desk.client import EnlaceClient
from broker.desk.failures import AnswerError, BusyError, ProblemError, UnreachableError
from broker.errors import Code, ConfigurationError, DocumentError, EvidenceError
from broker.model.events import DeliveryState, EventKind
from broker.model.names import NO_KEY, MessageId
from keys.identifiers import KeyId
from tests.desk import world
from tests.desk.sending import MESSAGES, body, times
from tests.desk.world import FakeClock, HandOverParts
from tests.fakes.gateway import DROP, LOSE_ANSWER, FakeGateway, Fault


async def test_send_gives_a_verified_receipt(agency: EnlaceClient) -> None:
    """An accepted message comes back with its proof and its recipients."""
    accepted = await agency.send(body())

    assert accepted.id == world.message_id(1)
    assert accepted.replayed is False
    assert [each.desk for each in accepted.recipients] == [world.DESK]


async def test_send_signs_the_bytes_as_they_are(agency: EnlaceClient, gateway: FakeGateway) -> None:
    """What was given is what arrives, spaces and all."""
    given = body().replace(b'","', b'" , "', 1)

    await agency.send(given)

    assert gateway.messages[world.message_id(1)][0] == given


async def test_send_is_replayed_when_the_answer_was_lost(
    agency: EnlaceClient, gateway: FakeGateway
) -> None:
    """A message whose answer is lost is sent again, and is there once."""
    gateway.faults[MESSAGES] += [LOSE_ANSWER]

    accepted = await agency.send(body())

    assert accepted.replayed is True
    assert len(gateway.messages) == 1


async def test_send_takes_what_was_signed_before(agency: EnlaceClient) -> None:
    """A message may be signed now and sent later."""
    posting = agency.sign(world.document())

    accepted = await agency.send(posting)

    assert accepted.id == world.message_id(1)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_send_asks_again_when_the_gateway_is_busy(
    agency: EnlaceClient, gateway: FakeGateway, clock: FakeClock, status: int
) -> None:
    """Full jitter doubles its bound; the die here always draws the bound."""
    gateway.faults[MESSAGES] += [Fault(status=status)] * 3

    await agency.send(body())

    assert clock.slept == [0.5, 1.0, 2.0]


async def test_send_waits_as_long_as_the_gateway_asks(
    agency: EnlaceClient, gateway: FakeGateway, clock: FakeClock
) -> None:
    """``Retry-After`` is the least, and jitter comes on top."""
    gateway.faults[MESSAGES] += [Fault(status=503, headers={"Retry-After": "7"})]

    await agency.send(body())

    assert clock.slept == [7.5]


async def test_send_gives_up_at_the_deadline(
    agency: EnlaceClient, gateway: FakeGateway, clock: FakeClock
) -> None:
    """The gateway's own refusal is what the caller sees then, and that it may succeed later."""
    fault = Fault(status=503, code="draining", headers={"Retry-After": "50"})
    gateway.faults[MESSAGES] += [fault] * 9

    with pytest.raises(BusyError) as refused:
        await agency.send(body())

    assert isinstance(refused.value, UnreachableError)
    assert refused.value.code == Code.DRAINING
    assert refused.value.retry_after == timedelta(seconds=50)
    assert sum(clock.slept) <= 120


async def test_send_is_unreachable_when_nothing_answers(
    agency: EnlaceClient, gateway: FakeGateway
) -> None:
    """Connections that break up to the deadline are one error."""
    gateway.faults[MESSAGES] += [DROP] * 50

    with pytest.raises(UnreachableError):
        await agency.send(body())


async def test_send_is_not_repeated_when_the_message_is_refused(
    agency: EnlaceClient, gateway: FakeGateway
) -> None:
    """The sender must change something; asking again would not."""
    members = {
        "detail": "Two members are wrong.",
        "request_id": "r-9",
        "rule": "SG-02",
        "errors": [{"pointer": "/to", "code": "required", "detail": "…"}, "nonsense"],
    }
    gateway.faults[MESSAGES] += [Fault(status=422, code="schema-violation", members=members)]

    with pytest.raises(ProblemError) as refused:
        await agency.send(body())

    assert times(gateway, MESSAGES) == 1
    assert (refused.value.code, refused.value.status) == ("schema-violation", 422)
    assert (refused.value.request_id, refused.value.rule) == ("r-9", "SG-02")
    assert [(each.pointer, each.code) for each in refused.value.errors] == [("/to", "required")]
    assert str(refused.value) == "schema-violation: Two members are wrong."


async def test_send_names_the_status_when_a_proxy_refuses(
    agency: EnlaceClient, gateway: FakeGateway
) -> None:
    """A page of HTML is a refusal too."""
    gateway.faults[MESSAGES] += [Fault(status=413, raw=b"<html>")]

    with pytest.raises(ProblemError) as refused:
        await agency.send(body())

    assert refused.value.status == 413


async def test_send_conflicts_when_the_id_names_other_bytes(agency: EnlaceClient) -> None:
    """An id is given once."""
    await agency.send(body())

    with pytest.raises(ProblemError) as refused:
        await agency.send(sign.message_bytes(world.document(urgency="flash")))

    assert refused.value.code == Code.ID_REUSED


async def test_send_refuses_bytes_that_are_no_message(agency: EnlaceClient) -> None:
    """What cannot be signed is not sent."""
    with pytest.raises(DocumentError):
        await agency.send(b"[]")
    with pytest.raises(DocumentError):
        await agency.send(b"{}")


BAD_RECEIPTS: dict[str, Any] = {
    "of another message": {"event": {"message_id": world.message_id(2)}},
    "of another event": {"event": {"kind": EventKind.EXPIRED}},
    "of another agency": {"origin": world.POLICIA},
    "of another gateway": {"receipt_issuer": "https://else.test"},
    "by a key that is not pinned": {"receipt_signer": "GW-receipt-2"},
    "of a time without an offset": {"event": {"at": world.NOW.replace(tzinfo=None)}},
    "for no desk": {"event": {"recipients": {}}},
}


@pytest.mark.parametrize("name", BAD_RECEIPTS)
async def test_send_raises_when_the_receipt_proves_nothing(
    agency: EnlaceClient, gateway: FakeGateway, name: str
) -> None:
    """An acceptance without proof is none."""
    receipt = HandOverParts(**BAD_RECEIPTS[name]).to_json()["receipt"]
    await agency.send(body())
    gateway.messages[world.message_id(1)][1]["receipt"] = receipt

    with pytest.raises(EvidenceError):
        await agency.send(body())


async def test_send_raises_when_the_answer_is_another_message_s(
    agency: EnlaceClient, gateway: FakeGateway
) -> None:
    """The answer must name what was asked."""
    await agency.send(body())
    answer = gateway.messages[world.message_id(1)][1]
    answer["id"] = world.message_id(2)

    with pytest.raises(AnswerError):
        await agency.send(body())

    answer |= {"id": world.message_id(1)}
    del answer["receipt"]
    with pytest.raises(AnswerError):
        await agency.send(body())


@pytest.mark.parametrize("raw", [b"", b"[]", b"1", b'{"id": 1}', b"\xff"])
async def test_read_raises_when_the_answer_is_malformed(
    agency: EnlaceClient, gateway: FakeGateway, raw: bytes
) -> None:
    """What the protocol does not know is told apart from a refusal."""
    gateway.faults[MESSAGES] += [Fault(status=202, raw=raw)]

    with pytest.raises(AnswerError):
        await agency.send(body())


async def test_dry_run_names_the_recipients_and_keeps_nothing(
    agency: EnlaceClient, gateway: FakeGateway
) -> None:
    """A sender may ask first."""
    recipients = await agency.dry_run(body())

    assert [(each.desk, each.rule) for each in recipients] == [(world.DESK, "open-pair")]
    assert gateway.messages == {}


async def test_status_tells_each_recipient_s_state(agency: EnlaceClient) -> None:
    """A sender sees how far a message has come."""
    await agency.send(body())

    status = await agency.status(world.message_id(1))

    assert status.id == world.message_id(1)
    assert [each.state for each in status.recipients] == [DeliveryState.DISPATCHED]


async def test_status_is_not_found_when_the_id_is_unknown(agency: EnlaceClient) -> None:
    """Another agency's id looks the same."""
    with pytest.raises(ProblemError) as refused:
        await agency.status(world.message_id(5))

    assert (refused.value.status, refused.value.request_id) == (404, "r-1")


async def test_status_refuses_an_id_that_is_none(agency: EnlaceClient) -> None:
    """Nothing from outside becomes a path."""
    with pytest.raises(ValueError, match="UUIDv7"):
        await agency.status(MessageId("../queues"))


@pytest.mark.parametrize("rule", ["channel-member", None])
async def test_send_raises_when_the_receipt_names_another_rule(
    agency: EnlaceClient, gateway: FakeGateway, rule: str | None
) -> None:
    """What the answer says of a recipient is what the gateway has signed (SG-12)."""
    gateway.rule = rule

    with pytest.raises(EvidenceError):
        await agency.send(body())


@pytest.mark.parametrize(
    ("sealed_to", "says_sealed"), [(NO_KEY, True), (KeyId("GT-int-enc-1"), False)]
)
async def test_send_raises_when_the_receipt_says_otherwise_who_got_a_copy(
    agency: EnlaceClient, gateway: FakeGateway, sealed_to: KeyId, *, says_sealed: bool
) -> None:
    """No desk without a copy is passed over in silence, nor the other way round (SG-07)."""
    gateway.sealed_to, gateway.says_sealed = sealed_to, says_sealed

    with pytest.raises(EvidenceError):
        await agency.send(body())


async def test_send_takes_a_receipt_without_rules_when_it_was_signed_long_ago(
    agency: EnlaceClient, gateway: FakeGateway
) -> None:
    """Receipts of before named no rules, and whoever asks again still gets his."""
    gateway.rule = None
    with pytest.raises(EvidenceError):
        await agency.send(body())

    assert (await agency.send(body())).replayed


async def test_send_raises_when_it_was_accepted_for_others_than_it_names(
    agency: EnlaceClient,
) -> None:
    """Whom a message goes to its sender has signed; answer and receipt may agree on a lie."""
    to = {"countries": ["GT", "HN"], "compartment": "intelligence"}

    with pytest.raises(EvidenceError):
        await agency.send(sign.message_bytes(world.document(to=to)))


async def test_sign_refuses_when_the_profile_is_a_desk_s(desk: EnlaceClient) -> None:
    """Only an agency writes."""
    with pytest.raises(ConfigurationError):
        desk.sign(world.document())
    with pytest.raises(ConfigurationError):
        await desk.send(body())


async def test_directory_holds_only_what_the_roots_vouch_for(
    desk: EnlaceClient, gateway: FakeGateway
) -> None:
    """A key that the exchange slips in does not count."""
    forged = world.agency_statement(world.FISCALIA, "MX-fiscalia-2", signed_by="uno")
    gateway.record = world.record(*world.standard_statements(), forged)

    directory = await desk.directory()

    assert directory.message_key(KeyId("MX-fiscalia-1"), world.NOW) is not None
    assert directory.message_key(KeyId("MX-fiscalia-2"), world.NOW) is None


async def test_directory_is_not_read_again_when_it_has_not_changed(
    desk: EnlaceClient, gateway: FakeGateway
) -> None:
    """The same version is the same rows, as of a later moment."""
    first = await desk.directory()
    second = await desk.directory()
    gateway.record = world.record(version=2)
    third = await desk.directory()

    assert second.record is first.record
    assert (third.version, third.record is first.record) == (2, False)
