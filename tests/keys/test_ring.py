"""Which key, for whom, for what, at this moment?"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from keys.errors import KeysError, NoKeyError
from keys.holder import Holder
from keys.identifiers import parse_kid
from keys.key import KeyUse, SigningKey
from keys.ring import InFlight, KeyRing, KeyState, RingEntry
from keys.statement import KeyStatement, StatementTerms
from schemas.vocabulary import Compartment, Country

MakeSigningKey = Callable[..., SigningKey]
MakeStatement = Callable[[StatementTerms], KeyStatement]
AGENCY = Holder.agency(Country.MEXICO, "fge")
DAY = timedelta(days=1)
TAKEN_OUT = frozenset({KeyState.SUSPENDED, KeyState.COMPROMISED})


def entry(stated_key: KeyStatement, state: KeyState, since: datetime) -> RingEntry:
    """Put a stated key into a state."""
    revoked_since = since if state in TAKEN_OUT else None
    return RingEntry(statement=stated_key, state=state, since=since, revoked_since=revoked_since)


MAY_SIGN = {state: "yes" if state is KeyState.ACTIVE else "no" for state in KeyState}


@pytest.mark.parametrize(("state", "expected"), MAY_SIGN.items(), ids=str)
def test_key_for_gives_only_active_keys_and_evidence_outlives_them(
    terms: StatementTerms,
    stated: MakeStatement,
    now: datetime,
    state: KeyState,
    expected: str,
) -> None:
    """New work wants an active key; a signature from before the change verifies for ever."""
    ring = KeyRing([entry(stated(terms), state, now)])

    if expected == "yes":
        assert ring.key_for(AGENCY, KeyUse.MESSAGE_SIGNATURE, now) == terms.key
    else:
        with pytest.raises(NoKeyError):
            ring.key_for(AGENCY, KeyUse.MESSAGE_SIGNATURE, now)
    verifying = ring.keys_that_verify(AGENCY, KeyUse.MESSAGE_SIGNATURE, now - DAY)
    assert verifying == (terms.key,)


@pytest.mark.parametrize("state", [KeyState.SUSPENDED, KeyState.COMPROMISED])
def test_keys_that_verify_ends_with_the_revocation(
    terms: StatementTerms, stated: MakeStatement, now: datetime, state: KeyState
) -> None:
    """From the moment of revocation on the key proves nothing."""
    ring = KeyRing([entry(stated(terms), state, now)])

    assert ring.keys_that_verify(AGENCY, KeyUse.MESSAGE_SIGNATURE, now - DAY) == (terms.key,)
    assert ring.keys_that_verify(AGENCY, KeyUse.MESSAGE_SIGNATURE, now) == ()


def test_key_for_prefers_the_key_that_was_stated_last(
    terms: StatementTerms, stated: MakeStatement, now: datetime, make_signing_key: MakeSigningKey
) -> None:
    """Of two active keys the higher serial wins, in whatever order they came."""
    newer = stated(replace(terms, serial=9, key=make_signing_key("MX-fge-2").public))
    older = stated(terms)

    for order in ([older, newer], [newer, older]):
        ring = KeyRing(entry(one, KeyState.ACTIVE, now - DAY) for one in order)
        assert ring.key_for(AGENCY, KeyUse.MESSAGE_SIGNATURE, now) == newer.key


def test_key_for_refuses_outside_of_the_keys_time_holder_and_use(
    terms: StatementTerms, stated: MakeStatement, now: datetime
) -> None:
    """Expired, not yet active, another holder, another use, an empty ring."""
    ring = KeyRing([entry(stated(terms), KeyState.ACTIVE, now)])
    other = Holder.agency(Country.MEXICO, "other")
    cases = [
        (ring, AGENCY, KeyUse.MESSAGE_SIGNATURE, terms.not_after),
        (ring, AGENCY, KeyUse.MESSAGE_SIGNATURE, now - DAY),
        (ring, other, KeyUse.MESSAGE_SIGNATURE, now),
        (ring, AGENCY, KeyUse.CLIENT_AUTHENTICATION, now),
        (KeyRing(), AGENCY, KeyUse.MESSAGE_SIGNATURE, now),
    ]

    for known, holder, use, at in cases:
        with pytest.raises(NoKeyError):
            known.key_for(holder, use, at)
    assert ring.keys_that_verify(AGENCY, KeyUse.MESSAGE_SIGNATURE, terms.not_after) == ()


def test_encryption_key_for_gives_the_desks_key(
    desk_terms: StatementTerms, stated: MakeStatement, now: datetime
) -> None:
    """A desk's key can be sealed to; it verifies nothing."""
    ring = KeyRing([entry(stated(desk_terms), KeyState.ACTIVE, now)])
    desk = Holder.desk(Country.GUATEMALA, Compartment.INTELLIGENCE)

    assert ring.encryption_key_for(desk, now) == desk_terms.key
    assert ring.keys_that_verify(desk, KeyUse.DESK_ENCRYPTION, now) == ()
    with pytest.raises(NoKeyError):
        ring.encryption_key_for(Holder.desk(Country.GUATEMALA, Compartment.JUDICIAL), now)


def test_with_counts_takes_a_key_for_unused_when_it_is_not_named(
    desk_terms: StatementTerms, stated: MakeStatement, now: datetime
) -> None:
    """A ring is a value: the old one still knows of no counts."""
    before = KeyRing([entry(stated(desk_terms), KeyState.DRAINING, now)])

    counted = before.with_counts({desk_terms.kid: InFlight(count=2)})
    unnamed = before.with_counts({})

    found = [ring.entries[desk_terms.kid].in_flight for ring in (before, counted, unnamed)]
    assert found == [None, InFlight(count=2), InFlight(count=0)]
    assert before.by_kid(parse_kid("MX-nobody")) is None


def test_ring_refuses_two_keys_of_one_name(
    terms: StatementTerms, stated: MakeStatement, now: datetime
) -> None:
    """Otherwise each verifier could be shown another one."""
    one = entry(stated(terms), KeyState.ACTIVE, now)

    with pytest.raises(KeysError):
        KeyRing([one, one])
