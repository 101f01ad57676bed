"""Requests that two HTTP readers understand differently, that never end, or that inflate."""

import asyncio
import gzip
import re
from time import monotonic

import pytest

from tests.attacks.attacker import JSON, Arena, wire
from tests.flow.conftest import FISCALIA, GT_DESK

pytestmark = pytest.mark.asyncio(loop_scope="module")

STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
MARKER = b"zxq-should-never-come-back"
HOST = b"Host: localhost\r\n"
SMUGGLED = b"GET /schemas HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /v1/messages HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"


def statuses(received: bytes) -> list[int]:
    """Each answer on the line."""
    return [int(found) for found in STATUS_LINE.findall(received)]


def post(*lines: bytes, body: bytes = b"") -> bytes:
    """A POST with these header lines."""
    return POST + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def chunked(body: bytes, *lines: bytes) -> bytes:
    """A chunked POST with this body, as it is."""
    return post(*(lines or (b"Transfer-Encoding: chunked",)), body=body)


TE = b"Transfer-Encoding: chunked"
CHUNKS = b"0\r\n\r\n"
SMUGGLING: dict[str, bytes] = {
    "CL.TE": post(b"Content-Length: 6", TE, body=CHUNKS + b"G"),
    "TE.CL": post(TE, b"Content-Length: 4", body=b"5c\r\n" + SMUGGLED + b"\r\n0\r\n\r\n"),
    "TE and CL of zero": post(b"Content-Length: 0", TE, body=CHUNKS + SMUGGLED),
    "two lengths": post(b"Content-Length: 0", b"Content-Length: 45", body=SMUGGLED),
    "two equal lengths": post(b"Content-Length: 2", b"Content-Length: 2", body=b"{}" + SMUGGLED),
    "a list of lengths": post(b"Content-Length: 0, 45", body=SMUGGLED),
    "negative length": post(b"Content-Length: -1", body=SMUGGLED),
    "signed length": post(b"Content-Length: +2", body=b"{}" + SMUGGLED),
    "hexadecimal length": post(b"Content-Length: 0x2", body=b"{}" + SMUGGLED),
    "length with underscore": post(b"Content-Length: 1_0", body=b"{}" + SMUGGLED),
    "empty length": post(b"Content-Length:", body=SMUGGLED),
    "length in other digits": post("Content-Length: ٢".encode(), body=b"{}" + SMUGGLED),
    "length beyond 64 bits": post(b"Content-Length: 18446744073709551618", body=b"{}" + SMUGGLED),
    "length with a space inside": post(b"Content-Length: 4 5", body=SMUGGLED),
    "TE of an unknown coding": post(b"Transfer-Encoding: xchunked", body=CHUNKS + SMUGGLED),
    "TE with something after": post(b"Transfer-Encoding: chunked, identity", body=CHUNKS),
    "TE twice": post(TE, TE, body=CHUNKS + SMUGGLED),
    "TE twice and different": post(TE, b"Transfer-Encoding: identity", body=CHUNKS + SMUGGLED),
    "TE in quotes": post(b'Transfer-Encoding: "chunked"', body=CHUNKS + SMUGGLED),
    "TE after a tab in its name": post(b"Transfer-Encoding\t: chunked", body=CHUNKS + SMUGGLED),
    "TE after a vertical tab": post(b"Transfer-Encoding: \x0bchunked", body=CHUNKS + SMUGGLED),
    "TE of identity with length": post(b"Transfer-Encoding: identity", b"Content-Length: 2"),
    "space before colon": post(b"Content-Length : 45", body=SMUGGLED),
    "space before the first name": (
        b"GET /schemas HTTP/1.1\r\n Host: localhost\r\nHost: localhost\r\n\r\n"
    ),
    "folded line": post(b"X-One: a\r\n Content-Length: 45", body=SMUGGLED),
    "folded TE": post(b"Transfer-Encoding:\r\n chunked", body=CHUNKS + SMUGGLED),
    "bare LF between lines": b"GET /schemas HTTP/1.1\nHost: localhost\n\n",
    "bare LF after a line": b"POST /schemas HTTP/1.1\r\nHost: localhost\nContent-Length: 0\r\n\r\n",
    "bare CR in a line": post(b"X-One: a\rContent-Length: 45", body=SMUGGLED),
    "NUL in a value": post(b"X-One: a\x00b", b"Content-Length: 0"),
    "NUL in a name": post(b"X-O\x00ne: a", b"Content-Length: 0"),
    "no colon": post(b"X-One", b"Content-Length: 0"),
    "empty name": post(b": value", b"Content-Length: 0"),
    "name in brackets": post(b"X(One): a", b"Content-Length: 0"),
    "chunk of 0x": chunked(b"0x2\r\n{}\r\n" + CHUNKS + SMUGGLED),
    "chunk of +": chunked(b"+2\r\n{}\r\n" + CHUNKS),
    "chunk of -": chunked(b"-2\r\n{}\r\n" + CHUNKS),
    "chunk with a space before": chunked(b" 2\r\n{}\r\n" + CHUNKS),
    "chunk with underscore": chunked(b"0_2\r\n{}\r\n" + CHUNKS),
    "chunk beyond 64 bits": chunked(b"10000000000000002\r\n{}\r\n" + CHUNKS),
    "chunk without size": chunked(b"\r\n{}\r\n" + CHUNKS),
    "chunk shorter than its data": chunked(b"1\r\n{}\r\n" + CHUNKS),
    "chunk ended by LF": chunked(b"2\n{}\n0\n\n" + SMUGGLED),
    "chunk extension with LF": chunked(b"2;a\nb\r\n{}\r\n" + CHUNKS),
    "HTTP/0.9": b"GET /schemas\r\n\r\n",
    "HTTP/1.2": b"GET /schemas HTTP/1.2\r\nHost: localhost\r\n\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/11.1": b"GET /schemas HTTP/11.1\r\nHost: localhost\r\n\r\n",
    "tab in the first line": b"GET\t/schemas\tHTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no target": b"GET HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "space in the target": b"GET /sch emas HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "bytes above ASCII in the target": b"GET /sch\xc3\xa9mas HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "control in the target": b"GET /sch\x01emas HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "method in brackets": b"GE(T /schemas HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "not HTTP": b"\x00\x01\x02\x03" * 20 + b"\r\n\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "two hosts": b"GET /schemas HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    "no host": b"GET /schemas HTTP/1.1\r\n\r\n",
}


