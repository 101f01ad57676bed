"""A gateway in this process: the protocol's own wire, real tokens, signatures and seals.

It stands in for the real one where a test needs to see what was asked, to lose an answer, or
to break a connection at a chosen moment. Nothing is stored; the clock is the test's.

- ``gateway.faults`` holds what the next requests of a path meet, in order: a :class:`Fault`
  is answered instead, :data:`LOSE_ANSWER` does the work and then hangs up.
- ``gateway.deliver(json)`` puts a hand-over into the desk's queue.
- ``gateway.hang_up()`` breaks all streams, ``gateway.say_bye()`` ends them politely. What was
  not answered is handed over again, under a new number, on the next stream.
- ``gateway.requests`` remembers method and path of everything that came.
- ``gateway.answers`` are the desk's verified answers, in order, repetitions included.
"""

import asyncio
import contextlib
import itertools
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer

from broker.admission import acknowledge, dpop, message_signature, strict_json
from broker.admission.access_token import LIFE, AccessTokens
from broker.admission.authenticate import token_hash
from broker.admission.client_assertion import verify_client_assertion
from broker.admission.use import verify_use
from broker.directory import Directory, DirectoryRecord
from broker.errors import BrokerError, Code
from broker.evidence.receipts import ReceiptIssuer, parse_agency
from broker.model.answers import DeskAnswer
from broker.model.events import Event, EventKind
from broker.model.message import Posting
from broker.model.names import AgencyRef, ContentHash, DeskRef, LogPosition, MessageId, Scope
from keys.identifiers import KeyId
from keys.key import SigningKey, VerificationKey

STATUS: Final = {
    Code.PROOF_NONCE: 401,
    Code.PROOF_INVALID: 401,
    Code.PROOF_REPLAYED: 401,
    Code.TOKEN_INVALID: 401,
    Code.CREDENTIALS_MISSING: 401,
    Code.NOT_FOUND: 404,
    Code.ID_REUSED: 409,
}


@dataclass(frozen=True, kw_only=True)
class Fault:
    """An answer instead of the right one."""

    status: int
    code: str = "overloaded"
    headers: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, Any] = field(default_factory=dict)
    raw: bytes | None = None


LOSE_ANSWER: Final = Fault(status=0)
"""Do what was asked, then hang up."""
DROP: Final = Fault(status=-1)
"""Hang up before anything is done."""


@dataclass(frozen=True, kw_only=True)
class FakeClient:
    """A registered client."""

    subject: AgencyRef | DeskRef
    keys: tuple[VerificationKey, ...]


@dataclass(kw_only=True)
class Delivery:
    """What waits for the desk; settled by its first answer."""

    hand_over: dict[str, Any]
    state: str = "dispatched"
    receipt: str = ""


