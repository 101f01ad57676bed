"""A TCP proxy before RabbitMQ that can cut every connection, refuse, or fall silent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from yarl import URL


class Proxy:
    """Passes bytes on, unless it is told to behave like a bad network."""

    def __init__(self, target: URL) -> None:
        self.target = target
        self.port = 0
        self.server: asyncio.Server | None = None
        self.writers: set[asyncio.StreamWriter] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self.flowing = asyncio.Event()
        self.flowing.set()

    @property
    def url(self) -> str:
        """The URL of RabbitMQ, by way of this proxy."""
        return str(self.target.with_host("127.0.0.1").with_port(self.port))

    async def listen(self) -> None:
        """Accept connections (again), always on the same port."""
        self.server = await asyncio.start_server(self.accept, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def go_away(self) -> None:
        """Cut every connection and refuse new ones, as a stopped broker does."""
        if self.server is not None:
            self.server.close()
            self.server = None
        self.cut()
        if self.tasks:
            await asyncio.wait(self.tasks)

    def cut(self) -> None:
        """Cut every connection; new ones are accepted."""
        for writer in self.writers:
            writer.transport.abort()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Join one connection to a new one to RabbitMQ."""
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        there, here = await asyncio.open_connection(self.target.host, self.target.port)
        self.writers |= {writer, here}
        try:
            await asyncio.gather(self.pump(reader, here), self.pump(there, writer))
        finally:
            self.writers -= {writer, here}
            for end in (writer, here):
                end.transport.abort()
                with suppress(OSError):
                    await end.wait_closed()

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes one way; keep them while the network is silent."""
        with suppress(OSError):
            while data := await reader.read(65536):
                await self.flowing.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def proxy_to(url: str) -> AsyncIterator[Proxy]:
    """Run a proxy before the RabbitMQ of this URL."""
    proxy = Proxy(URL(url))
    await proxy.listen()
    try:
        yield proxy
    finally:
        proxy.flowing.set()
        await proxy.go_away()
