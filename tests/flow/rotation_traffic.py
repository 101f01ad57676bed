"""Steady traffic, and the account of it: what was posted, what was accepted, what arrived."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from broker.desk.client import EnlaceClient
from broker.desk.connection import ClientSettings
from broker.desk.failures import ProblemError
from broker.desk.inbox import Inbox
from broker.desk.profile import Profile
from broker.desk.retry import RetryPolicy
from broker.desk.stored import verify_line
from broker.desk.stream import StreamSettings
from broker.desk.subscribe import Subscription
from broker.desk.trust import Trust
from broker.desk.wallet import FileWallet
from broker.directory import Directory
from broker.evidence.receipts import ReceiptContent, verify_receipt
from broker.model.names import AgencyRef, DeskRef, MessageId, Pair
from broker.sandbox.world import World
from keys import jws
from keys.custody.envelope import INTERACTIVE_DEMO
from keys.identifiers import KeyId
from keys.ring import KeyState
from schemas.loader import SchemaSet
from schemas.vocabulary import Country
from tests.desk.served import served_key
from tests.flow.conftest import Document, as_bytes, lines, message
from tests.flow.rotation_world import agency_of

AGAIN = RetryPolicy(
    deadline=timedelta(seconds=60),
    base=timedelta(milliseconds=100),
    cap=timedelta(seconds=1),
)
STUBBORN = ClientSettings(retries=AGAIN, stream=StreamSettings(retries=AGAIN))
IMPATIENT = ClientSettings(retries=RetryPolicy(deadline=timedelta()))
MOST_PER_PAIR = 1000
"""However slow the machine and whatever goes wrong, the load has an end."""
REFUSED = 403
OUTBOX_LOOKS_AGAIN = 0.3
SECOND = timedelta(seconds=1)
TAKEN_OUT = frozenset({KeyState.SUSPENDED, KeyState.COMPROMISED})


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A post that the gateway refused, and when."""

    sender: AgencyRef
    at: datetime
    code: str


