"""A load balancer as small as can be: connections go to the gateways in turn."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import cycle

from broker.gateway.server import split_address


@asynccontextmanager
async def load_balancer(listen: str, *targets: str) -> AsyncIterator[None]:
    """Forward each new connection at ``listen`` to the next of the targets that is up."""
    turn = cycle(targets)
    tasks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def reach_one() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the next target that is up."""
        for _ in targets[1:]:
            with suppress(OSError):
                return await asyncio.open_connection(*split_address(next(turn)))
        return await asyncio.open_connection(*split_address(next(turn)))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream = await reach_one()
        except OSError:
            # No gateway is up: the client learns it at once, and not by its patience.
            writer.close()
            return
        writers.extend((writer, upstream[1]))
        for pair in ((reader, upstream[1]), (upstream[0], writer)):
            task = asyncio.create_task(pump(*pair))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(serve, *split_address(listen))
    try:
        yield
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
