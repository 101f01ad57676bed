"""A desk holds a message to the sources that lie in its own inbox (SG-05, SG-11)."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pytest

from broker.desk.earlier import held_here
from broker.desk.failures import OpeningError
from broker.desk.inbox import Inbox
from broker.desk.line import message_line
from broker.desk.open import OpenedMessage, open_hand_over
from broker.desk.store import Entry
from broker.desk.trust import Trust
from broker.model.names import MessageId
from tests.desk import world
from tests.desk.world import DESK, FISCALIA, NOW, POLICIA

FIRST, SECOND = world.message_id(1), world.message_id(2)
WEAK = {"scheme": "4x4", "source": "B", "information": "3"}
SURE = {"scheme": "4x4", "source": "A", "information": "1"}
POLICE: dict[str, Any] = {
    "signer": "MX-policia-1",
    "origin": POLICIA,
    "signed_org": POLICIA,
    "route": {"agency": "policia"},
}


def opened(
    number: int, trust: Trust, *, by: dict[str, Any] | None = None, **members: Any
) -> OpenedMessage:
    """Open one, from the police unless it says otherwise."""
    parts = POLICE if by is None else by
    sender = parts.get("origin", FISCALIA)
    origin = {"country": "MX", "agency": sender.agency}
    hand_over = world.hand_over(number, members={"from": origin, **members}, **parts)
    keys = {"GT-int-enc-1": world.decryption_key("GT-int-enc-1")}
    return open_hand_over(hand_over, keys, trust, desk=DESK, now=NOW)  # type: ignore[arg-type]


def trust_with(*lines: bytes) -> Trust:
    """A desk in whose inbox these lie."""

    def find(ids: Collection[MessageId]) -> Sequence[bytes]:
        return [line for line in lines if any(each.encode() in line[:60] for each in ids)]

    return world.trust(
        *world.standard_statements(),
        world.agency_statement(POLICIA, "MX-policia-1"),
        find_lines=find,
    )


def lying_here(number: int = 1, **members: Any) -> bytes:
    """A message of the fiscalia that this desk has opened and stored."""
    return message_line(opened(number, trust_with(), by={}, **members), received_at=NOW)


def test_open_refuses_a_report_that_became_surer_when_its_only_source_lies_here() -> None:
    """A gateway that let it pass is found out by whoever has the source."""
    trust = trust_with(lying_here(evaluation=WEAK))

    assert opened(2, trust, evaluation=WEAK, lineage=[FIRST])
    with pytest.raises(OpeningError) as refused:
        opened(2, trust, evaluation=SURE, lineage=[FIRST])

    assert (refused.value.reason.value, refused.value.step) == ("content-not-valid", "SG-11")


def test_open_refuses_a_lighter_handling_when_the_stricter_source_lies_here() -> None:
    """What its originator restricted is not loosened on the way."""
    trust = trust_with(lying_here(handling={"code": "H2"}))

    assert opened(2, trust, handling={"code": "H2"}, lineage=[FIRST])
    with pytest.raises(OpeningError) as refused:
        opened(2, trust, handling={"code": "H0"}, lineage=[FIRST])

    assert refused.value.step == "SG-05"


def test_open_asks_nothing_of_a_source_when_another_does_not_lie_here() -> None:
    """Two may confirm each other; who sees one of them cannot say that they do not."""
    trust = trust_with(lying_here(evaluation=WEAK))

    assert opened(3, trust, evaluation=SURE, lineage=[FIRST, SECOND])


def test_open_asks_nothing_when_a_source_derives_from_others_itself() -> None:
    """Where that one's lineage ends, this desk cannot know."""
    trust = trust_with(lying_here(2, evaluation=WEAK, lineage=[FIRST]))

    assert opened(3, trust, evaluation=SURE, lineage=[SECOND])


def test_open_asks_nothing_of_a_line_that_proves_nothing() -> None:
    """A tombstone, or a line that somebody changed, holds nobody to anything."""
    line = lying_here(evaluation=WEAK)
    changed = line.replace(b'"signature":"', b'"signature":"x')

    for bad in (changed, b'{"id":"%b","destroyed_at":"2026-11-23T12:00:00Z"}' % FIRST.encode()):
        assert opened(2, trust_with(bad), evaluation=SURE, lineage=[FIRST])


def test_held_here_finds_the_messages_of_an_inbox_by_their_ids(tmp_path: Path) -> None:
    """Those that are asked for, and not those that only mention them."""
    first = opened(1, trust_with(), by={})
    second = opened(2, trust_with(), by={}, lineage=[FIRST])
    with Inbox(tmp_path / "inbox.jsonl") as inbox:
        inbox.append(
            [
                Entry(
                    ref=each.hand_over.ref,
                    hand_over=each.hand_over.hand_over,
                    line=message_line(each, received_at=NOW),
                )
                for each in (first, second)
            ]
        )

        found = held_here({FIRST}, inbox.lines_of, trust_with(), desk=DESK)

    assert {each: [one.sender for one in known] for each, known in found.items()} == {
        FIRST: [FISCALIA]
    }
    assert found[FIRST][0].desks == {DESK}
    assert held_here((), inbox.lines_of, trust_with(), desk=DESK) == {}
