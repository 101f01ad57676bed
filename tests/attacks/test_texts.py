"""Letters that look like others, text that reads backwards, bytes that two readers see as two."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from keys import base64url
from keys.key import SigningKey
from tests.attacks.attacker import JSON, Answer, Arena
from tests.flow.conftest import FISCALIA, GT_DESK, Document, as_bytes, message

pytestmark = pytest.mark.asyncio(loop_scope="module")

REFUSED = {400, 403, 422}


def signature_of(body: bytes, document: Document, key: SigningKey) -> str:
    """Sign by hand: the claims repeat what the document says, however odd."""
    header = {
        "alg": key.algorithm.value,
        "b64": False,
        "crit": ["b64"],
        "iat": int(datetime.now(UTC).timestamp()),
        "kid": key.kid,
        "mid": document["id"],
        "org": f"{document['from']['country']}/{document['from']['agency']}",
        "sch": f"{document['kind']}/{document['version']}",
        "typ": "enlace-message+jws",
    }
    protected = base64url.encode(json.dumps(header, separators=(",", ":")).encode())
    return f"{protected}..{base64url.encode(key.sign(protected.encode() + b'.' + body))}"


async def post(
    small: Arena, document: Document, *, body: bytes | None = None, claimed: Document | None = None
) -> Answer:
    """Post with a signature that speaks of this document, or of the one that is claimed."""
    attacker = small.attacker(FISCALIA)
    sent = as_bytes(document) if body is None else body
    key = attacker.holding.signature
    signature = signature_of(sent, claimed or document, key)
    return await attacker.call(
        "POST", "/v1/messages", headers=[JSON, ("Message-Signature", signature)], body=sent
    )


async def test_post_accepts_a_message_when_its_signature_is_made_by_hand(small: Arena) -> None:
    """The refusals below are not for the way in which these tests sign."""
    assert (await post(small, message())).status == 202


def to(country: str = "GT", compartment: str = "intelligence") -> dict[str, Any]:
    """An address."""
    return {"to": {"countries": [country], "compartment": compartment}}


def sender(country: str = "MX", agency: str = "fgr") -> dict[str, Any]:
    """An origin."""
    return {"from": {"country": country, "agency": agency}}


GOOD_ID = message()["id"]
IDENTIFIERS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "Cyrillic in a country": (to("G\u0422"), {"schema-violation"}),
    "fullwidth country": (to("\uff27\uff34"), {"schema-violation"}),
    "country in lower case": (to("gt"), {"schema-violation"}),
    "country and newline": (to("GT\n"), {"schema-violation"}),
    "country and NUL": (to("GT\u0000"), {"schema-violation"}),
    "country and zero-width space": (to("GT\u200b"), {"schema-violation"}),
    "country and combining accent": (to("GT\u0301"), {"schema-violation"}),
    "compartment and newline": (to(compartment="intelligence\n"), {"schema-violation"}),
    "Cyrillic in a compartment": (to(compartment="\u0456ntelligence"), {"schema-violation"}),
    "dotless i in a compartment": (to(compartment="\u0131ntelligence"), {"schema-violation"}),
    "wildcard compartment": (to(compartment="#"), {"schema-violation"}),
    "wildcard country": (to("*"), {"schema-violation"}),
    "country twice": (
        {"to": {"countries": ["GT", "GT"], "compartment": "intelligence"}},
        {"schema-violation"},
    ),
    "address and channel": (
        {"to": {"countries": ["GT"], "compartment": "intelligence", "channel": "hlsg-mx-gt"}},
        {"schema-violation"},
    ),
    "agency and newline": (sender(agency="fgr\n"), {"schema-violation", "sender-foreign"}),
    "Cyrillic in an agency": (sender(agency="\u0192gr"), {"schema-violation", "sender-foreign"}),
    "fullwidth agency": (
        sender(agency="\uff46\uff47\uff52"),
        {"schema-violation", "sender-foreign"},
    ),
    "agency in upper case": (sender(agency="FGR"), {"schema-violation", "sender-foreign"}),
    "own country and newline": (sender("MX\n"), {"schema-violation", "sender-foreign"}),
    "id and newline": ({"id": GOOD_ID + "\n"}, {"schema-violation", "signature-mismatch"}),
    "id in upper case": (
        {"id": GOOD_ID[:-12].upper() + "ABCDEFABCDEF"},
        {"schema-violation", "signature-mismatch"},
    ),
    "fullwidth digit in id": ({"id": GOOD_ID[:-1] + "\uff11"}, {"schema-violation"}),
    "Arabic digit in id": ({"id": GOOD_ID[:-1] + "\u0661"}, {"schema-violation"}),
    "id of version 4": (
        {"id": GOOD_ID[:14] + "4" + GOOD_ID[15:]},
        {"schema-violation"},
    ),
    "kind and newline": ({"kind": "route-report\n"}, {"kind-unknown"}),
    "kind in upper case": ({"kind": "Route-Report"}, {"kind-unknown"}),
    "kind that is a path": ({"kind": "../route-report"}, {"kind-unknown"}),
    "kind that is a URL": ({"kind": "https://evil.example/schema"}, {"kind-unknown"}),
    "version and newline": ({"version": "1.0\n"}, {"version-unknown"}),
    "fullwidth version": ({"version": "\uff11.0"}, {"version-unknown"}),
    "version that is a path": ({"version": "1.0/../1.0"}, {"version-unknown"}),
    "urgency and newline": ({"urgency": "routine\n"}, {"schema-violation"}),
    "language and newline": ({"language": "en\n"}, {"schema-violation"}),
    "case and newline": ({"case": "CR-2026-0107\n"}, {"schema-violation"}),
    "Cyrillic in a case": ({"case": "\u0421R-2026-0107"}, {"schema-violation"}),
    "case that is a path": ({"case": "../../etc/passwd"}, {"schema-violation"}),
    "handling and newline": ({"handling": {"code": "H1\n"}}, {"schema-violation"}),
    "created and newline": (
        {"created": message()["created"] + "\n"},
        {"schema-violation", "time-invalid"},
    ),
    "Arabic digits in a time": (
        {"created": message()["created"].replace("2", "\u0662")},
        {"schema-violation", "time-invalid"},
    ),
}


SIGNED = {"id", "from", "kind", "version"}
"""Members that the signature repeats."""


@pytest.mark.parametrize("name", IDENTIFIERS)
async def test_post_refuses_an_identifier_when_it_only_looks_right(small: Arena, name: str) -> None:
    """Identifiers are ASCII, of one length, and end where they end."""
    changes, codes = IDENTIFIERS[name]

    answer = await post(small, message(**changes))

    assert answer.status in REFUSED
    assert answer.code in (codes | {"signature-invalid"} if SIGNED & set(changes) else codes)


@pytest.mark.parametrize(
    "name", [name for name, (changes, _) in IDENTIFIERS.items() if SIGNED & set(changes)]
)
async def test_post_refuses_an_identifier_when_the_signature_says_the_right_one(
    small: Arena, name: str
) -> None:
    """Signature and body must say the same, letter for letter: nothing is normalised."""
    changes, codes = IDENTIFIERS[name]
    right = message()

    answer = await post(small, {**right, **changes}, claimed=right)

    assert answer.status in REFUSED
    assert answer.code in codes | {"signature-mismatch"}


DECEIVING = {
    "NUL": "\u0000",
    "escape": "\u001b[2J",
    "delete": "\u007f",
    "C1 control": "\u0085",
    "CSI": "\u009b31m",
    "right-to-left override": "\u202e",
    "left-to-right override": "\u202d",
    "right-to-left embedding": "\u202b",
    "pop": "\u202c",
    "isolate": "\u2066",
    "first strong isolate": "\u2068",
    "pop isolate": "\u2069",
    "Arabic letter mark": "\u061c",
    "right-to-left mark": "\u200f",
    "line separator": "\u2028",
    "byte order mark inside": "\ufeff",
}


@pytest.mark.parametrize("name", DECEIVING)
@pytest.mark.parametrize("field", ["purpose", "legal_basis", "title", "name of a place"])
async def test_post_refuses_a_text_when_it_could_deceive_its_reader(
    small: Arena, field: str, name: str
) -> None:
    """No control, no override, in the envelope or deep in the body."""
    document = message()
    text = f"Boats{DECEIVING[name]}from San Andrés"
    if field in ("purpose", "legal_basis"):
        document[field]["text"] = text
    elif field == "title":
        document["body"]["title"] = text
    else:
        document["body"]["routes"][0]["legs"][0]["from"]["name"] = text

    answer = await post(small, document, body=json.dumps(document).encode())

    assert answer.verdict == (422, "schema-violation")
    assert DECEIVING[name].strip("\n") not in answer.body.decode()


async def test_post_refuses_a_member_name_when_it_only_looks_right(small: Arena) -> None:
    """A second ``purpose`` in other letters is a member too many; its name is not repeated raw."""
    for name in ("purp\u043ese", "purpose\u0000", "purpose\u202e", "purpose ", "\ufeffpurpose"):
        document = {**message(), name: {"code": "investigation"}}

        answer = await post(small, document, body=json.dumps(document).encode())

        assert answer.verdict == (422, "schema-violation"), repr(name)
        assert not set(answer.body.decode()) & {"\u202e", "\u0000"}


BAD_JSON = {
    "duplicate member": (
        b'{"acknowledgements":["a.b.c"],"acknowledgements":[]}',
        "json-duplicate-key",
    ),
    "escaped duplicate": (
        rb'{"acknowledgements":["a.b.c"],"\u0061cknowledgements":[]}',
        "json-duplicate-key",
    ),
    "NaN": (b'{"acknowledgements":[NaN]}', "json-number"),
    "1e999": (b'{"acknowledgements":[1e999]}', "json-number"),
    "huge integer": (b'{"acknowledgements":[' + b"9" * 5000 + b"]}", "json-number"),
    "deep": (b'{"acknowledgements":' + b"[" * 33 + b"]" * 33 + b"}", "json-depth"),
    "very deep": (b'{"acknowledgements":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "json-depth"),
    "never closed": (b"[" * 200_000, None),
    "lone surrogate": (rb'{"acknowledgements":["\ud800"]}', "json-encoding"),
    "byte order mark": (b'\xef\xbb\xbf{"acknowledgements":["a.b.c"]}', "json-encoding"),
    "UTF-16": ('{"acknowledgements":["a.b.c"]}'.encode("utf-16"), "json-encoding"),
    "trailing bytes": (b'{"acknowledgements":["a.b.c"]}\x00', "json-syntax"),
    "comment": (b'{"acknowledgements":["a.b.c"]/**/}', "json-syntax"),
    "raw newline in text": (b'{"acknowledgements":["a\nb"]}', "json-syntax"),
    "a list": (b'["a.b.c"]', "json-syntax"),
    "nothing": (b"", "json-syntax"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_JSON)
@pytest.mark.parametrize("target", ["/v1/acknowledgements", "/v1/refusals"])
async def test_acknowledge_refuses_bytes_when_they_are_no_strict_json(
    small: Arena, target: str, name: str
) -> None:
    """Answers of desks are read as strictly as messages."""
    body, code = BAD_JSON[name]
    if target.endswith("refusals"):
        body = body.replace(b"acknowledgements", b"refusals").replace(b"cknowled", b"cknowled")
        body = body.replace(rb"\u0061cknowledgements", rb"\u0072efusals")

    answer = await small.attacker(GT_DESK).call("POST", target, headers=[JSON], body=body)

    assert answer.status == 400
    assert code is None or answer.code == code


TYPES = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/jsonp",
    "application/json-patch+json",
    "application/json; charset=utf-16",
    "application/json; charset=utf-7",
    "text/json",
    "application/*",
    "",
]


@pytest.mark.parametrize("media_type", TYPES)
async def test_body_is_refused_when_its_media_type_is_another(
    small: Arena, media_type: str
) -> None:
    """What a browser form can send is never read as JSON."""
    headers = [("Content-Type", media_type)]

    for subject, target in ((GT_DESK, "/v1/acknowledgements"), (FISCALIA, "/v1/messages")):
        answer = await small.attacker(subject).call("POST", target, headers=headers, body=b"{}")
        assert answer.verdict == (415, "media-type-unsupported")
