"""Which earlier messages may a message name as those that it derives from (SG-05)?"""

from dataclasses import replace

import pytest

from broker.admission.rules.lineage import unknown_roots
from broker.model.facts import KnownMessage
from broker.model.names import MessageId
from schemas.vocabulary import Kind
from tests.admission.region import (
    ALLOWED,
    CHILDREN,
    CIVIL,
    GT,
    H2,
    HN,
    ME,
    MX,
    PARTNER,
    POLICE,
    PROSECUTION,
    PROTECTION,
    SV,
    Region,
    agency,
    around,
    denied,
    desk,
    known,
    message,
    message_id_of,
)
from tests.admission.rules.derived import DENIED, FROM_GT, GRANT, UNKNOWN, derived


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
