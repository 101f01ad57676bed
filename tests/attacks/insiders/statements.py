"""Statements that an insider writes, and keys of his own under other people's names."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from keys import signed, statement, strict_json
from keys.algorithms import EncryptionAlgorithm, SignatureAlgorithm
from keys.identifiers import KeyId
from keys.key import DecryptionKey, KeyUse, SigningKey
from schemas.vocabulary import Country
from tests.attacks.insiders.ground import Ground
from tests.flow.conftest import Document

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


def reader(kid: str) -> DecryptionKey:
    """The insider's own encryption key."""
    return DecryptionKey.generate(EncryptionAlgorithm.HPKE_9_KE, KeyId(kid))


def statement_of(ground: Ground, country: Country, use: KeyUse, holder: str) -> str:
    """A true statement of a country's key."""
    for token in ground.kits[country].statements:
        said = statement.read(token)
        if said.use is use and said.holder.name == holder:
            return token
    raise AssertionError("no such statement")
