"""What does a desk take, and a sender believe, of what an insider changed in the ledger?"""

import json
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from broker.model.names import MessageId
from keys import base64url, jws, strict_json
from keys.algorithms import SignatureAlgorithm
from keys.identifiers import KeyId
from keys.key import SigningKey
from tests.attacks.insiders.ground import Ground, post, sealed_of
from tests.flow.conftest import FISCALIA, GT_DESK, HN_DESK, Document, Running, lines

pytestmark = pytest.mark.asyncio(loop_scope="module")
Tamper = Callable[[Ground, str, str], None]
"""Changes one message; the third is the id of another, untouched one."""


def edit(change: Callable[[Document], None]) -> Tamper:
    """Change the sealed form."""

    def tamper(ground: Ground, message_id: str, _: str) -> None:
        sealed = sealed_of(ground, message_id)
        change(sealed)
        ground.write(
            "UPDATE messages SET sealed = ? WHERE message_id = ?",
            json.dumps(sealed, separators=(",", ":")).encode(),
            message_id,
        )

    return tamper


def flipped(text: str, at: int) -> str:
    """Base64url with one bit changed."""
    raw = bytearray(base64url.decode(text))
    raw[at] ^= 1
    return base64url.encode(bytes(raw))


def flip(member: str, at: int = 0) -> Tamper:
    """Change one bit of a member."""
    return edit(lambda sealed: sealed.update({member: flipped(sealed[member], at)}))


def flip_encrypted_key(sealed: Document) -> None:
    """Change one bit of what carries the content key."""
    sealed["recipients"][0]["encrypted_key"] = flipped(sealed["recipients"][0]["encrypted_key"], 5)


def flip_encapsulation(sealed: Document) -> None:
    """Change one bit of the encapsulated key."""
    header = sealed["recipients"][0]["header"]
    header["ek"] = flipped(header["ek"], 20)


def zero_half(sealed: Document) -> None:
    """Take out the classical, or the post-quantum, half of the encapsulation."""
    header = sealed["recipients"][0]["header"]
    raw = base64url.decode(header["ek"])
    header["ek"] = base64url.encode(raw[:-32] + bytes(32))


def cut_encapsulation(sealed: Document) -> None:
    """A shorter encapsulation: as a classical suite would have it."""
    header = sealed["recipients"][0]["header"]
    header["ek"] = base64url.encode(base64url.decode(header["ek"])[-32:])


def set_protected(**members: object) -> Callable[[Document], None]:
    """Say something else in the protected header."""

    def change(sealed: Document) -> None:
        header = json.loads(base64url.decode(sealed["protected"])) | members
        sealed["protected"] = base64url.encode(strict_json.write(header))

    return change


def set_recipient(**members: object) -> Callable[[Document], None]:
    """Say something else in the recipient's header."""
    return lambda sealed: sealed["recipients"][0]["header"].update(members)


def add_reader(sealed: Document) -> None:
    """A classical reader beside the true one."""
    sealed["recipients"].append(
        {"header": {"alg": "ECDH-ES+A256KW", "kid": "GT-evil-1"}, "encrypted_key": "AAAA"}
    )


def reroute(sealed: Document) -> None:
    """Another country in the route."""
    route = json.loads(base64url.decode(sealed["aad"]))
    text = json.dumps(route).replace("GT", "HN")
    sealed["aad"] = base64url.encode(strict_json.write(json.loads(text)))


def swap_body(ground: Ground, message_id: str, other: str) -> None:
    """Another message's sealed form."""
    ground.write(
        "UPDATE messages SET sealed = (SELECT sealed FROM messages WHERE message_id = ?) "
        "WHERE message_id = ?",
        other,
        message_id,
    )


def swap_body_and_hash(ground: Ground, message_id: str, other: str) -> None:
    """Another message's sealed form, with its hash."""
    swap_body(ground, message_id, other)
    ground.write(
        "UPDATE messages SET content_hash = "
        "(SELECT content_hash FROM messages WHERE message_id = ?) WHERE message_id = ?",
        other,
        message_id,
    )


def swap_receipt(ground: Ground, message_id: str, other: str) -> None:
    """Another message's receipt."""
    accepted = (
        "SELECT log.token FROM log JOIN messages ON log.position = messages.number "
        "WHERE message_id = ?"
    )
    token = ground.read(accepted, other)
    ground.write(
        "UPDATE log SET token = ? "
        "WHERE position = (SELECT number FROM messages WHERE message_id = ?)",
        token,
        message_id,
    )


def forge_receipt(ground: Ground, message_id: str, _: str) -> None:
    """The true claims, signed by a receipt key of the insider's own."""
    position = ground.read("SELECT number FROM messages WHERE message_id = ?", message_id)
    token = ground.read("SELECT token FROM log WHERE position = ?", position)
    evil = SigningKey.generate(SignatureAlgorithm.ED25519, KeyId("GW-receipt-1"))
    forged = jws.sign_compact(base64url.decode(token.split(".")[1]), evil, typ="enlace-receipt+jws")
    ground.write("UPDATE log SET token = ? WHERE position = ?", forged, position)