@pytest.mark.parametrize("name", SMUGGLING)
async def test_request_is_refused_when_two_readers_could_differ(small: Arena, name: str) -> None:
    """One answer, 400, and the line is closed: nothing behind it is read as a request."""
    async with wire(small) as line:
        await line.write(SMUGGLING[name] + SMUGGLED)
        received = await line.read_to_end()

    assert statuses(received) == [400]


TRAILERS = {
    "a length": b"0\r\nContent-Length: 45\r\n\r\n",
    "a coding": b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "credentials": b"0\r\nAuthorization: DPoP x\r\nDPoP: x\r\n\r\n",
}


@pytest.mark.parametrize("name", TRAILERS)
async def test_request_gains_nothing_when_its_trailer_brings(small: Arena, name: str) -> None:
    """What stands after a body is no header."""
    async with wire(small) as line:
        await line.write(chunked(b"2\r\n{}\r\n" + TRAILERS[name], TE, b"Connection: close"))
        received = await line.read_to_end()

    assert statuses(received) in ([400], [401])


async def test_pipeline_answers_in_order_when_requests_are_well_formed(small: Arena) -> None:
    """The table above is not refused because two requests come together."""
    async with wire(small) as line:
        await line.write(SMUGGLED + SMUGGLED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        received = await line.read_to_end()

    assert statuses(received) == [200, 200]


async def test_refused_body_is_not_read_as_requests_when_it_looks_like_one(small: Arena) -> None:
    """The body of a request without credentials is a body, or the line is closed."""
    length = b"Content-Length: %d" % (len(SMUGGLED) * 50)
    async with wire(small) as line:
        await line.write(post(length, b"Connection: close", body=SMUGGLED * 50))
        received = await line.read_to_end()

    assert statuses(received) == [401]


ECHOES = {
    "target": b"GET /" + MARKER + b" x HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "header name": b"GET /schemas HTTP/1.1\r\n" + MARKER + b" : x\r\n\r\n",
    "header value": b"GET /schemas HTTP/1.1\r\nAuthorization: " + MARKER + b"\x00\r\n\r\n",
    "method": MARKER + b"( /schemas HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "version": b"GET /schemas HTTP/" + MARKER + b"\r\nHost: localhost\r\n\r\n",
    "length": post(b"Content-Length: " + MARKER),
    "coding": post(b"Transfer-Encoding: " + MARKER),
    "chunk size": chunked(MARKER + b"\r\n{}\r\n"),
    "long header": b"GET /schemas HTTP/1.1\r\nX-One: " + MARKER * 600 + b"\r\n\r\n",
    "long target": b"GET /" + MARKER * 600 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "many headers": b"GET /schemas HTTP/1.1\r\nX: " + (MARKER + b"\r\nX: ") * 100 + b"\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("name", ECHOES)
async def test_refusal_repeats_nothing_when_the_request_is_malformed(
    small: Arena, name: str
) -> None:
    """Never a submitted value, not even of what could not be read (docs/protocol.md, Answers)."""
    async with wire(small) as line:
        await line.write(ECHOES[name])
        received = await line.read_to_end()

    assert statuses(received) == [400]
    assert MARKER.lower() not in received.lower()


@pytest.mark.parametrize("name", ECHOES)
async def test_refusal_is_a_problem_document_when_the_request_is_malformed(
    small: Arena, name: str
) -> None:
    """Errors are problem documents with their code, these too (docs/errors.md)."""
    async with wire(small) as line:
        await line.write(ECHOES[name])
        received = await line.read_to_end()

    head, _, body = received.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.lower()
    assert b'"request-malformed"' in body


@pytest.mark.parametrize("size", [10_000, 100_000, 1_000_000])
async def test_chunk_extension_brings_nothing_in_when_it_is_long(small: Arena, size: int) -> None:
    """What stands behind a chunk's size is no body and no request; the line stays in step."""
    body = b"2;" + b"x" * size + b"\r\n{}\r\n" + CHUNKS
    async with wire(small) as line:
        await line.write(post(TE, b"Connection: close", body=body + SMUGGLED))
        received = await line.read_to_end()

    assert statuses(received) in ([400], [401], [413])


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/v1/messages/%2e%2e/queues", 400),
        ("/%2e%2e/%2e%2e/etc/passwd", 400),
        ("/schemas/..%2f..%2fsettings/1.0", 400),
        ("/schemas/%2e%2e/1.0", 400),
        ("/schemas/../openapi.json", 404),
        ("/schemas/./common/1.0", 404),
        ("/schemas/..", 404),
        ("/..", 404),
        ("/code-lists/../schemas", 404),
        ("/schemas%00", 400),
        ("/schemas/common%00/1.0", 400),
        ("/schemas/common/1.0%00.json", 400),
        ("/schemas%0d%0aX-Injected:%20yes", 400),
        ("/%73chemas", 400),
        ("/schemas%2fcommon%2f1.0", 400),
        ("//schemas", 400),
        ("/schemas//common/1.0", 400),
        ("//evil.example/schemas", 400),
        ("/schemas/common/1.0//", 400),
        ("/schemas/", 404),
        ("/schemas/common/1.0/", 404),
        ("/openapi.json/", 404),
        ("/schemas;x=1", 400),
        ("/schemas;/common/1.0", 400),
        ("/schemas/common;v=1/1.0", 400),
        ("/schemas\\common\\1.0", 400),
        ("/schemas/common/1.0?x[]=1", 400),
        ("/SCHEMAS", 404),
        ("/schemas/Common/1.0", 404),
        ("/schemas/common/1.00000", 404),
        ("/schemas/common/latest", 404),
        ("/code-lists/a*", 400),
        ("/problems/Not-Found", 404),
        ("/problems/nothing", 404),
        ("https://localhost/schemas", 400),
        ("http://evil.example/schemas", 400),
        ("https://169.254.169.254/latest/meta-data", 400),
        ("*", 400),
        ("schemas", 400),
        ("localhost:443", 400),
        ("/schemas#fragment", 400),
        ("?x", 400),
    ],
)
async def test_path_is_refused_when_it_is_a_trick(small: Arena, target: str, expected: int) -> None:
    """One path, one spelling: whatever a proxy in front would read differently is refused."""
    request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    async with wire(small) as line:
        await line.write(request.encode())
        received = await line.read_to_end()

    assert statuses(received) == [expected]
    assert b"x-injected" not in received.lower()
    if target.startswith("/"):
        assert b"application/problem+json" in received


