"""What does this token request ask for? Bytes in, a closed type out."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

from aiohttp import hdrs, web

MAX_BODY_BYTES: Final = 16 * 1024
"""Four times the largest assertion that we read."""
MAX_PARAMETERS: Final = 16
READ_DEADLINE: Final = timedelta(seconds=10)
"""A form is one packet; who needs longer holds a connection, not a slow line."""
FORM: Final = "application/x-www-form-urlencoded"
GRANT_TYPE: Final = "client_credentials"
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class OAuthError(Exception):
    """A refusal in the words of RFC 6749 section 5.2."""

    def __init__(self, error: str, description: str, *, status: HTTPStatus | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        unauthorized = error == "invalid_client"
        self.status = status or (
            HTTPStatus.UNAUTHORIZED if unauthorized else HTTPStatus.BAD_REQUEST
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRequest:
    """A well-formed request for client credentials; who sent it is not proven yet."""

    client_assertion: str | None = field(repr=False)
    """None: the client did not authenticate itself, or not in our way."""
    client_id: str | None
    scope: str | None


async def read_token_request(request: web.Request) -> TokenRequest:
    """Read a form of at most 16 KiB in which nothing stands twice.

    Raises:
        OAuthError: ``invalid_request`` or ``unsupported_grant_type``.

    Source:
        RFC 6749 sections 3.2, 4.4.2 and 5.2; RFC 7521 section 4.2.
    """
    if request.content_type != FORM or hdrs.CONTENT_ENCODING in request.headers:
        raise OAuthError("invalid_request", f"the body must be {FORM}, not compressed")
    form = _parse(await _read(request))
    if "grant_type" not in form:
        raise OAuthError("invalid_request", "grant_type is missing")
    if form["grant_type"] != GRANT_TYPE:
        raise OAuthError("unsupported_grant_type", f"grant_type must be {GRANT_TYPE}")
    if hdrs.AUTHORIZATION in request.headers or "client_secret" in form:
        raise OAuthError("invalid_request", "the only client authentication is private_key_jwt")
    is_ours = form.get("client_assertion_type") == ASSERTION_TYPE
    return TokenRequest(
        client_assertion=form.get("client_assertion") if is_ours else None,
        client_id=form.get("client_id"),
        scope=form.get("scope"),
    )


async def _read(request: web.Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(READ_DEADLINE.total_seconds()):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    raise OAuthError(
                        "invalid_request",
                        "the body is too large",
                        status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    )
    except TimeoutError:
        raise OAuthError(
            "invalid_request", "the body did not arrive", status=HTTPStatus.REQUEST_TIMEOUT
        ) from None
    return bytes(body)


def _parse(body: bytes) -> Mapping[str, str]:
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except ValueError:
        raise OAuthError("invalid_request", "the body is not a well-formed form") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise OAuthError("invalid_request", "a parameter stands twice")
    # RFC 6749 section 3.2: a parameter without a value counts as left out.
    return {name: value for name, value in form.items() if value}
