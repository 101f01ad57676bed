"""What `enlace policy explain` says is what the gateway would say."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any, Final

import pytest

from broker.admission.authorise import authorise
from broker.admission.circumstances import Circumstances
from broker.admission.explaining import Verdict, explain
from broker.admission.policy import EMPTY_POLICY
from broker.errors import PermissionDeniedError
from broker.model.facts import Evaluation, Grant, KnownMessage
from broker.model.message import Message
from broker.model.names import DeskRef, Pair
from keys.charter import Charter, Sealing
from schemas.vocabulary import Compartment, Country, HandlingCode, Kind, Urgency
from tests.admission.region import (
    CHANNEL,
    CHILDREN,
    EVERY_AGENCY,
    INTELLIGENCE,
    JUDICIAL,
    NOW,
    POLICE,
    PROSECUTION,
    PROTECTION,
    REFUGEES,
    Region,
    agency,
    around,
    charter,
    known,
    message,
    message_id_of,
)

MX, GT, HN, SV = Country.MEXICO, Country.GUATEMALA, Country.HONDURAS, Country.EL_SALVADOR
ME, PARTNER, SHELTER = agency(MX, PROSECUTION), agency(GT, PROSECUTION), agency(MX, REFUGEES)
ID = message_id_of(1)
RECALLS: Final = (Kind.RECALL, Kind.RECTIFICATION)


class Narrow(Region):
    """No road to Honduras, and El Salvador has no desk."""

    __slots__ = ()

    def is_open(self, pair: Pair) -> bool:
        """Honduras is closed."""
        return super().is_open(pair) and pair.desk.country is not HN

    def has_desk(self, desk: DeskRef) -> bool:
        """El Salvador has none."""
        return super().has_desk(desk) and desk.country is not SV


def desk(country: Country, compartment: Compartment = INTELLIGENCE) -> DeskRef:
    """A country's desk."""
    return DeskRef(country=country, compartment=compartment)


def of_channel(compartment: Compartment = INTELLIGENCE, **terms: Any) -> Charter:
    """Mexico, Guatemala and Honduras."""
    function = {PROTECTION: CHILDREN}.get(compartment, PROSECUTION)
    members = {each: (agency(each, function).agency,) for each in (MX, GT, HN)}
    return replace(charter(members, compartment), **terms)


GRANT = Grant(
    of=frozenset({ID}),
    to_countries=frozenset({HN}),
    purposes=frozenset({"victim_protection"}),
    until=None,
)
EARLIER: dict[str, tuple[KnownMessage, ...]] = {
    "nothing": (),
    "a private question": (known(1, PARTNER, desk(MX)),),
    "a question to two": (known(1, PARTNER, desk(MX), desk(HN)),),
    "own messages": (
        known(1, ME, desk(GT), desk(HN)),
        known(3, ME, desk(GT), desk(HN), channel=CHANNEL),
    ),
    "a question of the channel": (known(1, PARTNER, desk(MX), desk(HN), channel=CHANNEL),),
    "of one id, two": (known(1, PARTNER, desk(MX)), known(1, agency(HN, POLICE), desk(MX))),
    "restricted": (known(1, PARTNER, desk(MX), handling=HandlingCode.H2),),
    "restricted and granted": (
        known(
            1,
            PARTNER,
            desk(MX),
            handling=HandlingCode.H2,
            grants=(GRANT,),
            evaluation=Evaluation(scheme="admiralty", source="C", information="3"),
        ),
    ),
    "of the protection desk next door": (
        known(1, PARTNER, desk(MX, PROTECTION), compartment=PROTECTION),
    ),
    "with too many roots": (
        known(1, PARTNER, desk(MX), roots=[message_id_of(n) for n in range(10, 1200)]),
    ),
}
PLACES: dict[str, Circumstances] = {
    "all open": around(directory=Region(charters=[of_channel()])),
    "some roads closed": around(directory=Narrow(charters=[of_channel()])),
    "sealed by the gateway, where the origin should": around(
        directory=Region(charters=[of_channel(sealing=Sealing.ORIGIN)])
    ),
    "sealed by the origin": replace(
        around(directory=Region(charters=[of_channel(sealing=Sealing.ORIGIN)])), is_sealed=True
    ),
    "a narrow charter": around(
        directory=Region(
            charters=[of_channel(kinds=frozenset({Kind.REPLY}), ceiling=HandlingCode.H1)]
        )
    ),
    "a channel whose review is due": around(
        directory=Region(charters=[of_channel(review=NOW)]),
    ),
    "a channel in protection": around(directory=Region(charters=[of_channel(PROTECTION)])),
    "no policy": around(directory=Region(charters=[of_channel()]), policy=EMPTY_POLICY),
    "no agency that reads in Honduras": around(
        directory=Region({ref: each for ref, each in EVERY_AGENCY.items() if ref.country is not HN})
    ),
}
TOS: dict[str, dict[str, Any]] = {
    "one": {"to": (GT,)},
    "two": {"to": (HN, GT)},
    "three": {"to": (HN, GT, SV)},
    "another": {"to": (HN,)},
    "in court": {"to": (GT, HN), "compartment": JUDICIAL},
    "in protection": {"to": (HN, GT), "compartment": PROTECTION, "sender": SHELTER},
    "the channel": {"channel": CHANNEL},
    "the channel, with a copy": {"channel": CHANNEL, "own_copy": True},
}
SENT: dict[str, dict[str, Any]] = {
    "a report": {},
    "a reply": {"kind": Kind.REPLY, "in_reply_to": ID},
    "more": {"in_reply_to": ID},
    "derived": {"lineage": (ID,)},
    "derived, restricted": {"lineage": (ID,), "handling": HandlingCode.H2},
    "derived, surer": {
        "lineage": (ID,),
        "handling": HandlingCode.H3,
        "evaluation": Evaluation(scheme="admiralty", source="A", information="1"),
    },
    "of a child": {"exposes_child": True, "has_children": True, "urgency": Urgency.ROUTINE},
    "of who fled Honduras": {
        "has_marked": True,
        "marked_origins": frozenset({HN}),
        "all_origins": frozenset({HN}),
    },
    "to accuse": {"criminalises": True, "needs_second_officer": True, "has_narrative": True},
    "for another purpose": {"purpose": "prosecution"},
    "a recall": {"kind": Kind.RECALL, "concerns": ID},
    "a recall of the channel's": {"kind": Kind.RECALL, "concerns": message_id_of(3)},
    "a rectification": {"kind": Kind.RECTIFICATION, "concerns": ID, "lineage": (ID,)},
}


