"""What every handler may use, under one typed key."""

from dataclasses import dataclass, field
from typing import Protocol

from aiohttp import web

from broker.directory_watch import DirectoryWatch
from broker.errors import Code, PermissionDeniedError
from broker.exchange import Exchange
from broker.gateway.access import Access
from broker.gateway.limits import Limits
from broker.gateway.metrics import Metrics
from broker.gateway.polls import PollSessions
from broker.gateway.proxies import Proxies
from broker.hand_over import HandOvers
from broker.model.names import AgencyRef, Caller, DeskRef, Scope
from broker.ports.clock import Clock
from broker.ports.deliveries import DeliveryLedger
from broker.ports.keys import KeyLedger
from broker.ports.recalls import RecallLedger
from broker.ports.requests import RequestLedger
from broker.relay import Relay
from broker.texts.catalogue import Catalogue
from schemas.loader import SchemaSet


@dataclass(slots=True)
class Lifecycle:
    """Whether this process still takes requests."""

    draining: bool = False


class SigningKeys(Protocol):
    """What the gateway itself signs with."""

    def check(self) -> None:
        """Return if this gateway can sign; else say what to do (``ConfigurationError``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The parts of one gateway process that requests meet."""

    base_url: str
    exchange: Exchange
    hand_overs: HandOvers
    polls: PollSessions
    deliveries: DeliveryLedger
    key_ledger: KeyLedger
    recalls: RecallLedger
    requests: RequestLedger
    directory: DirectoryWatch
    access: Access
    relay: Relay
    schemas: SchemaSet
    texts: Catalogue
    limits: Limits
    proxies: Proxies
    metrics: Metrics
    clock: Clock
    keys: SigningKeys
    lifecycle: Lifecycle = field(default_factory=Lifecycle)


GATEWAY = web.AppKey("gateway", Gateway)


async def caller_with(request: web.Request, scope: Scope) -> Caller:
    """Prove who is calling, and that the token is good for this.

    Raises:
        AuthenticationError: Not proven.
        PermissionDeniedError: ``SCOPE_INSUFFICIENT``.
        RefusedError: ``RATE_LIMITED``.
    """
    gateway = request.app[GATEWAY]
    caller = await gateway.access.authenticate_request(request)
    gateway.limits.forgive_claim(gateway.proxies.client_household(request))
    if scope not in caller.scopes:
        raise PermissionDeniedError(Code.SCOPE_INSUFFICIENT)
    return caller


async def calling_participant(request: web.Request) -> tuple[Caller, AgencyRef | DeskRef]:
    """Prove that an agency or a desk is calling, with the right that its part has."""
    gateway = request.app[GATEWAY]
    caller = await gateway.access.authenticate_request(request)
    gateway.limits.forgive_claim(gateway.proxies.client_household(request))
    is_agency = isinstance(caller.subject, AgencyRef)
    if (Scope.MESSAGES_SEND if is_agency else Scope.MESSAGES_RECEIVE) not in caller.scopes:
        raise PermissionDeniedError(Code.SCOPE_INSUFFICIENT)
    return caller, caller.subject


async def calling_agency(request: web.Request) -> tuple[Caller, AgencyRef]:
    """Prove that an agency is calling; a desk's client writes no messages."""
    caller = await caller_with(request, Scope.MESSAGES_SEND)
    if not isinstance(caller.subject, AgencyRef):
        raise PermissionDeniedError(Code.SCOPE_INSUFFICIENT)
    return caller, caller.subject


async def calling_desk(request: web.Request) -> tuple[Caller, DeskRef]:
    """Prove that a desk is calling; an agency's client reads no queue."""
    caller = await caller_with(request, Scope.MESSAGES_RECEIVE)
    if not isinstance(caller.subject, DeskRef):
        raise PermissionDeniedError(Code.SCOPE_INSUFFICIENT)
    return caller, caller.subject
