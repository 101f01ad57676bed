"""What may stand beside a sealed form, and in it what is said?"""

import json
from collections.abc import Callable
from typing import Any

import pytest

from broker.origin_seal import ORIGIN_SEAL_TYP
from keys import strict_json
from tests.admission.credentials import token
from tests.attacks.attacker import JSON, Arena
from tests.attacks.origin_sealing.forged import JOSE, MANY, MARK, Document, arrives, forge, post
from tests.flow.conftest import FISCALIA, Running, message

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_post_accepts_what_is_forged_well(small: Arena) -> None:
    """Else nothing below proves anything."""
    answer = await post(small, forge(small, message(to=MANY)))

    assert answer.status == 202, answer.body


@pytest.mark.parametrize(
    ("headers", "verdict"),
    [
        (lambda _: [JOSE], (422, "facts-invalid")),
        (lambda _: [JOSE, ("Origin-Seal", "")], (422, "facts-invalid")),
        (lambda seal: [JOSE, *[("Origin-Seal", seal)] * 2], (422, "facts-invalid")),
        (
            lambda seal: [JOSE, ("Origin-Seal", seal), ("Message-Signature", "a..b")],
            (422, "facts-invalid"),
        ),
        (
            lambda seal: [JOSE, ("Origin-Seal", seal), ("Message-Signature", "")],
            (422, "facts-invalid"),
        ),
        (lambda seal: [JSON, ("Origin-Seal", seal)], (415, "media-type-unsupported")),
        (lambda seal: [("Origin-Seal", seal)], (415, "media-type-unsupported")),
        (
            lambda seal: [JOSE, ("Origin-Seal", seal), ("Content-Encoding", "gzip")],
            (415, "content-encoding-unsupported"),
        ),
        (
            lambda seal: [JOSE, ("Origin-Seal", f"{seal}{'A' * 8000}"[:8001])],
            (422, "facts-invalid"),
        ),
        (lambda seal: [JOSE, ("Origin-Seal", f"{seal},{seal}")], (422, "facts-invalid")),
        (lambda seal: [JOSE, ("Origin-Seal", f"{seal}=")], (422, "facts-invalid")),
        (
            lambda seal: [JOSE, ("Origin-Seal", seal.rpartition(".")[0] + ".")],
            (422, "facts-invalid"),
        ),
    ],
)
async def test_post_refuses_headers_that_say_two_things(
    small: Arena, headers: Callable[[str], list[tuple[str, str]]], verdict: tuple[int, str]
) -> None:
    """One seal, its media type, and no signature beside it."""
    forged = forge(small)

    answer = await small.attacker(FISCALIA).call(
        "POST", "/v1/messages", headers=headers(forged.seal()), body=forged.body
    )

    assert answer.code == verdict[1], answer.body
    assert 400 <= answer.status < 500


async def test_post_refuses_a_header_line_that_no_server_reads(small: Arena) -> None:
    """Longer than a header line may be: refused, and the next request of the line is answered."""
    forged = forge(small)
    headers = [JOSE, ("Origin-Seal", MARK * 2000)]

    answer = await small.newcomer(FISCALIA).call(
        "POST", "/v1/messages", headers=headers, body=forged.body
    )

    assert answer.status == 400
    assert MARK.encode() not in answer.body


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "enlace-message+jws"},
        {"typ": "enlace-receipt+jws"},
        {"typ": "ENLACE-ORIGIN-SEAL+JWS"},
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "EdDSA"},
        {"jwk": {"kty": "OKP"}},
        {"jku": "https://evil.example/keys"},
        {"crit": ["exp"], "exp": 1},
        {"b64": False, "crit": ["b64"]},
        {"kid": "MX-fgr'--"},
        {"kid": "../../keys"},
        {"kid": ["MX-fgr"]},
        {"mid": "0193574e-0000-7000-8000-000000000001"},
    ],
    ids=str,
)
async def test_post_refuses_a_seal_with_another_header(small: Arena, header: Document) -> None:
    """The key decides the algorithm, and the header holds its three members."""
    forged = forge(small)
    good = {"alg": forged.key.algorithm.value, "kid": forged.key.kid, "typ": ORIGIN_SEAL_TYP}
    spoilt = token(
        json.dumps({**good, **header}).encode(), strict_json.write(forged.said), forged.key
    )

    answer = await small.attacker(FISCALIA).call(
        "POST", "/v1/messages", headers=[JOSE, ("Origin-Seal", spoilt)], body=forged.body
    )

    assert answer.code == "facts-invalid"


@pytest.mark.parametrize("claim", sorted({"mid", "org", "sch", "hash", "facts", "salt", "iat"}))
@pytest.mark.parametrize("value", [None, 1, 1e300, True, [], {}, "", "\ud800", "\u202e", "a" * 900])
async def test_post_refuses_a_claim_of_another_type(small: Arena, claim: str, value: Any) -> None:
    """Each by a code, none by an accident."""
    forged = forge(small)
    if (claim, value) == ("iat", 1):
        return
    answer = await post(small, forged.saying(**{claim: value}))

    assert 400 <= answer.status < 500, answer.body


async def test_post_refuses_claims_that_nest_or_repeat(small: Arena) -> None:
    """Deep, twice, and with bytes that are no text."""
    forged = forge(small)
    good = strict_json.write(forged.said)
    for payload in (
        b'{"facts":' + b"[" * 2900 + b"]" * 2900 + b"}",
        good[:-1] + b',"iat":1}',
        good[:-1] + b',"\\u0069at":1}',
        b"\xef\xbb\xbf" + good,
        good + b" {}",
        good.replace(b'"MX/fgr"', b'"\xff"'),
        b"[]",
        b"",
        good.replace(b'"iat":', b'"iat":' + b"9" * 5000),
    ):
        header = {"alg": forged.key.algorithm.value, "kid": forged.key.kid, "typ": ORIGIN_SEAL_TYP}
        spoilt = token(json.dumps(header).encode(), payload, forged.key)
        answer = await small.attacker(FISCALIA).call(
            "POST", "/v1/messages", headers=[JOSE, ("Origin-Seal", spoilt)], body=forged.body
        )
        assert answer.code == "facts-invalid", payload[:40]


async def test_refused_messages_stop_no_desk(running: Running) -> None:
    """After all of the above an honest message arrives."""
    assert await arrives(running)
