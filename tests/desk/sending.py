"""What a client sends in these tests, and how often it asked."""

from broker.desk import sign
from tests.desk import world
from tests.fakes.gateway import FakeGateway

MESSAGES = "/v1/messages"


def body(number: int = 1) -> bytes:
    """Write a valid message."""
    return sign.message_bytes(world.document(number))


def times(gateway: FakeGateway, path: str) -> int:
    """Count the requests of a path."""
    return sum(asked == path for _, asked in gateway.requests)
