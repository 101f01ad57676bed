"""A gateway process that kills itself at one place: ``python -m tests.flow.crashing_gateway``.

The product has no hook for this. The methods at the place are wrapped here, in the process
that is to die, and it dies as by ``kill -9``: no cleanup, no flush, no goodbye.
"""

import os
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import uvloop

from broker import escalation, relay
from broker.hand_over import HandOvers
from broker.settings import load_settings
from broker.storage.deliveries import StoredDeliveries
from broker.storage.messages import StoredMessages
from broker.storage.requests import StoredRequests
from broker.transport.local import LocalTransport
from broker.transport.rabbitmq import RabbitTransport
from broker.wiring.run import run_gateway
from keys.custody.envelope import INTERACTIVE_DEMO

Method = Callable[..., Awaitable[Any]]


def die() -> None:
    """End as by ``kill -9``."""
    os.kill(os.getpid(), signal.SIGKILL)


def dying_before(_: Method) -> Method:
    """Die instead of doing it."""

    async def dying(*_args: object, **_kw: object) -> None:
        die()

    return dying


def dying_after(method: Method) -> Method:
    """Do it, and die before anybody learns of it. An empty answer is not yet the moment."""

    async def dying(*args: Any, **kw: Any) -> Any:
        answer = await method(*args, **kw)
        if answer is None or answer:
            die()
        return answer

    return dying


PLACES: dict[str, list[tuple[object, str, Callable[[Method], Method]]]] = {
    "never": [],
    "before the record": [(StoredMessages, "record", dying_before)],
    "after the record": [(StoredMessages, "record", dying_after)],
    "after the claim": [(StoredDeliveries, "claim_unpublished", dying_after)],
    "after the publish": [
        (LocalTransport, "publish", dying_after),
        (RabbitTransport, "publish", dying_after),
    ],
    "after the mark": [(StoredDeliveries, "mark_dispatched", dying_after)],
    "after the lease": [(StoredDeliveries, "lease", dying_after)],
    "before the answer is recorded": [(StoredDeliveries, "answer", dying_before)],
    "after the answer is recorded": [(StoredDeliveries, "answer", dying_after)],
    "after the answer is settled": [(HandOvers, "answer", dying_after)],
}
"""Between any two stages of a message's life."""
ESCALATING: dict[str, list[tuple[object, str, Callable[[Method], Method]]]] = {
    "before the escalation": [(StoredRequests, "escalate", dying_before)],
    "after the escalation": [(StoredRequests, "escalate", dying_after)],
}
"""Around the one durable step of telling that a request is overdue."""


def main() -> None:
    """Run a gateway from ``ENLACE_*``, to die at the place that is named."""
    for owner, name, wrap in (PLACES | ESCALATING)[sys.argv[1]]:
        setattr(owner, name, wrap(getattr(owner, name)))
    # A dead relay's window is published by the next one after this, 15 s in the product.
    relay.CLAIM = timedelta(seconds=2)  # type: ignore[misc]
    escalation.INTERVAL = timedelta(milliseconds=500)  # type: ignore[misc]
    uvloop.run(run_gateway(load_settings(), minimum=INTERACTIVE_DEMO))


if __name__ == "__main__":
    main()
