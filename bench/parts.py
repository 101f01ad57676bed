"""What cannot be left out of an accepted message, each part by itself on the same bytes.

CPU time of this process, all threads; medians of repeats. Every part is the program's own
function on real input, so the sum is what the accept path would cost if nothing joined the
parts: no routing, no tasks, no copies, no waiting for one another.
"""

import asyncio
import gc
import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from bench.load import POST, Author, Caller
from broker.admission import strict_json
from broker.admission.access_token import AccessTokens
from broker.admission.authenticate import token_hash
from broker.admission.authorise import authorise
from broker.admission.circumstances import Circumstances
from broker.admission.decided import policy_in_force
from broker.admission.dpop import DpopNonces, verify_proof
from broker.admission.facts import facts_of
from broker.admission.message_signature import verify_message_signature
from broker.admission.policy import STANDARD_POLICY
from broker.admission.unsigned import unsigned_message
from broker.desk.sign import sign_rewrap
from broker.desk.wire import ContentRef
from broker.directory_watch import DirectoryWatch
from broker.evidence.receipts import ReceiptIssuer
from broker.exchange import Exchange
from broker.model.delivery import Outgoing
from broker.model.events import Event, EventKind, Receipt
from broker.model.message import Acceptance, Message, Posting
from broker.model.names import AgencyRef, Json, LogPosition, MessageId, Scope
from broker.model.status import MessageStatus
from broker.ports.messages import IdTaken, Recorded
from broker.ports.receipts import SignReceipt
from broker.ports.transport import Transport
from broker.sandbox.world import World
from broker.sealing import wire
from broker.sealing.content import SignedContent
from broker.sealing.rewrap import rewrap
from broker.sealing.route import SealRoute
from broker.sealing.seal import seal
from broker.storage.ledger import Ledger, open_ledger
from broker.storage.migrate import upgrade
from broker.transport.rabbitmq import open_rabbitmq
from broker.transport.topology import Topology
from broker.wiring.clock import utc_now
from keys import base64url
from keys.algorithms import SignatureAlgorithm
from keys.identifiers import KeyId
from keys.key import DecryptionKey, SigningKey
from keys.secret import SecretBytes
from schemas.loader import SchemaSet

GROUP: Final = 32
WINDOW: Final = 256
POLICY: Final = "safeguards: policy, facts and rules"
NAMESPACE: Final = "bench."
PUBLISH_DEADLINE: Final = timedelta(seconds=30)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the accept path, or of the relay's."""

    name: str
    cpu_us: float
    """Per message."""
    relay: bool = False


@dataclass(slots=True, kw_only=True)
class Captured:
    """A ledger that keeps acceptances and writes nothing."""

    acceptances: list[Acceptance] = field(default_factory=list)

    async def find(
        self, sender: AgencyRef, message_id: MessageId, *, body_mac: bytes
    ) -> Recorded | IdTaken | None:
        """Know nothing."""
        del sender, message_id, body_mac
        return None

    async def record(self, acceptance: Acceptance, *, sign: SignReceipt) -> Recorded | IdTaken:
        """Keep it."""
        # Recorded in another ledger afterwards, whose directory is at a version of its own.
        self.acceptances.append(replace(acceptance, directory_version=None))
        token = sign(_event(acceptance), LogPosition(1))
        receipt = Receipt(
            event=EventKind.ACCEPTED,
            position=LogPosition(1),
            at=acceptance.accepted_at,
            token=token,
        )
        return Recorded(receipt=receipt, replayed=False)

    async def status(self, sender: AgencyRef, message_id: MessageId) -> MessageStatus | None:
        """Know nothing."""
        del sender, message_id
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workbench:
    """Real input for every part."""

    author: Author
    exchange: Exchange
    captured: Captured
    postings: Sequence[Posting]
    acceptances: Sequence[Acceptance]
    repeats: int

    def measure(self, name: str, call: Callable[[T], object], items: Sequence[T]) -> Part:
        """Run a part on every item, again and again."""
        call(items[0])
        return Part(name=name, cpu_us=_median(self.repeats, lambda: _run(call, items)))


async def workbench(world: World, author: Author, *, messages: int, repeats: int) -> Workbench:
    """Write messages and take them through the accept path as far as the ledger."""
    captured = Captured()
    async with open_ledger(world.settings.database_url) as ledger:
        watch = DirectoryWatch(ledger.directory, roots=lambda: world.pins.roots, clock=utc_now)
        await watch.refresh()
    exchange = Exchange(
        directory=watch,
        schemas=SchemaSet.load(),
        ledger=captured,
        sign_receipt=_issuer(world),
        mac_key=SecretBytes(bytes(32)),
        clock=utc_now,
        draw=os.urandom,
    )
    postings = [author.write() for _ in range(messages)]
    for posting in postings:
        await exchange.accept(posting, author.agency)
    return Workbench(
        author=author,
        exchange=exchange,
        captured=captured,
        postings=postings,
        acceptances=tuple(captured.acceptances),
        repeats=repeats,
    )


