"""Each safeguard as a table: what it denies, in which words, and what it lets pass."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from broker.admission.circumstances import Circumstances
from broker.admission.policy import EMPTY_POLICY, STANDARD_POLICY
from broker.admission.rules.compartments import forbidden_readers
from broker.admission.rules.lineage import unknown_roots
from broker.admission.rules.table import AT_THE_DESK, RULES
from broker.model.facts import Evaluation, Grant, KnownMessage
from broker.model.message import Message
from broker.model.names import AgencyRef, DeskRef, MessageId
from keys.charter import Sealing
from schemas.vocabulary import AgencyFunction, Compartment, Country, HandlingCode, Kind, Urgency
from tests.admission.region import (
    ALLOWED,
    CHANNEL,
    CHILDREN,
    CIVIL,
    EVERY_AGENCY,
    FINANCE,
    INTELLIGENCE,
    JUDICIAL,
    MESSAGE,
    MIGRATION,
    NOW,
    POLICE,
    PROSECUTION,
    PROTECTION,
    REFUGEES,
    Region,
    agency,
    allowed,
    around,
    charter,
    denied,
    known,
    message,
    message_id_of,
)

GT, HN, MX, SV, US = (
    Country.GUATEMALA,
    Country.HONDURAS,
    Country.MEXICO,
    Country.EL_SALVADOR,
    Country.UNITED_STATES,
)
H0, H1, H2, H3 = HandlingCode
SHELTER = agency(MX, REFUGEES)
ME = MESSAGE.sender
PARTNER = agency(GT, PROSECUTION)


def desk(country: Country, compartment: Compartment = INTELLIGENCE) -> DeskRef:
    """A country's desk."""
    return DeskRef(country=country, compartment=compartment)


def test_rules_are_all_there() -> None:
    """Each safeguard that is a question to a message stands in the table."""
    names = {rule.name for rule in RULES}

    assert names == {
        "policy",
        "SG-01",
        "SG-02",
        "SG-03",
        "SG-04",
        "SG-05",
        "SG-06",
        "SG-10",
        "SG-11",
        "SG-13",
        "charter",
    }
    assert RULES[0].name == "policy"


def test_rules_that_need_nothing_else_are_asked_at_the_desk_too() -> None:
    """What a desk can judge by the content alone it judges again."""
    again = {rule.name for rule in RULES if rule.at_the_desk}

    assert again == {"policy", "SG-01", "SG-02", "SG-03", "SG-04", "SG-06", "SG-10"}
    assert len(AT_THE_DESK) == sum(rule.at_the_desk for rule in RULES) + 1


def test_rules_say_where_else_they_are_asked() -> None:
    """Of a recall only what it says itself; without a ledger nothing about earlier messages."""
    of_a_recall = {
        rule.check.__name__ for rule in RULES if rule.of_a_recall and not rule.of_earlier
    }
    of_earlier = {rule.name for rule in RULES if rule.of_earlier}
    again = {rule.check.__name__ for rule in RULES if rule.at_the_desk}

    assert of_a_recall == {"origin_seals", "no_child_is_exposed", "codes_not_stories"}
    assert of_earlier == {"SG-05", "SG-11", "SG-13"}
    assert {rule.name for rule in RULES if rule.of_earlier and not rule.of_a_recall} == {"SG-13"}
    assert again == {
        "there_are_rules",
        "kind_fits",
        "marks_stay_in_protection",
        "nobody_is_sent_home",
        "no_child_is_exposed",
        "children_come_first",
        "moving_is_no_suspicion",
        "second_officer_signs",
        "codes_not_stories",
        "purpose_fits",
    }
    assert all(rule.at_the_desk for rule in AT_THE_DESK)


def test_everything_is_denied_when_there_are_no_rules() -> None:
    """An empty policy denies what any other lets pass."""
    assert denied(message()) == ALLOWED
    assert denied(message(), around(policy=EMPTY_POLICY)) == ("policy-denies-all", "policy", "")


