"""A sealed message and those who can open it."""

import hashlib
from collections.abc import Callable

import pytest

from broker.sealing.content import SignedContent
from broker.sealing.route import SealRoute
from broker.sealing.seal import SealedMessage, seal
from keys import jws
from keys.algorithms import EncryptionAlgorithm, SignatureAlgorithm
from keys.identifiers import parse_kid
from keys.key import DecryptionKey, SigningKey
from schemas.vocabulary import Compartment, Country, Kind, Urgency

BODY = '{"id":"0197f3a2","body":"Tapachula, 14 personas, dos vehículos"}'.encode()


def counter(label: str) -> Callable[[int], bytes]:
    """Give bytes that look random and are the same in every run."""
    return lambda size: hashlib.shake_256(label.encode()).digest(size)


@pytest.fixture(scope="session")
def make_key() -> Callable[..., DecryptionKey]:
    """Make a desk's key of any name."""

    def make(
        kid: str, algorithm: EncryptionAlgorithm = EncryptionAlgorithm.HPKE_9_KE
    ) -> DecryptionKey:
        return DecryptionKey.generate(algorithm, parse_kid(kid), counter(kid))

    return make


@pytest.fixture(scope="session")
def guatemala(make_key: Callable[..., DecryptionKey]) -> DecryptionKey:
    """Give the key of a desk with the usual suite."""
    return make_key("GT-intelligence-1")


@pytest.fixture(scope="session")
def honduras(make_key: Callable[..., DecryptionKey]) -> DecryptionKey:
    """Give the key of a desk with the larger suite."""
    return make_key("HN-intelligence-1", EncryptionAlgorithm.HPKE_10_KE)


@pytest.fixture(scope="session")
def route() -> SealRoute:
    """Send from Mexico to two countries."""
    return SealRoute(
        message_id="0197f3a2-1b2c-7d3e-8f40-123456789abc",
        origin=Country.MEXICO,
        agency="fge",
        countries=(Country.GUATEMALA, Country.HONDURAS),
        compartment=Compartment.INTELLIGENCE,
        kind=Kind.ROUTE_REPORT,
        version="1.0",
        created="2026-11-23T12:00:00-06:00",
        urgency=Urgency.PRIORITY,
        expires="2027-11-23T12:00:00-06:00",
    )


@pytest.fixture(scope="session")
def content() -> SignedContent:
    """Sign a short body."""
    key = SigningKey.generate(SignatureAlgorithm.ED25519, parse_kid("MX-fge-1"), counter("fge"))
    claims: dict[str, str | int] = {"mid": "0197f3a2", "org": "MX.fge", "sch": "r/1.0", "iat": 1}
    signature = jws.sign_detached(BODY, key, typ=jws.MESSAGE_TYP, claims=claims)
    return SignedContent(body=BODY, signature=signature)


@pytest.fixture(scope="session")
def sealed(
    content: SignedContent, route: SealRoute, guatemala: DecryptionKey, honduras: DecryptionKey
) -> SealedMessage:
    """Seal it to both desks."""
    return seal(content, route, [guatemala.public, honduras.public], counter("message"))
