"""What an agency seals itself is sealed by an attacker: nothing in it is as the gateway made it."""

import asyncio
import hashlib
import json
import re
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from broker.admission import facts_form
from broker.admission.facts import facts_of
from broker.desk.problem import ProblemError
from broker.desk.sign import sign_message
from broker.errors import Code, SignatureError, UnavailableError
from broker.evidence.receipts import verify_receipt
from broker.model.events import DeliveryState, RefusalReason
from broker.model.message import SealedPosting
from broker.model.names import AgencyRef, DeskRef, MessageId
from broker.origin_seal import ORIGIN_SEAL_TYP, verify_origin_seal
from broker.sandbox.kits import STATED
from broker.sealing.content import SignedContent
from broker.sealing.route import SealRoute
from broker.sealing.seal import seal
from keys import base64url, jws, strict_json
from keys.act_kind import ActKind
from keys.algorithms import EncryptionAlgorithm
from keys.charter import Sealing
from keys.custody.bundle import write_bundle
from keys.custody.envelope import RECOMMENDED
from keys.holder import Holder
from keys.identifiers import KeyId
from keys.key import DecryptionKey, KeyUse, SigningKey
from keys.secret import Passphrase
from schemas.loader import SchemaSet
from schemas.vocabulary import AgencyFunction, Compartment, Country, Kind, Urgency
from tests.admission.credentials import token
from tests.attacks.attacker import JSON, Answer, Arena, arena
from tests.attacks.test_leaks import everything_logged
from tests.flow.channel_world import TRIO, charter
from tests.flow.channel_world import to as to_channel
from tests.flow.conftest import (
    FISCALIA,
    GT_DESK,
    HN_DESK,
    MIGRACION,
    PLAN,
    Running,
    as_bytes,
    lines,
    message,
    new_id,
)
from tests.flow.test_recall import recall

pytestmark = pytest.mark.asyncio(loop_scope="module")

JOSE = ("Content-Type", "application/jose+json")
MANY = {"countries": ["GT", "HN"], "compartment": "intelligence"}
HASHED = ("protected", "aad", "iv", "ciphertext", "tag")
MARK = "zxqmarker"
Document = dict[str, Any]
Change = Callable[[Document], None]


