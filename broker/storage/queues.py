"""What stands in a queue now? Looks, and changes nothing."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from heapq import merge
from itertools import islice

from sqlalchemy import Connection, bindparam, func, not_, select

from broker.model.delivery import QueueDepth
from broker.model.events import DeliveryState
from broker.model.names import DeliveryNumber, QueueName
from broker.storage.leasing import IS_FREE, IS_IN_TIME
from broker.storage.tables import IS_IN_QUEUE, deliveries, messages
from broker.storage.transaction import padded

WAITING = (
    select(deliveries.c.number, deliveries.c.queue)
    .where(IS_IN_QUEUE, deliveries.c.queue == bindparam("queue"), IS_FREE, IS_IN_TIME)
    .order_by(deliveries.c.number)
    .limit(bindparam("most"))
)
STATES = select(deliveries.c.number, deliveries.c.state).where(
    deliveries.c.number.in_(bindparam("numbers", expanding=True))
)
DEPTHS = (
    select(
        deliveries.c.queue,
        func.count().label("all"),
        func.count().filter(not_(IS_FREE)).label("leased"),
        func.min(messages.c.accepted_at).label("oldest"),
    )
    .join(messages, messages.c.number == deliveries.c.message)
    .where(IS_IN_QUEUE, deliveries.c.queue.in_(bindparam("queues", expanding=True)))
    .group_by(deliveries.c.queue)
)


def list_waiting(
    connection: Connection, *, queues: Collection[QueueName], limit: int, now: datetime
) -> Sequence[tuple[DeliveryNumber, QueueName]]:
    """List what can be handed over, the oldest first.

    Each queue is asked by itself, so that its index yields just the first few, sorted: one
    question for all of them would sort the whole backlog each time.
    """
    by_queue = [
        [
            (DeliveryNumber(row.number), QueueName(row.queue))
            for row in connection.execute(WAITING, {"queue": queue, "most": limit, "now": now})
        ]
        for queue in set(queues)
    ]
    return list(islice(merge(*by_queue), limit))


def read_states(
    connection: Connection, *, numbers: Collection[DeliveryNumber]
) -> Mapping[DeliveryNumber, DeliveryState]:
    """Tell the state of each that exists."""
    rows = connection.execute(STATES, {"numbers": padded(numbers)})
    return {DeliveryNumber(row.number): DeliveryState(row.state) for row in rows}


def count_depths(
    connection: Connection, *, queues: Collection[QueueName], now: datetime
) -> Sequence[QueueDepth]:
    """Count what was dispatched and is not final, by queue."""
    found = {
        row.queue: QueueDepth(
            queue=QueueName(row.queue),
            waiting=row.all - row.leased,
            leased=row.leased,
            oldest_accepted_at=row.oldest,
        )
        for row in connection.execute(DEPTHS, {"queues": padded(queues), "now": now})
    }
    return [
        found.get(queue) or QueueDepth(queue=queue, waiting=0, leased=0, oldest_accepted_at=None)
        for queue in queues
    ]
