"""What counts of a message that its agency has taken back or corrected?"""

import pytest

from broker.model.names import AgencyRef
from broker.regional.retraction import Retraction, known_wrong
from broker.regional.total import add_up
from schemas.examples import accepted
from schemas.vocabulary import Country, Kind
from tests.regional.results import arrests, figures, of, result

FIRST, SECOND = (f"01a07d01-8230-7426-9c78-{serial:012x}" for serial in (1, 2))
RESULTS = [
    result("GT", arrests("exactly 5")),
    result("GT", arrests("exactly 9"), serial=2),
    result("HN", arrests("exactly 3")),
]


def retraction(
    kind: Kind, *, country: str = "GT", agency: str = "pn", replaced_by: str | None = None
) -> Retraction:
    """Take back or correct the first message."""
    sender = AgencyRef(country=Country(country), agency=agency)
    return Retraction(sender=sender, kind=kind, of=FIRST, replaced_by=replaced_by)


RETRACTIONS = {
    "a recall takes it out": (retraction(Kind.RECALL), "exactly 12"),
    "a rectification names what takes its place": (
        retraction(Kind.RECTIFICATION, replaced_by=SECOND),
        "exactly 12",
    ),
    "a rectification without a corrected message leaves it": (
        retraction(Kind.RECTIFICATION),
        "between 8 12",
    ),
    "another agency takes nothing back": (
        retraction(Kind.RECALL, agency="mp"),
        "between 8 12",
    ),
    "another agency corrects nothing": (
        retraction(Kind.RECTIFICATION, agency="mp", replaced_by=SECOND),
        "between 8 12",
    ),
    "another country takes back its own message of that id": (
        retraction(Kind.RECALL, country="HN"),
        "at_least 5",
    ),
}


@pytest.mark.parametrize(("taken_back", "total"), RETRACTIONS.values(), ids=RETRACTIONS)
def test_add_up_counts_what_is_left_when_an_agency_takes_something_back(
    taken_back: Retraction, total: str
) -> None:
    """An agency speaks for its own messages, and for no others."""
    assert figures(add_up(RESULTS, retractions=[taken_back])) == {"arrest": total}


def test_add_up_lists_a_country_as_missing_when_it_recalled_all_that_it_sent() -> None:
    """A country does not leave an operation by taking its result back."""
    total = add_up(RESULTS, retractions=[retraction(Kind.RECALL, country="HN")])

    assert (total.countries, total.missing) == (of("GT", "HN"), of("HN"))
    assert total.preliminary


@pytest.mark.parametrize(
    ("replaced_by", "wrong"), [(None, [FIRST]), (SECOND, []), ("lost", [FIRST])]
)
def test_known_wrong_finds_a_message_when_nothing_corrects_it(
    replaced_by: str | None, wrong: list[str]
) -> None:
    """A number that is said to be wrong is named while its correction is not at hand."""
    said = retraction(Kind.RECTIFICATION, replaced_by=replaced_by)

    assert [each.id for each in known_wrong(RESULTS, [said])] == wrong


@pytest.mark.parametrize("kind", [Kind.RECALL, Kind.RECTIFICATION])
def test_retraction_reads_every_accepted_example_when_it_is_published(kind: Kind) -> None:
    """What the schema accepts can be read."""
    for example in accepted(kind):
        read = Retraction.from_document(example.message)

        assert (read.kind, read.of) == (kind, example.message["body"]["of"])
        assert read.replaced_by == example.message["body"].get("replaced_by")
