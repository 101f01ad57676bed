"""What a listener gives to whoever speaks TLS badly, or not at all; and what each answer says."""

import asyncio
import socket
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from broker.model.names import AgencyRef, DeskRef
from tests.attacks.attacker import JSON, Arena, wire
from tests.flow.conftest import FISCALIA, GT_DESK, as_bytes, message

pytestmark = pytest.mark.asyncio(loop_scope="module")


def shake_hands(port: int, context: ssl.SSLContext) -> tuple[str, str]:
    """Shake hands; gives version and cipher."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=3) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as line,
    ):
        cipher = line.cipher()
        return str(line.version()), cipher[0] if cipher else ""


def only(
    context: ssl.SSLContext,
    least: ssl.TLSVersion,
    most: ssl.TLSVersion,
    ciphers: str = "ALL:eNULL:@SECLEVEL=0",
) -> ssl.SSLContext:
    """Speak these versions and ciphers, whatever this machine thinks of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.set_ciphers(ciphers)
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = most
        context.minimum_version = least
    return context


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="lax_port")
async def _lax_port(small: Arena) -> AsyncIterator[int]:
    """A listener with the gateway's certificate that takes everything: what ours is not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    settings = small.world.settings
    assert settings.tls_certificate is not None
    assert settings.tls_key is not None
    context.load_cert_chain(
        settings.at_home(settings.tls_certificate), settings.at_home(settings.tls_key)
    )
    only(context, ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_3)

    def close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    lax = await asyncio.start_server(close, "127.0.0.1", 0, ssl=context)
    async with lax:
        yield lax.sockets[0].getsockname()[1]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=str)
async def test_handshake_is_refused_when_the_version_is_old(
    small: Arena, lax_port: int, version: ssl.TLSVersion
) -> None:
    """The same client is served by a listener that has such versions."""
    context = only(small.tls(), version, version)
    spoken, _ = await asyncio.to_thread(shake_hands, lax_port, context)
    assert spoken in ("TLSv1", "TLSv1.1")

    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.to_thread(shake_hands, small.port, context)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=str)
async def test_handshake_has_forward_secrecy_when_the_version_is_good(
    small: Arena, version: ssl.TLSVersion
) -> None:
    """1.2 and 1.3, with an ephemeral key and an authenticated cipher, although all were offered."""
    context = only(small.tls(), version, version)

    spoken, cipher = await asyncio.to_thread(shake_hands, small.port, context)

    assert spoken == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]
    assert cipher.startswith(("ECDHE-", "TLS_"))
    assert "GCM" in cipher or "CHACHA20" in cipher


OURS = {
    "no encryption": "eNULL",
    "no authentication": "aNULL",
    "CBC": "ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384",
    "CCM with a short tag": "ECDHE-ECDSA-AES128-CCM8:ECDHE-ECDSA-AES256-CCM8",
}
"""Possible with the gateway's certificate, if it were lax."""
OTHERS = {
    "RSA key transport": "AES256-GCM-SHA384:AES128-GCM-SHA256:AES128-SHA",
    "CBC with RSA": "ECDHE-RSA-AES128-SHA:ECDHE-RSA-AES256-SHA384",
    "finite-field DH": "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384",
}
"""Possible with another certificate; an operator may bring one."""


@pytest.mark.parametrize("name", [*OURS, *OTHERS])
async def test_handshake_is_refused_when_only_weak_ciphers_are_offered(
    small: Arena, lax_port: int, name: str
) -> None:
    """Whoever can do no better is not served."""
    ciphers = {**OURS, **OTHERS}[name]
    version = ssl.TLSVersion.TLSv1_2
    context = only(small.tls(), version, version, f"{ciphers}:@SECLEVEL=0")
    if name in OURS:
        await asyncio.to_thread(shake_hands, lax_port, context)

    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.to_thread(shake_hands, small.port, context)


PLAIN = {
    "a request": b"GET /schemas HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "the HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a proxy's greeting": b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET / HTTP/1.1\r\n\r\n",
    "noise": bytes(range(256)),
}