def measure_pure(bench: Workbench, world: World) -> list[Part]:
    """Measure what needs neither a disk nor a network."""
    now, author, exchange = datetime.now(UTC), bench.author, bench.exchange
    directory, schemas = exchange.directory.current, exchange.schemas
    documents = [strict_json.parse(posting.body) for posting in bench.postings]
    kind, version = str(documents[0]["kind"]), str(documents[0]["version"])
    key = directory.encryption_key(author.desk, now)
    routes = [_route(acceptance.sealed) for acceptance in bench.acceptances]
    contents = [
        SignedContent(body=posting.body, signature=posting.signature) for posting in bench.postings
    ]
    issuer = _issuer(world)
    return [
        *_access(bench, world, now),
        bench.measure(
            "message signature (Ed25519)",
            lambda posting: verify_message_signature(
                posting,
                caller=author.agency,
                find_key=lambda kid: directory.message_key(kid, now),
                now=now,
            ),
            bench.postings,
        ),
        bench.measure("strict JSON", strict_json.parse, [one.body for one in bench.postings]),
        bench.measure(
            "schema",
            lambda document: schemas.violations(document, kind=kind, version=version, limit=50),
            documents,
        ),
        measure_policy(bench, documents, now),
        bench.measure(
            "seal, 1 recipient",
            lambda pair: seal(pair[0], pair[1], [key], os.urandom),
            list(zip(contents, routes, strict=True)),
        ),
        bench.measure(
            "receipt signature",
            lambda acceptance: issuer(_event(acceptance), LogPosition(1)),
            bench.acceptances,
        ),
    ]


def measure_policy(bench: Workbench, documents: Sequence[dict[str, Json]], now: datetime) -> Part:
    """Measure the safeguards: read the policy and the facts, find the desks, ask every rule."""
    directory, schemas = bench.exchange.directory.current, bench.exchange.schemas
    words = STANDARD_POLICY.words
    messages = [unsigned_message(posting.body, schemas, words=words) for posting in bench.postings]

    def judge(item: tuple[Message, dict[str, Json]]) -> None:
        policy = policy_in_force(directory)
        facts_of(item[1], words=policy.words)
        authorise(item[0], Circumstances(directory=directory, policy=policy, now=now))

    return bench.measure(POLICY, judge, list(zip(messages, documents, strict=True)))


def measure_ring(bench: Workbench) -> Part:
    """Measure the look-ups of one message: whose key signed it, and to which it is sealed."""
    now, watch, desk = datetime.now(UTC), bench.exchange.directory, bench.author.desk
    kid = bench.author.key.kid

    def look_up(_: Acceptance) -> None:
        directory = watch.at(now)
        directory.message_key(kid, now)
        directory.encryption_key(desk, now)

    return bench.measure("key ring, the look-ups of one message", look_up, bench.acceptances)


def measure_rewrap(bench: Workbench, world: World) -> Part:
    """Measure what a desk does to one waiting message: open, wrap anew, open that, sign."""
    now, desk, holding = datetime.now(UTC), bench.author.desk, world.holdings[bench.author.desk]
    old = holding.decryption
    if old is None:
        raise RuntimeError("the desk has no key")
    new = DecryptionKey.generate(old.algorithm, KeyId(f"{desk.country}-next-2"))
    entries = [wire.parse(one.sealed).only_for(old.kid) for one in bench.acceptances]
    refs = [
        ContentRef(message_id=one.message_id, content_hash=one.content_hash)
        for one in bench.acceptances
    ]

    def rewrap_one(item: tuple[wire.Jwe, ContentRef]) -> None:
        entry = rewrap(item[0].protected, item[0].recipients[0], old, new)
        sign_rewrap(item[1], entry, holding.signature, old=old.kid, desk=desk, now=now)

    name = "re-wrap, on the desk"
    return bench.measure(name, rewrap_one, list(zip(entries, refs, strict=True)))


def _access(bench: Workbench, world: World, now: datetime) -> list[Part]:
    nonces = DpopNonces(os.urandom(32))
    caller = Caller(world=world, subject=bench.author.agency, nonce=nonces.current(now))
    tokens = AccessTokens(
        issuer=world.settings.base_url,
        signing_key=SigningKey.generate(SignatureAlgorithm.ED25519, KeyId("GW-token-1")),
    )

    def check(proof: str) -> str:
        verified = verify_proof(
            [proof],
            method="POST",
            url=world.settings.base_url + POST,
            now=now,
            nonces=nonces,
            access_token_hash=token_hash(caller.token),
        )
        return verified.jkt

    caller.token = "none yet"  # noqa: S105 - no token
    jkt = check(caller.proof("POST", POST))
    caller.token = tokens.issue("bench", scopes=[Scope.MESSAGES_SEND], jkt=jkt, now=now)
    proofs = [caller.proof("POST", POST) for _ in bench.postings]
    return [
        bench.measure("DPoP proof", check, proofs),
        bench.measure(
            "access token, remembered",
            lambda _: tokens.verify(caller.token, now=now, jkt=jkt),
            proofs,
        ),
    ]


