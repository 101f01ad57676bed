"""Somebody who can write the ledger's database, and nothing else, against desks and senders."""

import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from broker.desk.sign import sign_message
from broker.model.names import MessageId
from broker.sandbox.countries import CountryKit
from keys import base64url, jws, signed, statement, strict_json
from keys.act_kind import ActKind
from keys.algorithms import EncryptionAlgorithm, SignatureAlgorithm
from keys.identifiers import KeyId
from keys.key import DecryptionKey, KeyUse, SigningKey
from schemas.vocabulary import Country
from tests.attacks.attacker import JSON, Answer, Arena, arena
from tests.flow.conftest import (
    FISCALIA,
    GT_DESK,
    HN_DESK,
    PGN,
    PLAN,
    Document,
    Running,
    as_bytes,
    lines,
    message,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(slots=True, kw_only=True)
class Ground:
    """An exchange, the countries' true holders, and the database's file."""

    arena: Arena

    @property
    def kits(self) -> Mapping[Country, CountryKit]:
        """What each country keeps to itself."""
        return self.arena.world.kits

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """The database, as whoever holds its password has it."""
        with closing(sqlite3.connect(self.arena.ledger, timeout=10)) as connection, connection:
            yield connection

    def write(self, sql: str, *values: object) -> None:
        """Change rows behind the gateway's back."""
        with self.database() as connection:
            assert connection.execute(sql, values).rowcount > 0

    def read(self, sql: str, *values: object) -> Any:
        """Read one row's first column."""
        with self.database() as connection:
            return connection.execute(sql, values).fetchone()[0]

    async def publish(self) -> None:
        """Raise the directory's version, so that the gateway reads it again."""
        self.write("UPDATE heads SET directory = directory + 1")
        await self.arena.gateway.directory.refresh()

    async def add_statement(self, token: str) -> None:
        """Slip in a statement."""
        self.write(
            "INSERT INTO statements (number, digest, token) "
            "VALUES ((SELECT max(number) + 1 FROM statements) + 100000, ?, ?)",
            sha256(token.encode()).digest(),
            token,
        )
        await self.publish()

    async def remove_statement(self, token: str) -> None:
        """Take it out again."""
        self.write("DELETE FROM statements WHERE token = ?", token)
        await self.publish()


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="ground")
async def _ground(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ground]:
    """An exchange whose countries' true keys are known, to sign with a wrong country's."""
    folder = tmp_path_factory.mktemp("insiders") / "exchange"
    async with arena(folder, PLAN) as one:
        yield Ground(arena=one)


async def post(ground: Ground, key: SigningKey | None = None) -> tuple[str, Answer]:
    """Post a message from Mexico to Guatemala, signed with a key of the caller or another one."""
    attacker = ground.arena.attacker(FISCALIA)
    document = message()
    signer = attacker.holding.signature if key is None else key
    posting = sign_message(as_bytes(document), signer, agency=FISCALIA, now=datetime.now(UTC))
    headers = [JSON, ("Message-Signature", posting.signature)]
    answer = await attacker.call("POST", "/v1/messages", headers=headers, body=posting.body)
    return document["id"], answer


def sealed_of(ground: Ground, message_id: str) -> Document:
    """The sealed form as it lies in the ledger."""
    document: Document = json.loads(
        ground.read("SELECT sealed FROM messages WHERE message_id = ?", message_id)
    )
    return document


def kids_of(sealed: Document) -> list[str]:
    """To which keys it is sealed."""
    return [each["header"]["kid"] for each in sealed["recipients"]]


def true_kid(ground: Ground) -> str:
    """Guatemala's own encryption key."""
    decryption = ground.arena.world.holdings[GT_DESK].decryption
    assert decryption is not None
    return decryption.kid


# --- keys that no country vouches for ---------------------------------------------------


Signers = Sequence[SigningKey]


def statement_by(signers: Signers, holder: dict[str, str], use: str, key: Document) -> str:
    """Write a statement for Guatemala or Mexico, signed by whomever there is."""
    now = datetime.now(UTC)
    payload = {
        "country": key["kid"][:2],
        "holder": holder,
        "use": use,
        "key": key,
        "not_before": int((now - timedelta(minutes=5)).timestamp()),
        "not_after": int((now + timedelta(days=300)).timestamp()),
        "serial": 1_000_000,
        "issued": int(now.timestamp()),
    }
    return signed.sign(strict_json.write(payload), signers, typ="enlace-key-statement+jws")


def own_keys(*kids: str) -> Signers:
    """Keys of the insider's own, under other people's names."""
    return [SigningKey.generate(SignatureAlgorithm.ED25519, KeyId(kid)) for kid in kids]


def own_root(_: Ground) -> Signers:
    """A root of the insider's own, its holders named as Guatemala's."""
    return own_keys("GT-root-uno", "GT-root-dos")


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


def reader(kid: str) -> DecryptionKey:
    """The insider's own encryption key."""
    return DecryptionKey.generate(EncryptionAlgorithm.HPKE_9_KE, KeyId(kid))


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


