"""The directory lets in what the countries' roots vouch for, and nothing else."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from broker.directory import ClientRecord, Directory, DirectoryRecord
from broker.directory_watch import DirectoryWatch
from broker.errors import KeyUnavailableError
from broker.model.names import AgencyRef, DeskRef, Scope
from broker.ports.directory import DirectoryStore
from broker.sandbox.countries import CountryKit
from keys.act_kind import ActKind
from keys.algorithms import EncryptionAlgorithm, SignatureAlgorithm
from keys.holder import Holder
from keys.identifiers import KeyId
from keys.key import DecryptionKey, KeyUse, SigningKey
from keys.statement import StatementTerms, issue
from schemas.vocabulary import Compartment, Country

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
FISCALIA = AgencyRef(country=Country.MEXICO, agency="fgr")
GT_DESK = DeskRef(country=Country.GUATEMALA, compartment=Compartment.INTELLIGENCE)


@pytest.fixture
def mexico() -> CountryKit:
    """A country with a root of its own."""
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
    return issue(terms, signers=kit.signers)


def directory_of(kit: CountryKit, *statements: str) -> tuple[Directory, tuple[str, ...]]:
    """A directory of these statements, with only this country's root pinned."""
    record = DirectoryRecord(version=1, statements=statements)
    return Directory.verify(record, roots={kit.country: kit.root}, now=NOW)


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


def test_verify_leaves_a_name_to_the_first_key_that_had_it(mexico: CountryKit) -> None:
    """Serials rise, so whoever orders the rows cannot choose; what was done with it stays done."""
    keys = signing_key(), signing_key()
    statements = [
        stated(mexico, key, serial=number, start=NOW - DAY, end=NOW + DAY)
        for number, key in enumerate(keys, start=1)
    ]

    directory, rejected = directory_of(mexico, *statements)

    found = directory.message_key(keys[0].kid, NOW)
    assert found is not None
    assert found[0].form == keys[0].public.form
    assert rejected == ("a key id names two keys",)


def test_verify_ends_a_key_no_earlier_than_the_statement_that_says_so(mexico: CountryKit) -> None:
    """What was signed until then was signed with a key that counted."""
    key = signing_key()
    first = stated(mexico, key, serial=1, start=NOW - 9 * DAY, end=NOW + 9 * DAY)
    ended = stated(mexico, key, serial=2, start=NOW - 9 * DAY, end=NOW - 5 * DAY)
    came = (NOW - 8 * DAY, NOW - 2 * DAY)
    record = DirectoryRecord(version=1, statements=(first, ended), recorded=came)

    directory, _ = Directory.verify(record, roots={mexico.country: mexico.root}, now=NOW)

    assert directory.ring.entries[key.kid].statement.not_after == NOW - 2 * DAY


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


def test_directory_changes_by_itself_when_a_time_lock_is_over(mexico: CountryKit) -> None:
    """Nobody writes anything: ``due`` says when to look, and the key is active then."""
    desk = DeskRef(country=Country.MEXICO, compartment=Compartment.INTELLIGENCE)
    holding = mexico.desk(desk)
    acts = mexico.decide(ActKind.ACTIVATE, keys=mexico.desk_keys, at=(NOW, NOW))
    directory, rejected = directory_of(mexico, *mexico.statements, *acts)

    due = directory.due()
    assert (rejected, due) == ((), NOW + DAY)
    with pytest.raises(KeyUnavailableError):
        directory.encryption_key(desk, NOW)
    later = directory.stepped(NOW + DAY)

    assert holding.decryption is not None
    assert later.encryption_key(desk, NOW + DAY) == holding.decryption.public
    assert later.record is directory.record


def test_open_pairs_leaves_out_a_road_when_its_desk_does_not_exist(mexico: CountryKit) -> None:
    """Acts open roads; whether a desk stands at their end, the rows say."""
    acts = mexico.decide(ActKind.OPEN, pairs=["MX.GT.intelligence", "GT.MX.nowhere"])
    directory, _ = directory_of(mexico, *mexico.statements, *acts)

    assert directory.decisions.open_pairs(NOW) == {"MX.GT.intelligence", "GT.MX.nowhere"}
    assert directory.open_pairs == ()


def test_client_is_unknown_when_its_subject_takes_no_part() -> None:
    """An agency that left has no clients, whatever rows are left of it."""
    client = ClientRecord(
        client_id="mx-fgr", subject=FISCALIA, scopes=frozenset({Scope.MESSAGES_SEND})
    )
    record = replace(DirectoryRecord(version=1), clients=(client,))
    directory, _ = Directory.verify(record, roots={}, now=NOW)

    assert directory.client("mx-fgr") is None


class Rows:
    """A ledger's rows, that do not change."""

    def __init__(self, *statements: str) -> None:
        self.record = DirectoryRecord(version=1, statements=statements)

    async def version(self) -> int:
        """See ``DirectoryStore.version``."""
        return self.record.version

    async def load(self) -> DirectoryRecord:
        """See ``DirectoryStore.load``."""
        return self.record


async def test_at_takes_the_next_key_when_its_time_comes_between_two_looks(
    mexico: CountryKit,
) -> None:
    """A lock that ends takes effect in that moment, and not when the ledger is asked again."""
    desk = DeskRef(country=Country.MEXICO, compartment=Compartment.INTELLIGENCE)
    holder = Holder.desk(desk.country, desk.compartment)
    first = mexico.desk(desk).decryption
    second = DecryptionKey.generate(EncryptionAlgorithm.HPKE_9_KE, KeyId("MX-desk-2"))
    mexico.state(holder, KeyUse.DESK_ENCRYPTION, second.public)
    decided = NOW - DAY + timedelta(seconds=5)
    acts = mexico.decide(ActKind.ACTIVATE, keys=[second.kid], at=(decided, decided))
    rows = Rows(*mexico.statements, *mexico.acts, *acts)
    watch = DirectoryWatch(
        cast("DirectoryStore", rows), roots=lambda: {mexico.country: mexico.root}, clock=lambda: NOW
    )
    await watch.refresh()

    moments = [NOW + timedelta(seconds=seconds) for seconds in (0, 4, 5, 6)]
    keys = [watch.at(moment).encryption_key(desk, moment).kid for moment in moments]

    assert first is not None
    assert keys == [first.kid, first.kid, second.kid, second.kid]
