"""To whom is a message sealed when somebody else states a reader's key?"""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from keys import base64url, statement, strict_json
from keys.key import KeyUse
from schemas.vocabulary import Country
from tests.attacks.insiders.ground import Ground, kids_of, post, sealed_of, true_kid
from tests.attacks.insiders.statements import (
    Signers,
    own_keys,
    own_root,
    reader,
    statement_by,
    statement_of,
)
from tests.flow.conftest import FISCALIA, GT_DESK, Document

pytestmark = pytest.mark.asyncio(loop_scope="module")


def unpinned_root(_: Ground) -> Signers:
    """A root that Guatemala might have, and that nobody pinned."""
    return own_keys("GT-root-cuatro", "GT-root-cinco")


def foreign_root(ground: Ground) -> Signers:
    """The true root of another member."""
    return ground.kits[Country.HONDURAS].signers


def desk_key(ground: Ground) -> Signers:
    """Guatemala's own desk key and client key, which are no root's."""
    holding = ground.arena.world.holdings[GT_DESK]
    return [holding.signature, holding.authentication]


def one_holder(ground: Ground) -> Signers:
    """One true holder of Guatemala's root, alone."""
    return ground.kits[Country.GUATEMALA].holders[:1]


def one_holder_and_an_accomplice(ground: Ground) -> Signers:
    """One true holder, and another one's name with a key of the insider's."""
    return [*one_holder(ground), *own_keys("GT-root-dos")]


def administrators(ground: Ground) -> Signers:
    """Both administrators of Guatemala, who hold no root."""
    return list(ground.kits[Country.GUATEMALA].administrators.values())


def nobody(_: Ground) -> Signers:
    """A draft that nobody has signed."""
    return []


ROOTS: dict[str, Callable[[Ground], Signers]] = {
    "his own root under their name": own_root,
    "a root that nobody pinned": unpinned_root,
    "the true root of another country": foreign_root,
    "a desk's own keys": desk_key,
    "one true holder alone": one_holder,
    "one true holder and an accomplice": one_holder_and_an_accomplice,
    "both administrators": administrators,
    "nobody": nobody,
}


@pytest.mark.parametrize("name", ROOTS)
@pytest.mark.parametrize("kid", ["GT-desk-intelligence-2", "GT-desk-intelligence-1"])
async def test_message_is_not_sealed_to_a_reader_when_an_insider_adds_one(
    ground: Ground, kid: str, name: str
) -> None:
    """A statement by a wrong root is left out and reported; the true reader stays the only one."""
    key = reader(kid).public.jwk()
    token = statement_by(
        ROOTS[name](ground), {"desk": "intelligence"}, "desk_encryption", dict(key)
    )

    with capture_logs() as logged:
        await ground.add_statement(token)
    try:
        message_id, answer = await post(ground)
        async with ground.arena.world.client(FISCALIA) as client:
            seen = (await client.directory()).encryption_key(GT_DESK, datetime.now(UTC))
    finally:
        await ground.remove_statement(token)

    assert answer.status == 202, answer.body
    assert kids_of(sealed_of(ground, message_id)) == [true_kid(ground)]
    assert seen.kid == true_kid(ground)
    own = ground.arena.world.holdings[GT_DESK].decryption
    assert own is not None
    assert seen.jwk() == own.public.jwk()
    reports = [one for one in logged if one["event"] == "key-statement:rejected"]
    assert reports
    assert {one["log_level"] for one in reports} == {"error"}
    assert token not in str(reports)


def with_payload(true: str, change: Callable[[Document], None]) -> str:
    """Say something else under the true signatures."""
    members = json.loads(true)
    said = json.loads(base64url.decode(members["payload"]))
    change(said)
    return json.dumps(members | {"payload": base64url.encode(strict_json.write(said))})


def swapped_payload(_: Ground, true: str) -> str:
    """Another key under the true signatures."""
    return with_payload(
        true, lambda said: said.update(key=dict(reader(said["key"]["kid"]).public.jwk()))
    )


def cut_signatures(_: Ground, true: str) -> str:
    """A statement without signatures."""
    return json.dumps(json.loads(true) | {"signatures": []})


def one_signature_twice(_: Ground, true: str) -> str:
    """One holder's signature, counted for two."""
    members = json.loads(true)
    return json.dumps(members | {"signatures": members["signatures"][:1] * 2})


def signed_by_nobody(_: Ground, true: str) -> str:
    """``alg`` none."""
    members = json.loads(true)
    for one in members["signatures"]:
        header = json.loads(base64url.decode(one["protected"])) | {"alg": "none"}
        one |= {"protected": base64url.encode(strict_json.write(header)), "signature": ""}
    return json.dumps(members)


def by_own_root(ground: Ground, true: str) -> str:
    """The insider's key, stated by the insider."""
    key = dict(reader(statement.read(true).kid).public.jwk())
    return statement_by(own_root(ground), {"desk": "intelligence"}, "desk_encryption", key)


def garbage(_: Ground, __: str) -> str:
    """No statement at all."""
    return "'; DROP TABLE messages; --\n\u202e"


async def test_statement_counts_when_the_true_root_signed_it(ground: Ground) -> None:
    """The refusals here are for the signer, not for the form in which these tests write."""
    key = dict(reader("GT-desk-intelligence-9").public.jwk())
    holder, use = {"desk": "intelligence"}, "desk_encryption"
    token = statement_by(ground.kits[Country.GUATEMALA].signers, holder, use, key)

    with capture_logs() as logged:
        # It stays: what was vouched for once cannot be taken out again.
        await ground.add_statement(token)
    statements = (await ground.arena.attacker(FISCALIA).call("GET", "/v1/directory")).json

    assert token in statements["statements"]
    assert not [one for one in logged if one["event"] == "key-statement:rejected"]
    message_id, _ = await post(ground)
    assert kids_of(sealed_of(ground, message_id)) == [true_kid(ground)]


SWAPS = {
    "another key in it": swapped_payload,
    "no signatures": cut_signatures,
    "one signature twice": one_signature_twice,
    "alg none": signed_by_nobody,
    "one by his own root": by_own_root,
    "garbage": garbage,
}


@pytest.mark.parametrize("name", SWAPS)
async def test_message_goes_to_the_true_reader_when_an_insider_swaps_the_readers_key(
    ground: Ground, name: str
) -> None:
    """The last directory that was vouched for stays in force, and the change is reported."""
    true = statement_of(ground, Country.GUATEMALA, KeyUse.DESK_ENCRYPTION, "intelligence")
    forged = SWAPS[name](ground, true)
    with capture_logs() as logged:
        ground.write("UPDATE statements SET token = ? WHERE token = ?", forged, true)
        await ground.publish()
    try:
        message_id, answer = await post(ground)
    finally:
        ground.write("UPDATE statements SET token = ? WHERE token = ?", true, forged)
        await ground.publish()

    assert answer.status == 202, answer.body
    assert kids_of(sealed_of(ground, message_id)) == [true_kid(ground)]
    reports = [one for one in logged if one["log_level"] == "error"]
    assert [one["event"] for one in reports] == ["directory:taken-back", "key-statement:rejected"]
    assert forged not in str(reports)
    assert not ground.arena.gateway.directory.is_taken_back