@pytest.mark.parametrize("name", PLAIN)
async def test_plain_http_gets_no_content_when_sent_to_the_tls_port(
    small: Arena, name: str
) -> None:
    """No page, no redirect, no hint: at most a TLS alert, then the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", small.port)
    try:
        writer.write(PLAIN[name])
        await writer.drain()
        async with asyncio.timeout(3):
            try:
                received = await reader.read()
            except ConnectionError:
                received = b""
    finally:
        writer.close()

    assert b"HTTP" not in received
    assert len(received) <= 7, "a TLS alert record is 7 bytes"


async def test_handshake_is_refused_by_the_client_when_the_name_is_another(small: Arena) -> None:
    """The certificate is for the gateway's own name."""
    context = small.tls()

    def shake() -> None:
        with (
            socket.create_connection(("127.0.0.1", small.port), timeout=3) as plain,
            context.wrap_socket(plain, server_hostname="evil.example"),
        ):
            pass

    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.to_thread(shake)


async def test_handshake_names_no_other_protocol_when_the_client_offers_some(small: Arena) -> None:
    """ALPN selects nothing that we do not speak."""
    context = small.tls()
    context.set_alpn_protocols(["h2", "spdy/3", "ftp"])

    def shake() -> str | None:
        with (
            socket.create_connection(("127.0.0.1", small.port), timeout=3) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as line,
        ):
            return line.selected_alpn_protocol()

    assert await asyncio.to_thread(shake) in (None, "http/1.1")


# --- the headers of every answer ------------------------------------------------------

Ask = Callable[[Arena], Awaitable[bytes]]


def raw(request: str) -> Ask:
    """Ask without credentials."""

    async def ask(one: Arena) -> bytes:
        async with wire(one) as line:
            await line.write(request.encode())
            return await line.read_head()

    return ask