# --- SG-01 --------------------------------------------------------------------------------


@pytest.mark.parametrize("compartment", [INTELLIGENCE, JUDICIAL])
def test_a_mark_is_denied_outside_protection(compartment: Compartment) -> None:
    """Police and migration control read there."""
    sent = message(compartment=compartment, has_marked=True)

    assert denied(sent) == ("protection-denied", "SG-01", "/to/compartment")


def test_a_mark_is_denied_in_a_channel_outside_protection() -> None:
    """A channel has one compartment, and the pointer names what the sender wrote."""
    members = {MX: ("prosecution",), GT: ("prosecution",)}
    region = Region(charters=[charter(members, INTELLIGENCE)])
    sent = message(channel=CHANNEL, has_marked=True)

    assert denied(sent, around(directory=region)) == ("protection-denied", "SG-01", "/to/channel")


def test_a_mark_passes_in_protection_when_nobody_is_sent_home() -> None:
    """That is what the compartment is for."""
    sent = message(
        sender=SHELTER,
        compartment=PROTECTION,
        has_marked=True,
        marked_origins=frozenset({HN}),
        all_origins=frozenset({HN}),
    )

    assert denied(sent) == ALLOWED


@pytest.mark.parametrize("fact", ["all_origins", "marked_origins"])
def test_protection_is_denied_to_where_anybody_comes_from(fact: str) -> None:
    """The second recipient is named, and none of them gets anything."""
    sent = message(sender=SHELTER, compartment=PROTECTION, to=(GT, HN), **{fact: frozenset({HN})})

    assert denied(sent) == ("protection-denied", "SG-01", "/to/countries/1")


def test_intelligence_goes_to_where_unmarked_people_come_from() -> None:
    """Outside protection a nationality alone hides nobody: Honduras is told of Hondurans."""
    sent = message(to=(HN,), all_origins=frozenset({HN}))

    assert denied(sent) == ALLOWED


def test_intelligence_is_denied_to_where_somebody_marked_comes_from() -> None:
    """Even where nothing else of the mark were known."""
    sent = message(to=(HN,), marked_origins=frozenset({HN}))

    assert denied(sent) == ("protection-denied", "SG-01", "/to/countries/0")


def test_a_channel_member_is_denied_what_is_about_its_own_people() -> None:
    """A member is a recipient like any other, the sender's own copy included."""
    members = {MX: ("refugee-protection",), GT: ("child-protection",), HN: ("child-protection",)}
    region = around(directory=Region(charters=[charter(members, PROTECTION)]))

    def to_channel(origin: Country, *, own_copy: bool = False) -> Message:
        return message(
            sender=SHELTER, channel=CHANNEL, own_copy=own_copy, all_origins=frozenset({origin})
        )

    assert denied(to_channel(HN), region) == ("protection-denied", "SG-01", "/to/channel")
    assert denied(to_channel(SV), region) == ALLOWED
    assert denied(to_channel(MX), region) == ALLOWED
    assert denied(to_channel(MX, own_copy=True), region)[1] == "SG-01"


# --- SG-02 --------------------------------------------------------------------------------


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


# --- SG-03, SG-04, SG-10, SG-06 -----------------------------------------------------------


def test_second_officer_is_required_of_who_accuses_a_migrant() -> None:
    """Another officer's signature is enough, and nothing else is."""
    assert denied(message(needs_second_officer=True)) == (
        "second-officer-required",
        "SG-03",
        "/body",
    )
    assert denied(message(needs_second_officer=True, second=True)) == ALLOWED
    assert denied(message(second=True)) == ALLOWED


def test_being_smuggled_is_no_suspicion() -> None:
    """A second officer does not make it one."""
    sent = message(criminalises=True, second=True)

    assert denied(sent) == ("category-denied", "SG-03", "/body")


