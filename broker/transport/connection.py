"""The connection to RabbitMQ: opened when needed, and again after it was lost.

We stand on aio-pika and reconnect ourselves. Its robust connection restores channels and
consumers behind our back, and its waits for a lost connection have no deadline (aio-pika
issues 556 and 636). Here a loss is an error at once, and the next call connects anew.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import (
    AMQPError,
    AuthenticationError,
    ChannelInvalidStateError,
    InvalidFrameError,
    ProbableAuthenticationError,
)
from yarl import URL

from broker.errors import Code, ConfigurationError, TransportUnavailableError

CLOSE_DEADLINE = timedelta(seconds=5)
"""A healthy broker answers a close in milliseconds; a stuck one is not waited for."""
HEARTBEAT_SECONDS = 10
"""A peer that vanished without a word is noticed after three of these."""
FOREIGN_ERRORS = (AMQPError, ChannelInvalidStateError, OSError, EOFError, TimeoutError)
"""What aio-pika raises when the broker, or the way to it, fails; see :func:`is_loss`."""

# Below these levels they write out frames, the login among them, and aiormq.channel writes
# messages that come back too late, bodies and all, as errors.
logging.getLogger("aio_pika").setLevel(logging.WARNING)
logging.getLogger("aiormq").setLevel(logging.WARNING)
logging.getLogger("aiormq.channel").setLevel(logging.CRITICAL)


@asynccontextmanager
async def within(span: timedelta) -> AsyncIterator[None]:
    """Give the broker this long, and tell of every failure in our own words.

    Raises:
        TransportUnavailableError: It was away, went away, or took longer.
    """
    try:
        async with asyncio.timeout(span.total_seconds()):
            yield
    except BaseException as error:
        if not is_loss(error):
            raise
        raise unavailable() from error


def is_loss(error: BaseException) -> bool:
    """Whether aio-pika says by this that the broker, or the way to it, is lost."""
    if isinstance(error, asyncio.CancelledError):
        # It ends some of what waits on a closed connection by cancelling. A true one, never
        # to be swallowed, is only what somebody asked of this task.
        task = asyncio.current_task()
        return task is not None and not task.cancelling()
    # And it ends some by an Exception without class or text, depending on who closes first.
    return isinstance(error, FOREIGN_ERRORS) or type(error) is Exception


def unavailable() -> TransportUnavailableError:
    """Make the error that says: RabbitMQ did not answer."""
    return TransportUnavailableError(Code.TRANSPORT_UNAVAILABLE)


class Link:
    """At most one open connection, for one purpose; channels are opened on it."""

    def __init__(self, url: URL, *, purpose: str) -> None:
        defaults = {"heartbeat": str(HEARTBEAT_SECONDS)}
        self.url = url.with_query(defaults | dict(url.query) | {"name": f"enlace {purpose}"})
        self.connecting = asyncio.Lock()
        self.connection: AbstractConnection | None = None
        self.endings: set[asyncio.Task[object]] = set()

    async def channel(self) -> AbstractChannel:
        """Open a channel with publisher confirms, on a new connection if there is none.

        The caller sets the deadline, by :func:`within`.
        """
        async with self.connecting:
            if self.connection is None or not self.connection.connected.is_set():
                self.drop()
                self.connection = await connect(self.url)
            channel = self.connection.channel(publisher_confirms=True, on_return_raises=True)
        await channel.initialize()
        return channel

    def drop(self) -> None:
        """Give this connection up without waiting; the next channel gets a new one."""
        connection, self.connection = self.connection, None
        if connection is not None:
            self.finish(closed(connection.close()))

    def finish(self, closing: Coroutine[None, None, object]) -> None:
        """Let something close in the background; :meth:`close` waits for it."""
        ending = asyncio.get_running_loop().create_task(closing)
        self.endings.add(ending)
        ending.add_done_callback(self.endings.discard)

    async def close(self) -> None:
        """Close what is open, and wait for what is closing."""
        self.drop()
        if self.endings:
            await asyncio.wait(self.endings)


async def connect(url: URL) -> AbstractConnection:
    """Connect and log in.

    Raises:
        ConfigurationError: The broker refuses user or password.
    """
    try:
        return await aio_pika.connect(url)
    except (ProbableAuthenticationError, AuthenticationError) as error:
        raise ConfigurationError(
            f"RabbitMQ at {url.host} refuses the login: check user and password in ENLACE_AMQP_URL"
        ) from error
    except InvalidFrameError as error:
        # The broker closed instead of opening the virtual host. The reason is not passed on,
        # so this may also be one that is still starting: not certain enough to give up on.
        absent = unavailable()
        absent.add_note(
            f"RabbitMQ at {url.host} does not open the virtual host of ENLACE_AMQP_URL: "
            "if this lasts, create it, and give the user its permissions there"
        )
        raise absent from error


async def close_channel(channel: AbstractChannel) -> bool:
    """Close a channel; say whether the broker has let go of all that it held."""
    # What still waits on it is told so; without a reason it would get a bare Exception.
    return await closed(channel.close(ChannelInvalidStateError))


async def closed(closing: Awaitable[object]) -> bool:
    """Say whether something has closed, as politely as the other side allows in time."""
    try:
        async with within(CLOSE_DEADLINE):
            await closing
    except TransportUnavailableError:
        return False
    return True
