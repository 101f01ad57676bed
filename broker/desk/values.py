"""What the gateway answers, member by member: each is of its type, or nothing is read.

No error repeats a value: it may be a message's.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from broker.desk.failures import AnswerError
from broker.model.names import AgencyRef, DeskRef
from keys.errors import KeyFormatError
from keys.identifiers import KeyId, parse_kid
from schemas.vocabulary import Compartment, Country

T = TypeVar("T")


def read(body: bytes, make: Callable[[Mapping[str, Any]], T]) -> T:
    """Read an answer.

    Raises:
        AnswerError: It is not what the protocol says.
    """
    try:
        # An array has no members to read: a ``TypeError`` too.
        return make(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise AnswerError("the gateway's answer is not what the protocol says") from None


def text(value: object) -> str:
    """Take a text."""
    if not isinstance(value, str):
        raise TypeError
    return value


def optional_text(value: object) -> str | None:
    """Take a text, or nothing."""
    return None if value is None else text(value)


def whole(value: object) -> int:
    """Take a whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError
    return value


def boolean(value: object) -> bool:
    """Take true or false."""
    if not isinstance(value, bool):
        raise TypeError
    return value


def moment(value: object) -> datetime:
    """Take a time that says its offset."""
    told = datetime.fromisoformat(text(value))
    if told.tzinfo is None:
        raise ValueError
    return told


def listed(value: object) -> list[Any]:
    """Take an array."""
    if not isinstance(value, list):
        raise TypeError
    return value


def rising(numbers: Iterable[int], *, after: int) -> int:
    """Give the last number of a page, or ``after`` of an empty one.

    Raises:
        AnswerError: They do not rise: a gateway that goes round in circles would keep us for ever.
    """
    for number in numbers:
        if number <= after:
            raise AnswerError("the gateway lists again what was listed")
        after = number
    return after


def key_id(value: object) -> KeyId:
    """Take the name of a key."""
    try:
        return parse_kid(text(value))
    except KeyFormatError:
        raise ValueError from None


def agency_ref(members: Mapping[str, Any]) -> AgencyRef:
    """Take ``country`` and ``agency``."""
    return AgencyRef(country=Country(members["country"]), agency=text(members["agency"]))


def desk_ref(members: Mapping[str, Any]) -> DeskRef:
    """Take ``country`` and ``compartment``."""
    return DeskRef(
        country=Country(members["country"]), compartment=Compartment(members["compartment"])
    )