@pytest.mark.parametrize("compartment", Compartment)
def test_child_is_not_exposed_in_any_compartment(compartment: Compartment) -> None:
    """Protection included: there a child has a pseudonym."""
    kind = Kind.REPLY
    sent = message(
        sender=agency(MX, PROSECUTION), compartment=compartment, kind=kind, exposes_child=True
    )

    assert denied(sent) == ("child-exposed", "SG-04", "/body")


@pytest.mark.parametrize(
    ("compartment", "urgency", "passes"),
    [
        (PROTECTION, Urgency.ROUTINE, False),
        (PROTECTION, Urgency.PRIORITY, True),
        (PROTECTION, Urgency.IMMEDIATE, True),
        (PROTECTION, Urgency.FLASH, True),
        (INTELLIGENCE, Urgency.ROUTINE, True),
    ],
)
def test_children_come_first_in_protection(
    compartment: Compartment, urgency: Urgency, *, passes: bool
) -> None:
    """A routine message about children is denied there, and only there."""
    sent = message(compartment=compartment, urgency=urgency, has_children=True)
    expected = ALLOWED if passes else ("urgency-denied", "SG-04", "/urgency")

    assert denied(sent) == expected
    assert denied(message(compartment=compartment, urgency=urgency)) == ALLOWED


def test_narrative_is_denied_in_protection_only() -> None:
    """Elsewhere officers write what they must."""
    assert denied(message(compartment=PROTECTION, has_narrative=True)) == (
        "narrative-denied",
        "SG-10",
        "/body",
    )
    assert denied(message(has_narrative=True)) == ALLOWED
    assert denied(message(compartment=PROTECTION)) == ALLOWED


@pytest.mark.parametrize(
    ("compartment", "purpose", "passes"),
    [
        (PROTECTION, "investigation", False),
        (PROTECTION, "border_security", False),
        (PROTECTION, "child_protection", True),
        (INTELLIGENCE, "prosecution", False),
        (INTELLIGENCE, "investigation", True),
        (JUDICIAL, "prosecution", True),
        (JUDICIAL, "border_security", False),
        (INTELLIGENCE, "", False),
    ],
)
def test_purpose_is_denied_where_the_compartment_does_not_serve_it(
    compartment: Compartment, purpose: str, *, passes: bool
) -> None:
    """Protection is not for policing, and what is for a court goes to the judicial desk."""
    expected = ALLOWED if passes else ("purpose-denied", "SG-06", "/purpose/code")

    assert denied(message(compartment=compartment, purpose=purpose)) == expected


# --- SG-05 --------------------------------------------------------------------------------


def derived(*numbers: int, **more: object) -> Message:
    """A message that derives from these."""
    defaults: dict[str, object] = {"handling": H2, "to": (SV,), "purpose": "investigation"}
    lineage = tuple(message_id_of(each) for each in numbers)
    return message(lineage=lineage, **{**defaults, **more})  # type: ignore[arg-type] # checked there


UNKNOWN = ("reference-unknown", "SG-05", "/lineage/0")
DENIED = ("originator-denied", "SG-05", "/to/countries/0")
FROM_GT = known(1, PARTNER, desk(MX), handling=H2)


@pytest.mark.parametrize(
    "earlier",
    [
        None,
        known(1, PARTNER, desk(HN)),
        known(1, PARTNER),
        known(1, agency(GT, CHILDREN), desk(MX, PROTECTION), compartment=PROTECTION),
        known(1, agency(MX, CHILDREN), desk(GT, PROTECTION), compartment=PROTECTION),
        known(2, PARTNER, desk(MX)),
    ],
    ids=["never was", "others'", "nobody's", "protection's", "neighbour's", "another"],
)
def test_lineage_is_unknown_when_the_sender_may_not_know_it(earlier: KnownMessage | None) -> None:
    """One answer for what never was and for what is none of the sender's business."""
    assert denied(derived(1), around(*filter(None, [earlier]))) == UNKNOWN


