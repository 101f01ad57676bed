"""A gateway with nothing but its access part, and one protected resource that says who calls.

``OAuthWorld.app()`` is an aiohttp application. Its middleware stands in for the gateway's:
it renders a refusal as a status, a code and the headers that RFC 9449 section 9 asks for.
"""

from datetime import datetime, timedelta
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from broker.admission.access_token import AccessTokens
from broker.directory import ClientRecord
from broker.errors import AuthenticationError, Code
from broker.gateway.access import Access, ClientKeys
from broker.gateway.oauth import oauth_routes
from broker.model.names import AgencyRef, Scope
from broker.ports.clock import Clock
from broker.ports.proofs import ProofStore
from keys.algorithms import SignatureAlgorithm
from keys.identifiers import KeyId
from keys.key import SigningKey, VerificationKey
from schemas.vocabulary import Country
from tests.admission.credentials import BASE_URL, NONCES, NOW, Client
from tests.fakes.proofs import InMemoryProofs

RESOURCE: Final = "/v1/who"
TOKEN_KEY: Final = SigningKey.generate(SignatureAlgorithm.ED25519, KeyId("GW-token-1"))
RECEIPT_KEY: Final = SigningKey.generate(SignatureAlgorithm.ED25519, KeyId("GW-receipt-1"))
FISCALIA: Final = AgencyRef(country=Country.MEXICO, agency="fiscalia")


class OAuthWorld:
    """One registered client, a clock that tests set, and everything else as in earnest."""

    def __init__(self, base_url: str = BASE_URL, clock: Clock | None = None) -> None:
        self.client = Client()
        self.now = NOW
        self.clock = clock or (lambda: self.now)
        self.proofs: ProofStore = InMemoryProofs()
        self.clients: dict[str, ClientKeys] = {}
        self.base_url = base_url
        self.register(self.client, Scope.MESSAGES_SEND, Scope.DIRECTORY_READ)

    def register(self, client: Client, *scopes: Scope) -> None:
        """Register a client with these scopes, or change it."""
        record = ClientRecord(
            client_id=client.client_id, subject=FISCALIA, scopes=frozenset(scopes)
        )
        self.clients[client.client_id] = ClientKeys(record=record, keys=(client.key.public,))

    def access(self) -> Access:
        """Wire the access part."""
        return Access(
            base_url=self.base_url,
            proofs=self.proofs,
            clock=self.clock,
            nonces=NONCES,
            tokens=AccessTokens(issuer=self.base_url, signing_key=TOKEN_KEY),
            find_client=self.clients.get,
            receipt_keys=self.receipt_keys,
        )

    def receipt_keys(self) -> tuple[VerificationKey, ...]:
        """Publish one receipt key."""
        return (RECEIPT_KEY.public,)

    def later(self, seconds: float) -> None:
        """Move the clock."""
        self.now += timedelta(seconds=seconds)

    def app(self) -> web.Application:
        """Build the application."""
        access = self.access()

        async def who(request: web.Request) -> web.Response:
            caller = await access.authenticate_request(request)
            return web.json_response(
                {
                    "client_id": caller.client_id,
                    "subject": str(caller.subject),
                    "scopes": sorted(caller.scopes),
                }
            )

        @web.middleware
        async def render(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                return await handler(request)
            except AuthenticationError as error:
                return refusal(error, access, self.clock())

        app = web.Application(middlewares=[render])
        app.add_routes([*oauth_routes(access), web.get(RESOURCE, who), web.post(RESOURCE, who)])
        return app


def refusal(error: AuthenticationError, access: Access, now: datetime) -> web.Response:
    """Render a refusal of a resource."""
    challenge = "use_dpop_nonce" if error.code is Code.PROOF_NONCE else "invalid_token"
    return web.json_response(
        {"code": error.code.value},
        status=401,
        headers={
            "WWW-Authenticate": f'DPoP error="{challenge}"',
            "DPoP-Nonce": access.nonces.current(now),
        },
    )