def statement_of(ground: Ground, country: Country, use: KeyUse, holder: str) -> str:
    """A true statement of a country's key."""
    for token in ground.kits[country].statements:
        said = statement.read(token)
        if said.use is use and said.holder.name == holder:
            return token
    raise AssertionError("no such statement")


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


# --- what lies in the ledger --------------------------------------------------------------

Tamper = Callable[[Ground, str, str], None]
"""Changes one message; the third is the id of another, untouched one."""


def edit(change: Callable[[Document], None]) -> Tamper:
    """Change the sealed form."""

    def tamper(ground: Ground, message_id: str, _: str) -> None:
        sealed = sealed_of(ground, message_id)
        change(sealed)
        ground.write(
            "UPDATE messages SET sealed = ? WHERE message_id = ?",
            json.dumps(sealed, separators=(",", ":")).encode(),
            message_id,
        )

    return tamper


def flipped(text: str, at: int) -> str:
    """Base64url with one bit changed."""
    raw = bytearray(base64url.decode(text))
    raw[at] ^= 1
    return base64url.encode(bytes(raw))


def flip(member: str, at: int = 0) -> Tamper:
    """Change one bit of a member."""
    return edit(lambda sealed: sealed.update({member: flipped(sealed[member], at)}))


def flip_encrypted_key(sealed: Document) -> None:
    """Change one bit of what carries the content key."""
    sealed["recipients"][0]["encrypted_key"] = flipped(sealed["recipients"][0]["encrypted_key"], 5)


def flip_encapsulation(sealed: Document) -> None:
    """Change one bit of the encapsulated key."""
    header = sealed["recipients"][0]["header"]
    header["ek"] = flipped(header["ek"], 20)


def zero_half(sealed: Document) -> None:
    """Take out the classical, or the post-quantum, half of the encapsulation."""
    header = sealed["recipients"][0]["header"]
    raw = base64url.decode(header["ek"])
    header["ek"] = base64url.encode(raw[:-32] + bytes(32))


def cut_encapsulation(sealed: Document) -> None:
    """A shorter encapsulation: as a classical suite would have it."""
    header = sealed["recipients"][0]["header"]
    header["ek"] = base64url.encode(base64url.decode(header["ek"])[-32:])


def set_protected(**members: object) -> Callable[[Document], None]:
    """Say something else in the protected header."""

    def change(sealed: Document) -> None:
        header = json.loads(base64url.decode(sealed["protected"])) | members
        sealed["protected"] = base64url.encode(strict_json.write(header))

    return change


def set_recipient(**members: object) -> Callable[[Document], None]:
    """Say something else in the recipient's header."""
    return lambda sealed: sealed["recipients"][0]["header"].update(members)


def add_reader(sealed: Document) -> None:
    """A classical reader beside the true one."""
    sealed["recipients"].append(
        {"header": {"alg": "ECDH-ES+A256KW", "kid": "GT-evil-1"}, "encrypted_key": "AAAA"}
    )


def reroute(sealed: Document) -> None:
    """Another country in the route."""
    route = json.loads(base64url.decode(sealed["aad"]))
    text = json.dumps(route).replace("GT", "HN")
    sealed["aad"] = base64url.encode(strict_json.write(json.loads(text)))


def swap_body(ground: Ground, message_id: str, other: str) -> None:
    """Another message's sealed form."""
    ground.write(
        "UPDATE messages SET sealed = (SELECT sealed FROM messages WHERE message_id = ?) "
        "WHERE message_id = ?",
        other,
        message_id,
    )


def swap_body_and_hash(ground: Ground, message_id: str, other: str) -> None:
    """Another message's sealed form, with its hash."""
    swap_body(ground, message_id, other)
    ground.write(
        "UPDATE messages SET content_hash = "
        "(SELECT content_hash FROM messages WHERE message_id = ?) WHERE message_id = ?",
        other,
        message_id,
    )


def swap_receipt(ground: Ground, message_id: str, other: str) -> None:
    """Another message's receipt."""
    accepted = (
        "SELECT log.token FROM log JOIN messages ON log.position = messages.number "
        "WHERE message_id = ?"
    )
    token = ground.read(accepted, other)
    ground.write(
        "UPDATE log SET token = ? "
        "WHERE position = (SELECT number FROM messages WHERE message_id = ?)",
        token,
        message_id,
    )


def forge_receipt(ground: Ground, message_id: str, _: str) -> None:
    """The true claims, signed by a receipt key of the insider's own."""
    position = ground.read("SELECT number FROM messages WHERE message_id = ?", message_id)
    token = ground.read("SELECT token FROM log WHERE position = ?", position)
    evil = SigningKey.generate(SignatureAlgorithm.ED25519, KeyId("GW-receipt-1"))
    forged = jws.sign_compact(base64url.decode(token.split(".")[1]), evil, typ="enlace-receipt+jws")
    ground.write("UPDATE log SET token = ? WHERE position = ?", forged, position)