async def measure_joined(bench: Workbench) -> Part:
    """Measure the flow as it is, from signature to receipt, before an empty ledger."""

    async def accept(postings: Sequence[Posting]) -> None:
        for posting in postings:
            await bench.exchange.accept(posting, bench.author.agency)

    samples = []
    for _ in range(bench.repeats):
        cpu = await _cpu_of(accept(bench.postings))
        samples.append(cpu / len(bench.postings))
    return Part(name="flow as it is, empty ledger", cpu_us=statistics.median(samples))


async def measure_stored(bench: Workbench, ledger_url: str, amqp_url: str | None) -> list[Part]:
    """Measure what needs the ledger, in groups of 32, and RabbitMQ, in windows of 256."""
    await upgrade(ledger_url)
    records, claims, publishes = [], [], []
    async with AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(open_ledger(ledger_url))
        transport = None
        if amqp_url is not None:
            transport = await stack.enter_async_context(
                open_rabbitmq(amqp_url, clock=utc_now, topology=Topology(namespace=NAMESPACE))
            )
            await transport.declare({bench.acceptances[0].routes[0].queue})
        for repeat in range(bench.repeats + 1):
            await _capture_again(bench)
            acceptances = bench.captured.acceptances
            cpu = await _cpu_of(_record(ledger, acceptances))
            window: list[Outgoing] = []
            cpu_relay = await _cpu_of(_relay(ledger, window))
            if repeat:
                records.append(cpu / len(acceptances))
                claims.append(cpu_relay / len(window))
            if transport is None:
                continue
            cpu = await _cpu_of(_publish(transport, window))
            if repeat:
                publishes.append(cpu / len(window))
    parts = [
        Part(
            name=f"ledger, groups of {GROUP} messages with their proofs",
            cpu_us=statistics.median(records),
        ),
        Part(name="relay: claim and mark", cpu_us=statistics.median(claims), relay=True),
    ]
    if publishes:
        median = statistics.median(publishes)
        parts.append(Part(name="relay: publish in a window", cpu_us=median, relay=True))
    return parts


async def _capture_again(bench: Workbench) -> None:
    bench.captured.acceptances.clear()
    for _ in bench.postings:
        await bench.exchange.accept(bench.author.write(), bench.author.agency)


async def _record(ledger: Ledger, acceptances: Sequence[Acceptance]) -> None:
    now = datetime.now(UTC)
    until = now + timedelta(minutes=2)
    for start in range(0, len(acceptances), GROUP):
        group = acceptances[start : start + GROUP]
        await asyncio.gather(
            *(ledger.proofs.spend(os.urandom(32), until=until, now=now) for _ in group),
            *(ledger.messages.record(one, sign=_same_receipt) for one in group),
        )


async def _relay(ledger: Ledger, window: list[Outgoing]) -> None:
    while True:
        now = datetime.now(UTC)
        claimed = await ledger.deliveries.claim_unpublished(
            limit=WINDOW, claimant="bench", now=now, until=now + timedelta(seconds=30)
        )
        if not claimed:
            return
        window += claimed
        await ledger.deliveries.mark_dispatched([one.number for one in claimed], at=now)


async def _publish(transport: Transport, window: Sequence[Outgoing]) -> None:
    for start in range(0, len(window), WINDOW):
        await transport.publish(window[start : start + WINDOW], timeout=PUBLISH_DEADLINE)


def _same_receipt(event: Event, position: LogPosition) -> str:
    # As long as a real one. Signing is a part of its own.
    del event, position
    return "r" * 560


def _issuer(world: World) -> ReceiptIssuer:
    key = SigningKey.generate(SignatureAlgorithm.ED25519, KeyId("GW-receipt-1"))
    return ReceiptIssuer(key, issuer=world.settings.base_url)


def _event(acceptance: Acceptance) -> Event:
    return Event(
        kind=EventKind.ACCEPTED,
        at=acceptance.accepted_at,
        message_id=acceptance.message_id,
        sender=acceptance.sender,
        content_hash=acceptance.content_hash,
        recipients=acceptance.recipient_keys,
    )


def _route(sealed: bytes) -> SealRoute:
    return SealRoute.from_bytes(base64url.decode(json.loads(sealed)["aad"]))


def _run(call: Callable[[T], object], items: Sequence[T]) -> float:
    gc.collect()
    start = time.process_time_ns()
    for item in items:
        call(item)
    return (time.process_time_ns() - start) / 1000 / len(items)


async def _cpu_of(work: Awaitable[None]) -> float:
    gc.collect()
    start = time.process_time_ns()
    await work
    return (time.process_time_ns() - start) / 1000


def _median(repeats: int, sample: Callable[[], float]) -> float:
    return statistics.median(sample() for _ in range(repeats))