@dataclass(frozen=True, kw_only=True)
class Forged:
    """A sealed form as members, what is said of it, and the key that says so."""

    jwe: Document
    said: Document
    key: SigningKey

    @property
    def body(self) -> bytes:
        """The sealed form."""
        return json.dumps(self.jwe).encode()

    def spoilt(self, change: Change) -> "Forged":
        """Change the sealed form, and say its hash again."""
        jwe = json.loads(json.dumps(self.jwe))
        change(jwe)
        return replace(self, jwe=jwe, said={**self.said, "hash": hash_of(jwe)})

    def saying(self, **changes: Any) -> "Forged":
        """Say something else of the same content."""
        return replace(self, said={**self.said, **changes})

    def stating(self, **facts: Any) -> "Forged":
        """State other facts of the same content."""
        return self.saying(facts={**self.said["facts"], **facts})

    def seal(self) -> str:
        """The header, signed."""
        return jws.sign_compact(strict_json.write(self.said), self.key, typ=ORIGIN_SEAL_TYP)

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Those of a good request."""
        return [JOSE, ("Origin-Seal", self.seal())]


def hash_of(jwe: Document) -> str:
    """Compute the content hash of whatever it is."""
    text = ".".join(str(jwe.get(name)) for name in HASHED)
    return base64url.encode(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())


def forge(one: Arena, document: Document | None = None, **route: Any) -> Forged:
    """Seal anything to the keys of the desks that it names; ``route`` differs from the inside."""
    document = message() if document is None else document
    key, now = one.world.holdings[FISCALIA].signature, datetime.now(UTC)
    signed = sign_message(as_bytes(document), key, agency=FISCALIA, now=now)
    to = document["to"]
    outside = SealRoute(
        **{
            "message_id": document["id"],
            "origin": Country.MEXICO,
            "agency": "fgr",
            "countries": tuple(Country(each) for each in to["countries"]),
            "compartment": Compartment(to["compartment"]),
            "kind": Kind(document["kind"]),
            "version": document["version"],
            "created": document["created"],
            "urgency": Urgency(document["urgency"]),
            "expires": document["expires"],
            **route,
        }
    )
    desks = [
        DeskRef(country=each, compartment=outside.compartment or Compartment.INTELLIGENCE)
        for each in outside.countries
    ]
    directory = one.gateway.directory.current
    made = seal(
        SignedContent(body=signed.body, signature=signed.signature),
        outside,
        [directory.encryption_key(desk, now) for desk in desks],
        secrets.token_bytes,
    )
    assert made.facts_salt is not None
    said = {
        "mid": outside.message_id,
        "org": "MX/fgr",
        "sch": f"{outside.kind}/{outside.version}",
        "hash": made.content_hash,
        "facts": facts_form.to_json(facts_of(document)),
        "salt": base64url.encode(made.facts_salt),
        "iat": int(now.timestamp()),
    }
    return Forged(jwe=json.loads(made.jwe), said=said, key=key)


async def post(one: Arena, forged: Forged, query: str = "", by: AgencyRef = FISCALIA) -> Answer:
    """Post it as its agency."""
    return await one.attacker(by).call(
        "POST", f"/v1/messages{query}", headers=forged.headers, body=forged.body
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="running")
async def _running(small: Arena) -> AsyncIterator[Running]:
    """The same exchange, with honest clients."""
    async with AsyncExitStack() as stack:
        yield Running(world=small.world, gateway=small.gateway, stack=stack)


# --- the request ----------------------------------------------------------------------


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


# --- the sealed form ------------------------------------------------------------------


def spoil(path: str, value: Any) -> Change:
    """Put a value in the place of another; ``a/0/b`` is a path."""

    def change(jwe: Document) -> None:
        *parents, name = path.split("/")
        place: Any = jwe
        for each in parents:
            place = place[int(each)] if isinstance(place, list) else place[each]
        place[name] = value(place.get(name)) if callable(value) else value

    return change


def in_protected(**changes: Any) -> Change:
    """Change the protected header."""

    def change(jwe: Document) -> None:
        members = {**json.loads(base64url.decode(jwe["protected"])), **changes}
        jwe["protected"] = base64url.encode(strict_json.write(members))

    return change


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


# --- recipients -----------------------------------------------------------------------


async def test_post_takes_recipients_in_any_order(small: Arena, running: Running) -> None:
    """Each desk gets its own entry, whatever the order was."""
    forged = forge(small, message(to=MANY))

    answer = await post(small, forged.spoilt(lambda jwe: jwe["recipients"].reverse()))

    assert answer.status == 202
    for desk in (GT_DESK, HN_DESK):
        assert forged.said["mid"] in [each["message"]["id"] for each in await running.receive(desk)]


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


async def test_desks_answer_each_for_itself_when_only_one_wrap_opens(
    small: Arena, running: Running
) -> None:
    """What one can read and the other cannot is told to the sender by both, signed."""
    forged = forge(small, message(to=MANY))

    def spoilt(jwe: Document) -> None:
        entry = next(e for e in jwe["recipients"] if e["header"]["kid"].startswith("HN"))
        entry["encrypted_key"] = base64url.encode(bytes(48))

    assert (await post(small, forged.spoilt(spoilt))).status == 202
    for desk in (GT_DESK, HN_DESK):
        await running.receive(desk)

    status = await (await running.client(FISCALIA)).status(MessageId(forged.said["mid"]))
    assert {one.desk: (one.state, one.reason) for one in status.recipients} == {
        GT_DESK: (DeliveryState.ACKNOWLEDGED, None),
        HN_DESK: (DeliveryState.REFUSED, RefusalReason.CANNOT_OPEN),
    }


async def test_desk_refuses_a_content_under_another_key_than_committed(
    small: Arena, running: Running
) -> None:
    """Two content keys for two readers would be two messages under one receipt."""
    forged = forge(small)
    commitment = base64url.encode(secrets.token_bytes(32))

    assert (await post(small, forged.spoilt(in_protected(ckc=commitment)))).status == 202
    await running.receive(GT_DESK)

    status = await (await running.client(FISCALIA)).status(MessageId(forged.said["mid"]))
    assert [one.reason for one in status.recipients] == [RefusalReason.CANNOT_OPEN]


# --- the route ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("route", "code"),
    [
        ({"message_id": "not-an-id"}, "facts-invalid"),
        ({"message_id": "0193574e-0000-4000-8000-000000000001"}, "facts-invalid"),
        ({"message_id": "i" * 64}, "facts-invalid"),
        ({"agency": "inm"}, "sender-foreign"),
        ({"origin": Country.GUATEMALA}, "sender-foreign"),
        ({"version": "9.9"}, "version-unknown"),
        ({"kind": Kind.RECALL}, "schema-violation"),
        ({"kind": Kind.REPLY}, "schema-violation"),
        ({"created": "9999-12-31T00:00:00Z", "expires": "9999-12-31T23:59:59Z"}, "time-invalid"),
        ({"created": "9999-12-31T23:59:59-14:00"}, "time-invalid"),
        ({"created": "0001-01-01T00:00:00+14:00"}, "time-invalid"),
        ({"created": "0000-01-01T00:00:00Z"}, "time-invalid"),
        ({"created": "yesterday"}, "time-invalid"),
        ({"created": "2026-11-20T12:00:00"}, "time-invalid"),
        ({"created": "20261120T120000Z"}, "schema-violation"),
        ({"expires": "2020-01-01T00:00:00Z"}, "message-expired"),
        ({"expires": "2099-01-01T00:00:00Z"}, "time-invalid"),
    ],
    ids=str,
)
async def test_post_refuses_a_route_that_no_message_has(
    small: Arena, route: Document, code: str
) -> None:
    """The gateway holds the route against all that it would ask of the message."""
    document = message()
    forged = forge(small, document)
    members = json.loads(base64url.decode(forged.jwe["aad"]))
    outside = {
        "id": route.get("message_id", members["id"]),
        "from": {
            "country": route.get("origin", members["from"]["country"]),
            "agency": route.get("agency", "fgr"),
        },
        **{
            name: route.get(name, members[name])
            for name in ("kind", "version", "created", "expires", "urgency", "to")
        },
    }
    aad = base64url.encode(strict_json.write(outside))
    forged = forged.spoilt(spoil("aad", aad)).saying(
        mid=outside["id"], sch=f"{outside['kind']}/{outside['version']}"
    )

    answer = await post(small, forged)

    assert answer.code == code, answer.body


@pytest.mark.parametrize(
    "route",
    [
        {"urgency": Urgency.FLASH},
        {"kind": Kind.GENERAL_REPORT},
        {"expires": (datetime.now(UTC) + timedelta(days=40)).isoformat(timespec="seconds")},
        {"message_id": new_id()},
        {"countries": (Country.GUATEMALA, Country.HONDURAS)},
    ],
    ids=str,
)
async def test_desk_returns_a_message_whose_route_is_another(
    small: Arena, running: Running, route: Document
) -> None:
    """What everybody on the way was told is what was signed, or it is returned."""
    forged = forge(small, message(urgency="routine"), **route)

    answer = await post(small, forged)
    assert answer.status == 202, answer.body
    await running.receive(GT_DESK)

    status = await (await running.client(FISCALIA)).status(MessageId(forged.said["mid"]))
    one = next(each for each in status.recipients if each.desk == GT_DESK)
    assert one.reason is RefusalReason.CONTENT_NOT_VALID
    inbox = small.world.folder_of(GT_DESK) / "inbox.jsonl"
    assert forged.said["mid"] not in inbox.read_text()


# --- the facts ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({"purpose": "because"}, "schema-violation"),
        ({"purpose": MARK * 50}, "schema-violation"),
        ({"purpose": "\ud800"}, "schema-violation"),
        ({"purpose": "\x00"}, "schema-violation"),
        ({"handling": "H9"}, "facts-invalid"),
        (
            {"evaluation": {"scheme": "5x5x5", "source": "A", "information": "1"}},
            "schema-violation",
        ),
        (
            {"evaluation": {"scheme": "4x4", "source": "/", "information": "1"}},
            "schema-violation",
        ),
        ({"evaluation": None}, "schema-violation"),
        ({"concerns": "0193574e-0000-7000-8000-000000000001"}, "schema-violation"),
        ({"reply_outcome": "answered"}, "schema-violation"),
        ({"refusal_ground": MARK}, "schema-violation"),
        ({"lineage": ["0193574e-0000-7000-8000-000000000001"] * 2}, "schema-violation"),
        ({"lineage": ["'; DROP TABLE messages; --"]}, "facts-invalid"),
        ({"in_reply_to": "\ud800"}, "facts-invalid"),
        ({"marked_origins": ["HN", "GT"]}, "facts-invalid"),
        ({"marked_origins": ["GT", "GT"]}, "facts-invalid"),
        ({"marked_origins": ["gt"]}, "facts-invalid"),
        ({"review_by": "9999-12-31T23:59:59-14:00"}, "time-invalid"),
        ({"review_by": "9999-12-31T23:59:59+00:00"}, "time-invalid"),
        ({"review_by": "0001-01-01T00:00:00+14:00"}, "time-invalid"),
        ({"reply_by": "2099-01-01T00:00:00+00:00"}, "time-invalid"),
        ({"reply_by": "tomorrow"}, "facts-invalid"),
        ({"has_marked": "yes"}, "facts-invalid"),
        ({"Has_marked": True}, "facts-invalid"),
    ],
    ids=str,
)
async def test_post_refuses_facts_that_no_content_has(
    small: Arena, facts: Document, code: str
) -> None:
    """Before anything is kept by them; and nothing of them is said again."""
    answer = await post(small, forge(small).stating(**facts))

    assert answer.code == code, answer.body
    assert MARK.encode() not in answer.body


async def test_post_tells_a_country_nothing_of_the_facts(small: Arena, running: Running) -> None:
    """The desk that receives it reads a digest, and cannot try the facts out without the key."""
    forged = forge(small)
    answer = await post(small, forged)

    receipt = verify_receipt(answer.json["receipt"], find_key=running.receipt_keys.get)
    unsalted = hashlib.sha256(strict_json.write(forged.said["facts"])).digest()
    assert receipt.facts_digest is not None
    assert receipt.facts_digest != base64url.encode(unsalted)
    assert forged.said["salt"] not in answer.body.decode()


# --- again, and by others -------------------------------------------------------------


async def test_post_refuses_what_another_agency_has_sealed(small: Arena) -> None:
    """Whoever saw a request can neither send it nor vouch for it."""
    forged = forge(small)
    own = small.world.holdings[MIGRACION].signature

    as_it_is = await post(small, forged, by=MIGRACION)
    vouched = await post(small, replace(forged.saying(org="MX/inm"), key=own), by=MIGRACION)

    assert as_it_is.code == "signature-foreign"
    assert vouched.code == "sender-foreign"
    assert (await post(small, forged)).status == 202


async def test_post_keeps_the_first_facts_when_the_same_content_comes_with_others(
    small: Arena,
) -> None:
    """What was said first is what the receipt holds; saying it otherwise changes nothing."""
    forged = forge(small)
    first = await post(small, forged)

    again = await post(small, forged.stating(has_children=True))

    assert again.headers["Idempotent-Replay"] == "true"
    assert again.json["receipt"] == first.json["receipt"]


async def test_post_refuses_an_id_that_was_sent_the_other_way(
    small: Arena, running: Running
) -> None:
    """Sealed here and sealed there are two messages; one id names one of them."""
    open_first, sealed_first = message(), message()
    client = await running.client(FISCALIA)
    await client.send(as_bytes(open_first))
    assert (await post(small, forge(small, sealed_first))).status == 202

    sealed_later = await post(small, forge(small, open_first))
    signed = sign_message(
        as_bytes(sealed_first), client.keys.signature, agency=FISCALIA, now=datetime.now(UTC)
    )
    open_later = await small.attacker(FISCALIA).call(
        "POST",
        "/v1/messages",
        headers=[JSON, ("Message-Signature", signed.signature)],
        body=signed.body,
    )

    assert sealed_later.verdict == open_later.verdict == (409, "id-reused")


async def test_dry_run_keeps_nothing_of_what_is_sealed(small: Arena) -> None:
    """The id is free afterwards."""
    forged = forge(small)

    asked = await post(small, forged, "?dry_run=true")

    assert asked.json["status"] == "dry-run"
    assert (await post(small, forged)).headers.get("Idempotent-Replay") is None


@pytest.mark.parametrize(
    ("later", "verdict"),
    [
        (3600, None),
        (3601, Code.SIGNATURE_STALE),
        (-60, None),
        (-61, Code.SIGNATURE_STALE),
        (86_400, Code.SIGNATURE_STALE),
    ],
)
async def test_seal_counts_for_an_hour(small: Arena, later: int, verdict: Code | None) -> None:
    """To the second, by the gateway's clock."""
    forged = forge(small)
    directory = small.gateway.directory.current
    now = datetime.fromtimestamp(forged.said["iat"], UTC) + timedelta(seconds=later)
    found: Code | None = None

    try:
        verify_origin_seal(
            SealedPosting(jwe=forged.body, seal=forged.seal()),
            caller=FISCALIA,
            find_key=lambda kid: directory.message_key(kid, now),
            now=now,
        )
    except SignatureError as error:
        found = error.code

    assert found is verdict


