"""Who speaks for a country, and does a new root follow from the old one?"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from keys import root as root_form
from keys import signed, statement, strict_json
from keys.algorithms import SignatureAlgorithm
from keys.errors import RootError, StatementError
from keys.identifiers import parse_kid
from keys.key import SigningKey
from keys.root import ROOT_TYP, Root, RootHolder, RootTerms, follow, verify_first, verify_next
from keys.statement import StatementTerms
from schemas.vocabulary import Country

MakeSigningKey = Callable[..., SigningKey]
MakeRootTerms = Callable[..., RootTerms]
SignedBy = Callable[[RootTerms, str], str]
DAY = timedelta(days=1)
ALL_NEW = "cuatro cinco seis"


@pytest.fixture
def signed_by(make_signing_key: MakeSigningKey) -> SignedBy:
    """Sign a root as some people, called by their names; of Mexico unless they say otherwise."""

    def sign(terms: RootTerms, names: str) -> str:
        kids = [name if "-" in name else f"MX-root-{name}" for name in names.split()]
        return root_form.sign(terms, [make_signing_key(kid) for kid in kids])

    return sign


@pytest.fixture
def first(make_root_terms: MakeRootTerms, signed_by: SignedBy) -> Root:
    """Pin a root with 2 of 3 holders: uno, dos, tres."""
    return verify_first(signed_by(make_root_terms(), "uno dos"))


@dataclass(frozen=True, kw_only=True)
class Row:
    """What the next root says, and who signs it."""

    names: str = "uno dos cuatro"
    signers: str
    changes: dict[str, object] = field(default_factory=dict)
    refused: str | None = None


OLD = NEW = "too few holders signed"
VERSION = "version is not the next"
ROWS = {
    "one holder replaced, signed by old and new: follows": Row(signers="uno dos"),
    "one holder replaced, signed by the one who leaves, too": Row(signers="uno tres cuatro"),
    "one holder replaced, the one who leaves makes up the old two": Row(signers="uno tres dos"),
    "nothing changed but the version": Row(names="uno dos tres", signers="dos tres"),
    "all holders replaced, two old and two new sign": Row(
        names=ALL_NEW, signers="uno dos cuatro cinco"
    ),
    "all holders replaced, signed by the new ones alone": Row(
        names=ALL_NEW, signers="cuatro cinco seis", refused=OLD
    ),
    "all holders replaced, signed by the old ones alone": Row(
        names=ALL_NEW, signers="uno dos tres", refused=NEW
    ),
    "all holders replaced, one old signs": Row(
        names=ALL_NEW, signers="uno cuatro cinco", refused=OLD
    ),
    "all holders replaced, one new signs": Row(
        names=ALL_NEW, signers="uno dos cuatro", refused=NEW
    ),
    "one holder replaced, not signed by enough old": Row(signers="uno cuatro", refused=OLD),
    "one holder replaced, not signed by enough new": Row(signers="uno tres", refused=NEW),
    "signed by nobody": Row(signers="", refused=OLD),
    "signed by one": Row(signers="uno", refused=OLD),
    "signed by two of another country": Row(signers="GT-root-uno GT-root-dos", refused=OLD),
    "threshold raised, three sign": Row(signers="uno dos cuatro", changes={"threshold": 3}),
    "threshold raised, the old two sign": Row(
        signers="uno dos", changes={"threshold": 3}, refused=NEW
    ),
    "five holders, threshold three": Row(
        names="uno dos tres cuatro cinco", signers="uno dos cinco", changes={"threshold": 3}
    ),
    "the same version": Row(signers="uno dos", changes={"version": 1}, refused=VERSION),
    "a version left out": Row(signers="uno dos", changes={"version": 3}, refused=VERSION),
    "another owner": Row(
        names="GT-root-uno GT-root-dos GT-root-tres", signers="uno dos", refused="another owner"
    ),
    "serial goes back": Row(
        signers="uno dos", changes={"first_serial": 1}, refused="are impossible"
    ),
    "issued before the old one": Row(
        signers="uno dos", changes={"issued": timedelta(days=-500)}, refused="are impossible"
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_verify_next_follows_only_when_old_and_new_agree(
    make_root_terms: MakeRootTerms, signed_by: SignedBy, now: datetime, row: Row
) -> None:
    """Two of the old three and enough of the new ones; the next version, and no other."""
    previous = verify_first(signed_by(make_root_terms(first_serial=5), "uno dos"))
    owner = Country.GUATEMALA if "GT-" in row.names else Country.MEXICO
    names = row.names.replace("GT-root-", "")
    changes: dict[str, object] = {"version": 2, "first_serial": 6, "issued": now} | row.changes
    if isinstance(changes["issued"], timedelta):
        changes["issued"] = now + changes["issued"]
    token = signed_by(make_root_terms(owner, names, **changes), row.signers)

    if row.refused is None:
        assert verify_next(token, previous=previous).version == 2
    else:
        with pytest.raises(RootError, match=row.refused):
            verify_next(token, previous=previous)


def test_verify_next_refuses_a_key_that_took_a_holders_name(
    make_root_terms: MakeRootTerms, make_signing_key: MakeSigningKey, first: Root, now: datetime
) -> None:
    """The kid of an old holder counts with his key alone."""
    terms = make_root_terms(version=2, issued=now)
    impostor = SigningKey.generate(SignatureAlgorithm.ED25519, parse_kid("MX-root-dos"))
    token = root_form.sign(terms, [make_signing_key("MX-root-uno"), impostor])

    with pytest.raises(RootError, match="does not hold"):
        verify_next(token, previous=first)


def test_verify_next_follows_when_the_old_root_has_expired(
    make_root_terms: MakeRootTerms, signed_by: SignedBy, now: datetime
) -> None:
    """A country that comes too late can come back."""
    expired = verify_first(signed_by(make_root_terms(expires=now - DAY), "uno dos"))

    found = verify_next(
        signed_by(make_root_terms(version=2, issued=now), "uno dos"), previous=expired
    )

    assert found.expires > now


def chain_tokens(make_root_terms: MakeRootTerms, signed_by: SignedBy, now: datetime) -> list[str]:
    """Write versions 2 to 4 after uno, dos, tres: each time one holder leaves."""
    steps = [("dos tres cuatro", "dos tres"), ("tres cuatro cinco", "tres cuatro"),
             ("cuatro cinco seis", "cuatro cinco")]  # fmt: skip
    return [
        signed_by(
            make_root_terms(
                names=names,
                version=number,
                first_serial=number * 10,
                issued=now + number * DAY,
            ),
            signers,
        )
        for number, (names, signers) in enumerate(steps, start=2)
    ]


def test_follow_finds_the_newest_root_in_whatever_order_they_come(
    make_root_terms: MakeRootTerms, signed_by: SignedBy, first: Root, now: datetime
) -> None:
    """Also among garbage, twice, and with a forged version in between."""
    tokens = chain_tokens(make_root_terms, signed_by, now)
    forged = signed_by(make_root_terms(names=ALL_NEW, version=2, issued=now), "cuatro cinco")

    for given in (tokens, tokens[::-1], ["x", forged, *tokens, *tokens]):
        chain = follow(first, given)
        assert [one.version for one in chain.versions] == [1, 2, 3, 4]
        assert {holder.name for holder in chain.newest.holders} == set(ALL_NEW.split())


def test_follow_stops_where_a_version_is_missing(
    make_root_terms: MakeRootTerms, signed_by: SignedBy, first: Root, now: datetime
) -> None:
    """Nobody is led from version 1 to version 3."""
    second, _, fourth = chain_tokens(make_root_terms, signed_by, now)

    assert follow(first, [second, fourth]).newest.version == 2
    assert follow(first, [fourth]).newest == first


def test_verify_refuses_a_new_statement_when_its_holders_have_left(
    make_root_terms: MakeRootTerms,
    make_signing_key: MakeSigningKey,
    signed_by: SignedBy,
    first: Root,
    now: datetime,
    terms: StatementTerms,
) -> None:
    """What uno and dos stated before counts for ever; from serial 40 on they state nothing."""
    roots = {Country.MEXICO: follow(first, chain_tokens(make_root_terms, signed_by, now))}
    old = [make_signing_key("MX-root-uno"), make_signing_key("MX-root-dos")]
    before, after = replace(terms, serial=19), replace(terms, serial=40)

    assert statement.verify(statement.issue(before, signers=old), roots=roots).root_version == 1
    for late in (replace(terms, serial=20), replace(terms, serial=30), after):
        with pytest.raises(StatementError, match="not signed by enough holders"):
            statement.verify(statement.issue(late, signers=old), roots=roots)
    new = [make_signing_key("MX-root-cuatro"), make_signing_key("MX-root-seis")]
    assert statement.verify(statement.issue(after, signers=new), roots=roots).root_version == 4


def test_verify_first_refuses_a_root_that_its_own_holders_did_not_sign(
    make_root_terms: MakeRootTerms, signed_by: SignedBy
) -> None:
    """Even the first one shows that its holders can sign."""
    for signers in ("", "uno", "uno cuatro", "GT-root-uno GT-root-dos"):
        with pytest.raises(RootError, match="too few"):
            verify_first(signed_by(make_root_terms(), signers))


def test_verify_first_refuses_a_document_made_for_something_else(
    make_root_terms: MakeRootTerms, make_signing_key: MakeSigningKey
) -> None:
    """The words of a root under another typ are no root."""
    keys = [make_signing_key("MX-root-uno"), make_signing_key("MX-root-dos")]
    payload = make_root_terms().payload()

    for token in (signed.sign(payload, keys, typ="enlace-act+jws"), "", "{}", "a.b.c"):
        with pytest.raises(RootError):
            verify_first(token)
    with pytest.raises(RootError):
        verify_first(signed.sign(b"[]", keys, typ=ROOT_TYP))


def holders_twice(terms: RootTerms) -> Sequence[RootHolder]:
    """One key under two names."""
    return (*terms.holders[:2], replace(terms.holders[0], name="tres"))


IMPOSSIBLE: dict[str, Callable[[RootTerms], dict[str, object]]] = {
    "two holders": lambda terms: {"holders": terms.holders[:2]},
    "threshold one": lambda _: {"threshold": 1},
    "threshold above all holders": lambda _: {"threshold": 4},
    "one key under two names": lambda terms: {"holders": holders_twice(terms)},
    "one name twice": lambda terms: {
        "holders": (*terms.holders[:2], replace(terms.holders[2], name="uno"))
    },
    "expires before it is issued": lambda terms: {"expires": terms.issued},
    "version zero": lambda _: {"version": 0},
    "serial zero": lambda _: {"first_serial": 0},
    "a name with a slash": lambda terms: {
        "holders": (*terms.holders[:2], replace(terms.holders[2], name="../tres"))
    },
    "another country's key": lambda _: {"owner": Country.GUATEMALA},
}


@pytest.mark.parametrize("change", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_terms_refuse_a_root_that_protects_nobody(
    make_root_terms: MakeRootTerms, change: Callable[[RootTerms], dict[str, object]]
) -> None:
    """One person alone, or one key for two, is no root."""
    terms = make_root_terms()

    with pytest.raises(RootError):
        replace(terms, **change(terms))


def test_read_refuses_a_member_too_many_or_too_few(
    make_root_terms: MakeRootTerms, make_signing_key: MakeSigningKey
) -> None:
    """Nothing has a default."""
    keys = [make_signing_key("MX-root-uno"), make_signing_key("MX-root-dos")]
    payload = strict_json.parse_object(make_root_terms().payload())
    shorter = [
        {name: value for name, value in payload.items() if name != left_out} for left_out in payload
    ]

    for members in ({**payload, "color": "red"}, *shorter):
        with pytest.raises(RootError):
            root_form.read(signed.sign(strict_json.write(members), keys, typ=ROOT_TYP))
