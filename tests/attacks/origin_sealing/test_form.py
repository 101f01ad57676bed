"""Does any other sealed form pass than ours, whole, and in its one spelling?"""

import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest

from keys import base64url
from tests.attacks.attacker import JSON, Arena
from tests.attacks.origin_sealing.forged import (
    MANY,
    Change,
    Document,
    arrives,
    forge,
    in_protected,
    post,
    spoil,
)
from tests.flow.conftest import FISCALIA, GT_DESK, Running, message

pytestmark = pytest.mark.asyncio(loop_scope="module")


def spaced_aad(jwe: Document) -> None:
    """Write the same route with white space."""
    jwe["aad"] = base64url.encode(json.dumps(json.loads(base64url.decode(jwe["aad"]))).encode())


def repeat_entry(jwe: Document) -> None:
    """Name the same key twice."""
    jwe["recipients"] *= 2


FORMS: dict[str, Change] = {
    "zip": in_protected(zip="DEF"),
    "another suite": in_protected(suite="classical"),
    "another cipher": in_protected(enc="A128GCM"),
    "a protected kid": in_protected(kid="GT-x"),
    "a short commitment": in_protected(ckc="AAAA"),
    "padding in protected": spoil("protected", lambda old: old + "="),
    "unprotected": spoil("unprotected", {"zip": "DEF"}),
    "flattened": spoil("header", {"alg": "dir"}),
    "no recipients": spoil("recipients", []),
    "recipients as a map": spoil("recipients", {}),
    "a thousand recipients": spoil("recipients", lambda old: old * 150),
    "one key twice": repeat_entry,
    "a classical recipient": spoil("recipients/0/header/alg", "ECDH-ES+A256KW"),
    "a direct key": spoil("recipients/0/header/alg", "dir"),
    "the other algorithm": spoil("recipients/0/header/alg", "HPKE-10-KE"),
    "p2c": spoil("recipients/0/header/p2c", 2**31),
    "a short ek": spoil("recipients/0/header/ek", lambda old: old[:-4]),
    "a long ek": spoil("recipients/0/header/ek", lambda old: old + "AAAA"),
    "an ek of no alphabet": spoil("recipients/0/header/ek", lambda old: "é" + old[1:]),
    "a wrap of no alphabet": spoil("recipients/0/encrypted_key", "é" * 64),
    "a kid of nobody": spoil("recipients/0/header/kid", "GT-nobody-1"),
    "a kid that is a path": spoil("recipients/0/header/kid", "../GT"),
    "a spaced route": spaced_aad,
    "a padded route": spoil("aad", lambda old: old + "=="),
    "no route": spoil("aad", ""),
    "a route that is a number": spoil("aad", 1),
    "an accent in the route": spoil("aad", "é"),
    "an accent in the nonce": spoil("iv", "é" * 16),
    "half a character in the nonce": spoil("iv", "\ud800"),
    "an accent in the content": spoil("ciphertext", lambda old: "é" + old[1:]),
    "an accent in the tag": spoil("tag", "é" * 22),
    "a long nonce": spoil("iv", "A" * 24),
    "a short tag": spoil("tag", "AAAAAA"),
    "no tag": spoil("tag", ""),
    "no content": spoil("ciphertext", ""),
    "a content of no size class": spoil("ciphertext", lambda old: old[:-4]),
    "a content with a line end": spoil("ciphertext", lambda old: old[:-1] + "\n"),
}


@pytest.mark.parametrize("name", FORMS)
async def test_post_refuses_another_form(small: Arena, name: str) -> None:
    """Exactly our form, whole, and in its one spelling: a desk can open nothing else."""
    answer = await post(small, forge(small).spoilt(FORMS[name]))

    assert answer.verdict == (422, "seal-invalid"), answer.body


@pytest.mark.parametrize(
    "spell",
    [
        lambda body: body[:-1] + b',"iv":"AAAAAAAAAAAAAAAA"}',
        lambda body: body[:-1] + b',"\\u0069v":"AAAAAAAAAAAAAAAA"}',
        lambda body: b"\xef\xbb\xbf" + body,
        lambda body: body + b"{}",
        lambda _: b"",
        lambda _: b"[" * 500_000,
        lambda _: b'{"iv":' * 80_000,
        lambda _: b'{"iv":' + b"9" * 500_000 + b"}",
        lambda _: b"\xff" * 100,
        lambda body: body.decode().encode("utf-16"),
    ],
)
async def test_post_refuses_another_json(small: Arena, spell: Callable[[bytes], bytes]) -> None:
    """Twice the same name, another encoding, and half a megabyte of brackets: at once."""
    forged = forge(small)
    began = datetime.now(UTC)

    answer = await small.attacker(FISCALIA).call(
        "POST", "/v1/messages", headers=forged.headers, body=spell(forged.body)
    )

    assert answer.verdict == (422, "seal-invalid")
    assert datetime.now(UTC) - began < timedelta(seconds=2)


async def test_post_refuses_what_is_too_large_for_its_place(small: Arena) -> None:
    """The sealed form may be half a megabyte; nothing else may be because of that."""
    agent, desk, forged = small.attacker(FISCALIA), small.attacker(GT_DESK), forge(small)

    async def chunks(size: int) -> AsyncIterator[bytes]:
        for _ in range(size // 1024):
            yield b"x" * 1024

    for who, target, headers, size in (
        (agent, "/v1/messages", forged.headers, 525_312),
        (agent, "/v1/messages", [JSON, ("Message-Signature", "a..b")], 300_032),
        (desk, "/v1/acknowledgements", [JSON], 300_032),
        (desk, "/v1/refusals", [JSON], 300_032),
        (desk, "/v1/wraps", [JSON], 300_032),
    ):
        whole = await who.call("POST", target, headers=headers, body=b"x" * size)
        streamed = await who.call(
            "POST",
            target,
            headers=headers,
            body=chunks(size),  # type: ignore[arg-type]
        )
        assert whole.verdict == (413, "too-large"), target
        assert streamed.verdict == (413, "too-large"), target


@pytest.mark.parametrize("change", ["fewer", "more", "another"])
@pytest.mark.parametrize("query", ["", "?dry_run=true"])
async def test_post_refuses_other_recipients_than_the_address(
    small: Arena, change: str, query: str
) -> None:
    """Nobody reads along, nobody is left out; a dry run says so before it is sent."""
    forged = forge(small, message(to=MANY))
    stranger = forge(small, message(to={"countries": ["GT"], "compartment": "protection"}))

    def spoilt(jwe: Document) -> None:
        if change != "more":
            jwe["recipients"].pop()
        if change != "fewer":
            jwe["recipients"].append(stranger.jwe["recipients"][0])

    answer = await post(small, forged.spoilt(spoilt), query)

    assert answer.verdict == (422, "seal-invalid")
    assert [each["pointer"] for each in answer.json["errors"]] == ["/recipients"]


async def test_refused_messages_stop_no_desk(running: Running) -> None:
    """After all of the above an honest message arrives."""
    assert await arrives(running)
