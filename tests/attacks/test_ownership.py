"""Whose is it? Every client against every other's messages, queues and deliveries."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from broker.desk.sign import sign_acknowledgement, sign_message, sign_refusal
from broker.desk.wire import ContentRef
from broker.directory import ClientRecord
from broker.model.events import RefusalReason
from broker.model.names import AgencyRef, DeskRef, Scope
from broker.storage.ledger import open_ledger
from keys import base64url
from schemas.vocabulary import Compartment, Country
from tests.attacks.attacker import JSON, Answer, Arena, Attacker
from tests.flow.conftest import as_bytes, message

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGENCIES = [
    AgencyRef(country=country, agency=name) for country in Country for name in ("first", "second")
]
DESKS = [
    DeskRef(country=country, compartment=compartment)
    for country in Country
    for compartment in Compartment
]
MX = AgencyRef(country=Country.MEXICO, agency="first")
GT_DESK = DeskRef(country=Country.GUATEMALA, compartment=Compartment.INTELLIGENCE)
GT_JUDICIAL = DeskRef(country=Country.GUATEMALA, compartment=Compartment.JUDICIAL)
HN_DESK = DeskRef(country=Country.HONDURAS, compartment=Compartment.INTELLIGENCE)
NOBODYS_ID = "0190b5a2-0000-7000-8000-000000000000"
NOT_FOUND = (404, "not-found")
FORBIDDEN = (403, "scope-insufficient")


async def post(attacker: Attacker, country: str = "GT", *, target: str = "/v1/messages") -> Answer:
    """Post a valid message to a country's intelligence desk."""
    agency = attacker.subject
    assert isinstance(agency, AgencyRef)
    document = message(
        **{
            "from": {"country": agency.country.value, "agency": agency.agency},
            "to": {"countries": [country], "compartment": "intelligence"},
        }
    )
    posting = sign_message(
        as_bytes(document), attacker.holding.signature, agency=agency, now=datetime.now(UTC)
    )
    return await attacker.call(
        "POST", target, headers=[JSON, ("Message-Signature", posting.signature)], body=posting.body
    )


async def take(desk: Attacker, queue: str) -> list[dict[str, Any]]:
    """Poll until something was handed over."""
    for _ in range(50):
        answer = await desk.call("GET", f"/v1/queues/{queue}/messages?wait=1")
        assert answer.status == 200, answer.body
        if answer.json["messages"]:
            handed: list[dict[str, Any]] = answer.json["messages"]
            return handed
    raise AssertionError("nothing was handed over")


def ref_of(handed: dict[str, Any]) -> ContentRef:
    """What an answer to a hand-over names."""
    return ContentRef(message_id=handed["id"], content_hash=handed["content_hash"])


async def state_of(agency: Attacker, message_id: str) -> str:
    """How far a message with one recipient has come."""
    answer = await agency.call("GET", f"/v1/messages/{message_id}")
    return str(answer.json["recipients"][0]["state"])


def results(answer: Answer) -> list[str]:
    """The codes of the entries, or their states."""
    assert answer.status == 200, answer.body
    return [
        one["error"]["code"] if "error" in one else one["state"] for one in answer.json["results"]
    ]


async def test_status_hides_a_message_when_any_other_agency_asks(everybody: Arena) -> None:
    """Eleven countries, two agencies each: only the writer finds it; others find nothing at all."""
    posted = await post(everybody.attacker(MX))
    path = posted.headers["Location"]

    for agency in AGENCIES:
        attacker = everybody.attacker(agency)
        answer = await attacker.call("GET", path)
        if agency == MX:
            assert answer.status == 200
            continue
        nobodys = await attacker.call("GET", f"/v1/messages/{NOBODYS_ID}")
        assert answer.verdict == nobodys.verdict == NOT_FOUND, str(agency)
        own = ("instance", "request_id")
        differing = {
            name for name in answer.json if answer.json[name] != nobodys.json.get(name)
        } - set(own)
        assert not differing, "a foreign message must look like none"


async def test_post_keeps_two_messages_apart_when_agencies_choose_one_id(everybody: Arena) -> None:
    """An id belongs to its agency: another one's neither collides with it nor reveals it."""
    document = message(**{"from": {"country": "MX", "agency": "first"}})
    answers = []
    for agency in (MX, AgencyRef(country=Country.MEXICO, agency="second")):
        attacker = everybody.attacker(agency)
        own = {**document, "from": {"country": "MX", "agency": agency.agency}}
        posting = sign_message(
            as_bytes(own), attacker.holding.signature, agency=agency, now=datetime.now(UTC)
        )
        headers = [JSON, ("Message-Signature", posting.signature)]
        answers.append(
            await attacker.call("POST", "/v1/messages", headers=headers, body=posting.body)
        )

    assert [answer.status for answer in answers] == [202, 202]
    assert "Idempotent-Replay" not in answers[1].headers
    assert answers[0].json["receipt"] != answers[1].json["receipt"]


