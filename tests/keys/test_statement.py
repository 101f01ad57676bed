"""A country's word for a key."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from keys import root as root_form
from keys import signed, statement, strict_json
from keys.algorithms import SignatureAlgorithm
from keys.errors import StatementError
from keys.holder import Holder, HolderKind
from keys.identifiers import Exchange, Owner, parse_kid
from keys.key import KeyUse, SigningKey, VerificationKey
from keys.root import RootChain, Roots, RootTerms
from keys.statement import STATEMENT_TYP, StatementTerms
from keys.strict_json import JsonValue
from schemas.vocabulary import Compartment, Country

MakeSigningKey = Callable[..., SigningKey]
MakeRootTerms = Callable[..., RootTerms]
MakeSigners = Callable[..., list[SigningKey]]
PinRoot = Callable[..., RootChain]


@pytest.fixture
def holders_of(make_signing_key: MakeSigningKey) -> MakeSigners:
    """Give the keys of some holders of an owner's root."""

    def make(owner: Owner, names: str = "uno dos") -> list[SigningKey]:
        return [make_signing_key(f"{owner}-root-{name}") for name in names.split()]

    return make


@pytest.fixture
def signers(holders_of: MakeSigners) -> list[SigningKey]:
    """Give two of Mexico's three holders."""
    return holders_of(Country.MEXICO)


@pytest.fixture
def pin_root(make_root_terms: MakeRootTerms, holders_of: MakeSigners) -> PinRoot:
    """Sign an owner's first root and pin it."""

    def pin(owner: Owner, **changes: object) -> RootChain:
        terms = make_root_terms(owner, **changes)
        return RootChain((root_form.verify_first(root_form.sign(terms, holders_of(owner))),))

    return pin


@pytest.fixture
def roots(pin_root: PinRoot) -> Roots:
    """Give the roots of Mexico and Guatemala."""
    owners: tuple[Owner, ...] = (Country.MEXICO, Country.GUATEMALA)
    return {owner: pin_root(owner) for owner in owners}


def test_verify_returns_the_terms_that_were_issued(
    terms: StatementTerms, signers: list[SigningKey], roots: Roots
) -> None:
    """Everything comes back, with the token and the holders who signed it."""
    token = statement.issue(terms, signers=signers)

    read = statement.verify(token, roots=roots)

    assert (read.holder, read.use, read.key, read.serial) == (
        terms.holder, terms.use, terms.key, terms.serial,
    )  # fmt: skip
    assert (read.not_before, read.not_after) == (terms.not_before, terms.not_after)
    assert (read.token, read.owner, read.root_version) == (token, Country.MEXICO, 1)
    assert read.signed_with == {"MX-root-uno", "MX-root-dos"}


def test_verify_returns_an_encryption_key_for_a_desk(
    desk_terms: StatementTerms, holders_of: MakeSigners, roots: Roots
) -> None:
    """A post-quantum key of 1.2 KiB passes through its statement."""
    token = statement.issue(desk_terms, signers=holders_of(Country.GUATEMALA))

    assert statement.verify(token, roots=roots).key == desk_terms.key


def test_verify_reads_a_statement_of_the_exchange(
    terms: StatementTerms,
    make_signing_key: MakeSigningKey,
    holders_of: MakeSigners,
    pin_root: PinRoot,
) -> None:
    """The exchange states its own receipt key under its own root."""
    receipts = replace(
        terms,
        holder=Holder.service("receipts"),
        use=KeyUse.RECEIPT_SIGNATURE,
        key=make_signing_key("GW-receipt-1").public,
    )

    token = statement.issue(receipts, signers=holders_of(Exchange.GATEWAY))

    known: Roots = {Exchange.GATEWAY: pin_root(Exchange.GATEWAY)}
    assert statement.verify(token, roots=known).holder == Holder.service("receipts")


def test_valid_at_is_true_from_the_first_moment_until_before_the_last(
    terms: StatementTerms,
) -> None:
    """The beginning counts, the end does not."""
    moment = timedelta(seconds=1)

    assert terms.valid_at(terms.not_before)
    assert terms.valid_at(terms.not_after - moment)
    assert not terms.valid_at(terms.not_before - moment)
    assert not terms.valid_at(terms.not_after)


