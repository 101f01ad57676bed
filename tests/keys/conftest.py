"""Keys for the tests, drawn from a counter so that every run has the same ones."""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from keys import root as root_form
from keys import statement
from keys.algorithms import EncryptionAlgorithm, SignatureAlgorithm
from keys.holder import Holder
from keys.identifiers import Owner, parse_kid
from keys.key import DecryptionKey, KeyUse, SigningKey
from keys.root import RootChain, RootHolder, RootTerms
from keys.statement import KeyStatement, StatementTerms
from schemas.vocabulary import Compartment, Country
from tests.services.softhsm import softhsm

__all__ = ["softhsm"]

MakeSigningKey = Callable[..., SigningKey]
MakeRootTerms = Callable[..., RootTerms]
MakeStatement = Callable[[StatementTerms], KeyStatement]


def counter(label: str) -> Callable[[int], bytes]:
    """Give bytes that look random and are the same in every run."""
    return lambda size: hashlib.shake_256(label.encode()).digest(size)


@pytest.fixture(scope="session")
def make_signing_key() -> MakeSigningKey:
    """Make a signing key of any name."""

    def make(
        kid: str = "MX-fge-1", algorithm: SignatureAlgorithm = SignatureAlgorithm.ED25519
    ) -> SigningKey:
        return SigningKey.generate(algorithm, parse_kid(kid), counter(kid + algorithm))

    return make


@pytest.fixture(scope="session")
def make_root_terms(make_signing_key: MakeSigningKey, now: datetime) -> MakeRootTerms:
    """Write a root of any owner; its holders are called by their names."""

    def make(
        owner: Owner = Country.MEXICO, names: str = "uno dos tres", **changes: object
    ) -> RootTerms:
        terms: dict[str, object] = {
            "version": 1,
            "threshold": 2,
            "first_serial": 1,
            "issued": now.replace(year=2025),
            "expires": now.replace(year=2028),
        }
        holders = tuple(
            RootHolder(name=name, key=make_signing_key(f"{owner}-root-{name}").public)
            for name in names.split()
        )
        return RootTerms(owner=owner, holders=holders, **(terms | changes))  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="session")
def stated(make_signing_key: MakeSigningKey, make_root_terms: MakeRootTerms) -> MakeStatement:
    """Sign terms with the root of their owner and read them back."""

    def make(terms: StatementTerms) -> KeyStatement:
        signers = [make_signing_key(f"{terms.owner}-root-{name}") for name in ("uno", "dos")]
        token = root_form.sign(make_root_terms(terms.owner), signers)
        roots = {terms.owner: RootChain((root_form.verify_first(token),))}
        return statement.verify(statement.issue(terms, signers=signers), roots=roots)

    return make


@pytest.fixture(params=[SignatureAlgorithm.ED25519, SignatureAlgorithm.ES256])
def signing_key(request: pytest.FixtureRequest, make_signing_key: MakeSigningKey) -> SigningKey:
    """Give a signing key of each algorithm that we sign with."""
    return make_signing_key(algorithm=request.param)


@pytest.fixture(params=[EncryptionAlgorithm.HPKE_9_KE, EncryptionAlgorithm.HPKE_10_KE])
def decryption_key(request: pytest.FixtureRequest) -> DecryptionKey:
    """Give a decryption key of each algorithm."""
    return DecryptionKey.generate(request.param, parse_kid("GT-desk-1"), counter(request.param))


@pytest.fixture(scope="session")
def now() -> datetime:
    """Stand still in time."""
    return datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def terms(make_signing_key: MakeSigningKey, now: datetime) -> StatementTerms:
    """State a key of a Mexican agency for two years around now."""
    return StatementTerms(
        holder=Holder.agency(Country.MEXICO, "fge"),
        use=KeyUse.MESSAGE_SIGNATURE,
        key=make_signing_key().public,
        not_before=now.replace(year=2026, month=1),
        not_after=now.replace(year=2028, month=1),
        serial=1,
        issued=now.replace(year=2026, month=1),
    )


@pytest.fixture
def desk_terms(now: datetime) -> StatementTerms:
    """State an encryption key of the Guatemalan intelligence desk."""
    key = DecryptionKey.generate(
        EncryptionAlgorithm.HPKE_9_KE, parse_kid("GT-intelligence-1"), counter("desk")
    )
    return StatementTerms(
        holder=Holder.desk(Country.GUATEMALA, Compartment.INTELLIGENCE),
        use=KeyUse.DESK_ENCRYPTION,
        key=key.public,
        not_before=now.replace(month=1),
        not_after=now.replace(year=2028),
        serial=4,
        issued=now.replace(month=1),
    )
