"""Bad input: each refusal has its code, names its field, repeats nothing, and leaves nothing."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from broker.desk.failures import ProblemError
from broker.desk.sign import sign_message
from broker.model.message import Posting
from broker.model.names import AgencyRef
from keys.jws import MESSAGE_TYP, sign_detached
from keys.key import SigningKey
from tests.flow.conftest import (
    FISCALIA,
    GT_DESK,
    MIGRACION,
    PGN,
    Document,
    Running,
    as_bytes,
    message,
    running,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "palabra-que-no-debe-salir"


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="exchange")
async def _exchange(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """One exchange for the whole table: a refusal leaves nothing behind."""
    async with running(tmp_path_factory.mktemp("refusals") / "exchange") as one:
        yield one


Make = Callable[[Running], Posting]


def signed(body: bytes, running: Running, signer: AgencyRef = FISCALIA) -> Posting:
    """Sign any bytes with the claims that a truthful message would have."""
    key = running.world.holdings[signer].signature
    claims = {
        "mid": "0190b5a2-0000-7000-8000-000000000000",
        "org": "MX/fgr",
        "sch": "route-report/1.0",
        "iat": int(datetime.now(UTC).timestamp()),
    }
    return Posting(body=body, signature=sign_detached(body, key, typ=MESSAGE_TYP, claims=claims))


def truthful(document: Document, running: Running) -> Posting:
    """Sign a document as the client library does."""
    key: SigningKey = running.world.holdings[FISCALIA].signature
    return sign_message(as_bytes(document), key, agency=FISCALIA, now=datetime.now(UTC))


def of(**changes: object) -> Make:
    """A posting that differs from a valid one in these members."""
    return lambda running: truthful(message(**changes), running)


def raw(make: Callable[[bytes], bytes]) -> Make:
    """A posting whose bytes were changed before they were signed."""
    return lambda running: signed(make(as_bytes(message())), running)


def ago(**span: float) -> str:
    """A moment that has passed."""
    return (datetime.now(UTC) - timedelta(**span)).isoformat(timespec="seconds")


def ahead(**span: float) -> str:
    """A moment that is to come."""
    return (datetime.now(UTC) + timedelta(**span)).isoformat(timespec="seconds")


def claims_of(**changes: object) -> Make:
    """A posting whose signature claims something else of a valid body."""

    def make(running: Running) -> Posting:
        document = message()
        claims = {
            "mid": document["id"],
            "org": "MX/fgr",
            "sch": "route-report/1.0",
            "iat": int(datetime.now(UTC).timestamp()),
            **changes,
        }
        key = running.world.holdings[FISCALIA].signature
        body = as_bytes(document)
        token = sign_detached(body, key, typ=MESSAGE_TYP, claims=claims)
        return Posting(body=body, signature=token)

    return make


def by_another_agency(running: Running) -> Posting:
    """Signed by an agency that is not calling."""
    return signed(as_bytes(message()), running, MIGRACION)


def by_an_unknown_key(running: Running) -> Posting:
    """Signed with a key that signs no messages."""
    key = running.world.holdings[GT_DESK].signature
    return sign_message(as_bytes(message()), key, agency=FISCALIA, now=datetime.now(UTC))


def changed_after_signing(running: Running) -> Posting:
    """One byte more than what was signed."""
    posting = truthful(message(), running)
    return Posting(body=posting.body + b" ", signature=posting.signature)


REFUSALS: dict[str, tuple[Make, str, int, str | None]] = {
    "unknown kind": (of(kind=SECRET), "kind-unknown", 422, "/kind"),
    "kind is no text": (
        raw(lambda body: body.replace(b'"route-report"', b"7", 1)),
        "kind-unknown",
        422,
        "/kind",
    ),
    "unknown version": (of(version="9.9"), "version-unknown", 422, "/version"),
    "missing purpose": (of(purpose=None), "schema-violation", 422, "/purpose"),
    "unknown member": (of(extra=SECRET), "schema-violation", 422, "/extra"),
    "unknown country": (
        of(to={"countries": ["EE"], "compartment": "intelligence"}),
        "schema-violation",
        422,
        "/to/countries/0",
    ),
    "duplicate member": (
        raw(lambda body: body[:-1] + b',"kind":"route-report"}'),
        "json-duplicate-key",
        400,
        "/kind",
    ),
    "escaped duplicate": (
        raw(lambda body: body[:-1] + rb',"k\u0069nd":"route-report"}'),
        "json-duplicate-key",
        400,
        "/kind",
    ),
    "NaN": (raw(lambda body: body[:-1] + b',"x":NaN}'), "json-number", 400, "/x"),
    "Infinity": (raw(lambda body: body[:-1] + b',"x":-Infinity}'), "json-number", 400, "/x"),
    "overflowing number": (raw(lambda body: body[:-1] + b',"x":1e999}'), "json-number", 400, "/x"),
    "integer beyond 2^53": (
        raw(lambda body: body[:-1] + b',"x":9007199254740992}'),
        "json-number",
        400,
        "/x",
    ),
    "too deep": (
        raw(lambda body: body[:-1] + b',"x":' + b"[" * 40 + b"]" * 40 + b"}"),
        "json-depth",
        400,
        None,
    ),
    "very deep": (
        raw(lambda body: body[:-1] + b',"x":' + b"[" * 90_000 + b"]" * 90_000 + b"}"),
        "json-depth",
        400,
        None,
    ),
    "byte order mark": (raw(lambda body: b"\xef\xbb\xbf" + body), "json-encoding", 400, None),
    "UTF-16": (raw(lambda body: body.decode().encode("utf-16")), "json-encoding", 400, None),
    "Latin-1": (raw(lambda body: body[:-1] + b',"x":"\xf1"}'), "json-encoding", 400, None),
    "lone surrogate": (
        raw(lambda body: body[:-1] + rb',"x":"\ud800"}'),
        "json-encoding",
        400,
        None,
    ),
    "trailing bytes": (raw(lambda body: body + b"{}"), "json-syntax", 400, None),
    "no object": (raw(lambda _: b"[]"), "json-syntax", 400, None),
    "empty": (raw(lambda _: b""), "json-syntax", 400, None),
    "too large": (
        raw(lambda body: body[:-1] + b',"x":"' + b"x" * 262_144 + b'"}'),
        "too-large",
        413,
        None,
    ),
    "no signature": (
        lambda _: Posting(body=as_bytes(message()), signature=""),
        "signature-missing",
        400,
        None,
    ),
    "broken signature": (
        lambda running: Posting(
            body=as_bytes(message()),
            signature=truthful(message(), running).signature[:-4] + "AAAA",
        ),
        "signature-invalid",
        403,
        None,
    ),
    "changed after signing": (changed_after_signing, "signature-invalid", 403, None),
    "another agency's key": (by_another_agency, "signature-foreign", 403, None),
    "a desk's key": (by_an_unknown_key, "signature-invalid", 403, None),
    "signature of another id": (
        claims_of(mid="0190b5a2-0000-7000-8000-000000000000"),
        "signature-mismatch",
        422,
        None,
    ),
    "signature of another schema": (
        claims_of(sch="general-report/1.0"),
        "signature-mismatch",
        422,
        None,
    ),
    "old signature": (
        claims_of(iat=int(datetime.now(UTC).timestamp()) - 8 * 86_400),
        "signature-stale",
        422,
        None,
    ),
    "signature from the future": (
        claims_of(iat=int(datetime.now(UTC).timestamp()) + 86_400),
        "signature-stale",
        422,
        None,
    ),
    "foreign agency in from": (
        of(**{"from": {"country": "MX", "agency": "inm"}}),
        "sender-foreign",
        403,
        "/from",
    ),
    "foreign country in from": (
        of(**{"from": {"country": "US", "agency": "fgr"}}),
        "sender-foreign",
        403,
        "/from",
    ),
    "closed pair": (
        of(to={"countries": ["HN"], "compartment": "judicial"}),
        "recipient-unknown",
        422,
        "/to/countries/0",
    ),
    "own country": (
        of(to={"countries": ["MX"], "compartment": "intelligence"}),
        "pair-closed",
        403,
        "/to/countries/0",
    ),
    "one of two closed": (
        of(to={"countries": ["GT", "MX"], "compartment": "intelligence"}),
        "pair-closed",
        403,
        "/to/countries/1",
    ),
    "country that has no desk": (
        of(to={"countries": ["US"], "compartment": "intelligence"}),
        "recipient-unknown",
        422,
        "/to/countries/0",
    ),
    "unknown channel": (of(to={"channel": "hlsg-mx-gt"}), "recipient-unknown", 422, "/to/channel"),
    "kind outside its compartment": (
        of(to={"countries": ["GT"], "compartment": "protection"}),
        "compartment-denied",
        403,
        "/to/compartment",
    ),
    "expired": (
        of(created=ago(days=2), expires=ago(days=1), review_by=ago(days=1.5)),
        "message-expired",
        422,
        "/expires",
    ),
    "created in the future": (of(created=ahead(days=1)), "time-invalid", 422, "/created"),
    "expires after more than five years": (
        of(expires=ahead(days=6 * 366)),
        "time-invalid",
        422,
        "/expires",
    ),
    "reviewed after more than three years": (
        of(expires=ahead(days=4 * 366), review_by=ahead(days=3.5 * 366)),
        "time-invalid",
        422,
        "/review_by",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_post_refuses_bad_input_with_its_code(exchange: Running, name: str) -> None:
    """Each bad message is refused by its code and pointer, and nothing of it is kept."""
    make, code, status, pointer = REFUSALS[name]
    client = await exchange.client(FISCALIA)

    with pytest.raises(ProblemError) as refused:
        await client.send(make(exchange))

    problem = refused.value
    assert (problem.code, problem.status) == (code, status)
    if pointer is not None:
        assert pointer in [one.pointer for one in problem.errors]
    assert SECRET not in str(problem)
    assert await waiting(exchange) == 0


async def waiting(exchange: Running) -> int:
    """Count what lies in the ledger for any desk."""
    depths = await exchange.gateway.deliveries.depths(
        exchange.gateway.directory.current.queues(), now=datetime.now(UTC)
    )
    unpublished = await exchange.gateway.deliveries.unpublished_count()
    return unpublished + sum(depth.waiting + depth.leased for depth in depths)


async def test_post_lists_every_violation_up_to_fifty(exchange: Running) -> None:
    """The sender can mend a message in one go."""
    document = message(purpose=None, legal_basis=None, language="xx", handling={"code": "H9"})
    document |= {f"extra{number}": number for number in range(60)}
    client = await exchange.client(FISCALIA)

    with pytest.raises(ProblemError) as refused:
        await client.send(truthful(document, exchange))

    assert len(refused.value.errors) == 50


async def test_post_refuses_a_function_outside_its_compartments(exchange: Running) -> None:
    """A child-protection body does not write into intelligence (SG-02)."""
    document = message(
        **{
            "from": {"country": "GT", "agency": "pgn"},
            "to": {"countries": ["MX"], "compartment": "intelligence"},
        }
    )
    client = await exchange.client(PGN)

    with pytest.raises(ProblemError) as refused:
        await client.send(as_bytes(document))

    assert (refused.value.code, refused.value.rule) == ("compartment-denied", "SG-02")