@pytest.mark.parametrize(
    "method", ["CONNECT", "TRACE", "OPTIONS", "PUT", "DELETE", "PATCH", "PROPFIND", "HEAD"]
)
async def test_method_is_refused_when_nobody_offers_it(small: Arena, method: str) -> None:
    """No tunnel, no echo, no change."""
    target = "localhost:443" if method == "CONNECT" else "/v1/messages"
    request = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nX-Echo: {MARKER.decode()}\r\n"
    async with wire(small) as line:
        await line.write(f"{request}Connection: close\r\n\r\n".encode())
        received = await line.read_to_end()

    assert statuses(received)[0] in (400, 405)
    assert len(statuses(received)) == 1
    assert MARKER not in received
    assert b"access-control-allow" not in received.lower()


async def test_host_is_not_believed_when_it_names_another(small: Arena) -> None:
    """No address in an answer is made of what the request said."""
    async with wire(small) as line:
        await line.write(
            b"GET /.well-known/oauth-authorization-server HTTP/1.1\r\nHost: evil.example\r\n"
            b"X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: http\r\n"
            b"Connection: close\r\n\r\n"
        )
        received = await line.read_to_end()

    assert statuses(received) == [200]
    assert b"evil.example" not in received
    assert small.world.settings.base_url.encode() in received


