"""Every place for private keys keeps one contract: a file, and a token."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from keys.algorithms import EncryptionAlgorithm, SignatureAlgorithm
from keys.custody.bundle import PrivateKey
from keys.custody.envelope import INTERACTIVE_DEMO
from keys.custody.file_provider import FileProvider
from keys.custody.provider import KeyProvider, KeyWish, open_provider
from keys.errors import CustodyError, CustodyFault, KeyFormatError
from keys.identifiers import parse_kid
from keys.key import DecryptionKey, SigningKey
from keys.secret import Passphrase
from tests.keys.conftest import MakeSigningKey
from tests.services.softhsm import PIN, SoftToken

FIRST, SECOND, OPENS = (parse_kid(f"GT-{name}") for name in ("ack-1", "ack-2", "desk-1"))
WISHES = (
    KeyWish(kid=FIRST, algorithm=SignatureAlgorithm.ED25519),
    KeyWish(kid=SECOND, algorithm=SignatureAlgorithm.ES256),
    KeyWish(kid=OPENS, algorithm=EncryptionAlgorithm.HPKE_9_KE),
)
MESSAGE, INFO = b"a message", b"a purpose"

Open = Callable[[Passphrase], KeyProvider]


@pytest.fixture(params=["file", pytest.param("token", marks=pytest.mark.softhsm)])
def opens(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Give what opens an empty place, and leave the token empty."""
    if request.param == "file":
        FileProvider.create(tmp_path / "keys", Passphrase.from_text(PIN), [], cost=INTERACTIVE_DEMO)
        yield lambda pin: open_provider(tmp_path / "keys", pin, cost=INTERACTIVE_DEMO)
        return
    softhsm: SoftToken = request.getfixturevalue("softhsm")
    yield lambda pin: open_provider(f"{softhsm.uri}&x-seed-file={tmp_path / 'seeds'}", pin)
    (tmp_path / "seeds").unlink(missing_ok=True)
    emptied = open_provider(softhsm.uri, softhsm.pin)
    for kid in emptied.read().signing:
        emptied.erase(kid)


@pytest.fixture
def provider(opens: Open) -> KeyProvider:
    """Open the empty place."""
    return opens(Passphrase.from_text(PIN))


def works(key: PrivateKey) -> bool:
    """Do its two halves belong together?"""
    if isinstance(key, SigningKey):
        key.public.verify(MESSAGE, key.sign(MESSAGE))
        return True
    return key.decrypt(*key.public.encrypt(MESSAGE, info=INFO), info=INFO) == MESSAGE


def test_generate_makes_keys_that_work_and_stay(provider: KeyProvider, opens: Open) -> None:
    """Whoever opens the place later finds the same keys, under the same names."""
    made = provider.generate(WISHES)

    read = opens(Passphrase.from_text(PIN)).read()
    assert [key.kid for key in made] == [FIRST, SECOND, OPENS]
    assert [key.algorithm for key in made] == [wish.algorithm for wish in WISHES]
    assert set(read.keys) == set(made)
    assert all(works(key) for key in (*made, *read.keys))


def test_generate_makes_all_or_nothing(provider: KeyProvider) -> None:
    """A name that is taken, twice wished, or an algorithm of others, leaves no key behind."""
    provider.generate(WISHES[:1])
    rsa = KeyWish(kid=SECOND, algorithm=SignatureAlgorithm.PS256)

    for refused in (WISHES, (WISHES[1], WISHES[1]), (WISHES[2], rsa)):
        with pytest.raises((CustodyError, KeyFormatError)):
            provider.generate(refused)

    assert set(provider.read().signing) == {FIRST}
    assert not provider.read().decryption


def test_add_takes_in_keys_of_elsewhere(
    provider: KeyProvider, signing_key: SigningKey, decryption_key: DecryptionKey
) -> None:
    """They are the same keys afterwards; a second one of a name is refused."""
    provider.add([signing_key, decryption_key])

    read = provider.read()
    assert set(read.keys) == {signing_key, decryption_key}
    assert all(works(key) for key in read.keys)
    with pytest.raises(CustodyError) as refused:
        provider.add([signing_key])
    assert refused.value.fault is CustodyFault.DUPLICATE_KEY
    assert provider.read().keys == read.keys


def test_erase_removes_one_key_and_no_other(provider: KeyProvider) -> None:
    """The others go on working; a key that is not there is an error."""
    provider.generate(WISHES)

    provider.erase(FIRST)
    provider.erase(OPENS)

    assert {key.kid for key in provider.read().keys} == {SECOND}
    assert all(works(key) for key in provider.read().keys)
    for kid in (FIRST, OPENS):
        with pytest.raises(CustodyError) as refused:
            provider.erase(kid)
        assert refused.value.fault is CustodyFault.UNKNOWN_KEY


def test_change_passphrase_keeps_the_keys(provider: KeyProvider, opens: Open) -> None:
    """The new one opens and the old one does not; an empty one is none."""
    before, new = provider.generate(WISHES), Passphrase.from_text("840216")

    with pytest.raises(CustodyError):
        provider.change_passphrase(Passphrase(b""))
    provider.change_passphrase(new)
    try:
        assert set(opens(new).read().keys) == set(before)
        with pytest.raises(CustodyError):
            opens(Passphrase.from_text(PIN)).read()
    finally:
        provider.change_passphrase(Passphrase.from_text(PIN))


def test_add_loses_no_key_when_many_add_at_once(
    opens: Open, make_signing_key: MakeSigningKey
) -> None:
    """Writers wait for each other, each with a provider of its own."""
    keys = [make_signing_key(f"MX-fge-{number}") for number in range(1, 7)]

    with ThreadPoolExecutor(max_workers=6) as threads:
        list(threads.map(lambda key: opens(Passphrase.from_text(PIN)).add([key]), keys))

    assert set(opens(Passphrase.from_text(PIN)).read().keys) == set(keys)


def test_sign_serves_many_threads(provider: KeyProvider) -> None:
    """Signatures of two keys do not get mixed up."""
    keys = provider.generate(WISHES[:2])

    with ThreadPoolExecutor(max_workers=8) as threads:
        assert all(threads.map(works, keys * 50))


def test_provider_has_no_text_and_no_copy(provider: KeyProvider) -> None:
    """It holds a passphrase."""
    assert PIN not in repr(provider)
    with pytest.raises(TypeError):
        str(provider)
    with pytest.raises(TypeError):
        provider.__reduce_ex__(2)
