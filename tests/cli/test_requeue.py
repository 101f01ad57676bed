"""Which queues can an operator name?"""

import pytest

from broker.cli.admin.requeue import read_queue


@pytest.mark.parametrize("name", ["MX.GT.intelligence", "hlsg-mx-gt.GT", "mx.GT", "7-7.US"])
def test_read_queue_takes_the_queues_that_the_directory_may_have(name: str) -> None:
    """Those of pairs, and those of a channel's members."""
    assert read_queue(name).name == name


@pytest.mark.parametrize(
    "name",
    ["", "enlace.dead", "hlsg-mx-gt", "hlsg-mx-gt.FR", "hlsg-mx-gt.", "a.GT", "Hlsg.GT", "#.GT"],
)
def test_read_queue_refuses_every_other_name(name: str) -> None:
    """No name reaches the ledger that the directory could not have made."""
    with pytest.raises(ValueError):  # noqa: PT011 - the command line says what it expected
        read_queue(name)
