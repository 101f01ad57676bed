"""Who decides where a message goes on to: he who wrote it (SG-05)?"""

from dataclasses import replace
from datetime import timedelta

import pytest

from schemas.vocabulary import Country, HandlingCode, Kind
from tests.admission.region import (
    ALLOWED,
    GT,
    H0,
    H1,
    H2,
    H3,
    HN,
    JUDICIAL,
    ME,
    MESSAGE,
    MX,
    NOW,
    PARTNER,
    POLICE,
    PROTECTION,
    SV,
    agency,
    allowed,
    around,
    denied,
    desk,
    known,
    message,
)
from tests.admission.rules.derived import DENIED, FROM_GT, GRANT, UNKNOWN, derived


def test_restricted_is_denied_to_whom_the_originator_did_not_grant() -> None:
    """From H2 on; the recipient is named by its place."""
    earlier = known(1, PARTNER, desk(MX), desk(HN), handling=H2)

    assert denied(derived(1, to=(HN, SV)), around(earlier))[2] == "/to/countries/1"
    assert denied(derived(1), around(FROM_GT)) == DENIED
    assert denied(derived(1, handling=H3), around(replace(FROM_GT, handling=H3))) == DENIED


@pytest.mark.parametrize("handling", [H0, H1])
def test_unrestricted_goes_where_the_sender_wants(handling: HandlingCode) -> None:
    """H1 asks for consent to use in court only."""
    assert denied(derived(1), around(replace(FROM_GT, handling=handling))) == ALLOWED


@pytest.mark.parametrize("to", [GT, HN])
def test_restricted_goes_back_and_to_who_had_it(to: Country) -> None:
    """The originator's own desk, and those that he sent it to."""
    earlier = known(1, PARTNER, desk(MX), desk(HN), handling=H2)

    assert denied(derived(1, to=(to,)), around(earlier)) == ALLOWED


def test_restricted_is_denied_to_whom_it_never_came() -> None:
    """Addressed to Honduras, and recalled before it was handed over there."""
    earlier = replace(
        known(1, PARTNER, desk(MX), desk(HN), handling=H2), held_by=frozenset({desk(MX)})
    )

    assert denied(derived(1, to=(HN,)), around(earlier)) == DENIED


@pytest.mark.parametrize("to", [GT, HN])
def test_restricted_stays_in_the_compartment_in_which_it_came(to: Country) -> None:
    """Another desk of the same country is another recipient."""
    earlier = known(1, PARTNER, desk(MX), desk(HN), handling=H2)
    sent = derived(1, to=(to,), compartment=PROTECTION, purpose="victim_protection")

    assert denied(sent, around(earlier)) == DENIED


def test_originator_sends_his_own_anywhere() -> None:
    """His restriction is for others, and he may also make it lighter."""
    own = known(1, ME, desk(HN), handling=H3)

    assert denied(derived(1, handling=H0), around(own)) == ALLOWED


def test_agency_of_the_same_country_is_not_the_originator() -> None:
    """What the police wrote, the prosecution does not free."""
    earlier = known(1, agency(MX, POLICE), desk(HN), handling=H2)

    assert denied(derived(1), around(earlier)) == DENIED


@pytest.mark.parametrize(
    ("change", "passes"),
    [
        ({}, True),
        ({"to_countries": frozenset({SV, HN})}, True),
        ({"to_countries": frozenset({HN})}, False),
        ({"to_countries": frozenset()}, False),
        ({"purposes": frozenset()}, True),
        ({"purposes": frozenset({"prevention"})}, False),
        ({"until": None}, True),
        ({"until": NOW}, True),
        ({"until": NOW - timedelta(seconds=1)}, False),
    ],
)
def test_grant_counts_for_its_country_purpose_and_time(
    change: dict[str, object], *, passes: bool
) -> None:
    """Each of the three must fit; no purpose means that of the message itself."""
    grant = replace(GRANT, **change)  # type: ignore[arg-type] # a table of members
    earlier = replace(FROM_GT, grants=(grant,))

    assert denied(derived(1), around(earlier)) == (ALLOWED if passes else DENIED)


def test_grant_without_purpose_is_for_the_purpose_of_the_message() -> None:
    """The original was for an investigation; prevention is another matter."""
    earlier = replace(FROM_GT, grants=(replace(GRANT, purposes=frozenset()),))

    assert denied(derived(1, purpose="prevention"), around(earlier)) == DENIED


def test_one_of_several_grants_is_enough() -> None:
    """An old one that has ended takes nothing from a new one."""
    ended = replace(GRANT, until=NOW - timedelta(days=1))

    assert denied(derived(1), around(replace(FROM_GT, grants=(ended, GRANT)))) == ALLOWED


