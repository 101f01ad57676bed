"""Was this single-use value seen before?"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from broker.storage.group_commit import GroupCommit, Sort
from broker.storage.tables import spent
from broker.storage.transaction import Transaction

PURGED_PER_GROUP = 128
"""Twice a full group: the table shrinks even under full load, and no group pays for an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """A value that must not come again before ``until``."""

    value: bytes
    until: datetime
    now: datetime


def _insert_unless_spent(
    dialect: type[postgresql.Insert] | type[sqlite.Insert],
) -> ReturningInsert[bytes]:
    insert = dialect(spent)
    return insert.on_conflict_do_update(
        index_elements=[spent.c.value],
        set_={"until": insert.excluded.until},
        where=spent.c.until <= bindparam("moment", type_=spent.c.until.type),
    ).returning(spent.c.value)


INSERTS = {
    "postgresql": _insert_unless_spent(postgresql.Insert),
    "sqlite": _insert_unless_spent(sqlite.Insert),
}
EXPIRED = (
    select(spent.c.value)
    .where(spent.c.until <= bindparam("moment", type_=spent.c.until.type))
    .order_by(spent.c.until)
    .limit(PURGED_PER_GROUP)
    # Two gateways purge side by side instead of waiting for each other.
    .with_for_update(skip_locked=True)
)
PURGE = delete(spent).where(spent.c.value.in_(EXPIRED.scalar_subquery()))


def spend_all(transaction: Transaction, spendings: Sequence[Spending]) -> Sequence[bool]:
    """Spend what was not spent; of equal values in one group, the first."""
    first: dict[bytes, Spending] = {}
    for spending in spendings:
        first.setdefault(spending.value, spending)
    # The earliest clock of the group: another's may refuse a value too long, never too short.
    now = min(spending.now for spending in spendings)
    connection = transaction.connection
    fresh = set(
        connection.execute(
            INSERTS[connection.dialect.name],
            # Sorted: two processes that insert the same values wait in the same order.
            [
                {"value": value, "until": first[value].until, "moment": now}
                for value in sorted(first)
            ],
        ).scalars()
    )
    connection.execute(PURGE, {"moment": now})
    return [spending.value in fresh and first[spending.value] is spending for spending in spendings]


SPEND = Sort(apply=spend_all, rank=0, exclusive=False)


class StoredProofs:
    """The ledger's ``ProofStore``."""

    def __init__(self, commits: GroupCommit) -> None:
        self._commits = commits

    async def spend(self, value: bytes, *, until: datetime, now: datetime) -> bool:
        """See ``ProofStore.spend``."""
        return await self._commits.submit(SPEND, Spending(value=value, until=until, now=now))