async def test_poll_hides_a_queue_when_it_ends_in_another_desk(everybody: Arena) -> None:
    """Each of 33 desks against the queues of all others: the same 404 as for no queue."""
    for desk in DESKS:
        attacker = everybody.attacker(desk)
        for other in DESKS:
            if other == desk:
                continue
            origin = desk.country if other.country is not desk.country else Country.BELIZE
            queue = f"{origin}.{other}"
            answer = await attacker.call("GET", f"/v1/queues/{queue}/messages")
            assert answer.verdict == NOT_FOUND, f"{desk} polls {queue}"


@pytest.mark.parametrize("desk", [GT_DESK, GT_JUDICIAL, HN_DESK], ids=str)
async def test_stream_hides_a_queue_when_one_of_those_asked_is_foreign(
    everybody: Arena, desk: DeskRef
) -> None:
    """One foreign name spoils the request, however many own ones stand beside it."""
    attacker = everybody.attacker(desk)
    own = f"queue=US.{desk}"
    for other in DESKS:
        if other == desk:
            continue
        origin = "US" if other.country is not Country.UNITED_STATES else "MX"
        foreign = f"queue={origin}.{other}"
        for query in (foreign, f"{own}&{foreign}", f"{foreign}&{own}"):
            answer = await attacker.call("GET", f"/v1/stream?{query}")
            assert answer.verdict == NOT_FOUND, query


async def test_queues_lists_only_the_desks_own_when_any_desk_asks(everybody: Arena) -> None:
    """A desk sees the ten roads that end at it, and no other desk's."""
    for desk in DESKS:
        answer = await everybody.attacker(desk).call("GET", "/v1/queues")

        names = {one["queue"] for one in answer.json["queues"]}
        assert names == {f"{origin}.{desk}" for origin in Country if origin is not desk.country}


HOSTILE_QUEUES = [
    "*",
    "%23",
    "*.GT.intelligence",
    "MX.*.intelligence",
    "MX.GT.*",
    "%2A.GT.intelligence",
    "MX.GT.%23",
    "MX.GT.intelligence%0a",
    "MX.GT.intelligence%00",
    "MX.GT.intelligence.",
    "MX.GT.intelligence/..",
    "..%2FMX.GT.intelligence",
    "mx.gt.intelligence",
    "MX.GT.INTELLIGENCE",
    "MX..intelligence",
    "MX.GT",
    "GT.GT.intelligence",
    "MX.ZZ.intelligence",
    "MX.GT.intelligence,HN.GT.intelligence",
    "enlace.dead",
    "amq.rabbitmq.log",
    "%D0%9CX.GT.intelligence",
    "MX.GT.intelligence;x=1",
    "' OR 1=1 --".replace(" ", "%20"),
]


@pytest.mark.parametrize("queue", HOSTILE_QUEUES)
async def test_poll_refuses_a_queue_when_its_name_is_a_trick(everybody: Arena, queue: str) -> None:
    """No wildcard, no case folding, no path: a name is one of the desk's own, or nothing."""
    answer = await everybody.attacker(GT_DESK).call("GET", f"/v1/queues/{queue}/messages")

    assert answer.verdict in (NOT_FOUND, (400, "request-malformed"))


@pytest.mark.parametrize("queue", HOSTILE_QUEUES)
async def test_stream_refuses_a_queue_when_its_name_is_a_trick(
    everybody: Arena, queue: str
) -> None:
    """The query is no side door."""
    answer = await everybody.attacker(GT_DESK).call("GET", f"/v1/stream?queue={queue}")

    assert answer.verdict in (
        NOT_FOUND,
        (400, "request-malformed"),
        (400, "parameter-invalid"),
    )


HOSTILE_IDS = [
    "*",
    "%25",
    "0190b5a2-0000-7000-8000-00000000000%30",
    f"{NOBODYS_ID}%0a",
    f"{NOBODYS_ID}%00",
    f"{NOBODYS_ID}/",
    f"{NOBODYS_ID}/../{NOBODYS_ID}",
    NOBODYS_ID.upper(),
    "1",
    "'%20OR%20'1'='1",
    f"{{{NOBODYS_ID}}}",
]


