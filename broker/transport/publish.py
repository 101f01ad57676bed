"""Publish a window of messages together, and wait for all confirms together."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import structlog
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractExchange
from aio_pika.exceptions import DeliveryError, PublishError

from broker.errors import ConfigurationError, TransportUnavailableError, UnsealError
from broker.model.delivery import Outgoing
from broker.model.names import DeliveryNumber, QueueName
from broker.ports.clock import Clock
from broker.sealing.wire import without_entries
from broker.transport.connection import Link, within
from broker.transport.topology import Topology, declare_each

log = structlog.get_logger("transport")

CONTENT_TYPE = "application/jose+json"
MESSAGE_TYPE = "enlace.delivery"


class Publisher:
    """One channel with publisher confirms, and one window at a time on it."""

    def __init__(self, link: Link, topology: Topology, *, clock: Clock) -> None:
        self.link = link
        self.topology = topology
        self.clock = clock
        # A number must not be under way twice: RabbitMQ names what it returns by message id.
        self.turn = asyncio.Lock()
        self.channel: AbstractChannel | None = None
        self.doubtful: set[QueueName] = set()
        """Queues that did not confirm; they are declared again before the next window."""

    async def publish(
        self, window: Sequence[Outgoing], *, timeout: timedelta
    ) -> Sequence[DeliveryNumber]:
        """Publish and return what was confirmed: stored by a majority of the queue's replicas.

        Raises:
            TransportUnavailableError: Nothing was confirmed in time, or before the
                connection was lost. The next call opens a new connection.
        """
        numbered = {outgoing.number: outgoing for outgoing in window}
        confirmed: set[DeliveryNumber] = set()
        if not numbered:
            return ()
        try:
            async with within(timeout), self.turn:
                await self.send(list(numbered.values()), confirmed)
        except TransportUnavailableError:
            if not confirmed:
                raise
        return [number for number in numbered if number in confirmed]

    async def send(self, window: Sequence[Outgoing], confirmed: set[DeliveryNumber]) -> None:
        """Start all publishes at once, and wait until each is confirmed, refused or lost."""
        try:
            await self.repair()
            exchanges = await self.open_exchanges()
            now = self.clock()
            # Tasks start in this order, and take turns at the channel in the order they came.
            await asyncio.gather(
                *(self.send_one(exchanges, outgoing, confirmed, at=now) for outgoing in window)
            )
        except BaseException:
            # The next window would wait for the same lost or silent broker. What is still
            # under way ends with the connection.
            self.channel = None
            self.link.drop()
            raise
        finally:
            self.doubtful |= {each.queue for each in window if each.number not in confirmed}

    async def send_one(
        self,
        exchanges: Mapping[str, AbstractExchange],
        outgoing: Outgoing,
        confirmed: set[DeliveryNumber],
        *,
        at: datetime,
    ) -> None:
        """Publish one message and note its confirm; one that is refused is left out."""
        queue = self.topology.queue(outgoing.queue)
        exchange = exchanges[self.topology.exchange(outgoing.queue)]
        try:
            await exchange.publish(self.envelope(outgoing, at=at), routing_key=queue)
        except PublishError:
            if outgoing.queue not in self.doubtful:
                log.warning("transport:unroutable", queue=outgoing.queue)
            self.doubtful.add(outgoing.queue)
        except DeliveryError:
            self.doubtful.add(outgoing.queue)
        else:
            confirmed.add(outgoing.number)

    def envelope(self, outgoing: Outgoing, *, at: datetime) -> Message:
        """Wrap the content, which no key opens. Nothing here tells of a case or a person."""
        return Message(
            content_of(outgoing),
            content_type=CONTENT_TYPE,
            delivery_mode=DeliveryMode.PERSISTENT,
            message_id=str(outgoing.number),
            timestamp=at,
            type=MESSAGE_TYPE,
            # Our login. RabbitMQ refuses it if it is another's, so consumers may trust it.
            user_id=self.link.url.user or "guest",
        )

    async def repair(self) -> None:
        """Declare again what did not confirm: a queue may have been deleted, or never made."""
        if not self.doubtful:
            return
        try:
            await declare_each(self.link, self.topology, self.doubtful)
        except ConfigurationError as error:
            # What our user may not declare may exist all the same: the window shows it.
            log.error("transport:declaration-refused", detail=str(error))  # noqa: TRY400
        self.doubtful.clear()

    async def open_exchanges(self) -> Mapping[str, AbstractExchange]:
        """Return both exchanges by name, on our open channel or on a new one."""
        if self.channel is None or self.channel.is_closed:
            self.channel = await self.link.channel()
        names = (self.topology.pairs_exchange, self.topology.channels_exchange)
        return {name: await self.channel.get_exchange(name, ensure=False) for name in names}


def content_of(outgoing: Outgoing) -> bytes:
    """Leave out the recipients' entries: after a re-wrap no old one may lie about here."""
    try:
        return without_entries(outgoing.sealed)
    except UnsealError:
        # What is damaged in the ledger must not hold up the others: the desk, which gets it
        # from there, refuses it.
        return b""