def test_issue_refuses_the_root_of_another_country(
    terms: StatementTerms, holders_of: MakeSigners
) -> None:
    """Guatemala's root states no Mexican key."""
    with pytest.raises(StatementError):
        statement.issue(terms, signers=holders_of(Country.GUATEMALA))


def payload_of(token: str) -> dict[str, JsonValue]:
    """Read what a statement says."""
    return strict_json.parse_object(signed.read(token).payload)


def test_verify_refuses_a_statement_when_too_few_of_the_countrys_holders_signed(
    terms: StatementTerms, roots: Roots, make_signing_key: MakeSigningKey
) -> None:
    """Nobody, one holder, foreign holders, other keys of the country, or an impostor's key."""
    uno, payload = make_signing_key("MX-root-uno"), terms.payload()
    impostor = SigningKey.generate(SignatureAlgorithm.ED25519, parse_kid("MX-root-dos"))
    names = ["GT-root-uno", "MX-root-cuatro", "MX-fge-1", "GW-root-uno"]
    seconds = [[make_signing_key(name)] for name in names]

    for others in ([], *seconds, [impostor]):
        token = signed.sign(payload, [uno, *others], typ=STATEMENT_TYP)
        with pytest.raises(StatementError):
            statement.verify(token, roots=roots)
    with pytest.raises(StatementError):
        statement.verify(signed.sign(payload, [], typ=STATEMENT_TYP), roots=roots)


def test_verify_refuses_a_statement_when_nobody_pinned_its_countrys_root(
    terms: StatementTerms, signers: list[SigningKey], roots: Roots
) -> None:
    """Who pinned Guatemala alone believes nothing of Mexico."""
    token = statement.issue(terms, signers=signers)
    known: Roots = {Country.GUATEMALA: roots[Country.GUATEMALA]}

    with pytest.raises(StatementError):
        statement.verify(token, roots=known)


def test_verify_refuses_a_statement_when_the_root_had_expired(
    terms: StatementTerms, signers: list[SigningKey], pin_root: PinRoot
) -> None:
    """An expired root states nothing new; what it stated before still counts."""
    token = statement.issue(terms, signers=signers)
    just_before: Roots = {Country.MEXICO: pin_root(Country.MEXICO, expires=terms.issued)}
    after = terms.issued + timedelta(seconds=1)
    just_after: Roots = {Country.MEXICO: pin_root(Country.MEXICO, expires=after)}

    assert statement.verify(token, roots=just_after).kid == terms.kid
    with pytest.raises(StatementError):
        statement.verify(token, roots=just_before)


def test_verify_refuses_a_token_made_for_something_else(
    terms: StatementTerms, signers: list[SigningKey], roots: Roots
) -> None:
    """The same words under another typ are no statement."""
    other = signed.sign(terms.payload(), signers, typ="enlace-receipt+jws")

    for token in (other, "", "a.b.c", "{}"):
        with pytest.raises(StatementError):
            statement.verify(token, roots=roots)
    with pytest.raises(StatementError):
        statement.verify(signed.sign(b"[]", signers, typ=STATEMENT_TYP), roots=roots)


