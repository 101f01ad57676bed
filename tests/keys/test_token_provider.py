"""What only a token does: keys that never leave it, and all the ways in which it is not there."""

import json
from pathlib import Path

import pytest

from keys.algorithms import EncryptionAlgorithm, SignatureAlgorithm
from keys.custody.provider import KeyWish, open_provider
from keys.custody.token_uri import TokenUri
from keys.errors import CustodyError, CustodyFault
from keys.identifiers import parse_kid
from keys.key import DecryptionKey, SigningKey
from keys.secret import Passphrase
from tests.services.softhsm import SoftToken

pytestmark = pytest.mark.softhsm
SIGNS, OPENS = parse_kid("GT-ack-1"), parse_kid("GT-desk-1")
SIGNING = KeyWish(kid=SIGNS, algorithm=SignatureAlgorithm.ED25519)
OPENING = KeyWish(kid=OPENS, algorithm=EncryptionAlgorithm.HPKE_9_KE)


@pytest.fixture
def seeds(tmp_path: Path) -> Path:
    """Name a seed file."""
    return tmp_path / "seeds"


def fault_of(location: str, pin: Passphrase) -> CustodyFault:
    """Say why a place does not open."""
    with pytest.raises(CustodyError) as refused:
        open_provider(location, pin)
    return refused.value.fault


@pytest.mark.parametrize("algorithm", [SignatureAlgorithm.ED25519, SignatureAlgorithm.ES256])
def test_generate_makes_a_key_that_cannot_be_taken_out(
    algorithm: SignatureAlgorithm, softhsm: SoftToken
) -> None:
    """The token says so itself, and gives no value."""
    import pkcs11  # noqa: PLC0415 - an extra

    provider = open_provider(softhsm.uri, softhsm.pin)
    (key,) = provider.generate([KeyWish(kid=SIGNS, algorithm=algorithm)])
    module = softhsm.uri.rpartition("=")[2]
    token = pkcs11.lib(module).get_token(token_label="enlace")
    with_login = token.open()
    wanted = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY}
    (held,) = with_login.get_objects(wanted)

    assert held[pkcs11.Attribute.SENSITIVE]
    assert not held[pkcs11.Attribute.EXTRACTABLE]
    assert held[pkcs11.Attribute.NEVER_EXTRACTABLE]
    with pytest.raises(pkcs11.exceptions.AttributeSensitive):
        held[pkcs11.Attribute.VALUE]
    with pytest.raises(CustodyError) as refused:
        key.export()
    assert refused.value.fault is CustodyFault.NOT_EXPORTABLE
    with_login.close()
    provider.erase(SIGNS)
    assert isinstance(key, SigningKey)
    with pytest.raises(CustodyError):
        key.sign(b"x")


def test_open_provider_says_what_is_wrong_with_a_token(softhsm: SoftToken, tmp_path: Path) -> None:
    """Away, another PIN, an empty one, no library, or no library at all."""
    wrong, module = Passphrase.from_text("000000"), softhsm.uri.rpartition("=")[2]
    spare = softhsm.uri.replace("=enlace", "=spare")
    junk = tmp_path / "junk.so"
    junk.write_bytes(b"no library")
    open_provider(softhsm.uri, softhsm.pin)

    assert fault_of(softhsm.uri, wrong) is CustodyFault.WRONG_PIN
    assert fault_of(spare, wrong) is CustodyFault.WRONG_PIN
    assert fault_of(spare, Passphrase(b"")) is CustodyFault.EMPTY_PASSPHRASE
    assert fault_of(softhsm.uri.replace("=enlace", "=away"), wrong) is CustodyFault.TOKEN_ABSENT
    assert fault_of(softhsm.uri.replace(module, str(junk)), wrong) is CustodyFault.NO_DRIVER
    assert fault_of(softhsm.uri.replace(module, "/absent"), wrong) is CustodyFault.NO_DRIVER
    other = softhsm.uri.replace("=enlace", "=enlace;serial=1")
    assert fault_of(other, wrong) is CustodyFault.TOKEN_ABSENT


def test_generate_removes_what_an_interrupted_erasure_left(softhsm: SoftToken) -> None:
    """A public half without its private one is no key, and does not stand in the way of one."""
    from pkcs11 import Attribute, ObjectClass  # noqa: PLC0415 - an extra

    from keys.custody.token_session import open_session  # noqa: PLC0415

    provider = open_provider(softhsm.uri, softhsm.pin)
    provider.generate([SIGNING])
    token = open_session(TokenUri.parse(softhsm.uri), softhsm.pin)
    private = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.LABEL: SIGNS}
    token.ask(lambda session: [each.destroy() for each in session.get_objects(private)])
    assert provider.read().keys == ()

    (key,) = provider.generate([SIGNING])

    assert provider.read().keys == (key,)
    provider.erase(SIGNS)


def test_erase_makes_backups_of_the_seed_file_worthless(softhsm: SoftToken, seeds: Path) -> None:
    """The token destroyed the key that opened them; the file shows no seed at any time."""
    provider = open_provider(f"{softhsm.uri}&x-seed-file={seeds}", softhsm.pin)
    (key,) = provider.generate([OPENING])
    backup = seeds.read_bytes()
    assert isinstance(key, DecryptionKey)
    assert json.loads(key.export().reveal())["priv"].encode() not in backup

    provider.erase(OPENS)
    seeds.write_bytes(backup)

    with pytest.raises(CustodyError) as refused:
        provider.read()
    assert refused.value.fault is CustodyFault.CANNOT_OPEN


@pytest.mark.parametrize("member", ["key", "nonce", "ciphertext", "format", "store"])
def test_read_refuses_a_changed_seed_file(member: str, softhsm: SoftToken, seeds: Path) -> None:
    """Every member is authenticated by the token's key, or leads to another key."""
    provider = open_provider(f"{softhsm.uri}&x-seed-file={seeds}", softhsm.pin)
    provider.generate([OPENING])
    document = json.loads(seeds.read_bytes())
    document[member] = "AAAA" + document[member][4:]
    seeds.write_text(json.dumps(document))

    with pytest.raises(CustodyError):
        provider.read()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format":"enlace-token-seeds-1"}'])
def test_read_refuses_what_is_no_seed_file(content: bytes, softhsm: SoftToken, seeds: Path) -> None:
    """A torn file is not an empty one."""
    seeds.touch(0o600)
    seeds.write_bytes(content)

    with pytest.raises(CustodyError) as refused:
        open_provider(f"{softhsm.uri}&x-seed-file={seeds}", softhsm.pin).read()

    assert refused.value.fault is CustodyFault.MALFORMED


def test_generate_takes_back_what_it_made_when_a_later_key_fails(softhsm: SoftToken) -> None:
    """Without a file for seeds, neither the seed nor the signing key before it is made."""
    provider = open_provider(softhsm.uri, softhsm.pin)

    with pytest.raises(CustodyError) as refused:
        provider.generate([SIGNING, OPENING])

    assert refused.value.fault is CustodyFault.NO_SEED_FILE
    assert provider.read().keys == ()