# --- what is left behind --------------------------------------------------------------


def everything_in(folder: Path, pattern: str) -> bytes:
    """All bytes of these files; the write-ahead log of a database is one."""
    return b"".join(each.read_bytes() for each in folder.rglob(pattern))


async def test_sealed_messages_leave_no_facts_behind(tmp_path: Path) -> None:
    """Not in the ledger, a log or a counter: neither where people come from nor what was said."""
    document = message(to=MANY)
    document["body"]["title"] = MARK
    with everything_logged() as written:
        async with arena(tmp_path / "exchange", PLAN) as one:
            lie = forge(one, document).stating(all_origins=["SV"])
            assert (await post(one, lie)).status == 202
            refused = forge(one, message(to=MANY)).stating(marked_origins=["HN"], has_marked=True)
            assert (await post(one, refused)).json["rule"] == "SG-01"
            async with AsyncExitStack() as stack:
                running = Running(world=one.world, gateway=one.gateway, stack=stack)
                assert await running.receive(GT_DESK) == []
            metrics = await one.metrics()
            ledger = everything_in(tmp_path, "ledger.sqlite*")
            folder = one.world.folder_of(GT_DESK)
            notes = (folder / "refused.jsonl").read_bytes()
            log = written.getvalue().encode()

    for text in (
        MARK,
        lie.seal(),
        lie.seal().split(".")[1],
        lie.said["salt"],
        "marked_origins",
        "all_origins",
        refused.said["mid"],
        str(document["case"]),
    ):
        for place in (ledger, notes, log, metrics):
            assert text.encode() not in place, text
    # Nobody took part for El Salvador here: only the facts name it.
    assert not re.search(rb"\bSV\b", log + notes + metrics)
    assert [each["reason"] for each in lines(folder / "refused.jsonl")] == ["facts-not-true"]
    assert b"facts-not-true" in log


