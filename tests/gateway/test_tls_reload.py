"""Does a new certificate count from the next handshake on, and disturb nobody?"""

import asyncio
import re
import ssl
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from broker import file_watch
from broker.errors import ConfigurationError
from broker.gateway.server import Doorkeeper, listen
from broker.gateway.tls import ServerTls
from broker.sandbox.ports import free_ports
from tests.fakes.certificates import DAY, Authority, Pair, replace_file
from tests.flow.conftest import FISCALIA, GT_DESK, message, running

REQUEST = b"GET /schemas HTTP/1.1\r\nHost: localhost\r\n\r\n"


@dataclass
class Line:
    """One open connection, and the certificate that it began with."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    serial: int

    async def ask(self) -> int:
        """Send a request on it; gives the status."""
        self.writer.write(REQUEST)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", head, re.IGNORECASE)
        assert length is not None
        await self.reader.readexactly(int(length.group(1)))
        return int(head.split(" ")[1])


@asynccontextmanager
async def line(port: int, client: ssl.SSLContext) -> AsyncIterator[Line]:
    """Open a connection."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=client, server_hostname="localhost"
    )
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    try:
        yield Line(reader, writer, x509.load_der_x509_certificate(shown).serial_number)
    finally:
        writer.close()


@dataclass(kw_only=True)
class Served:
    """A listener with a certificate in two files, and the authority that clients trust."""

    authority: Authority
    tls: ServerTls
    certificate: Path
    key: Path
    port: int

    def client(self) -> ssl.SSLContext:
        """Trust the authority, as clients do."""
        return ssl.create_default_context(cadata=self.authority.pem.decode())

    async def serial(self) -> int:
        """Shake hands anew, and name the certificate."""
        async with line(self.port, self.client()) as one:
            assert await one.ask() == 200
            return one.serial


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A listener whose certificate has the serial number 10."""
    authority = Authority()
    certificate, key = tmp_path / "gateway.pem", tmp_path / "gateway.key"
    authority.issue(10).write(certificate, key)
    tls = ServerTls(certificate, key, host="localhost", clock=lambda: datetime.now(UTC))

    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(text="well")

    (port,) = free_ports(1)
    listener = await listen(
        web.Server(answer),
        f"127.0.0.1:{port}",
        tls=tls,
        door=Doorkeeper(per_address=20, at_most=20),
    )
    yield Served(authority=authority, tls=tls, certificate=certificate, key=key, port=port)
    await listener.close()


async def test_handshake_has_the_new_certificate_when_it_was_exchanged_twice(
    served: Served,
) -> None:
    """Open connections go on with their own; each new one has the newest."""
    async with line(served.port, served.client()) as first:
        await first.ask()
        served.authority.issue(20).write(served.certificate, served.key)
        await served.tls.watch.check()
        async with line(served.port, served.client()) as second:
            await second.ask()
            served.authority.issue(30).write(served.certificate, served.key)
            await served.tls.watch.check()

            statuses = [await one.ask() for one in (first, second, first, second)]
            newest = await served.serial()

            assert statuses == [200] * 4
            assert (first.serial, second.serial, newest) == (10, 20, 30)


async def test_handshake_shows_the_new_certificate_when_the_client_keeps_sessions(
    served: Served,
) -> None:
    """A session that was resumed would show nobody the new certificate."""
    client = served.client()
    reused = []
    for number in (20, 30):
        async with line(served.port, client) as one:
            await one.ask()
        served.authority.issue(number).write(served.certificate, served.key)
        await served.tls.watch.check()
        async with line(served.port, client) as one:
            await one.ask()
            reused.append(one.writer.get_extra_info("ssl_object").session_reused)
            assert one.serial == number

    assert reused == [False, False]


def both(pair: Pair) -> tuple[bytes, bytes]:
    """Certificate and key."""
    return pair.certificate, pair.key


def closed(pair: Pair) -> tuple[bytes, bytes]:
    """The same, with the key under a passphrase that the gateway does not know."""
    key = serialization.load_pem_private_key(pair.key, None)
    return pair.certificate, key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"a passphrase"),
    )


NO_PAIR = "no readable certificate with its key"
Make = Callable[[Authority], tuple[bytes, bytes]]
UNUSABLE: dict[str, tuple[Make, str]] = {
    "another key": (lambda of: (of.issue(20).certificate, of.issue(21).key), NO_PAIR),
    "an expired one": (lambda of: both(of.issue(20, begins=-3 * DAY, ends=-DAY)), "expired"),
    "one of tomorrow": (lambda of: both(of.issue(20, begins=DAY)), "not good yet"),
    "another host": (
        lambda of: both(of.issue(20, host="other.example")),
        "does not name the host of the base URL",
    ),
    "half a certificate": (lambda of: (of.issue(20).certificate[:200], of.issue(20).key), NO_PAIR),
    "an empty key": (lambda of: (of.issue(20).certificate, b""), NO_PAIR),
    "a key under a passphrase": (lambda of: closed(of.issue(20)), NO_PAIR),
}


@pytest.mark.parametrize("name", UNUSABLE)
async def test_certificate_stays_when_the_new_one_does_not_do(served: Served, name: str) -> None:
    """Whatever is wrong with the new pair, clients are served with the old one."""
    make, reason = UNUSABLE[name]
    certificate, key = make(served.authority)
    replace_file(served.certificate, certificate)
    replace_file(served.key, key)

    with structlog.testing.capture_logs() as logs:
        taken = await served.tls.watch.check()

    assert taken is False
    assert await served.serial() == 10
    assert [(each["event"], each["reason"]) for each in logs] == [("reload:failed", reason)]


async def test_certificate_is_taken_when_the_pair_is_whole_at_last(served: Served) -> None:
    """Between certificate and key there may be any pause."""
    pair = served.authority.issue(20)
    replace_file(served.certificate, pair.certificate)
    halfway = [await served.tls.watch.check() for _ in range(2)]
    between = await served.serial()
    replace_file(served.key, pair.key)

    taken = await served.tls.watch.check()

    assert (halfway, between, taken) == ([False, False], 10, True)
    assert await served.serial() == 20


@pytest.mark.parametrize("name", [each for each in UNUSABLE if "host" not in each])
def test_start_is_refused_when_the_certificate_does_not_do(tmp_path: Path, name: str) -> None:
    """Who starts a gateway learns at once what its clients would refuse."""
    make, _ = UNUSABLE[name]
    certificate, key = tmp_path / "gateway.pem", tmp_path / "gateway.key"
    for file, data in zip((certificate, key), make(Authority()), strict=True):
        file.write_bytes(data)

    with pytest.raises(ConfigurationError, match=r"gateway\.pem"):
        ServerTls(certificate, key, host="localhost", clock=lambda: datetime.now(UTC))


async def test_start_takes_an_internal_name_when_a_balancer_stands_before(tmp_path: Path) -> None:
    """A gateway behind a balancer has a certificate of its own, and renews that one too."""
    authority = Authority()
    certificate, key = tmp_path / "gateway.pem", tmp_path / "gateway.key"
    authority.issue(10, host="gateway").write(certificate, key)
    tls = ServerTls(certificate, key, host="exchange.example.org", clock=lambda: datetime.now(UTC))
    authority.issue(20, host="gateway").write(certificate, key)

    assert await tls.watch.check() is True


async def test_seconds_left_are_those_of_the_certificate_in_force(served: Served) -> None:
    """What an operator watches is what clients see."""
    before = served.tls.seconds_left()
    served.authority.issue(20, ends=20 * DAY).write(served.certificate, served.key)
    await served.tls.watch.check()

    days = [round(seconds / DAY.total_seconds()) for seconds in (before, served.tls.seconds_left())]

    assert days == [10, 20]


def read_metrics(address: str) -> str:
    """Scrape the management port."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def days_left(metrics: str) -> int:
    """Read the metric, in days."""
    found = re.search(r"^enlace_tls_expiry_seconds (\S+)$", metrics, re.MULTILINE)
    assert found is not None
    return round(float(found.group(1)) / DAY.total_seconds())


