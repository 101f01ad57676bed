"""What a refusal looks like over HTTP (RFC 9457), in the reader's language."""

from http import HTTPStatus
from math import ceil
from types import MappingProxyType
from typing import Final

from aiohttp import web

from broker.errors import BrokerError, Code, FieldProblem, UnavailableError
from broker.model.names import Json
from broker.texts.catalogue import Catalogue
from keys import strict_json

MEDIA_TYPE: Final = "application/problem+json"

STATUS: Final = MappingProxyType(
    {
        Code.CREDENTIALS_MISSING: HTTPStatus.UNAUTHORIZED,
        Code.TOKEN_INVALID: HTTPStatus.UNAUTHORIZED,
        Code.PROOF_INVALID: HTTPStatus.UNAUTHORIZED,
        Code.PROOF_REPLAYED: HTTPStatus.UNAUTHORIZED,
        Code.PROOF_NONCE: HTTPStatus.UNAUTHORIZED,
        Code.SCOPE_INSUFFICIENT: HTTPStatus.FORBIDDEN,
        Code.SIGNATURE_MISSING: HTTPStatus.BAD_REQUEST,
        Code.SIGNATURE_INVALID: HTTPStatus.FORBIDDEN,
        Code.SIGNATURE_FOREIGN: HTTPStatus.FORBIDDEN,
        Code.SIGNATURE_MISMATCH: HTTPStatus.UNPROCESSABLE_ENTITY,
        Code.SIGNATURE_STALE: HTTPStatus.UNPROCESSABLE_ENTITY,
        Code.MEDIA_TYPE_UNSUPPORTED: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        Code.CONTENT_ENCODING_UNSUPPORTED: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        Code.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        Code.JSON_ENCODING: HTTPStatus.BAD_REQUEST,
        Code.JSON_SYNTAX: HTTPStatus.BAD_REQUEST,
        Code.JSON_DUPLICATE_KEY: HTTPStatus.BAD_REQUEST,
        Code.JSON_NUMBER: HTTPStatus.BAD_REQUEST,
        Code.JSON_DEPTH: HTTPStatus.BAD_REQUEST,
        Code.KIND_UNKNOWN: HTTPStatus.UNPROCESSABLE_ENTITY,
        Code.VERSION_UNKNOWN: HTTPStatus.UNPROCESSABLE_ENTITY,
        Code.SCHEMA_VIOLATION: HTTPStatus.UNPROCESSABLE_ENTITY,
        Code.TIME_INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
        Code.MESSAGE_EXPIRED: HTTPStatus.UNPROCESSABLE_ENTITY,
        Code.SENDER_FOREIGN: HTTPStatus.FORBIDDEN,
        Code.RECIPIENT_UNKNOWN: HTTPStatus.UNPROCESSABLE_ENTITY,
        Code.PAIR_CLOSED: HTTPStatus.FORBIDDEN,
        Code.COMPARTMENT_DENIED: HTTPStatus.FORBIDDEN,
        Code.PROTECTION_DENIED: HTTPStatus.FORBIDDEN,
        Code.CHANNEL_INACTIVE: HTTPStatus.FORBIDDEN,
        Code.CHARTER_DENIED: HTTPStatus.FORBIDDEN,
        Code.THREAD_ELSEWHERE: HTTPStatus.FORBIDDEN,
        Code.REFERENCE_UNKNOWN: HTTPStatus.UNPROCESSABLE_ENTITY,
        Code.ORIGINATOR_DENIED: HTTPStatus.FORBIDDEN,
        Code.HANDLING_DENIED: HTTPStatus.FORBIDDEN,
        Code.LINEAGE_TOO_WIDE: HTTPStatus.UNPROCESSABLE_ENTITY,
        Code.EVALUATION_UPGRADED: HTTPStatus.UNPROCESSABLE_ENTITY,
        Code.CHILD_EXPOSED: HTTPStatus.FORBIDDEN,
        Code.SECOND_OFFICER_REQUIRED: HTTPStatus.FORBIDDEN,
        Code.PURPOSE_DENIED: HTTPStatus.FORBIDDEN,
        Code.CATEGORY_DENIED: HTTPStatus.FORBIDDEN,
        Code.NARRATIVE_DENIED: HTTPStatus.FORBIDDEN,
        Code.URGENCY_DENIED: HTTPStatus.FORBIDDEN,
        Code.RECALL_DENIED: HTTPStatus.FORBIDDEN,
        Code.ORIGIN_SEALING_REQUIRED: HTTPStatus.FORBIDDEN,
        Code.SEAL_INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
        Code.FACTS_INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
        Code.DISPOSITION_INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
        Code.USE_INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
        Code.POLICY_DENIES_ALL: HTTPStatus.FORBIDDEN,
        Code.ID_REUSED: HTTPStatus.CONFLICT,
        Code.ACKNOWLEDGEMENT_INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
        Code.DELIVERY_UNKNOWN: HTTPStatus.NOT_FOUND,
        Code.DELIVERY_SETTLED: HTTPStatus.CONFLICT,
        Code.REWRAP_INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
        Code.REWRAP_KEY_INACTIVE: HTTPStatus.CONFLICT,
        Code.NOT_FOUND: HTTPStatus.NOT_FOUND,
        Code.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
        Code.PARAMETER_INVALID: HTTPStatus.BAD_REQUEST,
        Code.REQUEST_MALFORMED: HTTPStatus.BAD_REQUEST,
        Code.REQUEST_TIMEOUT: HTTPStatus.REQUEST_TIMEOUT,
        Code.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
        Code.OVERLOADED: HTTPStatus.SERVICE_UNAVAILABLE,
        Code.DRAINING: HTTPStatus.SERVICE_UNAVAILABLE,
        Code.LEDGER_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
        Code.TRANSPORT_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
        Code.RECIPIENT_KEY_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
        Code.GATEWAY_KEY_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
        Code.UNSEAL_FAILED: HTTPStatus.INTERNAL_SERVER_ERROR,
        Code.EVIDENCE_INVALID: HTTPStatus.INTERNAL_SERVER_ERROR,
        Code.KEY_STATEMENT_INVALID: HTTPStatus.INTERNAL_SERVER_ERROR,
        Code.CONFIGURATION_INVALID: HTTPStatus.INTERNAL_SERVER_ERROR,
        Code.INTERNAL_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
    }
)
"""One status a code; a test proves that none is left out."""