LIMIT = 262_144


@pytest.mark.parametrize("size", [LIMIT + 1, 10**9, 10**15])
@pytest.mark.parametrize("target", ["/v1/messages", "/v1/acknowledgements"])
async def test_body_is_refused_unread_when_its_length_is_too_large(
    small: Arena, target: str, size: int
) -> None:
    """413 before a byte of it came, and the line is not kept for the rest."""
    subject = FISCALIA if target.endswith("messages") else GT_DESK
    credentials = await small.attacker(subject).credentials("POST", target)
    lines = "".join(f"{name}: {value}\r\n" for name, value in [*credentials, JSON])
    async with wire(small) as line:
        await line.write(
            f"POST {target} HTTP/1.1\r\nHost: localhost\r\n{lines}"
            f"Content-Length: {size}\r\n\r\n".encode()
        )
        head = await line.read_head()

    assert statuses(head) == [413]


@pytest.mark.parametrize("target", ["/v1/messages", "/v1/acknowledgements"])
async def test_body_is_refused_when_its_chunks_grow_too_large(small: Arena, target: str) -> None:
    """Counted while it arrives: the answer comes soon after the limit, not at the end."""
    subject = FISCALIA if target.endswith("messages") else GT_DESK
    credentials = await small.attacker(subject).credentials("POST", target)
    lines = [f"{name}: {value}".encode() for name, value in credentials]
    request = post(TE, *lines).replace(b"/v1/messages", target.encode())
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    async with wire(small) as line:
        await line.write(request)
        for _ in range(LIMIT // 0x4000 + 2):
            await line.write(chunk)
        head = await line.read_head()

    assert statuses(head) == [413]


async def test_body_is_accepted_for_reading_when_it_is_exactly_at_the_limit(small: Arena) -> None:
    """262,144 bytes are not too many; what is wrong with these is something else."""
    answer = await small.attacker(GT_DESK).call(
        "POST", "/v1/acknowledgements", headers=[JSON], body=b" " * LIMIT
    )

    assert answer.verdict == (400, "json-syntax")


BOMB = gzip.compress(b" " * 50_000_000)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "GZIP", "identity", "x, gzip"])
@pytest.mark.parametrize("target", ["/v1/messages", "/v1/acknowledgements", "/v1/refusals"])
async def test_body_is_refused_when_it_has_a_content_encoding(
    small: Arena, target: str, coding: str
) -> None:
    """A small bomb is not touched; the answer is as fast as any."""
    subject = FISCALIA if target.endswith("messages") else GT_DESK
    attacker = small.attacker(subject)
    started = monotonic()

    answer = await attacker.call(
        "POST", target, headers=[JSON, ("Content-Encoding", coding)], body=BOMB
    )

    assert answer.verdict == (415, "content-encoding-unsupported")
    assert monotonic() - started < 1


