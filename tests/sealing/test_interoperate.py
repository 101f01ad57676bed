"""Another implementation opens what we seal, and we open what it sealed."""

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from broker.sealing.content import SignedContent
from broker.sealing.route import SealRoute
from broker.sealing.seal import seal
from broker.sealing.unseal import unseal
from keys import jws
from keys.key import DecryptionKey, VerificationKey

HERE = Path(__file__).parent / "vectors"
VECTORS: dict[str, Any] = json.loads((HERE / "sealed_by_node.json").read_text())
PACKAGES = ("hpke@1.1.7", "@panva/hpke-noble@1.0.3")
KEYS = [DecryptionKey.from_jwk(jwk) for jwk in VECTORS["keys"]]


@pytest.mark.parametrize("message", VECTORS["messages"], ids=lambda message: message["name"])
@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm)
def test_unseal_opens_what_another_implementation_sealed(
    message: dict[str, Any], key: DecryptionKey
) -> None:
    """Body, signature, route and hash agree; the signature of the other side holds."""
    opened = unseal(json.dumps(message["jwe"]).encode(), {key.kid: key})

    assert base64.urlsafe_b64encode(opened.body).rstrip(b"=").decode() == message["body"]
    assert opened.signature == message["signature"]
    assert opened.content_hash == message["content_hash"]
    assert opened.route.to_bytes().decode() == VECTORS["route"]
    origin = VerificationKey.from_jwk(VECTORS["origin"] | {"kid": "MX-fge-1"})
    verified = jws.verify_detached(
        opened.signature, opened.body, typ=jws.MESSAGE_TYP, find_key={origin.kid: origin}.get
    )
    assert verified.claims["mid"] == opened.route.message_id


@pytest.fixture(scope="session")
def node(pytestconfig: pytest.Config) -> list[str]:
    """Prepare the other implementation; skip with the reason where that is impossible."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is None or npm is None or pytestconfig.cache is None:
        pytest.skip("needs node, npm and pytest's cache folder")
    folder = pytestconfig.cache.mkdir("node")
    if not (folder / "node_modules" / "@panva").is_dir():
        options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder)]
        done = subprocess.run(
            [npm, "install", *options, *PACKAGES],
            capture_output=True,
            timeout=90,
            check=False,
        )
        if done.returncode:
            pytest.skip("npm cannot fetch the independent implementation")
    shutil.copy(HERE / "independent.mjs", folder)
    return [program, str(folder / "independent.mjs")]


def run(node: list[str], command: str, document: dict[str, Any]) -> dict[str, Any]:
    """Ask the other implementation."""
    done = subprocess.run(
        [*node, command],
        input=json.dumps(document).encode(),
        capture_output=True,
        timeout=60,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.node
@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.algorithm)
def test_seal_is_opened_by_another_implementation(
    node: list[str], route: SealRoute, content: SignedContent, key: DecryptionKey
) -> None:
    """It opens ours, among other recipients, for either algorithm."""
    sealed = seal(content, route, [each.public for each in KEYS], lambda size: b"\x03" * size)

    answer = run(
        node,
        "open",
        {"jwe": json.loads(sealed.jwe), "key": json.loads(key.export().reveal())},
    )

    assert base64.urlsafe_b64decode(answer["body"] + "==") == content.body
    assert answer["signature"] == content.signature


@pytest.mark.node
def test_unseal_opens_what_another_implementation_seals_live(
    node: list[str], route: SealRoute, content: SignedContent
) -> None:
    """It seals to our public keys, and each of them opens."""
    document = {
        "keys": [key.public.jwk() for key in KEYS],
        "body": base64.urlsafe_b64encode(content.body).rstrip(b"=").decode(),
        "signature": content.signature,
        "route": route.to_bytes().decode(),
    }

    jwe = json.dumps(run(node, "seal", document)).encode()

    for key in KEYS:
        opened = unseal(jwe, {key.kid: key})
        assert (opened.body, opened.signature) == (content.body, content.signature)