DPOP_ERRORS: Final = MappingProxyType(
    {
        Code.TOKEN_INVALID: "invalid_token",
        Code.PROOF_INVALID: "invalid_dpop_proof",
        Code.PROOF_REPLAYED: "invalid_dpop_proof",
        Code.PROOF_NONCE: "use_dpop_nonce",
        Code.SCOPE_INSUFFICIENT: "insufficient_scope",
    }
)
"""What RFC 9449 section 7.1 and RFC 6750 section 3.1 call them."""
CHALLENGE_ALGORITHMS: Final = "ES256 Ed25519 EdDSA PS256"


def problem_response(
    error: BrokerError, *, base_url: str, request_id: str, texts: Catalogue, language: str
) -> web.Response:
    """Render a failure; it says what to do next and repeats nothing that was sent.

    Source:
        RFC 9457; docs/errors.md.
    """
    status = STATUS[error.code]
    document: dict[str, Json] = {
        "type": f"{base_url}/problems/{error.code}",
        "title": texts.text(f"problem.{error.code}.title", language),
        "status": status.value,
        "detail": texts.text(f"problem.{error.code}.detail", language),
        "instance": f"urn:enlace:request:{request_id}",
        "code": error.code.value,
        "request_id": request_id,
        "origin_of_error": _origin(error.code, status),
    }
    if error.rule is not None:
        document["rule"] = error.rule
    if error.problems:
        document["errors"] = [_field(one, texts, language) for one in error.problems]
    return web.Response(
        body=strict_json.write(document),
        status=status.value,
        content_type=MEDIA_TYPE,
        headers=_headers(error, status, language),
    )


def _field(problem: FieldProblem, texts: Catalogue, language: str) -> dict[str, Json]:
    key = f"field.{problem.code}"
    known = key in texts.keys(language)
    if not known and f"problem.{problem.code}.title" in texts.keys(language):
        key = f"problem.{problem.code}.title"
    elif not known:
        key = "field.invalid"
    return {
        "pointer": problem.pointer,
        "code": problem.code,
        "detail": texts.text(key, language),
    }


def _origin(code: Code, status: HTTPStatus) -> str:
    if code is Code.RECIPIENT_KEY_UNAVAILABLE:
        return "recipient"
    return "sender" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "gateway"


def _headers(error: BrokerError, status: HTTPStatus, language: str) -> dict[str, str]:
    headers = {"Content-Language": language, "Cache-Control": "no-store"}
    if error.retry_after is not None or isinstance(error, UnavailableError):
        wait = error.retry_after.total_seconds() if error.retry_after is not None else 5
        headers["Retry-After"] = str(max(ceil(wait), 1))
    if status is HTTPStatus.UNAUTHORIZED or error.code is Code.SCOPE_INSUFFICIENT:
        challenge = f'DPoP algs="{CHALLENGE_ALGORITHMS}"'
        name = DPOP_ERRORS.get(error.code)
        headers["WWW-Authenticate"] = challenge if name is None else f'{challenge}, error="{name}"'
    return headers
