"""Which of several messages of one country stands?"""

from itertools import permutations
from typing import Any

import pytest

from broker.errors import Code, ConflictError
from broker.regional.total import add_up
from tests.regional.results import FIRST, SECOND, THIRD, arrests, body_of, figures, number, result

LATER: dict[str, tuple[dict[str, Any], str]] = {
    "says nothing of the earlier one": ({}, "between 5 9"),
    "names the same case only": ({"case": "GT-2026-0001"}, "between 5 9"),
    "answers the earlier one": ({"in_reply_to": FIRST}, "exactly 9"),
    "has the earlier one in its lineage": ({"lineage": [THIRD, FIRST]}, "exactly 9"),
    "names another message": ({"in_reply_to": THIRD}, "between 5 9"),
}


@pytest.mark.parametrize(("members", "total"), LATER.values(), ids=LATER)
def test_add_up_replaces_a_number_only_when_the_later_message_says_so(
    members: dict[str, Any], total: str
) -> None:
    """Being later, or of the same case, makes no message the better one."""
    earlier = result("GT", arrests("exactly 5"), case="GT-2026-0001")
    later = result("GT", arrests("exactly 9"), serial=2, **members)

    assert figures(add_up([earlier, later])) == {"arrest": total}


def test_add_up_follows_corrections_when_one_corrects_another() -> None:
    """A correction of a correction takes the place of both."""
    results = [
        result("GT", arrests("exactly 5")),
        result("GT", {"actions": [{"code": "search"}]}, serial=2, in_reply_to=FIRST),
        result("GT", arrests("exactly 9"), serial=3, in_reply_to=SECOND),
    ]

    assert figures(add_up(results)) == {"arrest": "exactly 9"}


def test_add_up_keeps_what_a_correction_leaves_alone_when_it_corrects_something_else() -> None:
    """A correction of the searches leaves the arrests as they were."""
    both = [{"code": "arrest", "count": number("exactly 5")}, {"code": "search"}]
    searches = {"actions": [{"code": "search", "count": number("exactly 16")}]}
    results = [
        result("GT", {"actions": both}, preliminary=True),
        result("GT", searches, serial=2, in_reply_to=FIRST),
    ]

    assert figures(add_up(results)) == {"arrest": "exactly 5*", "search": "exactly 16"}


def test_add_up_is_no_longer_preliminary_when_the_early_result_was_replaced() -> None:
    """What is taken back no longer counts, and neither does its warning."""
    results = [
        result("GT", {**arrests("exactly 5")}, preliminary=True),
        result("GT", arrests("exactly 9"), serial=2, in_reply_to=FIRST),
    ]

    total = add_up(results)

    assert not total.preliminary
    assert [each.id for each in total.results] == [SECOND]


def test_add_up_lets_no_country_correct_another_when_it_names_its_message() -> None:
    """A message of Honduras does not take the place of one of Guatemala."""
    results = [
        result("GT", arrests("exactly 5")),
        result("HN", arrests("exactly 9"), serial=2, in_reply_to=FIRST),
    ]

    assert figures(add_up(results)) == {"arrest": "exactly 14"}


def test_add_up_lets_no_message_correct_a_later_one_when_it_names_it() -> None:
    """Only what was there before can be corrected; a circle of corrections leaves the last."""
    results = [
        result("GT", arrests("exactly 5"), in_reply_to=SECOND),
        result("GT", arrests("exactly 9"), serial=2, in_reply_to=FIRST),
    ]

    assert figures(add_up(results)) == {"arrest": "exactly 9"}


def test_add_up_counts_a_message_once_when_it_comes_twice() -> None:
    """An inbox and a file may hold the same message."""
    results = [result("GT", arrests("exactly 5")), result("GT", arrests("exactly 5"))]

    assert figures(add_up(results)) == {"arrest": "exactly 5"}


def test_add_up_refuses_two_messages_when_they_have_one_id() -> None:
    """Which of them was sent, nobody here can tell."""
    results = [result("GT", arrests("exactly 5")), result("GT", arrests("exactly 6"))]

    with pytest.raises(ConflictError) as refused:
        add_up(results)

    assert refused.value.code is Code.ID_REUSED


def test_add_up_takes_both_messages_when_two_agencies_chose_one_id() -> None:
    """Ids are unique in an agency; that two agree on the number is one claim of two."""
    results = [
        result("GT", arrests("exactly 5")),
        result("GT", arrests("exactly 5"), agency="mp"),
    ]

    body = body_of(*results)

    assert figures(add_up(results)) == {"arrest": "exactly 5"}
    assert body["actions"][1]["according_to"] == ["S1", "S2"]
    assert "accounts" not in body


def test_add_up_gives_one_total_when_three_messages_come_in_any_order() -> None:
    """All six orders of a report, a contradiction and a correction come to the same."""
    results = [
        result("GT", arrests("exactly 5")),
        result("GT", arrests("exactly 9"), serial=2, in_reply_to=FIRST),
        result("GT", arrests("exactly 7"), serial=3, agency="mp"),
    ]

    totals = [figures(add_up(each)) for each in permutations(results)]

    assert totals == [{"arrest": "between 7 9"}] * 6