@pytest.mark.parametrize(
    "earlier",
    [
        known(1, PARTNER, desk(MX)),
        known(1, ME, desk(HN)),
        known(1, ME, desk(HN, PROTECTION), compartment=PROTECTION),
        known(1, agency(MX, POLICE), desk(HN)),
    ],
    ids=["received", "own", "own in protection", "of the same country"],
)
def test_lineage_is_known_when_the_sender_had_it(earlier: KnownMessage) -> None:
    """What one's country sent or received, in a compartment that one reads, and all one's own."""
    assert denied(derived(1), around(earlier)) == ALLOWED


def test_lineage_is_unknown_to_an_agency_that_has_left() -> None:
    """Who is no agency any more reads no compartment."""
    region = Region({agency(GT, PROSECUTION): PROSECUTION})

    assert denied(derived(1), around(FROM_GT, directory=region))[1] == "SG-02"


def test_lineage_names_the_place_of_what_is_unknown() -> None:
    """The second of two."""
    assert denied(derived(1, 2), around(known(1, PARTNER, desk(MX))))[2] == "/lineage/1"


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


GRANT = Grant(
    of=frozenset({message_id_of(1)}),
    to_countries=frozenset({SV}),
    purposes=frozenset({"investigation"}),
    until=NOW + timedelta(days=1),
)


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


def test_lineage_is_denied_when_it_ends_in_more_messages_than_any_report_has() -> None:
    """A tree of fifty times fifty times fifty is made to be looked up, and not to be read."""
    roots = [
        {message_id_of(number) for number in range(start, start + 500)} for start in (100, 600)
    ]
    wide = [known(1, ME, roots=roots[0]), known(2, ME, roots=roots[1])]
    too_wide = [*wide, known(3, ME, roots={message_id_of(2000)})]

    assert denied(derived(1, 2), around(*wide)) == ALLOWED
    assert denied(derived(1, 2, 3), around(*too_wide)) == (
        "lineage-too-wide",
        "SG-05",
        "/lineage",
    )


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


def test_lineage_is_unknown_to_civil_society_but_for_what_could_name_it() -> None:
    """It reads referrals to itself, and learns of nothing else that lies at its desk."""
    ngo = agency(MX, CIVIL)

    def from_gt(kind: Kind) -> KnownMessage:
        sender = agency(GT, CHILDREN)
        return known(1, sender, desk(MX, PROTECTION), compartment=PROTECTION, kind=kind)

    sent = derived(1, sender=ngo, compartment=PROTECTION, to=(SV,), purpose="victim_protection")
    assert denied(sent, around(from_gt(Kind.GENERAL_REPORT))) == UNKNOWN
    assert denied(sent, around(from_gt(Kind.PROTECTION_REFERRAL))) == ALLOWED


@pytest.mark.parametrize("roots", [(), (message_id_of(3),)], ids=["an origin", "derived"])
def test_lineage_is_unknown_when_a_message_takes_the_id_of_what_it_derives_from(
    roots: tuple[MessageId, ...],
) -> None:
    """Honduras would hide what Guatemala restricted behind a message of its own of that id."""
    grant = replace(GRANT, to_countries=frozenset({MX}))
    first = known(1, PARTNER, desk(HN), handling=H2, grants=(grant,))
    between = known(2, agency(HN, PROSECUTION), desk(MX), handling=H2, roots={first.id})
    sent = derived(1, sender=agency(HN, POLICE), to=(MX,))
    around_both = around(replace(first, roots=frozenset(roots) or first.roots), between)

    assert denied(sent, around_both) == ALLOWED
    assert denied(replace(sent, id=first.id), around_both) == UNKNOWN
    again = derived(2, sender=agency(HN, POLICE), to=(MX,))
    assert denied(replace(again, id=first.id), around_both) == UNKNOWN


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


