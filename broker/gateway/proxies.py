"""From which address does a request come, when load balancers stand in between?"""

from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final

from aiohttp import hdrs, web

Networks = tuple[IPv4Network | IPv6Network, ...]
UNKNOWN: Final = "unknown"
IPV6: Final = 6
IPV6_HOUSEHOLD: Final = 64
"""Bits of an IPv6 address that a provider gives to one customer (RFC 6177)."""


@dataclass(frozen=True, slots=True)
class Proxies:
    """The load balancers that the operator trusts; none by default."""

    networks: Networks = ()

    def include(self, address: str) -> bool:
        """Whether an address is one of theirs."""
        place = _place(address)
        return place is not None and any(place in network for network in self.networks)

    def client_household(self, request: web.Request) -> str:
        """Whom limits are kept for: the client's address, or in IPv6 its whole /64."""
        return household(self.client_address(request))

    def client_address(self, request: web.Request) -> str:
        """The nearest address that is not a trusted proxy's.

        Read from the right: what stands further left was written by whoever called, and
        may say anything.
        """
        address = request.remote or UNKNOWN
        forwarded = ",".join(request.headers.getall(hdrs.X_FORWARDED_FOR, []))
        for entry in reversed([part.strip() for part in forwarded.split(",") if part.strip()]):
            if not self.include(address):
                return address
            address = entry
        return address


def household(address: str) -> str:
    """Name whom an address stands for: in IPv6 a whole /64 is one customer's."""
    place = _place(address)
    if place is None:
        return address
    if place.version != IPV6:
        return str(place)
    return str(ip_network((place, IPV6_HOUSEHOLD), strict=False))


def _place(address: str) -> IPv4Address | IPv6Address | None:
    """Read an address; an IPv4 one that is written as IPv6 is what it stands for.

    A socket for both shows all IPv4 callers so: their common /64 is nobody's household.
    """
    try:
        place = ip_address(address)
    except ValueError:
        return None
    return getattr(place, "ipv4_mapped", None) or place
