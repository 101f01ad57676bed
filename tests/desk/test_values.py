"""Is every answer that is of no form told as one, and nothing else?"""

from collections.abc import Callable
from functools import partial

import pytest

from broker.desk.asked import read_asked
from broker.desk.failures import AnswerError
from broker.desk.recalls import read_answered, read_orders
from broker.desk.values import rising
from broker.desk.wire import read_directory, read_notices, read_results
from broker.desk.wraps import read_moved, read_waiting

READERS: dict[str, Callable[[bytes], object]] = {
    "requests": read_asked,
    "recalls": read_orders,
    "dispositions": partial(read_answered, expected=1),
    "wraps": read_waiting,
    "moved": partial(read_moved, expected=1),
    "notices": read_notices,
    "directory": read_directory,
    "answers": partial(read_results, expected=1),
}
ONE_OF_ANOTHER_FORM = b'{"recalls":[5],"requests":[5],"wraps":[5],"results":[5],"notices":[5]}'


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"\xff", b'{"results":{}}', ONE_OF_ANOTHER_FORM, b'{"x":' + b"[" * 200_000],
    ids=["nothing", "an array", "no text", "no list", "another form", "too deep"],
)
def test_read_raises_when_the_answer_is_of_no_form(name: str, body: bytes) -> None:
    """However a gateway, or a proxy, spoils it, its caller meets one error."""
    with pytest.raises(AnswerError):
        READERS[name](body)


def test_rising_gives_where_the_next_page_begins() -> None:
    """An empty page leaves it where it was."""
    assert (rising([4, 6, 9], after=3), rising([], after=3)) == (9, 3)


@pytest.mark.parametrize("numbers", [[3], [4, 4], [5, 4]], ids=str)
def test_rising_raises_when_a_number_does_not_rise(numbers: list[int]) -> None:
    """Such a list might never end."""
    with pytest.raises(AnswerError):
        rising(numbers, after=3)
