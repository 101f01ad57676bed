"""Who may write into a compartment, and is there anybody who may read it (SG-02)?"""

import pytest

from broker.admission.policy import STANDARD_POLICY
from broker.admission.rules.compartments import forbidden_readers
from broker.model.names import AgencyRef
from schemas.vocabulary import AgencyFunction, Compartment, Kind
from tests.admission.region import (
    ALLOWED,
    CHANNEL,
    CHILDREN,
    CIVIL,
    FINANCE,
    GT,
    HN,
    INTELLIGENCE,
    JUDICIAL,
    ME,
    MIGRATION,
    MX,
    POLICE,
    PROSECUTION,
    PROTECTION,
    REFUGEES,
    SHELTER,
    Region,
    agency,
    around,
    charter,
    denied,
    message,
)


def test_kind_is_denied_outside_its_compartments() -> None:
    """A judicial request is for the judicial desk, whoever sends it."""
    sent = message(kind=Kind.JUDICIAL_REQUEST)

    assert denied(sent) == ("compartment-denied", "SG-02", "/to/compartment")


@pytest.mark.parametrize(
    "sender",
    [agency(MX, REFUGEES), agency(MX, CIVIL), AgencyRef(country=MX, agency="unknown")],
    ids=str,
)
def test_sender_is_denied_outside_its_compartments(sender: AgencyRef) -> None:
    """Neither a shelter nor a stranger writes into intelligence."""
    assert denied(message(sender=sender)) == ("compartment-denied", "SG-02", "/to/compartment")


@pytest.mark.parametrize("function", [POLICE, PROSECUTION, MIGRATION, FINANCE])
def test_protection_is_denied_where_nobody_may_read_it(function: AgencyFunction) -> None:
    """A protection desk in a country whose only agency is another: who would open it?"""
    region = Region({SHELTER: REFUGEES, agency(GT, function): function})
    sent = message(sender=SHELTER, compartment=PROTECTION)

    assert denied(sent, around(directory=region)) == (
        "compartment-denied",
        "SG-02",
        "/to/countries/0",
    )


@pytest.mark.parametrize("function", [REFUGEES, CHILDREN])
def test_protection_passes_where_somebody_may_read_it(function: AgencyFunction) -> None:
    """One agency that may read is enough."""
    region = Region({SHELTER: REFUGEES, agency(GT, function): function, agency(GT, POLICE): POLICE})

    assert denied(message(sender=SHELTER, compartment=PROTECTION), around(directory=region)) == (
        ALLOWED
    )


def test_intelligence_needs_no_registered_reader() -> None:
    """Only the compartments that the policy lists do."""
    assert denied(message(), around(directory=Region({ME: PROSECUTION}))) == ALLOWED


@pytest.mark.parametrize(
    ("kind", "addressed", "passes"),
    [
        (Kind.PROTECTION_REFERRAL, agency(GT, CIVIL), True),
        (Kind.PROTECTION_REFERRAL, agency(HN, CIVIL), False),
        (Kind.PROTECTION_REFERRAL, None, False),
        (Kind.GENERAL_REPORT, agency(GT, CIVIL), False),
    ],
)
def test_civil_society_reads_only_referrals_to_itself(
    kind: Kind, addressed: AgencyRef | None, *, passes: bool
) -> None:
    """Where a shelter is the only reader, it reads what names it and nothing else."""
    region = Region({SHELTER: REFUGEES, agency(GT, CIVIL): CIVIL})
    sent = message(sender=SHELTER, compartment=PROTECTION, kind=kind, addressed_to=addressed)

    assert (denied(sent, around(directory=region)) == ALLOWED) is passes


@pytest.mark.parametrize(
    ("compartment", "name", "passes"),
    [
        (PROTECTION, "child-protection", True),
        (PROTECTION, "police-intelligence", False),
        (PROTECTION, "migration-control", False),
        (PROTECTION, "civil-society", False),
        (PROTECTION, "prosecution", False),
        (PROTECTION, "unknown", False),
        (INTELLIGENCE, "police-intelligence", True),
        (INTELLIGENCE, "child-protection", False),
        (JUDICIAL, "migration-control", False),
    ],
)
def test_channel_is_denied_when_a_member_agency_may_not_read(
    compartment: Compartment, name: str, *, passes: bool
) -> None:
    """Whichever country named it, the recipient's or the sender's own."""
    sender = agency(MX, REFUGEES if compartment is PROTECTION else PROSECUTION)
    for members in (
        {MX: (sender.agency,), GT: (name,)},
        {MX: (sender.agency, name), GT: (sender.agency,)},
    ):
        if len({*members[MX]}) < len(members[MX]):
            continue
        terms = charter(members, compartment)
        circumstances = around(directory=Region(charters=[terms]))
        sent = message(sender=sender, channel=CHANNEL)

        expected = ALLOWED if passes else ("compartment-denied", "SG-02", "/to/channel")
        assert denied(sent, circumstances) == expected
        forbidden = forbidden_readers(terms, members, circumstances.directory, circumstances.policy)
        assert (forbidden == ()) is passes


def test_forbidden_readers_are_named_before_a_charter_is_proposed() -> None:
    """The convener reads which agencies to leave out."""
    terms = charter({GT: ("police-intelligence", "child-protection"), MX: ("x",)}, PROTECTION)

    assert forbidden_readers(terms, terms.members, Region(), STANDARD_POLICY) == (
        agency(GT, POLICE),
        AgencyRef(country=MX, agency="x"),
    )
    assert forbidden_readers(terms, [HN], Region(), STANDARD_POLICY) == ()