CANNOT = "cannot-open"
RECEIPT = "receipt-not-valid"
TAMPERED: dict[str, tuple[Tamper, str]] = {
    "one bit of the ciphertext": (flip("ciphertext", 100), CANNOT),
    "one bit of the tag": (flip("tag"), CANNOT),
    "one bit of the iv": (flip("iv"), CANNOT),
    "one bit of the route": (flip("aad", 30), CANNOT),
    "another country in the route": (edit(reroute), CANNOT),
    "the tag cut": (edit(lambda sealed: sealed.update(tag=sealed["tag"][:8])), CANNOT),
    "one bit of the encrypted key": (edit(flip_encrypted_key), CANNOT),
    "one bit of the encapsulation": (edit(flip_encapsulation), CANNOT),
    "half of the encapsulation zero": (edit(zero_half), CANNOT),
    "a short encapsulation": (edit(cut_encapsulation), CANNOT),
    "no recipient": (edit(lambda sealed: sealed.update(recipients=[])), CANNOT),
    "a recipient of another name": (edit(set_recipient(kid="GT-desk-protection-1")), CANNOT),
    "a classical algorithm": (edit(set_recipient(alg="ECDH-ES+A256KW")), CANNOT),
    "no algorithm": (edit(set_recipient(alg="none")), CANNOT),
    "a second, classical reader": (edit(add_reader), CANNOT),
    "zip": (edit(set_protected(zip="DEF")), CANNOT),
    "zip at the recipient": (edit(set_recipient(zip="DEF")), CANNOT),
    "a password-based key": (edit(set_recipient(alg="PBES2-HS512+A256KW", p2c=10**9)), CANNOT),
    "another suite": (edit(set_protected(suite="classical")), CANNOT),
    "a weaker enc": (edit(set_protected(enc="A128GCM")), CANNOT),
    "crit": (edit(set_protected(crit=["zip"])), CANNOT),
    "an unprotected header": (edit(lambda sealed: sealed.update(unprotected={})), CANNOT),
    "another message's seal": (swap_body, CANNOT),
    "another message's seal and hash": (swap_body_and_hash, RECEIPT),
    "another message's receipt": (swap_receipt, RECEIPT),
    "a receipt of his own": (forge_receipt, RECEIPT),
}


async def received(ground: Ground, desk: Any = GT_DESK) -> list[Document]:
    """Let a desk take and answer what waits."""
    async with AsyncExitStack() as stack:
        running = Running(world=ground.arena.world, gateway=ground.arena.gateway, stack=stack)
        return await running.receive(desk, idle=0.6)


@pytest.mark.parametrize("name", TAMPERED)
async def test_desk_returns_a_message_when_an_insider_changed_it(ground: Ground, name: str) -> None:
    """Nothing of it reaches the inbox, and the sender reads who refused, and why."""
    tamper, reason = TAMPERED[name]
    message_id, answer = await post(ground)
    other, _ = await post(ground)
    assert answer.status == 202
    tamper(ground, message_id, other)

    inbox = await received(ground)

    ids = [line["id"] for line in inbox]
    assert message_id not in ids
    assert other in ids, "the untouched message must arrive"
    async with ground.arena.world.client(FISCALIA) as client:
        (recipient,) = (await client.status(MessageId(message_id))).recipients
    assert (recipient.state.value, recipient.reason) == ("refused", reason)
    assert recipient.desk_evidence is not None
    kept = lines(ground.arena.world.folder_of(GT_DESK) / "refused.jsonl")
    assert message_id in [line["id"] for line in kept]


async def test_desk_returns_a_message_when_an_insider_redirects_it(ground: Ground) -> None:
    """A delivery that is put into another desk's queue opens nothing there."""
    message_id, _ = await post(ground)
    ground.write(
        "UPDATE deliveries SET queue = 'MX.HN.intelligence', desk_country = 'HN' WHERE message = "
        "(SELECT number FROM messages WHERE message_id = ?)",
        message_id,
    )

    inbox = await received(ground, HN_DESK)

    assert message_id not in [line["id"] for line in inbox]
    kept = lines(ground.arena.world.folder_of(HN_DESK) / "refused.jsonl")
    assert [line["reason"] for line in kept if line["id"] == message_id] == [RECEIPT]


async def test_settled_state_is_not_believed_when_an_insider_writes_it(ground: Ground) -> None:
    """A delivery that he marks as acknowledged has no desk's evidence to show."""
    message_id, _ = await post(ground)
    ground.write(
        "UPDATE deliveries SET state = 'acknowledged' WHERE message = "
        "(SELECT number FROM messages WHERE message_id = ?)",
        message_id,
    )
    answer = await ground.arena.attacker(FISCALIA).call("GET", f"/v1/messages/{message_id}")

    if answer.status == 200:
        (recipient,) = answer.json["recipients"]
        assert recipient["desk_evidence"] is None
        assert recipient["receipt"] is None