async def test_refused_and_hostile_messages_stop_no_desk(running: Running) -> None:
    """After all of the above an honest message arrives."""
    sent = await running.post(message())

    received = await running.receive(GT_DESK)

    assert sent in [each["message"]["id"] for each in received]


# --- channels that ask for it ---------------------------------------------------------


async def test_channel_refuses_what_the_gateway_would_seal(tmp_path: Path) -> None:
    """Where the charter says that the origin seals, the gateway does not want to see it."""
    plan = replace(
        PLAN,
        agencies={
            **PLAN.agencies,
            **{
                AgencyRef(country=each, agency="mp"): (AgencyFunction.PROSECUTION, "MP")
                for each in (Country.GUATEMALA, Country.HONDURAS)
            },
        },
        channels=(charter(sealing=Sealing.ORIGIN),),
    )
    async with arena(tmp_path / "exchange", plan) as one, AsyncExitStack() as stack:
        running = Running(world=one.world, gateway=one.gateway, stack=stack)
        client = await running.client(FISCALIA)
        signed = client.sign(as_bytes(message(version="1.0", to=to_channel(TRIO))))
        attacker = one.attacker(FISCALIA)
        refused = [
            await attacker.call(
                "POST",
                f"/v1/messages{query}",
                headers=[JSON, ("Message-Signature", signed.signature)],
                body=signed.body,
            )
            for query in ("", "?dry_run=true")
        ]
        sealed = await client.seal(signed, SchemaSet.load())
        members = await client.dry_run(sealed)
        sent = await client.send(sealed)
        undo = client.sign(as_bytes(recall(sent.id, to=to_channel(TRIO))))
        refused.append(
            await attacker.call(
                "POST",
                "/v1/messages",
                headers=[JSON, ("Message-Signature", undo.signature)],
                body=undo.body,
            )
        )
        undone = await client.send(await client.seal(undo, SchemaSet.load()))

    assert [each.verdict for each in refused] == [(403, "origin-sealing-required")] * 3
    assert {each.desk.country for each in members} == {Country.GUATEMALA, Country.HONDURAS}
    assert {each.desk for each in undone.recipients} == {each.desk for each in members}