def plain(method: str, target: str) -> Ask:
    """A well-formed request without credentials."""
    return raw(f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")


def proven(
    subject: AgencyRef | DeskRef, method: str, target: str, body: bytes = b"", *more: str
) -> Ask:
    """A request with credentials."""

    async def ask(one: Arena) -> bytes:
        credentials = await one.attacker(subject).credentials(method, target)
        lines = "".join(f"{name}: {value}\r\n" for name, value in [*credentials, JSON])
        extra = "".join(f"{each}\r\n" for each in more)
        length = f"Content-Length: {len(body)}\r\n" if method == "POST" else ""
        head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\n{lines}{extra}{length}\r\n"
        async with wire(one) as line:
            await line.write(head.encode() + body)
            return await line.read_head()

    return ask


async def accepted(one: Arena) -> bytes:
    """A message that is accepted."""
    async with one.world.client(FISCALIA) as client:
        posting = client.sign(as_bytes(message()))
    signature = f"Message-Signature: {posting.signature}"
    return await proven(FISCALIA, "POST", "/v1/messages", posting.body, signature)(one)


async def not_modified(one: Arena) -> bytes:
    """A directory that has not changed."""
    etag = (await one.attacker(GT_DESK).call("GET", "/v1/directory")).headers["ETag"]
    return await proven(GT_DESK, "GET", "/v1/directory", b"", f"If-None-Match: {etag}")(one)


ANSWERS: dict[str, tuple[Ask, int]] = {
    "a public page": (plain("GET", "/schemas"), 200),
    "a schema": (plain("GET", "/openapi.yaml"), 200),
    "the key set": (plain("GET", "/.well-known/jwks.json"), 200),
    "a refused token": (plain("POST", "/oauth/token"), 400),
    "no credentials": (plain("GET", "/v1/queues"), 401),
    "not found": (plain("GET", "/nothing"), 404),
    "method not allowed": (plain("DELETE", "/v1/queues"), 405),
    "a bad path": (plain("GET", "/%2e%2e"), 400),
    "a page's head": (plain("HEAD", "/schemas"), 200),
    "queues": (proven(GT_DESK, "GET", "/v1/queues"), 200),
    "a poll": (proven(GT_DESK, "GET", "/v1/queues/MX.GT.protection/messages"), 404),
    "an empty poll": (proven(GT_DESK, "GET", "/v1/queues/HN.GT.intelligence/messages"), 200),
    "a directory": (proven(GT_DESK, "GET", "/v1/directory"), 200),
    "not modified": (not_modified, 304),
    "a forbidden endpoint": (proven(FISCALIA, "GET", "/v1/queues"), 403),
    "an answer of a desk": (
        proven(GT_DESK, "POST", "/v1/acknowledgements", b'{"acknowledgements":["a.b.c"]}'),
        200,
    ),
    "an accepted message": (accepted, 202),
    "a refused message": (proven(FISCALIA, "POST", "/v1/messages", b"{}"), 400),
    "a stream": (proven(GT_DESK, "GET", "/v1/stream"), 200),
    "a malformed request": (raw("GET /schemas HTTP/9.9\r\nHost: localhost\r\n\r\n"), 400),
    "a malformed header": (raw("GET /schemas HTTP/1.1\r\nHost : localhost\r\n\r\n"), 400),
}


def read_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers."""
    first, *lines = head.decode().split("\r\n")
    pairs = [line.split(": ", 1) for line in lines if ": " in line]
    return int(first.split(" ")[1]), {name.lower(): value for name, value in pairs}


@pytest.mark.parametrize("name", ANSWERS)
async def test_answer_has_the_security_headers_when_it_is(small: Arena, name: str) -> None:
    """HTTPS for good, no sniffing, no frame, no script: on success, refusal and stream alike."""
    ask, status = ANSWERS[name]

    got, headers = read_head(await ask(small))

    assert got == status
    seconds = headers["strict-transport-security"].partition("max-age=")[2].partition(";")[0]
    assert int(seconds) >= 31_536_000
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("name", ANSWERS)
async def test_answer_opens_nothing_to_other_origins_when_it_is(small: Arena, name: str) -> None:
    """No CORS, no cookie."""
    _, headers = read_head(await ANSWERS[name][0](small))

    assert not [each for each in headers if each.startswith("access-control-")]
    assert "set-cookie" not in headers


async def test_answers_tell_no_versions_when_anybody_asks(small: Arena) -> None:
    """Whoever looks for a known hole does not learn which library he talks to."""
    for ask, _ in ANSWERS.values():
        _, headers = read_head(await ask(small))
        assert "aiohttp" not in headers.get("server", "").lower()


MALFORMED = ("a malformed request", "a malformed header")


@pytest.mark.parametrize("name", [name for name in ANSWERS if name not in MALFORMED])
async def test_answer_has_request_id_and_nonce_when_it_is(small: Arena, name: str) -> None:
    """``DPoP-Nonce`` comes with every answer, and each one can be asked about."""
    _, headers = read_head(await ANSWERS[name][0](small))

    assert headers["dpop-nonce"]
    assert headers["x-request-id"]


PRIVATE = ["queues", "an empty poll", "a directory", "an answer of a desk", "an accepted message",
           "a refused message", "a stream", "no credentials", "a refused token"]  # fmt: skip


@pytest.mark.parametrize("name", PRIVATE)
async def test_answer_is_not_cached_when_it_is_private(small: Arena, name: str) -> None:
    """What is for one caller is kept by no proxy."""
    _, headers = read_head(await ANSWERS[name][0](small))

    cache = headers.get("cache-control", "")
    assert "no-store" in cache or "private" in cache
    assert "public" not in cache


@pytest.mark.parametrize(
    ("given", "is_echoed"),
    [
        ("abc-123", True),
        ("a" * 64, True),
        ("a" * 65, False),
        ("a b", False),
        ("a<script>", False),
        ("á", False),
        ("", False),
        ("a,b", False),
    ],
)
async def test_request_id_is_echoed_only_when_it_is_plain(
    small: Arena, given: str, *, is_echoed: bool
) -> None:
    """1 to 64 of ``[A-Za-z0-9._-]``, or one of ours."""
    request = f"GET /nothing HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: {given}\r\n\r\n"

    _, headers = read_head(await raw(request)(small))

    assert (headers["x-request-id"] == given) is is_echoed
    assert headers["x-request-id"]
