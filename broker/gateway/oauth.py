"""The token endpoint, and the two documents that tell stock clients how to use it.

Answers as RFC 6749 section 5 asks, not with problem documents: that is what OAuth clients
read. Everything that decides is in :mod:`broker.admission`.
"""

from datetime import datetime
from http import HTTPStatus
from typing import Final

from aiohttp import hdrs, web

from broker.admission.access_token import LIFE, read_scopes, write_scopes
from broker.admission.client_assertion import ALGORITHMS, verify_client_assertion
from broker.directory import ClientRecord
from broker.errors import AuthenticationError, Code, UnavailableError
from broker.gateway.access import Access
from broker.gateway.oauth_form import OAuthError, TokenRequest, read_token_request
from broker.model.names import Scope
from keys.strict_json import JsonObject

TOKEN_PATH: Final = "/oauth/token"  # noqa: S105 - a path
METADATA_PATH: Final = "/.well-known/oauth-authorization-server"
JWKS_PATH: Final = "/.well-known/jwks.json"
DOCUMENT_AGE: Final = "public, max-age=300"
"""As long as an access token: a new key is published at least that long before its use."""
DPOP_ALGORITHMS: Final = " ".join(ALGORITHMS)

PROOF_ERRORS: Final = {
    Code.PROOF_NONCE: ("use_dpop_nonce", "make the proof with the nonce in DPoP-Nonce"),
    Code.PROOF_REPLAYED: ("invalid_dpop_proof", "the proof was used before"),
    Code.PROOF_INVALID: ("invalid_dpop_proof", "the proof is not good for this request"),
}
"""RFC 9449 sections 5 and 8."""


def oauth_routes(access: Access) -> list[web.RouteDef]:
    """Build the routes of the token endpoint and its documents; all are public."""

    async def post_token(request: web.Request) -> web.Response:
        return await token(request, access)

    async def get_metadata(_: web.Request) -> web.Response:
        return _document(authorization_server_metadata(access.base_url))

    async def get_jwks(_: web.Request) -> web.Response:
        return _document(jwks(access))

    return [
        web.post(TOKEN_PATH, post_token),
        web.get(METADATA_PATH, get_metadata),
        web.get(JWKS_PATH, get_jwks),
    ]


async def token(request: web.Request, access: Access) -> web.Response:
    """Give a client an access token for the key that it shows.

    Source:
        RFC 6749 sections 4.4 and 5; RFC 9449 section 5; FAPI 2.0 section 5.3.2.
    """
    now = access.clock()
    try:
        form = await read_token_request(request)
        answer = await _grant(request, form, access, now)
        response = web.json_response(answer)
    except OAuthError as error:
        response = _refusal(error)
    except UnavailableError as error:
        response = unavailable(error)
    response.headers[hdrs.CACHE_CONTROL] = "no-store"
    response.headers["DPoP-Nonce"] = access.nonces.current(now)
    return response


async def _grant(
    request: web.Request, form: TokenRequest, access: Access, now: datetime
) -> JsonObject:
    # The proof comes first and is only looked at: a client that has no nonce yet may send
    # the same assertion again with its second try.
    try:
        proof = access.verify_proof(request, now=now, access_token_hash=None)
    except AuthenticationError as error:
        raise OAuthError(*PROOF_ERRORS[error.code]) from None
    client = await _authenticate(form, access, now)
    try:
        await access.spend_proof(proof, now=now)
    except AuthenticationError as error:
        raise OAuthError(*PROOF_ERRORS[error.code]) from None
    scopes = _scopes(form.scope, client)
    access_token = access.tokens.issue(client.client_id, scopes=scopes, jkt=proof.jkt, now=now)
    return {
        "access_token": access_token,
        "token_type": "DPoP",
        "expires_in": int(LIFE.total_seconds()),
        "scope": write_scopes(scopes),
    }


async def _authenticate(form: TokenRequest, access: Access, now: datetime) -> ClientRecord:
    refused = OAuthError("invalid_client", "the client is not authenticated")
    if form.client_assertion is None:
        raise refused
    try:
        authenticated = verify_client_assertion(
            form.client_assertion,
            issuer=access.base_url,
            now=now,
            find_client_keys=lambda client_id: (
                client.keys if (client := access.find_client(client_id)) else None
            ),
        )
    except AuthenticationError:
        raise refused from None
    client = access.find_client(authenticated.client_id)
    if client is None or form.client_id not in (None, authenticated.client_id):
        raise refused
    is_new = await access.proofs.spend(
        authenticated.replay_key, until=authenticated.replay_until, now=now
    )
    if not is_new:
        raise refused
    return client.record


def _scopes(asked: str | None, client: ClientRecord) -> frozenset[Scope]:
    """Take what is asked for, or all that the client has; never more than that."""
    scopes = client.scopes if asked is None else read_scopes(asked)
    if not scopes or not scopes <= client.scopes:
        raise OAuthError("invalid_scope", "the client is not registered for this scope")
    return scopes


def authorization_server_metadata(issuer: str) -> JsonObject:
    """Describe the token endpoint, complete for a stock client.

    Source:
        RFC 8414 section 2; RFC 9449 section 5.1.
    """
    return {
        "issuer": issuer,
        "token_endpoint": issuer + TOKEN_PATH,
        "jwks_uri": issuer + JWKS_PATH,
        "scopes_supported": [scope.value for scope in Scope],
        "response_types_supported": [],
        "grant_types_supported": ["client_credentials"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
    }


def jwks(access: Access) -> JsonObject:
    """Publish the keys that check our receipts and tokens, no key id twice.

    Source:
        RFC 7517 section 5; FAPI 2.0 section 5.4.3.
    """
    keys = {key.kid: key for key in (*access.tokens.verification_keys, *access.receipt_keys())}
    return {"keys": [{**key.jwk(), "use": "sig"} for key in keys.values()]}


def _document(content: JsonObject) -> web.Response:
    return web.json_response(content, headers={hdrs.CACHE_CONTROL: DOCUMENT_AGE})


def _refusal(error: OAuthError) -> web.Response:
    response = web.json_response(
        {"error": error.error, "error_description": error.description}, status=error.status
    )
    if error.status == HTTPStatus.UNAUTHORIZED:
        # RFC 9110 section 15.5.2 wants a challenge with every 401.
        response.headers[hdrs.WWW_AUTHENTICATE] = f'DPoP algs="{DPOP_ALGORITHMS}"'
    return response


def unavailable(error: UnavailableError) -> web.Response:
    """Ask a client to come back later, in the words of OAuth (RFC 6749 section 4.1.2.1)."""
    response = web.json_response(
        {"error": "temporarily_unavailable", "error_description": "try again later"},
        status=HTTPStatus.SERVICE_UNAVAILABLE,
    )
    if error.retry_after is not None:
        response.headers[hdrs.RETRY_AFTER] = str(int(error.retry_after.total_seconds()))
    return response