@pytest.mark.parametrize("kept", [0, 1])
async def test_recall_leaves_out_no_desk_that_has_a_key(running: Running, kept: int) -> None:
    """Only who has no current key gets no copy; no originator chooses whom he tells."""
    client = await running.client(FISCALIA)
    sent = await client.send(as_bytes(message(to=MANY)))
    sealed = await client.seal(as_bytes(recall(sent.id, to=MANY)), SchemaSet.load())
    jwe = json.loads(sealed.jwe)
    fewer = json.dumps({**jwe, "recipients": jwe["recipients"][:kept]}).encode()

    with pytest.raises(ProblemError, match="seal-invalid"):
        await client.send(replace(sealed, jwe=fewer))

    status = await client.status(sent.id)
    assert DeliveryState.RECALLED not in {each.state for each in status.recipients}


async def test_recall_is_sealed_for_whoever_has_the_message(running: Running) -> None:
    """Also when the road was closed since; and for nobody else's message."""
    client = await running.client(FISCALIA)
    sent = await client.send(as_bytes(message(to=MANY)))
    other = await client.send(as_bytes(message()))
    await running.close(running.pair(HN_DESK))

    undone = await client.send(
        await client.seal(as_bytes(recall(sent.id, to=MANY)), SchemaSet.load())
    )

    assert {each.desk for each in undone.recipients} == {GT_DESK, HN_DESK}
    with pytest.raises(ProblemError, match="not-found"):
        await client.seal(as_bytes(recall(new_id(), to=MANY)), SchemaSet.load())
    lie = await client.seal(as_bytes(recall(other.id)), SchemaSet.load())
    said = strict_json.parse_object(jws.unverified_payload(lie.seal))
    said["facts"] = {**said["facts"], "concerns": sent.id}  # type: ignore[dict-item]
    spoilt = jws.sign_compact(strict_json.write(said), client.keys.signature, typ=ORIGIN_SEAL_TYP)
    with pytest.raises(ProblemError, match="recall-denied"):
        await client.send(replace(lie, seal=spoilt))