class FakeGateway:
    """See the module; made by :func:`serve`."""

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        issuer: str,
        clients: Mapping[str, FakeClient],
        record: DirectoryRecord,
        directory: Directory,
        receipt_key: SigningKey,
        token_key: SigningKey,
    ) -> None:
        self.clock = clock
        self.clients = clients
        self.record = record
        self.directory = directory
        self.base_url = ""
        self.issuer = issuer
        self.receipts = ReceiptIssuer(receipt_key, issuer=issuer)
        self.rule: str | None = "open-pair"
        """What receipts give as the rule of each recipient; None is an exchange of before."""
        self.sealed_to = KeyId("GT-int-enc-1")
        """The key that receipts name."""
        self.says_sealed = True
        """What answers say of each recipient, whatever the receipt names."""
        self.tokens = AccessTokens(issuer=issuer, signing_key=token_key)
        self.token_life = int(LIFE.total_seconds())
        self.token_requests = 0
        self.nonces = dpop.DpopNonces(b"n" * 32)
        self.nonce_generation = 0
        self.spent: set[bytes] = set()
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)
        self.requests: list[tuple[str, str]] = []
        self.headers: list[Mapping[str, str]] = []
        self.queries: list[str] = []
        self.messages: dict[str, tuple[bytes, dict[str, Any]]] = {}
        self.signatures: dict[str, str] = {}
        self.uses: list[tuple[str, str, str]] = []
        self.denied_purposes: set[str] = set()
        self.deliveries: dict[tuple[str, str], Delivery] = {}
        self.answers: list[DeskAnswer] = []
        self.streams: list[asyncio.Queue[bytes | None]] = []
        self.streaming = asyncio.Event()
        self.last_event_ids: list[str | None] = []
        self.heartbeat: float | None = None
        self.numbers: Iterator[int] = itertools.count(1)
        """Of the next hand-overs."""
        self._positions = itertools.count(1)

    # --- what a test does -----------------------------------------------------------------

    def deliver(self, hand_over: dict[str, Any]) -> None:
        """Put a hand-over into the desk's queue, and on every open stream."""
        delivery = Delivery(hand_over=hand_over)
        self.deliveries[hand_over["id"], hand_over["content_hash"]] = delivery
        for stream in self.streams:
            stream.put_nowait(self._event(delivery))

    def deliver_after(self, seconds: float, hand_over: dict[str, Any]) -> None:
        """Put it there a little later, in real time."""
        asyncio.get_running_loop().call_later(seconds, self.deliver, hand_over)

    def hand_over_again(self) -> None:
        """Put everything on the open streams once more, answered or not."""
        for stream in self.streams:
            for delivery in self.deliveries.values():
                stream.put_nowait(self._event(delivery))

    def hang_up(self) -> None:
        """Break all streams."""
        for stream in self.streams:
            stream.put_nowait(None)

    def say_bye(self) -> None:
        """End all streams as a gateway does that drains."""
        for stream in self.streams:
            stream.put_nowait(b"event: bye\ndata: {}\n\n")

    def forget_nonces(self) -> None:
        """Refuse every nonce that was given out so far."""
        self.nonce_generation += 1
        self.nonces = dpop.DpopNonces(bytes([self.nonce_generation]) * 32)

    # --- access ---------------------------------------------------------------------------

    async def token(self, request: web.Request) -> web.Response:
        """Answer the token endpoint."""
        self.token_requests += 1
        now = self.clock()
        form = await request.post()
        try:
            client = verify_client_assertion(
                str(form["client_assertion"]),
                issuer=self.issuer,
                now=now,
                find_client_keys=lambda name: self.clients[name].keys,
            )
            proof = self._proof(request, access_token_hash=None)
            self._spend(client.replay_key)
        except BrokerError as error:
            nonce = error.code is Code.PROOF_NONCE
            name = "use_dpop_nonce" if nonce else "invalid_client"
            return web.json_response({"error": name}, status=400 if nonce else 401)
        token = self.tokens.issue(client.client_id, scopes=frozenset(Scope), jkt=proof.jkt, now=now)
        return web.json_response(
            {"access_token": token, "token_type": "DPoP", "expires_in": self.token_life}
        )

    def caller(self, request: web.Request) -> AgencyRef | DeskRef:
        """Say who is calling, by token and proof."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "DPoP":
            raise BrokerError(Code.CREDENTIALS_MISSING)
        proof = self._proof(request, access_token_hash=token_hash(token))
        claims = self.tokens.verify(token, now=self.clock(), jkt=proof.jkt)
        return self.clients[claims.client_id].subject

    def _proof(self, request: web.Request, *, access_token_hash: str | None) -> dpop.Proof:
        proof = dpop.verify_proof(
            request.headers.getall("DPoP", []),
            method=request.method,
            url=self.base_url + request.path,
            now=self.clock(),
            nonces=self.nonces,
            access_token_hash=access_token_hash,
        )
        self._spend(proof.replay_key)
        return proof

    def _spend(self, value: bytes) -> None:
        if value in self.spent:
            raise BrokerError(Code.PROOF_REPLAYED)
        self.spent.add(value)

    # --- an agency ------------------------------------------------------------------------

    async def post_message(self, request: web.Request) -> web.Response:
        """Accept a message."""
        sender = self.caller(request)
        assert isinstance(sender, AgencyRef)
        posting = Posting(
            body=await request.read(), signature=request.headers.get("Message-Signature", "")
        )
        message_signature.verify_message_signature(
            posting,
            caller=sender,
            find_key=lambda kid: self.directory.message_key(kid, self.clock()),
            now=self.clock(),
        )
        document = strict_json.parse(posting.body)
        message_id = str(document["id"])
        recipients = [
            {
                "country": "GT",
                "compartment": "intelligence",
                "rule": "open-pair",
                "sealed": self.says_sealed,
            }
        ]
        if request.query.get("dry_run") == "true":
            return web.json_response(
                {"id": message_id, "status": "dry-run", "recipients": recipients}
            )
        known = self.messages.get(message_id)
        if known is not None and known[0] != posting.body:
            raise BrokerError(Code.ID_REUSED)
        if known is None:
            answer = {
                "id": message_id,
                "status": "accepted",
                "receipt": self._receipt(EventKind.ACCEPTED, message_id, "A" * 43, sender),
                "recipients": recipients,
            }
            self.messages[message_id] = (posting.body, answer)
            self.signatures[message_id] = posting.signature
        return web.json_response(
            self.messages[message_id][1],
            status=202,
            headers={"Idempotent-Replay": "true"} if known else {},
        )

    async def get_message(self, request: web.Request) -> web.Response:
        """Tell its state."""
        self.caller(request)
        known = self.messages.get(request.match_info["id"])
        if known is None:
            raise BrokerError(Code.NOT_FOUND)
        recipient = {
            "country": "GT",
            "compartment": "intelligence",
            "state": "dispatched",
            "changed_at": "2026-11-23T12:00:00.000Z",
            "attempts": 0,
            "reason": None,
            "desk_evidence": None,
            "receipt": None,
        }
        return web.json_response(
            {
                "id": known[1]["id"],
                "kind": "route-report",
                "accepted_at": "2026-11-23T12:00:00.000Z",
                "expires": "2027-11-23T12:00:00.000Z",
                "content_hash": "A" * 43,
                "receipt": known[1]["receipt"],
                "recipients": [recipient],
            }
        )

    # --- a desk ---------------------------------------------------------------------------

    async def queues(self, request: web.Request) -> web.Response:
        """Tell the desk's queue."""
        self.caller(request)
        waiting = sum(each.state == "dispatched" for each in self.deliveries.values())
        queue = {"queue": "MX.GT.intelligence", "waiting": waiting, "leased": 0}
        return web.json_response({"queues": [{**queue, "oldest_accepted_at": None}]})

    async def poll(self, request: web.Request) -> web.Response:
        """Hand over what waits."""
        self.caller(request)
        if request.match_info["queue"] != "MX.GT.intelligence":
            raise BrokerError(Code.NOT_FOUND)
        waiting = [each for each in self.deliveries.values() if each.state == "dispatched"]
        limit = int(request.query["limit"])
        return web.json_response({"messages": [self._number(each) for each in waiting[:limit]]})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Hand over what waits and what comes."""
        self.caller(request)
        self.last_event_ids.append(request.headers.get("Last-Event-ID"))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        events: asyncio.Queue[bytes | None] = asyncio.Queue()
        for delivery in self.deliveries.values():
            if delivery.state == "dispatched":
                events.put_nowait(self._event(delivery))
        self.streams.append(events)
        self.streaming.set()
        try:
            await self._write(response, events)
            if request.transport is not None:
                request.transport.abort()
        finally:
            self.streams.remove(events)
        return response

    async def _write(
        self, response: web.StreamResponse, events: "asyncio.Queue[bytes | None]"
    ) -> None:
        while True:
            try:
                async with asyncio.timeout(self.heartbeat):
                    event = await events.get()
            except TimeoutError:
                event = b": still here\n\n"
            if event is None:
                return
            with contextlib.suppress(ConnectionError):
                await response.write(event)

    async def acknowledge(self, request: web.Request) -> web.Response:
        """Take acknowledgements."""
        return await self._answer(request, "acknowledgements", refusal=False)

    async def refuse(self, request: web.Request) -> web.Response:
        """Take refusals."""
        return await self._answer(request, "refusals", refusal=True)

    async def state_uses(self, request: web.Request) -> web.Response:
        """Take statements of use, of messages that were delivered and for what they say."""
        desk = self.caller(request)
        assert isinstance(desk, DeskRef)
        results: list[dict[str, Any]] = []
        for token in (await request.json())["uses"]:
            use = verify_use(
                token,
                desk=desk,
                find_key=lambda kid: self.directory.desk_signature_key(kid, self.clock()),
                purposes={"investigation", "prosecution"},
                now=self.clock(),
            )
            if (use.message_id, use.content_hash) not in self.deliveries:
                results.append({"error": {"code": "delivery-unknown"}})
            elif use.purpose in self.denied_purposes:
                results.append({"error": {"code": "purpose-denied"}})
            else:
                self.uses.append((use.message_id, use.reader, use.purpose))
                results.append({"id": use.message_id, "at": "2026-11-23T12:00:00.000Z"})
        return web.json_response({"results": results})

    async def _answer(self, request: web.Request, name: str, *, refusal: bool) -> web.Response:
        desk = self.caller(request)
        assert isinstance(desk, DeskRef)

        def find_key(kid: KeyId) -> tuple[VerificationKey, DeskRef] | None:
            return self.directory.desk_signature_key(kid, self.clock())

        tokens = orjson.loads(await request.read())[name]
        assert 1 <= len(tokens) <= 100
        answers = [
            acknowledge.verify_answer(
                token, desk=desk, find_key=find_key, now=self.clock(), refusal=refusal
            )
            for token in tokens
        ]
        self.answers += answers
        return web.json_response({"results": [self._settle(answer) for answer in answers]})

    def _settle(self, answer: DeskAnswer) -> dict[str, Any]:
        delivery = self.deliveries.get((answer.message_id, answer.content_hash))
        if delivery is None:
            return {"error": {"code": "delivery-unknown"}}
        if delivery.state == "dispatched":
            kind = EventKind.REFUSED if answer.reason else EventKind.ACKNOWLEDGED
            delivery.state = kind.value
            origin = delivery.hand_over["origin"]
            delivery.receipt = self._receipt(
                kind,
                answer.message_id,
                answer.content_hash,
                parse_agency(f"{origin['country']}/{origin['agency']}"),
            )
        return {"id": answer.message_id, "state": delivery.state, "receipt": delivery.receipt}

    # --- both -----------------------------------------------------------------------------

    async def get_directory(self, request: web.Request) -> web.Response:
        """Give the directory."""
        self.caller(request)
        etag = f'"{self.record.version}"'
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers={"ETag": etag})
        agencies = [
            {
                "country": row.ref.country,
                "agency": row.ref.agency,
                "function": row.function,
                "name": row.name,
            }
            for row in self.record.agencies
        ]
        return web.json_response(
            {
                "version": self.record.version,
                "countries": sorted(self.record.countries),
                "agencies": agencies,
                "desks": [
                    {"country": each.country, "compartment": each.compartment}
                    for each in self.record.desks
                ],
                "pairs": [
                    {
                        "from": each.origin,
                        "to": each.desk.country,
                        "compartment": each.desk.compartment,
                    }
                    for each in self.directory.open_pairs
                ],
                "statements": list(self.record.statements),
            },
            headers={"ETag": etag},
        )

    def _event(self, delivery: Delivery) -> bytes:
        hand_over = self._number(delivery)
        data = orjson.dumps(hand_over)
        return b"event: message\nid: %d\ndata: %b\n\n" % (hand_over["hand_over"], data)

    def _number(self, delivery: Delivery) -> dict[str, Any]:
        return {**delivery.hand_over, "hand_over": next(self.numbers)}

    def _receipt(
        self, kind: EventKind, message_id: str, content_hash: str, sender: AgencyRef
    ) -> str:
        subjects = [each.subject for each in self.clients.values()]
        desks = [each for each in subjects if isinstance(each, DeskRef)]
        rules = dict.fromkeys(desks, self.rule) if kind is EventKind.ACCEPTED and self.rule else {}
        event = Event(
            kind=kind,
            at=self.clock(),
            message_id=MessageId(message_id),
            sender=sender,
            content_hash=ContentHash(content_hash),
            recipients=dict.fromkeys(desks, self.sealed_to),
            rules=rules,
        )
        return self.receipts(event, LogPosition(next(self._positions)))

    def app(self) -> web.Application:
        """Put the routes together."""
        app = web.Application(middlewares=[self._outside])
        app.router.add_post("/oauth/token", self.token)
        app.router.add_post("/v1/messages", self.post_message)
        app.router.add_get("/v1/messages/{id}", self.get_message)
        app.router.add_get("/v1/queues", self.queues)
        app.router.add_get("/v1/queues/{queue}/messages", self.poll)
        app.router.add_get("/v1/stream", self.stream)
        app.router.add_post("/v1/acknowledgements", self.acknowledge)
        app.router.add_post("/v1/uses", self.state_uses)
        app.router.add_post("/v1/refusals", self.refuse)
        app.router.add_get("/v1/directory", self.get_directory)
        return app

    @property
    def _outside(self) -> Any:
        @web.middleware
        async def outside(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            return await self._meet(request, handler)

        return outside

    async def _meet(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        self.headers.append(dict(request.headers))
        self.queries.append(request.query_string)
        planned = self.faults[request.path]
        fault = planned.popleft() if planned else None
        if fault is DROP:
            return _drop(request)
        if fault is not None and fault is not LOSE_ANSWER:
            return self._with_nonce(_faulty(fault))
        try:
            response = await handler(request)
        except BrokerError as error:
            response = _problem(error.code)
        if fault is LOSE_ANSWER:
            return _drop(request)
        return response if response.prepared else self._with_nonce(response)

    def _with_nonce(self, response: web.StreamResponse) -> web.StreamResponse:
        response.headers["DPoP-Nonce"] = self.nonces.current(self.clock())
        return response


@asynccontextmanager
async def serve(gateway: FakeGateway) -> AsyncIterator[FakeGateway]:
    """Let a gateway answer on a port of this machine."""
    server = TestServer(gateway.app(), shutdown_timeout=0.1)
    await server.start_server()
    gateway.base_url = str(server.make_url("")).rstrip("/")
    try:
        yield gateway
    finally:
        gateway.hang_up()
        await server.close()


def _drop(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _problem(code: Code) -> web.Response:
    headers = (
        {"WWW-Authenticate": 'DPoP error="use_dpop_nonce"'} if code is Code.PROOF_NONCE else {}
    )
    return web.json_response(
        {"code": code.value, "status": STATUS.get(code, 400), "request_id": "r-1"},
        status=STATUS.get(code, 400),
        content_type="application/problem+json",
        headers=headers,
    )


def _faulty(fault: Fault) -> web.Response:
    if fault.raw is not None:
        return web.Response(status=fault.status, body=fault.raw, headers=dict(fault.headers))
    return web.json_response(
        {"code": fault.code, "status": fault.status, **fault.members},
        status=fault.status,
        headers=dict(fault.headers),
    )