def every() -> Iterator[tuple[str, Message, Circumstances]]:
    """Each message to each address, in each place, with each past."""
    for (what, sent), (to, address), (where, place), (past, earlier) in product(
        SENT.items(), TOS.items(), PLACES.items(), EARLIER.items()
    ):
        now = replace(place, known=around(*earlier).known)
        name = f"{what}, to {to}; {where}; {past}"
        yield name, message(**{"sender": ME, **address, **sent}), now


def told(sent: Message, now: Circumstances) -> tuple[Verdict, ...]:
    """What is explained, with the ledger at hand."""
    return explain(sent, now, knows_earlier=True)


def said(sent: Message, now: Circumstances) -> list[tuple[Any, ...]] | tuple[Any, ...]:
    """What the gateway says: whom it goes to by which rule, or why not."""
    try:
        return [(each.desk, each.rule) for each in authorise(sent, now).deliveries]
    except PermissionDeniedError as error:
        [problem] = error.problems
        return error.code, error.rule, problem.pointer


def test_explain_says_what_the_gateway_says() -> None:
    """It allows all where the gateway takes the message, and else names its refusal."""
    taken = refused = 0
    for name, sent, now in every():
        verdicts, answer = told(sent, now), said(sent, now)
        denials = [(e.code, e.rule, e.pointer) for one in verdicts for e in one.denied_by]
        if denials:
            assert answer in denials, name
            refused += 1
        else:
            assert answer == [(each.desk, each.rule) for each in verdicts], name
            taken += 1

    assert min(taken, refused) > 300
    assert taken + refused == len(SENT) * len(TOS) * len(PLACES) * len(EARLIER)


def test_table_meets_every_refusal_of_a_road_and_of_earlier_messages() -> None:
    """The comparison above is worth what it covers."""
    met = {
        each.code.value
        for _, sent, now in every()
        for one in told(sent, now)
        for each in one.denied_by
    }

    assert met >= {
        "recipient-unknown",
        "pair-closed",
        "channel-inactive",
        "charter-denied",
        "origin-sealing-required",
        "thread-elsewhere",
        "reference-unknown",
        "originator-denied",
        "handling-denied",
        "lineage-too-wide",
        "evaluation-upgraded",
        "recall-denied",
        "policy-denies-all",
        "compartment-denied",
        "protection-denied",
    }


def test_explain_tells_recipients_apart() -> None:
    """Who was asked may have the answer, who was not may not, and one has no desk."""
    sent = message(sender=ME, to=(GT, HN, SV), kind=Kind.REPLY, in_reply_to=ID)
    now = around(known(1, PARTNER, desk(MX), desk(HN)), directory=Narrow())

    verdicts = told(sent, replace(now, directory=Region()))
    narrow = told(sent, now)

    assert [(each.country, each.rule, each.is_allowed) for each in verdicts] == [
        (GT, "open-pair", True),
        (HN, "open-pair", True),
        (SV, "SG-13", False),
    ]
    assert [[each.pointer for each in one.denied_by] for one in narrow] == [
        [],
        ["/to/countries/1"],
        ["/to/countries/2"],
    ]
    assert [each.desk for each in narrow] == [desk(GT), None, None]


def test_explain_names_every_rule_that_denies() -> None:
    """Not the first alone: whoever mends it wants to know the rest."""
    [verdict] = told(message(exposes_child=True, criminalises=True), around())

    assert [each.rule for each in verdict.denied_by] == ["SG-04", "SG-03"]
    assert verdict.rule == "SG-04"


def test_explain_leaves_out_what_asks_of_earlier_messages_when_none_was_looked_up() -> None:
    """Without a ledger they would deny whatever has a lineage, or answers."""
    sent = message(sender=ME, lineage=(ID,), in_reply_to=ID)

    [verdict] = explain(sent, around(), knows_earlier=False)

    assert verdict.is_allowed
    assert {each.rule for each in told(sent, around())[0].denied_by} == {"SG-05", "SG-13"}


@pytest.mark.parametrize("kind", RECALLS)
def test_explain_says_nothing_of_a_recall_whose_message_was_not_looked_up(kind: Kind) -> None:
    """Only that message says where it goes."""
    with pytest.raises(RuntimeError):
        explain(message(kind=kind, concerns=ID), around(), knows_earlier=False)