# --- keys that change in between ------------------------------------------------------


async def test_post_goes_by_the_keys_of_this_moment(tmp_path: Path) -> None:
    """Sealed to what is no longer the active key is refused; what was accepted stays accepted."""
    async with arena(tmp_path / "exchange", PLAN) as one, AsyncExitStack() as stack:
        running = Running(world=one.world, gateway=one.gateway, stack=stack)
        accepted, late = forge(one), forge(one)
        first = await post(one, accepted)
        await next_key(running)

        again = await post(one, accepted)
        refused = [await post(one, late, query) for query in ("", "?dry_run=true")]
        unknown = await post(one, accepted.saying(hash="A" * 43))
        anew = await post(one, forge(one))
        kit = one.world.kits[Country.MEXICO]
        own = one.world.holdings[FISCALIA].signature.kid
        await running.decide(kit.alone(ActKind.SUSPEND, at=datetime.now(UTC), keys=[own]))
        suspended = await post(one, forge(one))

    assert (again.status, again.json["receipt"]) == (202, first.json["receipt"])
    assert [each.verdict for each in refused] == [(422, "seal-invalid")] * 2
    assert unknown.code == "seal-invalid"
    assert anew.status == 202
    assert suspended.code == "facts-invalid"


async def next_key(running: Running) -> None:
    """Guatemala's desk gets another key, decided and announced long enough ago."""
    kit = running.world.kits[Country.GUATEMALA]
    desk = Holder.desk(GT_DESK.country, GT_DESK.compartment)
    key = DecryptionKey.generate(EncryptionAlgorithm.HPKE_9_KE, KeyId("GT-desk-intelligence-9"))
    at = (kit.now - timedelta(hours=40), kit.now - timedelta(hours=40))
    stated = kit.state(desk, KeyUse.DESK_ENCRYPTION, key.public)
    acts = kit.decide(ActKind.ACTIVATE, keys=[key.kid], at=at)
    async with running.directory_change() as store:
        await store.add_statements([stated], at=kit.now - STATED)
        await store.add_statements(acts, at=at[0])


