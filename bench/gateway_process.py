"""One gateway, whole and real, with a relay that can be held.

Holding it splits what a message costs: first the accept path alone, then the relay alone. The
settings come from the environment, as anywhere; the loop is uvloop's.
"""

import asyncio
import gc
import logging
import sys
from typing import Any, Final

import structlog
import uvloop

from bench import child
from broker.relay import Relay
from broker.settings import load_settings
from broker.wiring import build
from broker.wiring.run import running_gateway
from keys.custody.envelope import INTERACTIVE_DEMO

RELAYING: Final = asyncio.Event()


class HeldRelay(Relay):
    """A relay that begins no window while it is held."""

    async def publish_window(self) -> int:
        """Publish a window, as soon as nobody holds us."""
        await RELAYING.wait()
        return await super().publish_window()


async def main() -> None:
    """Serve until standard input closes."""
    loose: Any = build
    loose.Relay = HeldRelay
    RELAYING.set()
    async with running_gateway(load_settings(), minimum=INTERACTIVE_DEMO) as gateway:

        async def hold() -> child.Answer:
            RELAYING.clear()
            return await unpublished()

        async def release() -> child.Answer:
            RELAYING.set()
            gateway.relay.wake()
            return {}

        async def unpublished() -> child.Answer:
            return {"unpublished": await gateway.deliveries.unpublished_count()}

        async def collect() -> child.Answer:
            return {"collected": gc.collect()}

        async def streams() -> child.Answer:
            value = gateway.metrics.registry.get_sample_value("enlace_open_streams")
            return {"open": round(value or 0)}

        await child.serve(
            {
                "hold": hold,
                "release": release,
                "unpublished": unpublished,
                "collect": collect,
                "streams": streams,
            }
        )


if __name__ == "__main__":
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )
    uvloop.run(main())
