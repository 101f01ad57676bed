"""From which address does a request come, when load balancers stand in between?"""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from aiohttp import hdrs, web

Networks = tuple[IPv4Network | IPv6Network, ...]
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Proxies:
    """The load balancers that the operator trusts; none by default."""

    networks: Networks = ()

    def include(self, address: str) -> bool:
        """Whether an address is one of theirs."""
        try:
            place = ip_address(address)
        except ValueError:
            return False
        return any(place in network for network in self.networks)

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