async def test_client_sends_the_same_bytes_when_an_answer_is_lost(running: Running) -> None:
    """Sealed once, however often it is sent: the second answer is the first one."""
    client = await running.client(FISCALIA)
    sealed = await client.seal(as_bytes(message()), SchemaSet.load())
    exchange = running.gateway.exchange
    accept, seen = type(exchange).accept, list[object]()

    async def losing(self: object, posting: object, sender: AgencyRef) -> Any:
        answer = await accept(self, posting, sender)  # type: ignore[arg-type]
        seen.append(posting)
        if len(seen) == 1:
            raise UnavailableError(Code.OVERLOADED, retry_after=timedelta(milliseconds=1))
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(exchange), "accept", losing)
        accepted = await client.send(sealed)

    assert seen == [sealed, sealed]
    assert accepted.replayed


# --- the command ----------------------------------------------------------------------


async def enlace(one: Arena, *arguments: str, language: str = "en") -> dict[str, Document]:
    """Run `enlace` as the prosecution's machine does; its lines by the file they are about."""
    profile = str(one.world.folder_of(FISCALIA))
    ran = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "broker.cli.main", "--json", "--lang", language),
        *arguments,
        *("--profile", profile),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await ran.communicate()
    return {Path(each["file"]).stem: each for each in map(json.loads, out.splitlines())}


def protect_well(one: Arena) -> None:
    """Let the command take the key file: those of tests are protected too cheaply for it."""
    folder, holding = one.world.folder_of(FISCALIA), one.world.holdings[FISCALIA]
    passphrase = Passphrase.from_text((folder / "passphrase").read_text().strip())
    write_bundle(folder / "client.key.new", holding.bundle, passphrase, cost=RECOMMENDED)
    (folder / "client.key.new").replace(folder / "client.key")


async def test_send_seals_here_and_explains_what_is_refused(small: Arena, tmp_path: Path) -> None:
    """The road, the message and the id: in the reader's language, with what to do next."""
    protect_well(small)
    good, closed, bad = (tmp_path / f"{name}.json" for name in ("good", "closed", "bad"))
    good.write_bytes(as_bytes(message()))
    closed.write_bytes(as_bytes(message(to={"countries": ["CR"], "compartment": "intelligence"})))
    bad.write_bytes(as_bytes(message(purpose={"code": "because", "text": MARK})))

    asked = await enlace(small, "send", "--seal", "--dry-run", str(good))
    sent = await enlace(small, "send", "--seal", str(good), str(closed))
    again = await enlace(small, "send", "--seal", str(good), str(bad), language="es")

    assert (asked["good"]["status"], sent["good"]["status"]) == ("dry-run", "accepted")
    assert sent["closed"]["error"]["code"] in {"recipient-unknown", "pair-closed"}
    assert again["good"]["error"]["code"] == "id-reused"
    assert "sellado de nuevo" in again["good"]["error"]["detail"]
    assert again["bad"]["error"]["code"] == "schema-violation"
    assert MARK not in json.dumps(again)
