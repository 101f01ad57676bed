"""What the gateway needs to know who calls: settings, stores and keys, and the one check.

:meth:`Access.authenticate_request` is what the middleware asks before any handler runs.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, TypeAlias
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from broker.admission.access_token import Claims
from broker.admission.authenticate import token_hash
from broker.admission.dpop import DpopNonces, Proof, verify_proof
from broker.directory import ClientRecord
from broker.errors import AuthenticationError, Code, ConfigurationError
from broker.model.names import Caller, Scope
from broker.ports.clock import Clock
from broker.ports.proofs import ProofStore
from keys.key import VerificationKey

SCHEME: Final = "dpop"
"""RFC 9449 section 7.1; authentication schemes are compared without case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientKeys:
    """A registered client, with its client-authentication keys that hold today."""

    record: ClientRecord
    keys: tuple[VerificationKey, ...]


class Tokens(Protocol):
    """Issues access tokens and recognises them; see ``admission.access_token``."""

    @property
    def verification_keys(self) -> tuple[VerificationKey, ...]:
        """The public keys, for the published key set."""

    def issue(self, client_id: str, *, scopes: Collection[Scope], jkt: str, now: datetime) -> str:
        """Write a token for a client, usable with the key of this thumbprint only."""

    def verify(self, token: str, *, now: datetime, jkt: str) -> Claims:
        """Say whom we gave this token to."""


FindClient: TypeAlias = Callable[[str], ClientKeys | None]
"""Looks in the directory as it is now; None for an unknown client, or a removed one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Everything that decides who is calling; one for each process."""

    base_url: str
    """Scheme, host and port as clients write them, no path: the issuer, and what ``htu``
    begins with. Nothing is ever taken from ``Host``."""
    proofs: ProofStore
    clock: Clock
    nonces: DpopNonces
    tokens: Tokens
    find_client: FindClient
    count_client: Callable[[str], None] = lambda _: None
    """Asked before anything of a client's request is written; refuses when it is too much."""
    receipt_keys: Callable[[], Iterable[VerificationKey]] = tuple
    """The receipt keys to publish, old ones among them: a receipt is checked years later."""

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if f"{parts.scheme}://{parts.netloc}" != self.base_url or not parts.netloc:
            # RFC 8414 section 3.1 would put the metadata elsewhere for a path.
            raise ConfigurationError("the base URL must be https://host[:port], without a path")

    async def authenticate_request(self, request: web.Request) -> Caller:
        """Say who sent this request to a resource.

        The proof is spent only when all else is good, so that nobody without a token can
        fill the store. Country and agency are the registered client's, and of the token's
        scopes only those count that the client still has.

        Raises:
            AuthenticationError: ``CREDENTIALS_MISSING``, ``TOKEN_INVALID``,
                ``PROOF_INVALID``, ``PROOF_REPLAYED``, or ``PROOF_NONCE``.
            LedgerUnavailableError: Whether the proof is new could not be found out.

        Source:
            RFC 9449 section 7.
        """
        now = self.clock()
        token = _token(request)
        proof = self.verify_proof(request, now=now, access_token_hash=token_hash(token))
        claims = self.tokens.verify(token, now=now, jkt=proof.jkt)
        client = self.find_client(claims.client_id)
        # A client whose country no longer states a key for it is no client, whatever token
        # it still has, and whatever its row in the ledger says it is.
        if client is None or not client.keys:
            raise AuthenticationError(Code.TOKEN_INVALID)
        self.count_client(claims.client_id)
        await self.spend_proof(proof, now=now)
        return Caller(
            client_id=claims.client_id,
            subject=client.record.subject,
            scopes=claims.scopes & client.record.scopes,
        )

    def still_stands(self, caller: Caller) -> bool:
        """Whether the directory still knows this caller as what it was, with all its scopes."""
        client = self.find_client(caller.client_id)
        return (
            client is not None
            and bool(client.keys)
            and client.record.subject == caller.subject
            and caller.scopes <= client.record.scopes
        )

    def verify_proof(
        self, request: web.Request, *, now: datetime, access_token_hash: str | None
    ) -> Proof:
        """Say which key the sender of this request holds; see :mod:`broker.admission.dpop`."""
        return verify_proof(
            request.headers.getall("DPoP", []),
            method=request.method,
            url=self.base_url + request.rel_url.raw_path,
            now=now,
            nonces=self.nonces,
            access_token_hash=access_token_hash,
        )

    async def spend_proof(self, proof: Proof, *, now: datetime) -> None:
        """Return the first time; a proof that was seen before is a replay.

        Raises:
            AuthenticationError: ``PROOF_REPLAYED``.
        """
        if not await self.proofs.spend(proof.replay_key, until=proof.replay_until, now=now):
            raise AuthenticationError(Code.PROOF_REPLAYED)


def _token(request: web.Request) -> str:
    headers = request.headers.getall(hdrs.AUTHORIZATION, [])
    if not headers:
        raise AuthenticationError(Code.CREDENTIALS_MISSING)
    scheme, _, token = headers[0].partition(" ")
    # A bound token under ``Bearer`` is refused too (RFC 9449 section 7.1).
    if len(headers) != 1 or scheme.lower() != SCHEME:
        raise AuthenticationError(Code.TOKEN_INVALID)
    return token.strip(" ")