@pytest.mark.parametrize("coding", ["gzip, chunked", "gzip", "deflate, chunked"])
async def test_body_is_refused_when_its_transfer_encoding_compresses(
    small: Arena, coding: str
) -> None:
    """The other way to bring a bomb in."""
    credentials = await small.attacker(FISCALIA).credentials("POST", "/v1/messages")
    lines = [f"{name}: {value}".encode() for name, value in credentials]
    body = b"%x\r\n%b\r\n" % (len(BOMB), BOMB) + CHUNKS
    async with wire(small) as line:
        await line.write(post(f"Transfer-Encoding: {coding}".encode(), *lines, body=body))
        received = await line.read_head()

    assert statuses(received)[0] in (400, 403, 415)


async def test_request_is_refused_when_it_has_too_many_headers(small: Arena) -> None:
    """A thousand small ones are as bad as a large one."""
    lines = b"".join(b"X-%d: x\r\n" % number for number in range(1000))
    async with wire(small) as line:
        await line.write(b"GET /schemas HTTP/1.1\r\nHost: localhost\r\n" + lines + b"\r\n")
        received = await line.read_to_end()

    assert statuses(received) == [400]


async def test_head_is_bounded_when_it_never_ends(small: Arena) -> None:
    """Headers without an end are cut long before a megabyte."""
    sent = 0
    async with wire(small) as line:
        await line.write(b"GET /schemas HTTP/1.1\r\nHost: localhost\r\n")
        while sent < 2_000_000 and not line.writer.is_closing() and not line.reader.at_eof():
            await line.write(b"X-One: " + b"x" * 1000 + b"\r\n")
            sent += 1009
            await asyncio.sleep(0)
        received = await line.read_to_end()

    assert sent < 2_000_000
    assert statuses(received) in ([400], [])


async def test_expectation_is_refused_when_it_is_not_ours(small: Arena) -> None:
    """``Expect`` is no way to hold a line."""
    async with wire(small) as line:
        await line.write(post(b"Expect: 200-maybe", b"Content-Length: 2", b"Connection: close"))
        head = await line.read_head()

    assert statuses(head)[0] in (400, 401, 417)


async def test_upgrade_is_ignored_when_asked_for(small: Arena) -> None:
    """No websocket, no h2c: bytes after it are no other protocol."""
    for upgrade in ("websocket", "h2c"):
        async with wire(small) as line:
            await line.write(
                f"GET /schemas HTTP/1.1\r\nHost: localhost\r\nUpgrade: {upgrade}\r\n"
                "Connection: Upgrade\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n".encode()
            )
            head = await line.read_head()

        assert statuses(head)[0] in (200, 400)
