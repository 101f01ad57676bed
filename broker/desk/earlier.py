"""What does this desk itself know of the messages that a new one derives from?

Only what lies proven in its own inbox. It cannot know what another desk of its country may know,
nor where the lineage of a derived message ends; of such it says nothing.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeAlias

from broker.desk.failures import OpeningError
from broker.desk.prove import ProvenMessage
from broker.desk.stored import verify_line
from broker.desk.trust import Trust
from broker.model.facts import KnownMessage
from broker.model.names import NO_KEY, DeskRef, MessageId

FindLines: TypeAlias = Callable[[Collection[MessageId]], Sequence[bytes]]
"""``Store.lines_of``."""


def held_here(
    ids: Collection[MessageId], find_lines: FindLines, trust: Trust, *, desk: DeskRef
) -> Mapping[MessageId, Sequence[KnownMessage]]:
    """Look up messages in the desk's own inbox; each is proved again before it counts.

    Raises:
        StoreError: The inbox cannot be read.
    """
    found: dict[MessageId, list[KnownMessage]] = {}
    for line in find_lines(ids) if ids else ():
        try:
            proven = verify_line(line, trust)
        except OpeningError:
            # A tombstone, or a line that proves nothing: it holds nobody to anything.
            continue
        found.setdefault(proven.message.id, []).append(_known(proven, desk))
    return found


def _known(proven: ProvenMessage, desk: DeskRef) -> KnownMessage:
    message, facts = proven.message, proven.message.facts
    return KnownMessage(
        id=message.id,
        sender=message.sender,
        kind=message.kind,
        handling=message.handling,
        compartment=desk.compartment,
        channel=message.to.channel,
        purpose=facts.purpose,
        evaluation=facts.evaluation,
        # Of what derives from others we do not know where it ends.
        roots=frozenset() if facts.lineage else frozenset({message.id}),
        desks=frozenset(proven.receipt.recipients),
        # As far as the receipt says: what became of the other copies it cannot know.
        held_by=frozenset(each for each, kid in proven.receipt.recipients.items() if kid != NO_KEY),
    )
