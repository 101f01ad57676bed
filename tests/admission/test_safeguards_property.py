"""Nobody who seeks protection becomes known to whom he fled, nor to police or migration control.

All 110 ordered pairs, every function of a sender, compartment and kind; and channels of two to
eleven members. The oracle below is written from the words of SG-01 and SG-02, not from the code.
"""

import os
from collections import Counter
from dataclasses import replace
from itertools import permutations, product
from typing import Any, Final

import pytest

from broker.admission.authorise import authorise
from broker.admission.facts import facts_of
from broker.admission.recall import keys_to_seal_to
from broker.errors import PermissionDeniedError
from broker.model.message import Address, RoutedMessage
from broker.model.names import AgencyRef, DeskRef
from broker.sealing import wire
from broker.sealing.content import SignedContent
from broker.sealing.route import route_of
from broker.sealing.seal import seal
from schemas.loader import SchemaSet
from schemas.vocabulary import AgencyFunction, Compartment, Country, HandlingCode, Kind, Urgency
from tests.admission.crowd import Author, Truth
from tests.admission.region import (
    CHANNEL,
    EVERY_AGENCY,
    MESSAGE,
    NOW,
    Region,
    agency,
    around,
    charter,
    key_of,
)

FEWEST: Final = 20_000
"""So many must be drawn, by the project's own promise."""
SHARES: Final = 4
"""The product is cut into so many tests, which processes may share."""
CHANNELS_PER_SIZE: Final = 420
VALIDATED: Final = 17
"""Every so many-th message is held against its schema: what is drawn could be sent."""
SEALED: Final = 10
"""Every so many-th that is accepted is sealed: who can open it is who was judged."""
SENT_HOME: Final = "sent home"
POLICE_OR_MIGRATION: Final = frozenset(
    {AgencyFunction.POLICE_INTELLIGENCE, AgencyFunction.MIGRATION_CONTROL}
)
READS: Final = {
    AgencyFunction.POLICE_INTELLIGENCE: {"intelligence", "judicial"},
    AgencyFunction.PROSECUTION: {"intelligence", "judicial"},
    AgencyFunction.MIGRATION_CONTROL: {"intelligence"},
    AgencyFunction.FINANCIAL_INTELLIGENCE: {"intelligence", "judicial"},
    AgencyFunction.REFUGEE_PROTECTION: {"protection"},
    AgencyFunction.CHILD_PROTECTION: {"protection"},
    AgencyFunction.CIVIL_SOCIETY: {"protection"},
}
"""Written down a second time, by hand."""


@pytest.fixture(scope="module")
def schema_set() -> SchemaSet:
    """The published schemas."""
    return SchemaSet.load()


def faults(
    truth: Truth, routed: RoutedMessage, agencies: dict[AgencyRef, AgencyFunction]
) -> list[str]:
    """Say what must not have happened, from the truth and the recipients alone."""
    found = []
    for route in routed.deliveries:
        country, compartment = route.desk.country.value, route.desk.compartment.value
        readers = {
            function
            for ref, function in agencies.items()
            if ref.country.value == country and compartment in READS[function]
        }
        if truth.marked and country in truth.marked_homes:
            found.append(SENT_HOME)
        if truth.marked and truth.unsaid:
            found.append("sent where somebody may have fled")
        if truth.marked and readers & POLICE_OR_MIGRATION:
            found.append("read by police or migration control")
        if compartment == "protection" and country in truth.homes:
            found.append("everybody counts in protection")
        if compartment == "protection" and not readers:
            found.append("nobody may read it")
    return found


class Run:
    """Draws, routes, judges and counts."""

    def __init__(self, seed: int, schemas: SchemaSet) -> None:
        self.author = Author(seed)
        self.schemas = schemas
        self.count: Counter[str] = Counter()

    def try_one(
        self,
        kind: Kind,
        sender: AgencyRef,
        address: Address,
        compartment: Compartment,
        region: Region,
        agencies: dict[AgencyRef, AgencyFunction],
    ) -> None:
        """Send one message, and fail if it reaches somebody it must not."""
        to: dict[str, object] = (
            {"countries": [each.value for each in address.countries], "compartment": compartment}
            if address.channel is None
            else {"channel": address.channel}
        )
        document, truth = self.author.document(kind, sender, to, compartment)
        self.count["drawn"] += 1
        self.count["marked"] += truth.marked
        if self.count["drawn"] % VALIDATED == 0:
            self._hold_against_schema(document, kind)
        try:
            routed = authorise(_message(document, kind, sender, address), around(directory=region))
        except PermissionDeniedError as error:
            self.count[error.rule or error.code.value] += 1
            return
        self.count["accepted"] += 1
        if self.count["accepted"] % SEALED == 0:
            assert _readers_of(routed, region) == {each.desk for each in routed.deliveries}
        self.count["accepted and marked"] += truth.marked
        assert faults(truth, routed, agencies) == [], (document, routed.deliveries)

    def _hold_against_schema(self, document: dict[str, Any], kind: Kind) -> None:
        found = self.schemas.violations(document, kind=kind.value, version="1.0")
        # A referral goes to countries and into protection, by its schema; here it is tried anyway.
        assert [each for each in found if not each.pointer.startswith("/to")] == [], document
        self.count["validated"] += 1


