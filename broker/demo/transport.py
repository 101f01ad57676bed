"""Which transport carries the demonstration: a named RabbitMQ, a private one, or none?

A RabbitMQ that somebody named is used or the demonstration fails: what was asked for is never
replaced in silence.
"""

import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from broker.demo.words import Words
from broker.errors import ConfigurationError, TransportUnavailableError
from broker.sandbox.rabbitmq_node import find_rabbitmq_server, private_rabbitmq_node
from broker.transport.rabbitmq import accept_url, open_rabbitmq
from broker.wiring.clock import utc_now

VARIABLE: Final = "ENLACE_AMQP_URL"
ANSWER_DEADLINE: Final = timedelta(seconds=10)
"""A RabbitMQ that lets a first connection wait for longer is no place for a demonstration."""


class Choice(StrEnum):
    """What the command line may ask for."""

    AUTO = "auto"
    RABBITMQ = "rabbitmq"
    LOCAL = "local"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The transport of this demonstration."""

    name: str
    """As the summary says it."""
    url: str | None
    """None is the local transport."""
    is_private: bool = False
    """Whether it goes away with the demonstration."""


@asynccontextmanager
async def chosen_transport(
    choice: Choice, folder: Path, environ: Mapping[str, str], words: Words
) -> AsyncIterator[Chosen]:
    """Choose, and keep a private RabbitMQ running for as long as the context lasts.

    Raises:
        ConfigurationError: The named RabbitMQ cannot be used, or none is installed that was
            asked for.
        TransportUnavailableError: One was asked for, and did not start.
    """
    named = environ.get(VARIABLE)
    if choice is not Choice.LOCAL and named:
        await _insist(named)
        words.say("transport.named", place=_place(named))
        yield Chosen(name=words.text("name.named", place=_place(named)), url=named)
        return
    async with AsyncExitStack() as stack:
        url = await _start_private(stack, choice, folder / "rabbitmq", words)
        if url is not None:
            yield Chosen(name=words.text("name.private"), url=url, is_private=True)
        else:
            words.say("transport.local")
            yield Chosen(name=words.text("name.local"), url=None)


def _is_installed() -> bool:
    return find_rabbitmq_server() is not None and shutil.which("epmd") is not None


async def _start_private(
    stack: AsyncExitStack, choice: Choice, folder: Path, words: Words
) -> str | None:
    """Start a node if that is asked for, or possible; None: it is neither."""
    if choice is Choice.LOCAL:
        return None
    if choice is Choice.AUTO and not _is_installed():
        words.say("transport.none")
        return None
    words.say("transport.private")
    try:
        node = await stack.enter_async_context(private_rabbitmq_node(folder))
    except TransportUnavailableError as error:
        if choice is Choice.RABBITMQ:
            raise
        words.say("transport.failed", reason=_reason(error))
        return None
    return node.url


async def _insist(url: str) -> None:
    try:
        async with open_rabbitmq(url, clock=utc_now) as transport:
            await transport.ping(timeout=ANSWER_DEADLINE)
    except TransportUnavailableError as error:
        raise ConfigurationError(
            f"{VARIABLE}: RabbitMQ at {_place(url)} cannot be used ({_reason(error)})"
        ) from None


def _place(text: str) -> str:
    """Name a RabbitMQ without its password."""
    url = accept_url(text)
    return f"{url.host}:{url.port or (5671 if url.scheme == 'amqps' else 5672)}"


def _reason(error: TransportUnavailableError) -> str:
    if notes := getattr(error, "__notes__", []):
        return str(notes[-1])
    cause = error.__cause__
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno)
        cause = cause.__cause__
    return "no answer" if isinstance(error.__cause__, TimeoutError) else str(error)