def test_every_message_of_one_id_must_allow() -> None:
    """Ids are unique for an agency only: of two with one name the stricter counts."""
    open_, strict = known(1, PARTNER, desk(MX)), known(1, agency(HN, POLICE), desk(MX), handling=H2)

    for both in ((open_, strict), (strict, open_)):
        assert denied(derived(1), around(*both)) == DENIED


def test_roots_are_looked_up_that_were_not_named() -> None:
    """The exchange asks the ledger a second time, for those alone."""
    first, second = known(1, PARTNER), known(2, PARTNER, roots={message_id_of(1), message_id_of(9)})

    assert unknown_roots({second.id: [second]}) == {message_id_of(1), message_id_of(9)}
    assert unknown_roots({second.id: [second], first.id: [first]}) == {message_id_of(9)}
    assert unknown_roots({first.id: [first]}) == frozenset()


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


@pytest.mark.parametrize(
    ("earlier", "passes"),
    [
        (known(1, ME, desk(GT)), True),
        (known(1, agency(MX, POLICE), desk(GT)), False),
        (known(1, PARTNER, desk(MX)), False),
        (known(2, ME, desk(GT)), False),
    ],
    ids=["own", "neighbour's", "other's", "unknown"],
)
def test_permission_is_given_for_own_messages_only(earlier: KnownMessage, *, passes: bool) -> None:
    """Nobody permits what another wrote, and nobody learns whether there is such a message."""
    sent = message(kind=Kind.REPLY, grant=GRANT)
    expected = ALLOWED if passes else ("reference-unknown", "SG-05", "/body/permission/for")

    assert denied(sent, around(earlier)) == expected


# --- SG-11 --------------------------------------------------------------------------------


def rated(text: str) -> Evaluation:
    """``4x4/B/2``."""
    scheme, source, information = text.split("/")
    return Evaluation(scheme=scheme, source=source, information=information)


def reported(number: int, evaluation: str | None, *roots: MessageId) -> KnownMessage:
    """An earlier report that Mexico received."""
    return known(
        number,
        PARTNER,
        desk(MX),
        roots=roots,
        evaluation=None if evaluation is None else rated(evaluation),
    )


UPGRADED = ("evaluation-upgraded", "SG-11", "/evaluation")
ROOT = message_id_of(1)


@pytest.mark.parametrize(
    ("earlier", "given", "passes"),
    [
        ([reported(1, "4x4/B/2")], "4x4/B/2", True),
        ([reported(1, "4x4/B/2")], "4x4/C/3", True),
        ([reported(1, "4x4/B/2")], "4x4/A/2", False),
        ([reported(1, "4x4/B/2")], "4x4/B/1", False),
        ([reported(1, "4x4/X/4")], "4x4/C/4", False),
        ([reported(1, "4x4/B/2")], "admiralty/B/2", False),
        ([reported(1, None)], "4x4/A/1", True),
        ([reported(1, "4x4/B/2")], None, True),
        # Two reports of one origin are one report.
        ([reported(1, "4x4/B/2"), reported(2, "4x4/B/2", ROOT)], "4x4/A/1", False),
        ([reported(1, "4x4/A/3"), reported(2, "4x4/B/1", ROOT)], "4x4/A/1", False),
        ([reported(1, "4x4/A/1"), reported(2, "4x4/C/3", ROOT)], "4x4/A/1", True),
        # Two origins may confirm each other.
        ([reported(1, "4x4/B/2"), reported(2, "4x4/B/2")], "4x4/A/1", True),
        ([reported(1, "4x4/B/2"), reported(2, "admiralty/B/2")], "admiralty/A/1", True),
    ],
)
def test_evaluation_is_not_upgraded_by_a_single_origin(
    earlier: Iterable[KnownMessage], given: str | None, *, passes: bool
) -> None:
    """The same report told twice is no surer than it was."""
    named = tuple(earlier)
    sent = message(
        lineage=tuple(each.id for each in named),
        evaluation=None if given is None else rated(given),
    )

    assert denied(sent, around(*named)) == (ALLOWED if passes else UPGRADED)