def _readers_of(routed: RoutedMessage, region: Region) -> set[DeskRef]:
    """Seal it as the exchange does, and say whose keys open it."""
    desks = [each.desk for each in routed.deliveries]
    keys = keys_to_seal_to(routed.message.kind, desks, region, NOW)
    content = SignedContent(body=b"{}", signature="e30..AA")
    sealed = wire.parse(seal(content, route_of(routed.message), [*keys.values()], os.urandom).jwe)
    kids = {entry.kid for entry in sealed.recipients}
    every = (DeskRef(country=each, compartment=one) for each in Country for one in Compartment)
    return {desk for desk in every if key_of(desk).kid in kids}


def _message(document: dict[str, Any], kind: Kind, sender: AgencyRef, address: Address) -> Any:
    facts = facts_of(document)
    return replace(
        MESSAGE,
        kind=kind,
        sender=sender,
        to=address,
        urgency=Urgency.PRIORITY,
        handling=HandlingCode(document["handling"]["code"]),
        facts=replace(facts, lineage=(), grant=None, in_reply_to=None),
        second_signed_with="MX-2",
    )


PAIRS: Final = list(permutations(Country, 2))
COMBINATIONS: Final = list(product(PAIRS, AgencyFunction, Compartment, Kind))


def test_combinations_are_all_there() -> None:
    """110 ordered pairs, seven functions, three compartments, thirteen kinds."""
    assert len(PAIRS) == 110
    assert len(COMBINATIONS) == 110 * 7 * 3 * 13 >= FEWEST


@pytest.mark.parametrize("share", range(SHARES))
def test_nobody_is_betrayed_over_any_pair(share: int, schema_set: SchemaSet) -> None:
    """Whoever sends whatever to whomever; of the countries' agencies one or two may be missing."""
    run = Run(share, schema_set)
    mine = COMBINATIONS[share::SHARES]
    for (origin, recipient), function, compartment, kind in mine:
        agencies = _some_agencies(run, keep=agency(origin, function))
        others = [each for each in Country if each not in {origin, recipient}]
        more = run.author.chance.sample(others, run.author.chance.choice([0, 0, 0, 1, 3]))
        address = Address(countries=(recipient, *more), compartment=compartment, channel=None)
        run.try_one(
            kind, agency(origin, function), address, compartment, Region(agencies), agencies
        )

    assert run.count["drawn"] == len(mine) >= FEWEST // SHARES
    # The test tries what could go wrong, and does not pass because everything is denied.
    assert run.count["marked"] > len(mine) // 3
    assert run.count["accepted"] > len(mine) // 20
    assert run.count["accepted and marked"] > len(mine) // 200
    assert {"SG-01", "SG-02"} <= run.count.keys()


@pytest.mark.parametrize("size", range(2, 12))
def test_nobody_is_betrayed_over_a_channel(size: int, schema_set: SchemaSet) -> None:
    """Channels of two to eleven members, with whatever agencies a charter may name."""
    run = Run(1000 + size, schema_set)
    chance = run.author.chance
    for number in range(CHANNELS_PER_SIZE):
        compartment = [*Compartment][number % 3]
        kind = [*Kind][number % len(Kind)]
        countries = chance.sample([*Country], size)
        # Half of the charters are what people would write; the others name anybody.
        fitting = [each for each in AgencyFunction if compartment.value in READS[each]]
        functions = fitting if chance.random() < 0.8 else [*AgencyFunction]
        members = {
            country: tuple(
                sorted({agency(country, chance.choice(functions)).agency for _ in range(2)})
            )
            for country in countries
        }
        sender = AgencyRef(country=countries[0], agency=members[countries[0]][0])
        region = Region(EVERY_AGENCY, charters=[charter(members, compartment)])
        address = Address(
            countries=(), compartment=None, channel=CHANNEL, own_copy=chance.random() < 0.3
        )
        named = {
            ref: function
            for ref, function in EVERY_AGENCY.items()
            if ref.agency in members.get(ref.country, ())
        }
        run.try_one(kind, sender, address, compartment, region, named)

    assert run.count["drawn"] == CHANNELS_PER_SIZE
    assert run.count["marked"] > CHANNELS_PER_SIZE // 3
    assert {"SG-01", "SG-02"} <= run.count.keys()
    assert run.count["accepted"] > 0


def _some_agencies(run: Run, *, keep: AgencyRef) -> dict[AgencyRef, AgencyFunction]:
    """Leave some agencies of each country out, so that not everybody has a reader."""
    missing = {run.author.chance.choice([*AgencyFunction]) for _ in range(5)}
    return {
        ref: function
        for ref, function in EVERY_AGENCY.items()
        if ref == keep or function not in missing
    }


@pytest.mark.parametrize(
    ("truth", "expected"),
    [
        (Truth(), []),
        (Truth(marked=True, marked_homes={"GT"}, homes={"GT"}), [SENT_HOME]),
        (Truth(marked=True, unsaid=True), ["sent where somebody may have fled"]),
    ],
)
def test_oracle_finds_what_must_not_be(truth: Truth, expected: list[str]) -> None:
    """The judge is judged: a betrayal that is put before it is found."""
    routed = authorise(MESSAGE, around())
    found = faults(truth, routed, dict(EVERY_AGENCY))

    assert [each for each in found if each != "read by police or migration control"] == expected
    assert ("read by police or migration control" in found) is truth.marked
