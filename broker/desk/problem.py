"""What did the gateway refuse, and why? Its problem documents, read."""

import json
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

from broker.desk.failures import AccessError, ProblemError
from broker.errors import FieldProblem

MAX_TEXT_CHARS: Final = 2000
"""Of a text that somebody else wrote and a person will read."""
LONGEST_WAIT: Final = timedelta(hours=1)
"""A longer ``Retry-After`` is not believed: a stream has no deadline, and would wait for it."""


def read_problem(status: int, headers: Mapping[str, str], body: bytes) -> ProblemError:
    """Turn a refusal into an error, whatever stands between us and the gateway made of it."""
    members = _members(body)
    return ProblemError(
        _text(members, "code") or _fallback_code(status),
        status=status,
        detail=_text(members, "detail") or _text(members, "title") or "",
        errors=_field_problems(members.get("errors")),
        request_id=_text(members, "request_id") or headers.get("X-Request-Id"),
        rule=_text(members, "rule"),
        retry_after=retry_after(headers),
    )


def read_access_error(status: int, headers: Mapping[str, str], body: bytes) -> AccessError:
    """Turn a refusal of the token endpoint into an error (RFC 6749 section 5.2)."""
    members = _members(body)
    return AccessError(
        _text(members, "error") or _text(members, "code") or _fallback_code(status),
        status=status,
        detail=_text(members, "error_description") or _text(members, "detail") or "",
        request_id=_text(members, "request_id") or headers.get("X-Request-Id"),
        retry_after=retry_after(headers),
    )


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Read ``Retry-After`` in seconds; a date, or nonsense, counts as none."""
    text = headers.get("Retry-After", "")
    if not (text.isascii() and text.isdigit()):
        return None
    return min(timedelta(seconds=int(text[:9])), LONGEST_WAIT)


def _members(body: bytes) -> dict[str, Any]:
    try:
        members = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return members if isinstance(members, dict) else {}


def _text(members: Mapping[str, Any], name: str) -> str | None:
    value = members.get(name)
    return value[:MAX_TEXT_CHARS] if isinstance(value, str) and value else None


def _fallback_code(status: int) -> str:
    # A proxy's page, for one. The words of HTTP are better than an invented code.
    try:
        return HTTPStatus(status).phrase.lower().replace(" ", "-")
    except ValueError:
        return f"status-{status}"


def _field_problems(value: object) -> tuple[FieldProblem, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(
        FieldProblem(pointer=pointer[:MAX_TEXT_CHARS], code=code[:MAX_TEXT_CHARS])
        for item in value
        if isinstance(item, dict)
        and isinstance(pointer := item.get("pointer"), str)
        and isinstance(code := item.get("code"), str)
    )
