"""Private keys on their way between bytes and use: what holds bare secrets for a moment.

Whatever fails in here, no frame with a bare secret stays on the error.
"""

from typing import Final

from keys import hybrid, signature, strict_json
from keys import jwk as jwk_form
from keys.algorithms import EncryptionAlgorithm, SignatureAlgorithm
from keys.entropy import Entropy
from keys.secret import SecretBytes, without_frames
from keys.strict_json import JsonObject

SECRET_BYTES: Final = 32
P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
P256_DRAW_BYTES: Final = 40
"""64 bits more than the order, so that reducing them leaves no bias (FIPS 186-5 A.2.1)."""


@without_frames
def load_signer(algorithm: SignatureAlgorithm, secret: SecretBytes) -> tuple[signature.Sign, bytes]:
    """Load a private key of 32 bytes; return how it signs, and its public bytes.

    Raises:
        KeyFormatError: See :func:`keys.signature.signer`.
    """
    return signature.signer(algorithm, secret.reveal())


@without_frames
def load_halves(
    algorithm: EncryptionAlgorithm, seed: SecretBytes
) -> tuple[hybrid.PrivateHalves, bytes]:
    """Expand a seed to its private key; also give the public bytes.

    Raises:
        KeyFormatError: See :func:`keys.hybrid.load_private`.
    """
    return hybrid.load_private(algorithm, seed.reveal())


@without_frames
def draw_secret(algorithm: SignatureAlgorithm, draw: Entropy) -> SecretBytes:
    """Draw a signing key: 32 bytes (Ed25519), or 40 that are reduced to 32 (ES256)."""
    if algorithm is not SignatureAlgorithm.ES256:
        return SecretBytes(draw(SECRET_BYTES))
    number = int.from_bytes(draw(P256_DRAW_BYTES)) % (P256_ORDER - 1) + 1
    return SecretBytes(number.to_bytes(SECRET_BYTES))


@without_frames
def private_jwk(public: JsonObject, member: str, secret: SecretBytes) -> SecretBytes:
    """Write a private JWK: the public members, and the secret as one more."""
    private = {**public, member: jwk_form.text(secret.reveal())}
    return SecretBytes(strict_json.write(private))


def describe(key: object) -> str:
    """Name a private key, also one that is not whole yet, for who renders why it was refused."""
    kid, algorithm = getattr(key, "kid", None), getattr(key, "algorithm", None)
    return f"{type(key).__name__}(kid={kid!r}, algorithm={algorithm and algorithm.value!r})"
