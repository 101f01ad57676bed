"""The second act: what a group of countries can do, and what nobody can.

The clock is set first and looked at last, so that its time runs out while others are on stage.
"""

from collections.abc import Awaitable
from typing import TypeVar

from broker.demo.second.channel import fan_out
from broker.demo.second.clock import ask, run_out
from broker.demo.second.denied import refuse
from broker.demo.second.house import House
from broker.demo.second.operation import report
from broker.demo.second.recall import take_back
from broker.desk.failures import DeskError
from broker.errors import BrokerError

T = TypeVar("T")


async def play_second_act(house: House) -> bool:
    """Play all scenes; say whether everything in them held.

    A scene that cannot go on is a thing that did not hold, and the next one is played.
    """
    asked = await _played(house, ask(house))
    posted = await _played(house, fan_out(house))
    await _played(house, refuse(house))
    if posted is not None:
        await _played(house, take_back(house, posted))
    await _played(house, report(house))
    if asked is not None:
        await _played(house, run_out(house, asked))
    return all(check.holds for check in house.checks)


async def _played(house: House, scene: Awaitable[T]) -> T | None:
    try:
        return await scene
    except (BrokerError, DeskError) as error:
        house.see("second.failed", holds=False, reason=str(error))
        return None