CHANGES: dict[str, dict[str, JsonValue]] = {
    "another country": {"country": "GT"},
    "unknown country": {"country": "FR"},
    "country no text": {"country": None},
    "holder of no kind": {"holder": {"king": "fge"}},
    "holder of two kinds": {"holder": {"agency": "fge", "client": "fge"}},
    "holder no object": {"holder": "fge"},
    "holder with a strange name": {"holder": {"agency": "../fge"}},
    "holder no text": {"holder": {"agency": 1}},
    "desk of no compartment": {"holder": {"desk": "secret"}, "use": "desk_signature"},
    "service of a country": {"holder": {"service": "receipts"}, "use": "receipt_signature"},
    "unknown use": {"use": "everything"},
    "use of a client": {"use": "client_authentication"},
    "use of a desk": {"use": "desk_signature"},
    "use that needs another key": {
        "holder": {"desk": "intelligence"},
        "use": "desk_encryption",
    },
    "root by statement": {"use": "root_signature"},
    "no key": {"key": None},
    "key of no form": {"key": {"kty": "oct", "k": "AA"}},
    "time reversed": {"not_after": 1},
    "time a text": {"not_before": "2026-01-01"},
    "time a float": {"not_before": 1.5},
    "time true": {"not_before": True},
    "time beyond the calendar": {"not_after": 10**15},
    "serial zero": {"serial": 0},
    "serial negative": {"serial": -1},
    "member too many": {"color": "red"},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_verify_refuses_terms_that_do_not_belong_together(
    terms: StatementTerms,
    signers: list[SigningKey],
    roots: Roots,
    change: dict[str, JsonValue],
) -> None:
    """Even under the right root: country, holder, use, key and times must agree."""
    payload = payload_of(statement.issue(terms, signers=signers)) | change
    token = signed.sign(strict_json.write(payload), signers, typ=STATEMENT_TYP)

    with pytest.raises(StatementError):
        statement.verify(token, roots=roots)


def test_verify_refuses_a_member_too_few(
    terms: StatementTerms, signers: list[SigningKey], roots: Roots
) -> None:
    """Nothing has a default."""
    payload = payload_of(statement.issue(terms, signers=signers))

    for name in payload:
        shorter = {key: value for key, value in payload.items() if key != name}
        token = signed.sign(strict_json.write(shorter), signers, typ=STATEMENT_TYP)
        with pytest.raises(StatementError):
            statement.verify(token, roots=roots)


def test_verify_refuses_a_key_named_for_another_country(
    terms: StatementTerms,
    signers: list[SigningKey],
    roots: Roots,
    make_signing_key: MakeSigningKey,
) -> None:
    """Mexico cannot state a key that is called Guatemala's."""
    payload = payload_of(statement.issue(terms, signers=signers))
    payload["key"] = make_signing_key("GT-fge-1").public.jwk()
    token = signed.sign(strict_json.write(payload), signers, typ=STATEMENT_TYP)

    with pytest.raises(StatementError):
        statement.verify(token, roots=roots)


def test_terms_refuse_rsa_for_anything_but_client_authentication(
    terms: StatementTerms,
) -> None:
    """RSA is there for stock clients and signs no message."""
    n = "".join(("w" * 341, "Q"))
    key = VerificationKey.from_jwk({"kty": "RSA", "kid": "MX-c", "n": n, "e": "AQAB"})

    client = replace(
        terms, holder=Holder.client(Country.MEXICO, "c"), use=KeyUse.CLIENT_AUTHENTICATION, key=key
    )

    assert client.kid == "MX-c"
    with pytest.raises(StatementError):
        replace(terms, key=key)


def test_terms_refuse_a_key_of_the_wrong_kind(
    terms: StatementTerms, desk_terms: StatementTerms, make_signing_key: MakeSigningKey
) -> None:
    """A desk does not open with a key that verifies, nor sign with one that wraps."""
    with pytest.raises(StatementError):
        replace(desk_terms, key=make_signing_key("GT-a").public)
    with pytest.raises(StatementError):
        replace(desk_terms, use=KeyUse.DESK_SIGNATURE)
    assert terms.key != desk_terms.key


def test_holder_refuses_impossible_combinations() -> None:
    """A country has no services and the exchange no desks."""
    with pytest.raises(StatementError):
        Holder(Country.MEXICO, HolderKind.SERVICE, "receipts")
    with pytest.raises(StatementError):
        Holder(Exchange.GATEWAY, HolderKind.DESK, Compartment.JUDICIAL)
    with pytest.raises(StatementError):
        Holder.agency(Country.MEXICO, "")


def test_terms_refuse_times_that_end_before_they_begin(
    terms: StatementTerms, now: datetime
) -> None:
    """A key that is never valid is a mistake, not a key."""
    with pytest.raises(StatementError):
        replace(terms, not_before=now, not_after=now)
