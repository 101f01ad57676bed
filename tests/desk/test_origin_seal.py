"""Is a recall that its origin seals closed for those who had the message, and nobody else?"""

from datetime import timedelta
from typing import Any

import pytest

from broker.desk import sign
from broker.desk.failures import AnswerError
from broker.desk.origin_seal import seal_as_origin
from broker.directory import Directory
from broker.model.names import DeskRef
from broker.sealing.wire import parse
from schemas.vocabulary import Compartment, Country
from tests.desk import world
from tests.desk.test_membership import HLSG, JOINED, agreed, charter, directory_of, left
from tests.desk.world import DESK, FISCALIA, NOW

GT_JUDICIAL = DeskRef(country=Country.GUATEMALA, compartment=Compartment.JUDICIAL)
HN = DeskRef(country=Country.HONDURAS, compartment=Compartment.INTELLIGENCE)
MX = DeskRef(country=Country.MEXICO, compartment=Compartment.INTELLIGENCE)
TO_GT = {"countries": ["GT"], "compartment": "intelligence"}


def sealed_to(directory: Directory, to: dict[str, Any], *held_by: DeskRef) -> list[str]:
    """Seal a recall to these desks, and name the keys that open it."""
    document = world.document(
        2,
        kind="recall",
        version="1.0",
        to=to,
        body={"of": world.message_id(), "reason": "person_at_risk"},
    )
    for name in ("evaluation", "attachments"):
        document.pop(name, None)
    key = world.signing_key("MX-fiscalia-1")
    posting = sign.sign_message(sign.message_bytes(document), key, agency=FISCALIA, now=NOW)
    sealed = seal_as_origin(
        posting,
        world.schemas(),
        directory,
        key,
        now=NOW,
        draw=world.drawn("recall"),
        held_by=held_by,
    )
    return [each.kid for each in parse(sealed.jwe, fewest=0).recipients]


def test_seal_closes_a_recall_for_the_desks_that_it_is_addressed_to() -> None:
    """Who had the message reads that it is taken back."""
    assert sealed_to(world.trust().directory, TO_GT, DESK) == ["GT-int-enc-1"]


@pytest.mark.parametrize("stranger", [HN, GT_JUDICIAL, MX], ids=str)
def test_seal_refuses_a_desk_that_the_recall_is_not_addressed_to(stranger: DeskRef) -> None:
    """A ledger that names one more reads nothing by it."""
    with pytest.raises(AnswerError, match="never addressed to"):
        sealed_to(world.trust().directory, TO_GT, DESK, stranger)


def test_seal_closes_a_recall_for_a_member_that_has_left_the_channel() -> None:
    """It has the message all the same."""
    directory = directory_of(
        *agreed(charter()), left(Country.GUATEMALA, JOINED + timedelta(days=1))
    )

    assert sealed_to(directory, {"channel": HLSG}, DESK) == ["GT-int-enc-1"]


@pytest.mark.parametrize("stranger", [HN, GT_JUDICIAL, MX], ids=str)
def test_seal_refuses_a_desk_that_was_never_of_the_channel(stranger: DeskRef) -> None:
    """Nor the sender's own country, which asked for no copy."""
    with pytest.raises(AnswerError, match="never addressed to"):
        sealed_to(directory_of(*agreed(charter())), {"channel": HLSG}, DESK, stranger)
