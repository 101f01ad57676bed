"""As whom may an insider call, and whom can he lock out?"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from keys import base64url, strict_json
from keys.act_kind import ActKind
from keys.algorithms import SignatureAlgorithm
from keys.identifiers import KeyId
from keys.key import KeyUse, SigningKey
from schemas.vocabulary import Country
from tests.attacks.insiders.ground import Ground, post
from tests.attacks.insiders.statements import own_keys, own_root, statement_by, statement_of
from tests.flow.conftest import FISCALIA, GT_DESK, HN_DESK, PGN

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_message_is_refused_when_an_insider_states_a_signing_key(ground: Ground) -> None:
    """He cannot write as an agency, even with the agency's own access."""
    evil = SigningKey.generate(SignatureAlgorithm.ED25519, KeyId("MX-fgr-sign-2"))
    root = own_keys("MX-root-uno", "MX-root-dos")
    token = statement_by(root, {"agency": "fgr"}, "message_signature", dict(evil.public.jwk()))
    await ground.add_statement(token)
    try:
        _, answer = await post(ground, evil)
    finally:
        await ground.remove_statement(token)

    assert answer.verdict == (403, "signature-invalid")


async def test_token_is_refused_when_an_insider_states_a_client_key(ground: Ground) -> None:
    """He cannot call as a desk either."""
    attacker = ground.arena.newcomer(GT_DESK)
    await attacker.line.newest_nonce()
    evil = SigningKey.generate(SignatureAlgorithm.ED25519, KeyId("GT-desk-intelligence-client-2"))
    root = own_root(ground)
    token = statement_by(
        root, {"client": "gt-desk-intelligence"}, "client_authentication", dict(evil.public.jwk())
    )
    header, payload, _ = attacker.assertion().split(".")
    said = json.loads(base64url.decode(header)) | {"kid": evil.kid}
    signing_input = f"{base64url.encode(strict_json.write(said))}.{payload}"
    forged = f"{signing_input}.{base64url.encode(evil.sign(signing_input.encode()))}"
    await ground.add_statement(token)
    try:
        answer = await attacker.ask_for_token(assertion=forged)
    finally:
        await ground.remove_statement(token)

    assert answer.verdict == (401, "invalid_client")


REPOINTED = {
    "another country's agency": ("GT", "pgn", None),
    "another country's desk": ("GT", None, "intelligence"),
}


@pytest.mark.parametrize("name", REPOINTED)
async def test_token_is_refused_when_an_insider_repoints_the_client(
    ground: Ground, name: str
) -> None:
    """A client's key is stated by its country: for another country it proves nothing."""
    country, agency, compartment = REPOINTED[name]
    attacker = ground.arena.newcomer(FISCALIA)
    with _repointed(ground, country, agency, compartment):
        await ground.publish()
        answer = await attacker.ask_for_token()
    await ground.publish()

    assert answer.verdict == (401, "invalid_client")


@pytest.mark.parametrize("name", REPOINTED)
async def test_live_token_opens_nothing_when_an_insider_repoints_its_client(
    ground: Ground, name: str
) -> None:
    """A token from before the change does not become another country's for its last minutes."""
    country, agency, compartment = REPOINTED[name]
    attacker = ground.arena.newcomer(FISCALIA)
    await attacker.token()
    targets = ["/v1/directory", "/v1/queues", "/v1/queues/MX.GT.intelligence/messages"]
    with _repointed(ground, country, agency, compartment):
        ground.write(
            "UPDATE clients SET scopes = 'directory:read messages:receive messages:send' "
            "WHERE client_id = 'mx-fgr'"
        )
        await ground.publish()
        statuses = [(await attacker.call("GET", target)).status for target in targets]
    await ground.publish()

    assert set(statuses) <= {401, 403}, statuses


@contextmanager
def _repointed(
    ground: Ground, country: str, agency: str | None, compartment: str | None
) -> Iterator[None]:
    change = (
        "UPDATE clients SET country = ?, agency = ?, compartment = ? WHERE client_id = 'mx-fgr'"
    )
    ground.write(change, country, agency, compartment)
    try:
        yield
    finally:
        ground.write(change, "MX", "fgr", None)
        ground.write(
            "UPDATE clients SET scopes = 'directory:read messages:send' WHERE client_id = 'mx-fgr'"
        )


async def test_directory_stays_when_an_insider_takes_a_clients_key_out(ground: Ground) -> None:
    """He locks nobody out by deleting a statement; it is reported until it is back."""
    true = statement_of(
        ground, Country.HONDURAS, KeyUse.CLIENT_AUTHENTICATION, "hn-desk-intelligence"
    )
    ground.write("UPDATE statements SET token = 'x' WHERE token = ?", true)
    try:
        with capture_logs() as logged:
            await ground.publish()
        new = await ground.arena.newcomer(HN_DESK).ask_for_token()
    finally:
        ground.write("UPDATE statements SET token = ? WHERE token = 'x'", true)
        await ground.publish()

    assert new.status == 200
    assert "directory:taken-back" in {one["event"] for one in logged}


async def test_token_is_refused_at_once_when_its_clients_key_is_suspended(ground: Ground) -> None:
    """A client whose key one administrator takes out is locked out, with a live token too."""
    attacker = ground.arena.newcomer(PGN)
    assert (await attacker.call("GET", "/v1/directory")).status == 200
    kid = ground.arena.world.holdings[PGN].authentication.kid
    kit = ground.kits[Country.GUATEMALA]

    await ground.add_statement(kit.alone(ActKind.SUSPEND, at=datetime.now(UTC), keys=[kid]))
    new = await ground.arena.newcomer(PGN).ask_for_token()
    live = await attacker.call("GET", "/v1/directory")

    assert new.verdict == (401, "invalid_client")
    assert live.status == 401
