"""Ports on loopback that stay free while their owner is down for a moment."""

import random
import socket
from typing import Final

LOW: Final = range(20_000, 32_000)
"""Below what systems give to outgoing connections (Linux from 32768, others from 49152): there
any client could take the port of a server that is just being started again."""
TRIES: Final = 200


def free_ports(number: int) -> list[int]:
    """Find free ports on loopback; held together, so that they differ."""
    sockets: list[socket.socket] = []
    try:
        sockets.extend(_held_port() for _ in range(number))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def _held_port() -> socket.socket:
    for port in random.sample(LOW, TRIES):
        held = socket.socket()
        try:
            held.bind(("127.0.0.1", port))
        except OSError:
            held.close()
        else:
            return held
    raise OSError("no free port on loopback")
