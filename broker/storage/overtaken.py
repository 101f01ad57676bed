"""Did a recall take back what a new message was judged by, between the judgement and the record?

Rules read earlier messages and permissions before the message is sealed. Whoever records holds
the ledger's lock, so that no recall slips in after this look.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, exists, select

from broker.model.message import Acceptance
from broker.model.names import AgencyRef, LogPosition, MessageId
from broker.storage.tables import messages, orders
from broker.storage.transaction import padded
from schemas.vocabulary import Country, Kind

AT_ONCE = 1024
"""Numbers in one question: no database takes more than some thirty thousand values."""
IS_RECALLED = (
    exists()
    .where(orders.c.subject == messages.c.number, orders.c.kind == Kind.RECALL.value)
    .label("is_recalled")
)
RELIED_ON = select(
    messages.c.number,
    messages.c.message_id,
    messages.c.origin_country,
    messages.c.origin_agency,
    IS_RECALLED,
).where(messages.c.number.in_(bindparam("numbers", expanding=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """What is taken back of all that a group of new messages relies on."""

    names: Mapping[tuple[AgencyRef, MessageId], LogPosition]
    numbers: set[LogPosition]

    @classmethod
    def of(cls, connection: Connection, group: Sequence[Acceptance]) -> "Recalled":
        """Look up what the group relies on; most messages rely on none and ask nothing."""
        wanted = sorted({number for one in group for number in one.relies_on})
        names: dict[tuple[AgencyRef, MessageId], LogPosition] = {}
        numbers: set[LogPosition] = set()
        for start in range(0, len(wanted), AT_ONCE):
            asked = {"numbers": padded(wanted[start : start + AT_ONCE])}
            for row in connection.execute(RELIED_ON, asked):
                origin = AgencyRef(country=Country(row.origin_country), agency=row.origin_agency)
                names[origin, MessageId(row.message_id)] = LogPosition(row.number)
                if row.is_recalled:
                    numbers.add(LogPosition(row.number))
        return cls(names=names, numbers=numbers)

    def overtakes(self, acceptance: Acceptance) -> bool:
        """Whether something that this message was judged by is taken back."""
        return not self.numbers.isdisjoint(acceptance.relies_on)

    def note(self, acceptance: Acceptance) -> None:
        """Count a recall of the same group for what comes after it."""
        if acceptance.kind is not Kind.RECALL or acceptance.facts is None:
            return
        concerns = acceptance.facts.concerns
        number = None if concerns is None else self.names.get((acceptance.sender, concerns))
        if number is not None:
            self.numbers.add(number)
