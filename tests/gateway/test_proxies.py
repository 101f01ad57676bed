"""From whose address does a request come, and who shares a limit with whom?"""

from ipaddress import ip_network

import pytest
from aiohttp.test_utils import make_mocked_request

from broker.gateway.proxies import Proxies, household

BALANCERS = Proxies(networks=(ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48")))


@pytest.mark.parametrize(
    ("address", "whose"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::ffff:c000:207", "192.0.2.7"),
        ("2001:db8:2:3:4:5:6:7", "2001:db8:2:3::/64"),
        ("unknown", "unknown"),
    ],
)
def test_household_names_one_customer_however_the_address_is_written(
    address: str, whose: str
) -> None:
    """An IPv6 customer has a /64; an IPv4 caller of a socket for both is alone."""
    assert household(address) == whose


@pytest.mark.parametrize(
    ("address", "is_ours"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("2001:db8:1::5", True),
        ("::ffff:192.0.2.7", False),
        ("192.0.2.7", False),
        ("unknown", False),
    ],
)
def test_include_knows_a_balancer_however_its_address_is_written(
    address: str, *, is_ours: bool
) -> None:
    """A balancer that comes in by IPv4 over a socket for both is still the operator's."""
    assert BALANCERS.include(address) is is_ours


def test_client_household_is_told_by_the_balancer_that_comes_in_by_mapped_ipv4() -> None:
    """Callers behind it do not share the limit of the balancer's own address."""
    request = make_mocked_request("GET", "/", headers={"X-Forwarded-For": "192.0.2.7"})
    request = request.clone(remote="::ffff:10.1.2.3")

    assert BALANCERS.client_household(request) == "192.0.2.7"
