"""Types for what must not be shown: they hide, and refuse every way of being copied out."""

import hmac
from collections.abc import Callable
from functools import wraps
from typing import NoReturn, ParamSpec, SupportsIndex, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def without_frames(function: Callable[P, T]) -> Callable[P, T]:
    """Let no frame beneath a function stay attached to the error that leaves it.

    For functions that must hold bare secret bytes, in their own variables or in those of a
    library. A traceback keeps every frame alive with all its variables, and renderers exist
    that print them; an error that was stripped here has none of them, whatever renders it.
    The arguments themselves must be :class:`Hidden`, since this frame stays.
    """

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except BaseException as error:  # noqa: BLE001 - raised again below, whatever it is
            failure = error.with_traceback(None)
        # An earlier error, or a cause, has frames of its own.
        failure.__cause__ = failure.__context__ = None
        raise failure

    return guarded


class Hidden:
    """Shows its class name only; refuses ``str``, pickling and copying.

    Not a dataclass on purpose: ``asdict`` and fast JSON encoders walk those by themselves.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: hidden>"

    def __str__(self) -> NoReturn:
        raise TypeError("a secret has no text")

    def __format__(self, _: str) -> NoReturn:
        raise TypeError("a secret has no text")

    def __reduce_ex__(self, _: SupportsIndex) -> NoReturn:
        raise TypeError("a secret is not copied")

    def __copy__(self) -> NoReturn:
        raise TypeError("a secret is not copied")

    def __deepcopy__(self, _: object) -> NoReturn:
        raise TypeError("a secret is not copied")


class SecretBytes(Hidden):
    """Bytes that are handed over only to who asks by name."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = bytes(value)

    def reveal(self) -> bytes:
        """Hand over the bytes; the caller keeps them out of logs and error texts."""
        return self._value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SecretBytes):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment] # a hash would be a copy of sorts


class Passphrase(SecretBytes):
    """What a person types to open a key file; kept as UTF-8."""

    __slots__ = ()

    @classmethod
    def from_text(cls, text: str) -> "Passphrase":
        """Take a passphrase as it was typed, without trimming or normalising it."""
        return cls(text.encode("utf-8"))
