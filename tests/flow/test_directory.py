"""The directory lets in what the countries' roots vouch for, and nothing else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from broker.directory import ClientRecord, Directory, DirectoryRecord
from broker.errors import KeyUnavailableError
from broker.model import AgencyRef, DeskRef, Scope
from broker.sandbox.countries import CountryKit
from keys.algorithms import SignatureAlgorithm
from keys.holder import Holder
from keys.identifiers import KeyId
from keys.key import KeyUse, SigningKey
from keys.statement import StatementTerms, issue
from schemas.vocabulary import Compartment, Country

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
FISCALIA = AgencyRef(country=Country.MEXICO, agency="fgr")
GT_DESK = DeskRef(country=Country.GUATEMALA, compartment=Compartment.INTELLIGENCE)


@pytest.fixture
def mexico() -> CountryKit:
    """A country with a root key of its own."""
    return CountryKit(country=Country.MEXICO, now=NOW)


def stated(kit: CountryKit, key: SigningKey, *, serial: int, start: datetime, end: datetime) -> str:
    """A statement of the country's root for its prosecution's signing key."""
    terms = StatementTerms(
        holder=Holder.agency(kit.country, "fgr"),
        use=KeyUse.MESSAGE_SIGNATURE,
        key=key.public,
        not_before=start,
        not_after=end,
        serial=serial,
        issued=start,
    )
    return issue(terms, root=kit.root)


def directory_of(kit: CountryKit, *statements: str) -> tuple[Directory, tuple[str, ...]]:
    """A directory of these statements, with only this country's root pinned."""
    record = DirectoryRecord(version=1, statements=statements)
    return Directory.verify(record, roots={kit.country: (kit.root.public,)})


def signing_key(name: str = "MX-fgr-1") -> SigningKey:
    """A new key of Mexico's prosecution."""
    return SigningKey.generate(SignatureAlgorithm.ED25519, KeyId(name))


def test_verify_keeps_a_renewed_key_good_for_what_it_signed_before(mexico: CountryKit) -> None:
    """Renewing a statement does not unsay the messages that are under way."""
    key = signing_key()
    directory, _ = directory_of(
        mexico,
        stated(mexico, key, serial=1, start=NOW - 30 * DAY, end=NOW + DAY),
        stated(mexico, key, serial=2, start=NOW, end=NOW + 365 * DAY),
    )

    assert directory.message_key(key.kid, NOW - 10 * DAY) == (key.public, FISCALIA)
    assert directory.message_key(key.kid, NOW + 300 * DAY) == (key.public, FISCALIA)


def test_verify_ends_a_key_when_its_newest_statement_ends(mexico: CountryKit) -> None:
    """A country takes a key back by a newer statement that is over."""
    key = signing_key()
    directory, _ = directory_of(
        mexico,
        stated(mexico, key, serial=2, start=NOW - 30 * DAY, end=NOW),
        stated(mexico, key, serial=1, start=NOW - 30 * DAY, end=NOW + 365 * DAY),
    )

    assert directory.message_key(key.kid, NOW + DAY) is None


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_verify_leaves_out_a_name_that_two_keys_have(
    mexico: CountryKit, order: tuple[int, int]
) -> None:
    """Whoever orders the rows must not choose between two keys of one name."""
    keys = signing_key(), signing_key()
    statements = [
        stated(mexico, key, serial=number, start=NOW - DAY, end=NOW + DAY)
        for number, key in enumerate(keys, start=1)
    ]

    directory, rejected = directory_of(mexico, *(statements[place] for place in order))

    assert directory.message_key(keys[0].kid, NOW) is None
    assert rejected == ("a key id names two keys",)


def test_verify_reports_a_statement_of_a_root_that_is_not_pinned(mexico: CountryKit) -> None:
    """A key that somebody else vouches for stays out, and is told."""
    stranger = CountryKit(country=Country.MEXICO, now=NOW)
    key = signing_key()

    directory, rejected = directory_of(
        mexico, stated(stranger, key, serial=1, start=NOW - DAY, end=NOW + DAY)
    )

    assert directory.message_key(key.kid, NOW) is None
    assert len(rejected) == 1


def test_message_key_is_for_messages_only(mexico: CountryKit) -> None:
    """The key that authenticates a client signs no message."""
    holding = mexico.agency(FISCALIA)
    directory, _ = directory_of(mexico, *mexico.statements)

    assert directory.message_key(holding.authentication.kid, NOW) is None
    assert directory.message_key(holding.signature.kid, NOW) == (
        holding.signature.public,
        FISCALIA,
    )


def test_encryption_key_is_unavailable_when_none_is_current(mexico: CountryKit) -> None:
    """Nothing is sealed to a desk that published no key; the sender may try again."""
    directory, _ = directory_of(mexico)

    with pytest.raises(KeyUnavailableError):
        directory.encryption_key(GT_DESK, NOW)


def test_client_is_unknown_when_its_subject_takes_no_part() -> None:
    """An agency that left has no clients, whatever rows are left of it."""
    client = ClientRecord(
        client_id="mx-fgr", subject=FISCALIA, scopes=frozenset({Scope.MESSAGES_SEND})
    )
    record = replace(DirectoryRecord(version=1), clients=(client,))
    directory, _ = Directory.verify(record, roots={})

    assert directory.client("mx-fgr") is None