@pytest.mark.parametrize("message_id", HOSTILE_IDS)
async def test_status_refuses_an_id_when_it_is_a_trick(everybody: Arena, message_id: str) -> None:
    """An id is one form and no other."""
    answer = await everybody.attacker(MX).call("GET", f"/v1/messages/{message_id}")

    assert answer.verdict in (NOT_FOUND, (400, "request-malformed"))


async def test_acknowledge_is_refused_when_any_other_desk_answers(everybody: Arena) -> None:
    """Right id, right hash, own key: 32 desks learn nothing and settle nothing."""
    sender, receiver = everybody.attacker(MX), everybody.attacker(GT_DESK)
    message_id = (await post(sender)).json["id"]
    handed = next(one for one in await take(receiver, f"MX.{GT_DESK}") if one["id"] == message_id)
    ref, now = ref_of(handed), datetime.now(UTC)
    genuine = sign_acknowledgement(ref, receiver.holding.signature, desk=GT_DESK, now=now)

    for desk in DESKS:
        if desk == GT_DESK:
            continue
        thief = everybody.attacker(desk)
        key = thief.holding.signature
        competent = RefusalReason.NOT_COMPETENT
        answers = [
            sign_acknowledgement(ref, key, desk=desk, now=now),
            sign_acknowledgement(ref, key, desk=GT_DESK, now=now),
            genuine,
        ]
        refusals = [
            sign_refusal(ref, competent, key, desk=desk, now=now),
            sign_refusal(ref, competent, key, desk=GT_DESK, now=now),
        ]
        said = results(await thief.post_json("/v1/acknowledgements", {"acknowledgements": answers}))
        assert said == ["delivery-unknown", *["acknowledgement-invalid"] * 2], str(desk)
        said = results(await thief.post_json("/v1/refusals", {"refusals": refusals}))
        assert said == ["delivery-unknown", "acknowledgement-invalid"], str(desk)

    assert await state_of(sender, message_id) == "delivered"
    said = results(
        await receiver.post_json("/v1/acknowledgements", {"acknowledgements": [genuine]})
    )
    assert said == ["acknowledged"]


async def test_acknowledge_is_refused_when_id_and_hash_are_of_two_messages(
    everybody: Arena,
) -> None:
    """A desk signs for what it got, not for a mixture; and an answer is not the other sort."""
    sender, receiver = everybody.attacker(MX), everybody.attacker(HN_DESK)
    ids = {(await post(sender, "HN")).json["id"] for _ in range(2)}
    handed: list[dict[str, Any]] = []
    while len(handed) < 2:
        handed += [one for one in await take(receiver, f"MX.{HN_DESK}") if one["id"] in ids]
    first, second = (ref_of(one) for one in handed)
    key, now = receiver.holding.signature, datetime.now(UTC)
    mixed = ContentRef(message_id=first.message_id, content_hash=second.content_hash)
    wrong = sign_acknowledgement(mixed, key, desk=HN_DESK, now=now)
    refusal = sign_refusal(first, RefusalReason.CANNOT_OPEN, key, desk=HN_DESK, now=now)
    good = sign_acknowledgement(second, key, desk=HN_DESK, now=now)
    tokens = [wrong, refusal, handed[0]["receipt"], good, "a.b.c", ""]

    answer = await receiver.post_json("/v1/acknowledgements", {"acknowledgements": tokens})

    invalid = "acknowledgement-invalid"
    assert results(answer) == [
        "delivery-unknown", invalid, invalid, "acknowledged", invalid, invalid,
    ]  # fmt: skip
    assert await state_of(sender, first.message_id) == "delivered"


DESK_ENDPOINTS = [
    ("GET", "/v1/queues"),
    ("GET", "/v1/queues/MX.GT.intelligence/messages"),
    ("GET", "/v1/stream"),
    ("GET", "/v1/stream?queue=MX.GT.intelligence"),
    ("POST", "/v1/acknowledgements"),
    ("POST", "/v1/refusals"),
    ("GET", "/v1/wraps?key=GT-desk-intelligence-1"),
    ("POST", "/v1/wraps"),
]
AGENCY_ENDPOINTS = [
    ("POST", "/v1/messages"),
    ("POST", "/v1/messages?dry_run=true"),
    ("GET", f"/v1/messages/{NOBODYS_ID}"),
]


async def test_desk_endpoints_are_closed_when_an_agency_calls(everybody: Arena) -> None:
    """All agencies, all endpoints of desks."""
    for agency in AGENCIES:
        attacker = everybody.attacker(agency)
        for method, target in DESK_ENDPOINTS:
            answer = await attacker.call(method, target, headers=[JSON])
            assert answer.verdict == FORBIDDEN, f"{agency}: {method} {target}"


