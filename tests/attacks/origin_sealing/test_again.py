"""What if it comes again: from another, said otherwise, late, or after the keys have changed?"""

from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from broker.desk.sign import sign_message
from broker.errors import Code, SignatureError, UnavailableError
from broker.model.message import SealedPosting
from broker.model.names import AgencyRef
from broker.origin_seal import verify_origin_seal
from broker.sandbox.kits import STATED
from keys.act_kind import ActKind
from keys.algorithms import EncryptionAlgorithm
from keys.holder import Holder
from keys.identifiers import KeyId
from keys.key import DecryptionKey, KeyUse
from schemas.loader import SchemaSet
from schemas.vocabulary import Country
from tests.attacks.attacker import JSON, Arena, arena
from tests.attacks.origin_sealing.forged import forge, post
from tests.flow.conftest import FISCALIA, GT_DESK, MIGRACION, PLAN, Running, as_bytes, message

pytestmark = pytest.mark.asyncio(loop_scope="module")


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