def test_evaluation_is_held_to_the_origin_that_was_not_named() -> None:
    """Who names only the second report may restore the first one's grade, and go no further."""
    first, second = reported(1, "4x4/A/2"), reported(2, "4x4/C/4", ROOT)

    def told(given: str) -> Message:
        return message(lineage=(second.id,), evaluation=rated(given))

    assert denied(told("4x4/A/2"), around(second, first)) == ALLOWED
    assert denied(told("4x4/A/1"), around(second, first)) == UPGRADED
    assert denied(told("4x4/A/2"), around(second)) == UPGRADED


def test_evaluation_is_free_when_nothing_was_before() -> None:
    """A first report is as sure as its author says."""
    assert denied(message(evaluation=rated("4x4/A/1"))) == ALLOWED


def test_roots_are_those_of_the_lineage_or_the_message_itself() -> None:
    """What is recorded of a message, for those that will name it."""
    first, second = reported(1, None), reported(3, None, message_id_of(7), ROOT)
    sent = message(lineage=(first.id, second.id))

    assert allowed(sent, around(first, second)).roots == {ROOT, message_id_of(7)}
    assert allowed(message()).roots == {MESSAGE.id}


def test_routes_keep_the_rule_that_allows_them() -> None:
    """A dry run shows which road it is (SG-12)."""
    routed = allowed(message(to=(GT, HN)))

    assert [route.rule for route in routed.deliveries] == ["open-pair", "open-pair"]
    assert routed.compartment is INTELLIGENCE


def test_every_agency_of_the_region_is_registered() -> None:
    """The world of these tests is whole, so that what is denied is denied by its rule."""
    circumstances: Circumstances = around()

    assert all(circumstances.directory.agency(ref) is not None for ref in EVERY_AGENCY)


# --- around the rules -----------------------------------------------------------------------

ORIGIN_SEALED = replace(
    charter({MX: ("prosecution",), GT: ("prosecution",)}, INTELLIGENCE), sealing=Sealing.ORIGIN
)
SEALING = ("origin-sealing-required", "charter", "/to/channel")


def test_channel_that_asks_for_origin_sealing_takes_nothing_else() -> None:
    """The gateway must not read it, so it is refused before a rule is asked."""
    circumstances = around(directory=Region(charters=[ORIGIN_SEALED]))
    sent = message(channel=CHANNEL)

    assert denied(sent, circumstances) == SEALING
    assert denied(sent, replace(circumstances, is_sealed=True)) == ALLOWED


def recall(subject: KnownMessage, **more: Any) -> Message:
    """Take an earlier message back, with the address that it had."""
    return message(
        kind=Kind.RECALL,
        channel=subject.channel,
        concerns=subject.id,
        compartment=subject.compartment,
        **more,
    )


def test_recall_over_a_channel_is_sealed_as_its_messages_are() -> None:
    """Nothing that was closed keeps it back; but the gateway must not read it either."""
    subject = known(1, ME, desk(GT), channel=CHANNEL)
    circumstances = around(subject, directory=Region(charters=[ORIGIN_SEALED]))

    assert denied(recall(subject), circumstances) == SEALING
    assert denied(recall(subject), replace(circumstances, is_sealed=True)) == ALLOWED
    assert denied(recall(subject), around(subject)) == ALLOWED


def test_recall_is_judged_by_what_it_says_itself() -> None:
    """In protection it tells no story, and it exposes no child; nothing else is asked."""
    subject = known(1, ME, desk(GT, PROTECTION), compartment=PROTECTION)
    circumstances = around(subject, policy=EMPTY_POLICY)

    assert denied(recall(subject, purpose="prosecution"), circumstances) == ALLOWED
    assert denied(recall(subject, has_narrative=True), circumstances)[0] == "narrative-denied"
    assert denied(recall(subject, exposes_child=True), circumstances)[0] == "child-exposed"