async def test_agency_endpoints_are_closed_when_a_desk_calls(everybody: Arena) -> None:
    """All desks, all endpoints of agencies."""
    for desk in DESKS:
        attacker = everybody.attacker(desk)
        for method, target in AGENCY_ENDPOINTS:
            answer = await attacker.call(method, target, headers=[JSON])
            assert answer.verdict == FORBIDDEN, f"{desk}: {method} {target}"


@pytest.mark.parametrize(
    ("subject", "endpoints"),
    [
        (AgencyRef(country=Country.PANAMA, agency="second"), DESK_ENDPOINTS),
        (DeskRef(country=Country.PANAMA, compartment=Compartment.JUDICIAL), AGENCY_ENDPOINTS),
    ],
    ids=["agency", "desk"],
)
async def test_endpoints_stay_closed_when_a_client_was_given_every_scope(
    everybody: Arena, subject: AgencyRef | DeskRef, endpoints: list[tuple[str, str]]
) -> None:
    """A scope too many makes no agency a desk, and no desk an agency."""
    attacker = everybody.newcomer(subject)
    record = ClientRecord(
        client_id=attacker.holding.client_id, subject=subject, scopes=frozenset(Scope)
    )
    async with open_ledger(everybody.world.settings.database_url) as ledger:
        await ledger.directory.put_client(record)
    await everybody.gateway.directory.refresh()
    assert "admin:exchange" in (await attacker.ask_for_token()).json["scope"]

    for method, target in endpoints:
        answer = await attacker.call(method, target, headers=[JSON])
        assert answer.verdict == FORBIDDEN, f"{method} {target}"


@pytest.mark.parametrize(
    "scope",
    [
        "messages:receive",
        "admin:exchange",
        "admin:country",
        "audit:read",
        "messages:send admin:exchange",
        "messages:send directory:read messages:receive",
        "*",
        "MESSAGES:SEND",
    ],
)
async def test_token_is_refused_when_the_scope_is_more_than_registered(
    everybody: Arena, scope: str
) -> None:
    """A client asks for a subset, or for nothing."""
    answer = await everybody.attacker(MX).ask_for_token(scope=scope)

    assert answer.verdict == (400, "invalid_scope")


async def test_endpoint_is_closed_when_the_token_was_narrowed(everybody: Arena) -> None:
    """A token for the directory posts nothing, although its client may."""
    attacker = everybody.newcomer(MX)
    answer = await attacker.ask_for_token(scope="directory:read")
    attacker._token = answer.json["access_token"]

    assert (await post(attacker)).verdict == FORBIDDEN
    assert (await attacker.call("GET", "/v1/directory")).status == 200


@pytest.mark.parametrize(
    "path",
    ["/livez", "/readyz", "/metrics", "/admin", "/v1/admin", "/v1/clients", "/v1/statements",
     "/v1/messages", "/v1/pairs", "/debug", "/.env", "/v1", "/", "/oauth", "/.well-known"],
)  # fmt: skip
async def test_public_port_has_nothing_when_management_is_asked_for(
    everybody: Arena, path: str
) -> None:
    """Management has its own address; what is not in the description is not there."""
    for subject in (MX, GT_DESK):
        answer = await everybody.attacker(subject).call("GET", path)
        assert answer.verdict in (NOT_FOUND, (405, "method-not-allowed"))


@pytest.mark.parametrize(
    ("subject", "target"),
    [
        (GT_DESK, "/v1/queues?country=HN"),
        (GT_DESK, "/v1/queues?desk=HN.intelligence"),
        (GT_DESK, "/v1/queues?queue=MX.HN.intelligence"),
        (GT_DESK, "/v1/queues/MX.GT.intelligence/messages?queue=MX.HN.intelligence"),
        (GT_DESK, "/v1/queues/MX.GT.intelligence/messages?holder=hn-desk-intelligence"),
        (GT_DESK, "/v1/stream?desk=HN.intelligence"),
        (GT_DESK, "/v1/stream?queue=MX.GT.intelligence&country=HN"),
        (MX, f"/v1/messages/{NOBODYS_ID}?agency=second"),
        (MX, f"/v1/messages/{NOBODYS_ID}?origin=GT/first"),
        (MX, "/v1/directory?country=HN"),
        (GT_DESK, "/v1/queues/MX.GT.intelligence/messages?wait=0&wait=30"),
        (GT_DESK, "/v1/queues/MX.GT.intelligence/messages?limit=0"),
        (GT_DESK, "/v1/queues/MX.GT.intelligence/messages?limit=101"),
        (GT_DESK, "/v1/queues/MX.GT.intelligence/messages?limit=-1"),
        (GT_DESK, "/v1/queues/MX.GT.intelligence/messages?wait=31"),
        (GT_DESK, "/v1/queues/MX.GT.intelligence/messages?wait=1e1"),
        (GT_DESK, "/v1/queues/MX.GT.intelligence/messages?wait=%D9%A1"),
        (GT_DESK, "/v1/queues/MX.GT.intelligence/messages?limit=1%0a"),
        (GT_DESK, "/v1/queues/MX.GT.intelligence/messages?limit="),
    ],
)
async def test_parameter_is_refused_when_nobody_asked_for_it(
    everybody: Arena, subject: AgencyRef | DeskRef, target: str
) -> None:
    """A parameter that names another party, or says too much, is no parameter."""
    answer = await everybody.attacker(subject).call("GET", target)

    assert answer.verdict == (400, "parameter-invalid")