def test_handling_is_not_made_lighter_by_handing_on() -> None:
    """Else the next one would be free to pass it to anybody."""
    granted = replace(FROM_GT, grants=(GRANT,))

    assert denied(derived(1, handling=H1), around(granted)) == (
        "handling-denied",
        "SG-05",
        "/handling/code",
    )
    assert denied(derived(1, handling=H3), around(granted)) == ALLOWED


def test_first_originator_is_asked_when_it_was_handed_on() -> None:
    """Honduras passes on what Guatemala restricted: Guatemala decides, not Honduras."""
    first = known(1, PARTNER, desk(HN), handling=H2)
    second = known(2, agency(HN, POLICE), desk(MX), handling=H2, roots={first.id})
    generous = replace(second, grants=(replace(GRANT, of=frozenset({second.id})),))

    assert denied(derived(2), around(generous, first)) == DENIED
    assert denied(derived(2), around(generous, replace(first, grants=(GRANT,)))) == ALLOWED
    assert denied(derived(2), around(second, replace(first, grants=(GRANT,)))) == DENIED


@pytest.mark.parametrize("kind", [Kind.RECALL, Kind.RECTIFICATION])
def test_rectification_is_held_to_what_it_derives_from(kind: Kind) -> None:
    """It goes where its message went, and carries nothing there that others restricted."""
    own = known(4, ME, desk(SV))
    sent = derived(1, kind=kind, concerns=own.id)
    grant = replace(GRANT, to_countries=frozenset({SV}))

    assert denied(sent, around(own, FROM_GT)) == DENIED
    assert denied(sent, around(own)) == UNKNOWN
    told = allowed(sent, around(own, replace(FROM_GT, grants=(grant,))))
    assert told.roots == {FROM_GT.id}
    alone = allowed(message(kind=kind, concerns=own.id, to=(SV,)), around(own))
    assert alone.roots == {MESSAGE.id}


@pytest.mark.parametrize("handling", [H1, H2, H3])
def test_judicial_use_is_denied_without_consent(handling: HandlingCode) -> None:
    """From H1 on, in the judicial compartment, even to who had the message."""
    earlier = known(1, PARTNER, desk(MX), desk(SV), desk(SV, JUDICIAL), handling=handling)
    sent = derived(1, compartment=JUDICIAL, handling=H3)

    assert denied(sent, around(earlier)) == DENIED
    assert denied(sent, around(replace(earlier, handling=H0))) == ALLOWED


@pytest.mark.parametrize(
    ("purposes", "passes"),
    [
        ({"prosecution"}, True),
        ({"prosecution", "investigation"}, True),
        ({"investigation"}, False),
        (set(), False),
    ],
)
def test_judicial_use_needs_a_grant_that_says_so(purposes: set[str], *, passes: bool) -> None:
    """A permission to investigate is none to prosecute."""
    grant = replace(GRANT, purposes=frozenset(purposes))
    earlier = replace(FROM_GT, handling=H1, grants=(grant,))
    sent = derived(1, compartment=JUDICIAL, purpose="prosecution")

    assert denied(sent, around(earlier)) == (ALLOWED if passes else DENIED)


def test_judicial_use_needs_a_grant_that_fits_otherwise_too() -> None:
    """For another country, or for a purpose that is not the message's, it does not count."""
    both = frozenset({"prosecution", "investigation"})
    sent = derived(1, compartment=JUDICIAL, purpose="asset_recovery")

    for grant in (replace(GRANT, purposes=both), replace(GRANT, to_countries=frozenset({HN}))):
        assert denied(sent, around(replace(FROM_GT, handling=H1, grants=(grant,)))) == DENIED


def test_judicial_use_is_denied_by_a_grant_to_investigate() -> None:
    """It fits the purpose that the message names, and not what the compartment is for."""
    sent = derived(1, compartment=JUDICIAL, purpose="investigation")

    assert denied(sent, around(replace(FROM_GT, handling=H1, grants=(GRANT,)))) == DENIED


@pytest.mark.parametrize(
    "more",
    [{"compartment": JUDICIAL}, {"purpose": "prosecution"}],
    ids=["compartment", "purpose"],
)
def test_judicial_use_is_consented_when_it_was_sent_for_that(more: dict[str, object]) -> None:
    """Who sent it for a court let it be used there."""
    earlier = replace(FROM_GT, handling=H1, **more)  # type: ignore[arg-type] # a table of members

    assert denied(derived(1, compartment=JUDICIAL), around(earlier)) == ALLOWED


def test_originator_uses_his_own_in_court() -> None:
    """His consent is his own."""
    own = known(1, ME, desk(HN), handling=H1)

    assert denied(derived(1, compartment=JUDICIAL), around(own)) == ALLOWED