@dataclass
class Traffic:
    """Posts on every pair, receives at every desk, and writes down both."""

    world: World
    per_second: float
    tasks: asyncio.TaskGroup = field(default_factory=asyncio.TaskGroup)
    receiving: dict[DeskRef, asyncio.Task[None]] = field(default_factory=dict)
    clients: dict[AgencyRef | DeskRef, EnlaceClient] = field(default_factory=dict)
    sent: dict[str, DeskRef] = field(default_factory=dict)
    receipts: dict[str, str] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    started_at: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    """How long it was posted."""

    async def post_steadily(self, pair: Pair) -> None:
        """Post at an even pace until stopped, and then until all of it is accepted."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        async with asyncio.TaskGroup() as posts:
            for number in range(MOST_PER_PAIR):
                await asyncio.sleep(max(0, started + number / self.per_second - loop.time()))
                if self.stopped.is_set():
                    break
                posts.create_task(self._post(pair))

    async def _post(self, pair: Pair) -> None:
        """Post as an agency does that keeps what was refused, and tries it again later."""
        sender = agency_of(pair.origin)
        document = document_on(pair)
        self.sent[document["id"]] = pair.desk
        while True:
            try:
                accepted = await self.clients[sender].send(as_bytes(document))
            except ProblemError as error:
                if error.status != REFUSED:
                    raise
                self.refused.append(Refused(sender=sender, at=datetime.now(UTC), code=error.code))
                await asyncio.sleep(OUTBOX_LOOKS_AGAIN)
            else:
                self.receipts[accepted.id] = accepted.receipt
                return

    async def try_once(self, pair: Pair) -> ProblemError:
        """Post without patience, what is not to be accepted; gives the refusal."""
        client = self.clients[agency_of(pair.origin)]
        impatient = EnlaceClient.of_wallet(client.wallet, settings=IMPATIENT)
        async with impatient:
            with pytest.raises(ProblemError) as caught:
                await impatient.send(as_bytes(document_on(pair)))
        return caught.value

    async def first_refusal(self, sender: AgencyRef, since: datetime) -> Refused:
        """Wait for the first post of an agency that is refused."""
        async with asyncio.timeout(20):
            while True:
                for each in self.refused:
                    if each.sender == sender and each.at >= since:
                        return each
                await asyncio.sleep(0.05)

    def end_tokens(self) -> None:
        """Let every access token come to its end, as each does after five minutes."""
        for client in self.clients.values():
            client._opened().tokens._token = None

    async def require_client_keys(
        self, expected: Mapping[AgencyRef | DeskRef, KeyId], *, token_key: KeyId
    ) -> None:
        """Every client asks for a token with its newest key, and gets one of the newest."""
        for subject, client in self.clients.items():
            await client.directory()
            token = await client._opened().tokens.current()
            assert served_key(client).kid == expected[subject]
            assert jws.read_header(token.value).kid == token_key

    def come(self, desk: DeskRef) -> None:
        """Let a desk receive."""
        self.receiving[desk] = self.tasks.create_task(self.receive(desk))

    async def leave(self, desk: DeskRef) -> None:
        """Let a desk receive nothing; what comes for it waits."""
        self.receiving[desk].cancel()
        await asyncio.wait([self.receiving[desk]])

    async def receive(self, desk: DeskRef) -> None:
        """Subscribe for ever, as a desk does."""
        folder = self.world.folder_of(desk)
        with Inbox(folder / "inbox.jsonl") as inbox, Inbox(folder / "refused.jsonl") as refused:
            subscription = Subscription(
                self.clients[desk], inbox=inbox, refused=refused, schemas=SchemaSet.load()
            )
            await subscription.run()

    def inbox(self, desk: DeskRef) -> list[str]:
        """The ids that a desk has stored, in the order of their arrival."""
        return [line["id"] for line in lines(self.world.folder_of(desk) / "inbox.jsonl")]

    @property
    def desks(self) -> list[DeskRef]:
        """Every desk."""
        return [each for each in self.world.holdings if isinstance(each, DeskRef)]

    async def finish(self) -> None:
        """Post nothing new, and wait until all that was posted is accepted and has arrived.

        What came twice makes this wait until its time is over, and then it fails.
        """
        self.stopped.set()
        self.seconds = time.monotonic() - self.started_at
        async with asyncio.timeout(60):
            while True:
                arrived = sum(len(self.inbox(desk)) for desk in self.desks)
                if len(self.sent) == len(self.receipts) == arrived:
                    break
                await asyncio.sleep(0.2)
            for desk in self.desks:
                await self._until_settled(desk)

    async def _until_settled(self, desk: DeskRef) -> None:
        """Wait until the gateway has the desk's answer to everything."""
        while True:
            queues = await self.clients[desk].queues()
            if not any(each.waiting or each.leased for each in queues):
                return
            await asyncio.sleep(0.2)

    async def acknowledged_with(self, desk: DeskRef) -> str:
        """With which key did this desk acknowledge the last message that it stored?"""
        last = lines(self.world.folder_of(desk) / "inbox.jsonl")[-1]["message"]
        sender = agency_of(Country(last["from"]["country"]))
        status = await self.clients[sender].status(MessageId(last["id"]))
        evidence = status.recipients[0].desk_evidence
        assert evidence is not None
        return jws.read_header(evidence).kid

    def require_exactly_once(self) -> None:
        """Each desk has opened exactly what was accepted for it, once, and returned nothing."""
        assert self.receipts.keys() == self.sent.keys()
        for desk in self.desks:
            expected = Counter(each for each, to in self.sent.items() if to == desk)
            assert Counter(self.inbox(desk)) == expected
            assert lines(self.world.folder_of(desk) / "refused.jsonl") == []

    def require_evidence(self, directory: Directory) -> set[KeyId]:
        """Each stored line proves itself with what is stated today; gives who signed them."""
        trust = Trust(
            directory=directory,
            receipt_keys=directory.receipt_keys,
            issuer=self.world.settings.base_url,
            schemas=SchemaSet.load(),
            roots=directory.roots,
        )
        files = [self.world.folder_of(desk) / "inbox.jsonl" for desk in self.desks]
        stored = [line for file in files for line in file.read_bytes().splitlines()]
        return {verify_line(line, trust).signed_with for line in stored}

    def proofs(self, directory: Directory) -> list[ReceiptContent]:
        """What the receipts of all messages prove."""
        keys = directory.receipt_keys
        return [verify_receipt(token, find_key=keys.get) for token in self.receipts.values()]

    def require_active_keys(self, directory: Directory) -> Counter[str]:
        """No message was sealed to a key that was not active; counts messages by key."""
        used: Counter[str] = Counter()
        by_second: dict[datetime, set[str]] = {}
        for receipt in self.proofs(directory):
            second = receipt.at.replace(microsecond=0)
            if second not in by_second:
                by_second[second] = _usable(directory, second)
            for kid in receipt.recipients.values():
                assert kid in by_second[second], f"{kid} was not active at {receipt.at}"
                used[kid] += 1
        return used


def document_on(pair: Pair) -> Document:
    """Write a message that goes this way."""
    sender = agency_of(pair.origin)
    to = {"countries": [pair.desk.country], "compartment": pair.desk.compartment}
    return message(**{"from": {"country": sender.country, "agency": sender.agency}, "to": to})


def _usable(directory: Directory, second: datetime) -> set[str]:
    """Which keys could receive at some moment of a second?

    A key may become active within the second, because an act counts from its arrival. An act that
    takes a key out is dated to the second that it was signed in, and holds from its commit in
    that second or the next.
    """
    moments = (second - SECOND, second, second + SECOND)
    before, then, after = (directory.stepped(moment).ring.entries for moment in moments)
    return {
        kid
        for kid, entry in then.items()
        if KeyState.ACTIVE in {entry.state, after[kid].state}
        or (entry.state in TAKEN_OUT and before[kid].state is KeyState.ACTIVE)
    }


@asynccontextmanager
async def traffic(
    world: World, pairs: Iterable[Pair], *, per_second: float
) -> AsyncIterator[Traffic]:
    """Clients for all, which follow their files; desks receive, and each pair is posted on."""
    running = Traffic(world, per_second)
    async with AsyncExitStack() as stack:
        for subject in world.holdings:
            profile = Profile.load(world.folder_of(subject))
            wallet = FileWallet(profile, environ={}, minimum=INTERACTIVE_DEMO)
            client = EnlaceClient.of_wallet(wallet, settings=STUBBORN)
            running.clients[subject] = await stack.enter_async_context(client)
        async with running.tasks as tasks:
            for desk in running.desks:
                running.come(desk)
            posting = [tasks.create_task(running.post_steadily(pair)) for pair in pairs]
            try:
                yield running
            finally:
                for task in (*running.receiving.values(), *posting):
                    task.cancel()