@pytest.mark.parametrize("query", ["from=GT/first", "dry_run=1", "dry_run=true&dry_run=false"])
async def test_post_refuses_a_parameter_when_nobody_asked_for_it(
    everybody: Arena, query: str
) -> None:
    """A valid message under a doubtful address is not accepted."""
    answer = await post(everybody.attacker(MX), target=f"/v1/messages?{query}")

    assert answer.verdict == (400, "parameter-invalid")


@pytest.mark.parametrize(
    "extra",
    [
        {"desk": "HN.intelligence"},
        {"country": "HN"},
        {"refusals": []},
        {"acknowledgements ": []},
        {"__proto__": {"desk": "HN.intelligence"}},
    ],
    ids=lambda extra: next(iter(extra)),
)
async def test_acknowledge_is_refused_whole_when_it_has_a_member_too_many(
    everybody: Arena, extra: dict[str, Any]
) -> None:
    """The document is closed: who answers comes from the token alone."""
    answer = await everybody.attacker(GT_DESK).post_json(
        "/v1/acknowledgements", {"acknowledgements": ["a.b.c"], **extra}
    )

    assert answer.verdict == (422, "schema-violation")


@pytest.mark.parametrize(
    "tokens",
    [[], ["a.b.c"] * 101, "a.b.c", None, [1], [["a.b.c"]], [None], {"0": "a.b.c"}],
    ids=["none", "101", "text", "null", "number", "list", "null in list", "object"],
)
async def test_acknowledge_is_refused_whole_when_it_is_no_list_of_tokens(
    everybody: Arena, tokens: object
) -> None:
    """1 to 100 texts, and nothing that a loose reader would take for them."""
    for member in ("acknowledgements", "refusals"):
        answer = await everybody.attacker(GT_DESK).post_json(f"/v1/{member}", {member: tokens})

        assert answer.verdict == (422, "schema-violation")


async def test_token_is_its_own_clients_when_the_form_names_others(everybody: Arena) -> None:
    """Members of the form that nobody asked for change nothing of who is calling."""
    attacker = everybody.newcomer(MX)

    answer = await attacker.ask_for_token(
        country="GT", agency="first", sub="gt-first", subject="GT/first", cnf='{"jkt":"x"}'
    )

    if answer.status == 200:
        claims = json.loads(base64url.decode(answer.json["access_token"].split(".")[1]))
        assert (claims["sub"], claims["client_id"]) == ("mx-first", "mx-first")
        assert claims["cnf"] == {"jkt": attacker.key.public.thumbprint}
    else:
        assert answer.verdict == (400, "invalid_request")


async def test_token_is_refused_when_client_id_is_anothers(everybody: Arena) -> None:
    """Proven as one, called as another."""
    answer = await everybody.attacker(MX).ask_for_token(client_id="gt-first")

    assert answer.verdict == (401, "invalid_client")


@pytest.mark.parametrize(
    "header",
    [
        ("X-HTTP-Method-Override", "DELETE"),
        ("X-Original-URL", "/v1/directory"),
        ("X-Rewrite-URL", "/v1/directory"),
        ("X-Client-Id", "hn-desk-intelligence"),
        ("X-Country", "HN"),
        ("X-Forwarded-Host", "evil.example"),
        ("Forwarded", "for=127.0.0.1;host=evil.example"),
    ],
    ids=lambda header: header[0],
)
async def test_header_changes_nothing_when_it_names_another_party(
    everybody: Arena, header: tuple[str, str]
) -> None:
    """Who calls, and what for, is said by token, method and path only."""
    desk = everybody.attacker(GT_DESK)

    plain = await desk.call("GET", "/v1/queues")
    dressed = await desk.call("GET", "/v1/queues", headers=[header])

    assert (plain.status, plain.json) == (dressed.status, dressed.json)