CANNOT = "cannot-open"
RECEIPT = "receipt-not-valid"
TAMPERED: dict[str, tuple[Tamper, str]] = {
    "one bit of the ciphertext": (flip("ciphertext", 100), CANNOT),
    "one bit of the tag": (flip("tag"), CANNOT),
    "one bit of the iv": (flip("iv"), CANNOT),
    "one bit of the route": (flip("aad", 30), CANNOT),
    "another country in the route": (edit(reroute), CANNOT),
    "the tag cut": (edit(lambda sealed: sealed.update(tag=sealed["tag"][:8])), CANNOT),
    "one bit of the encrypted key": (edit(flip_encrypted_key), CANNOT),
    "one bit of the encapsulation": (edit(flip_encapsulation), CANNOT),
    "half of the encapsulation zero": (edit(zero_half), CANNOT),
    "a short encapsulation": (edit(cut_encapsulation), CANNOT),
    "no recipient": (edit(lambda sealed: sealed.update(recipients=[])), CANNOT),
    "a recipient of another name": (edit(set_recipient(kid="GT-desk-protection-1")), CANNOT),
    "a classical algorithm": (edit(set_recipient(alg="ECDH-ES+A256KW")), CANNOT),
    "no algorithm": (edit(set_recipient(alg="none")), CANNOT),
    "a second, classical reader": (edit(add_reader), CANNOT),
    "zip": (edit(set_protected(zip="DEF")), CANNOT),
    "zip at the recipient": (edit(set_recipient(zip="DEF")), CANNOT),
    "a password-based key": (edit(set_recipient(alg="PBES2-HS512+A256KW", p2c=10**9)), CANNOT),
    "another suite": (edit(set_protected(suite="classical")), CANNOT),
    "a weaker enc": (edit(set_protected(enc="A128GCM")), CANNOT),
    "crit": (edit(set_protected(crit=["zip"])), CANNOT),
    "an unprotected header": (edit(lambda sealed: sealed.update(unprotected={})), CANNOT),
    "another message's seal": (swap_body, CANNOT),
    "another message's seal and hash": (swap_body_and_hash, RECEIPT),
    "another message's receipt": (swap_receipt, RECEIPT),
    "a receipt of his own": (forge_receipt, RECEIPT),
}


async def received(ground: Ground, desk: Any = GT_DESK) -> list[Document]:
    """Let a desk take and answer what waits."""
    async with AsyncExitStack() as stack:
        running = Running(world=ground.arena.world, gateway=ground.arena.gateway, stack=stack)
        return await running.receive(desk, idle=0.6)


@pytest.mark.parametrize("name", TAMPERED)
async def test_desk_returns_a_message_when_an_insider_changed_it(ground: Ground, name: str) -> None:
    """Nothing of it reaches the inbox, and the sender reads who refused, and why."""
    tamper, reason = TAMPERED[name]
    message_id, answer = await post(ground)
    other, _ = await post(ground)
    assert answer.status == 202
    tamper(ground, message_id, other)

    inbox = await received(ground)

    ids = [line["id"] for line in inbox]
    assert message_id not in ids
    assert other in ids, "the untouched message must arrive"
    async with ground.arena.world.client(FISCALIA) as client:
        (recipient,) = (await client.status(MessageId(message_id))).recipients
    assert (recipient.state.value, recipient.reason) == ("refused", reason)
    assert recipient.desk_evidence is not None
    kept = lines(ground.arena.world.folder_of(GT_DESK) / "refused.jsonl")
    assert message_id in [line["id"] for line in kept]


async def test_desk_returns_a_message_when_an_insider_redirects_it(ground: Ground) -> None:
    """A delivery that is put into another desk's queue opens nothing there."""
    message_id, _ = await post(ground)
    ground.write(
        "UPDATE deliveries SET queue = 'MX.HN.intelligence', desk_country = 'HN' WHERE message = "
        "(SELECT number FROM messages WHERE message_id = ?)",
        message_id,
    )

    inbox = await received(ground, HN_DESK)

    assert message_id not in [line["id"] for line in inbox]
    kept = lines(ground.arena.world.folder_of(HN_DESK) / "refused.jsonl")
    assert [line["reason"] for line in kept if line["id"] == message_id] == [RECEIPT]


async def test_settled_state_is_not_believed_when_an_insider_writes_it(ground: Ground) -> None:
    """A delivery that he marks as acknowledged has no desk's evidence to show."""
    message_id, _ = await post(ground)
    ground.write(
        "UPDATE deliveries SET state = 'acknowledged' WHERE message = "
        "(SELECT number FROM messages WHERE message_id = ?)",
        message_id,
    )
    answer = await ground.arena.attacker(FISCALIA).call("GET", f"/v1/messages/{message_id}")

    if answer.status == 200:
        (recipient,) = answer.json["recipients"]
        assert recipient["desk_evidence"] is None
        assert recipient["receipt"] is None
