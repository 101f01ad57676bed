"""Stock OAuth clients, unchanged, over HTTPS: Python and Node get a token and use it."""

import asyncio
import datetime as dt
import ipaddress
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import requests
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from requests_oauth2client import DPoPKey, OAuth2Client, PrivateKeyJwt
from requests_oauth2client.exceptions import InvalidClient

from tests.gateway.oauth.world import RESOURCE, OAuthWorld

NODE_PACKAGES: Final = ("openid-client@6.9.0",)
SCRIPT: Final = Path(__file__).with_name("stock_client.mjs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A world that answers on HTTPS, and the certificate that clients trust."""

    world: OAuthWorld
    ca_file: Path


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """Serve a world on loopback, with a clock that is right."""
    listener = socket.create_server(("127.0.0.1", 0))
    base_url = f"https://localhost:{listener.getsockname()[1]}"
    world = OAuthWorld(base_url, clock=lambda: dt.datetime.now(dt.UTC))
    ca_file, server_context = certificates(tmp_path)
    runner = web.AppRunner(world.app())
    await runner.setup()
    await web.SockSite(runner, listener, ssl_context=server_context).start()
    yield Served(world=world, ca_file=ca_file)
    # The clients have hung up; the server still has to notice before its loop ends.
    async with asyncio.timeout(5):
        while runner.server is not None and runner.server.connections:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await runner.cleanup()
    await asyncio.sleep(0.05)


def certificates(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Make a CA and a certificate for ``localhost``, good for an hour."""
    ca_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name, server_name = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        for name in ("Enlace test CA", "localhost")
    )
    ca_usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    ca = (
        builder(ca_name, ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(ca_usage, critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    server = (
        builder(ca_name, server_name, server_key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()),
            critical=False,
        )
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    ca_file, chain_file = folder / "ca.pem", folder / "server.pem"
    ca_file.write_bytes(ca.public_bytes(pem))
    chain_file.write_bytes(
        server_key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + server.public_bytes(pem)
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain_file)
    return ca_file, context


def builder(
    issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    """Start a certificate that holds from a minute ago for an hour."""
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .issuer_name(issuer)
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=1))
        .not_valid_after(now + dt.timedelta(hours=1))
    )


def private_jwk(world: OAuthWorld) -> dict[str, Any]:
    """Give the client's private key as its operator would configure it."""
    jwk: dict[str, Any] = json.loads(world.client.key.export().reveal())
    return jwk


def discover(served: Served, session: requests.Session) -> OAuth2Client:
    """Configure requests_oauth2client from our metadata."""
    # Neither a proxy nor another CA bundle of this machine.
    session.trust_env = False
    session.verify = str(served.ca_file)
    # Nothing stays open beyond the test.
    session.headers["Connection"] = "close"
    issuer = served.world.base_url
    metadata = session.get(f"{issuer}/.well-known/oauth-authorization-server", timeout=5).json()
    auth = PrivateKeyJwt(served.world.client.client_id, private_jwk(served.world), aud=issuer)
    return OAuth2Client.from_discovery_document(
        metadata, issuer=issuer, auth=auth, session=session, dpop_bound_access_tokens=True
    )


async def test_requests_oauth2client_gets_and_uses_a_token_when_unchanged(
    served: Served,
) -> None:
    """Discovery, the nonce asked for at both ends, and a token for two requests."""

    def run() -> tuple[str | None, list[dict[str, Any]]]:
        with requests.Session() as session:
            token = discover(served, session).client_credentials(scope="messages:send")
            url = served.world.base_url + RESOURCE
            calls = [session.get(url + query, auth=token, timeout=5) for query in ("", "?page=2")]
            return token.scope, [call.json() for call in calls]

    scope, answers = await asyncio.to_thread(run)

    assert scope == "messages:send"
    expected = {
        "client_id": "MX.fiscalia", "subject": "MX/fiscalia", "scopes": ["messages:send"],
    }  # fmt: skip
    assert answers == [expected, expected]


@pytest.mark.parametrize("alg", ["ES256", "EdDSA"])
async def test_requests_oauth2client_proves_possession_when_it_picks_the_algorithm(
    served: Served, alg: str
) -> None:
    """Both kinds of key that the library makes and we accept."""
    key = DPoPKey.generate(alg=alg)

    def run() -> str | None:
        with requests.Session() as session:
            return discover(served, session).client_credentials(dpop_key=key).scope

    assert await asyncio.to_thread(run) == "directory:read messages:send"


async def test_requests_oauth2client_understands_the_refusal_when_its_key_is_unknown(
    served: Served,
) -> None:
    """Our errors are the ones that stock clients raise by name."""
    served.world.clients.clear()

    def run() -> None:
        with requests.Session() as session:
            discover(served, session).client_credentials()

    with pytest.raises(InvalidClient):
        await asyncio.to_thread(run)


@pytest.fixture(scope="session")
def node_clients() -> Path:
    """Install the Node clients into a cache; skip with the reason where that cannot be."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        return missing("Node.js and npm are not installed")
    folder = Path(tempfile.gettempdir()) / f"enlace-node-clients-{os.getuid()}"
    if not (folder / "node_modules" / "openid-client").is_dir():
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "package.json").write_text("{}")
        command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", *NODE_PACKAGES]
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, timeout=90, check=False)
        except subprocess.TimeoutExpired:
            return missing("npm did not install openid-client in 90 s")
        if done.returncode:
            return missing("npm cannot install openid-client")
    return folder


def missing(reason: str) -> Path:
    """Skip, or fail where all services are promised."""
    if os.environ.get("ENLACE_REQUIRE_SERVICES") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.mark.node
async def test_openid_client_gets_and_uses_a_token_when_unchanged(
    served: Served, node_clients: Path
) -> None:
    """The most used client of the Node world, by discovery alone."""
    process = await asyncio.create_subprocess_exec(
        "node",
        str(SCRIPT),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={
            "PATH": os.environ["PATH"],
            "NODE_EXTRA_CA_CERTS": str(served.ca_file),
            "ENLACE_NODE_CLIENTS": str(node_clients),
        },
    )
    asked = {
        "issuer": served.world.base_url,
        "client_id": served.world.client.client_id,
        "jwk": private_jwk(served.world),
        "resource": served.world.base_url + RESOURCE,
        "scope": "messages:send",
    }
    out, err = await asyncio.wait_for(process.communicate(json.dumps(asked).encode()), timeout=60)

    assert process.returncode == 0, err.decode()
    answer = json.loads(out)
    assert answer["token_type"].lower() == "dpop"
    assert answer["scope"] == "messages:send"
    assert [call["status"] for call in answer["calls"]] == [200, 200]
    assert answer["calls"][0]["body"]["subject"] == "MX/fiscalia"