async def shows(port: int, client: ssl.SSLContext, number: int) -> None:
    """Shake hands until the gateway shows that certificate."""
    async with asyncio.timeout(10):
        while True:
            try:
                async with line(port, client) as one:
                    if one.serial == number:
                        return
            except ssl.SSLCertVerificationError:
                pass  # still the first, of an authority that this client does not know
            await asyncio.sleep(0.02)


async def test_gateway_takes_new_certificates_when_messages_flow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A running gateway changes twice by itself, and no message notices."""
    monkeypatch.setattr(file_watch, "INTERVAL", file_watch.INTERVAL / 20)
    async with running(tmp_path / "exchange") as exchange:
        world, authority = exchange.world, Authority()
        for subject in (FISCALIA, GT_DESK):
            # As an administrator does before: both authorities in one file.
            with (world.folder_of(subject) / "ca.pem").open("ab") as file:
                file.write(authority.pem)
        files = [world.folder / "tls" / name for name in ("gateway.pem", "gateway.key")]
        port = int(world.settings.listen.rpartition(":")[2])
        client = ssl.create_default_context(cadata=authority.pem.decode())
        sent = [await exchange.post(message())]
        days = [days_left(await asyncio.to_thread(read_metrics, world.settings.management_listen))]
        for number in (20, 40):
            authority.issue(number, ends=number * DAY).write(*files)
            await shows(port, client, number)
            sent.append(await exchange.post(message()))
            text = await asyncio.to_thread(read_metrics, world.settings.management_listen)
            days.append(days_left(text))

        received = await exchange.receive(GT_DESK)

    assert days == [30, 20, 40]
    assert {each["id"] for each in received} == set(sent)
