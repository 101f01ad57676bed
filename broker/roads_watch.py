"""Who hears of it when one person takes a road away? The operator, and by him its members.

A pair is closed, and a channel suspended, left or closed, at once and by nobody's leave: new
messages are refused until others decide otherwise. It is signed, and it is seen; here it is loud.
"""

from typing import Final

import structlog

from broker.directory import Directory
from keys.act import ActId
from keys.act_kind import ActKind

TAKEN_AWAY: Final = frozenset(
    {
        ActKind.CLOSE,
        ActKind.LEAVE_CHANNEL,
        ActKind.SUSPEND_CHANNEL,
        ActKind.CLOSE_CHANNEL,
    }
)

log = structlog.get_logger()


class RoadsWatch:
    """Tells of each such act that comes while this process looks on; a restart tells none anew."""

    def __init__(self) -> None:
        self._known: frozenset[ActId] | None = None

    def __call__(self, directory: Directory) -> None:
        """Look at a new directory."""
        acts = {
            name: one.act
            for name, one in directory.decisions.by_id.items()
            if one.act.kind in TAKEN_AWAY
        }
        known, self._known = self._known, frozenset(acts)
        for name, act in acts.items():
            if known is not None and name not in known:
                log.warning(
                    "road:taken-away",
                    kind=act.kind.value,
                    roads=[act.channel] if act.channel is not None else [*act.pairs],
                    owner=str(act.by.owner),
                    act=name,
                )
