"""How does a delivery get from one key of its desk to the next?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import Row, bindparam, select, update

from broker.errors import UnsealError
from broker.model.events import EventKind
from broker.model.names import ContentHash, DeliveryNumber, DeskRef, MessageId
from broker.ports.keys import Rewrap, Rewrapped
from broker.ports.messages import Overtaken
from broker.ports.receipts import SignReceipt
from broker.sealing import wire
from broker.storage import receipts
from broker.storage.bulk import BulkInsert
from broker.storage.group_commit import Sort, one_by_one
from broker.storage.settling import EVENT_COLUMNS, event_of
from broker.storage.tables import HAS_CONTENT, IS_UNOPENED, deliveries, log, messages, rewraps
from broker.storage.transaction import Transaction, padded
from keys.identifiers import KeyId
from schemas.vocabulary import Compartment, Country

IDS = bindparam("ids", type_=messages.c.message_id.type, expanding=True)
UNOPENED = (
    select(*EVENT_COLUMNS)
    .join(messages, messages.c.number == deliveries.c.message)
    .where(messages.c.message_id.in_(IDS), IS_UNOPENED, HAS_CONTENT)
)
DONE = (
    select(
        deliveries.c.number,
        deliveries.c.desk_country,
        deliveries.c.compartment,
        messages.c.message_id,
        messages.c.content_hash,
        rewraps.c.old_key,
        rewraps.c.new_key,
        *receipts.RECEIPT_COLUMNS,
    )
    .join(messages, messages.c.number == deliveries.c.message)
    .join(rewraps, rewraps.c.delivery == deliveries.c.number)
    .join(log, log.c.position == rewraps.c.position)
    .where(messages.c.message_id.in_(IDS))
)
SEALED = select(messages.c.sealed).where(messages.c.number == bindparam("message"))
RESEAL = (
    update(messages)
    .where(messages.c.number == bindparam("message"))
    .values(sealed=bindparam("resealed"))
)
RENAME = (
    update(deliveries)
    .where(deliveries.c.number == bindparam("delivery"))
    .values(key_id=bindparam("new_key"))
)
REWRAPS = BulkInsert(rewraps, "position", "delivery", "old_key", "new_key", "desk_token")

Subject: TypeAlias = tuple[DeskRef, MessageId, ContentHash]
"""What a wish is about; the desk is part of it, so no desk re-wraps for another."""
Step: TypeAlias = tuple[Subject, KeyId, KeyId]
"""A subject, taken from one key to another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrapping:
    """Wishes of one request, and who signs for them."""

    rewraps: Sequence[Rewrap]
    now: datetime
    sign: SignReceipt
    directory_version: int | None


@dataclass(slots=True, kw_only=True)
class Standing:
    """How things stand within this transaction."""

    unopened: Mapping[Subject, Row[*tuple[object, ...]]]
    kids: dict[Subject, KeyId]
    done: dict[Step, Rewrapped] = field(default_factory=dict)


def rewrap_all(
    transaction: Transaction, wanted: Rewrapping
) -> Sequence[Rewrapped | None] | Overtaken:
    """Do what can be done, each wish by itself; the ledger's lock keeps all others out.

    A crash before the commit leaves every entry as it was: the desk asks again what waits.
    """
    if wanted.directory_version not in (None, transaction.head.directory):
        return Overtaken()
    standing = _look_up(transaction, wanted.rewraps)
    return [_rewrap(transaction, standing, wish, wanted) for wish in wanted.rewraps]


REWRAP = Sort(apply=one_by_one(rewrap_all))


def _look_up(transaction: Transaction, wishes: Sequence[Rewrap]) -> Standing:
    ids = {"ids": padded(sorted({wish.message_id for wish in wishes}))}
    unopened = {_subject(row): row for row in transaction.connection.execute(UNOPENED, ids)}
    standing = Standing(
        unopened=unopened,
        kids={subject: KeyId(row.key_id) for subject, row in unopened.items()},
    )
    for row in transaction.connection.execute(DONE, ids):
        step = (_subject(row), KeyId(row.old_key), KeyId(row.new_key))
        standing.done[step] = Rewrapped(
            number=DeliveryNumber(row.number),
            kid=KeyId(row.new_key),
            receipt=receipts.read_receipt(row),
            replayed=True,
        )
    return standing


def _rewrap(
    transaction: Transaction, standing: Standing, wish: Rewrap, wanted: Rewrapping
) -> Rewrapped | None:
    subject: Subject = (wish.desk, wish.message_id, wish.content_hash)
    new = wish.recipient.kid
    if standing.kids.get(subject) != wish.old or new == wish.old:
        return standing.done.get((subject, wish.old, new))
    row = standing.unopened[subject]
    resealed = _resealed(transaction, row, wish)
    if resealed is None:
        return None
    event = event_of(row, kind=EventKind.REWRAPPED, now=wanted.now)
    receipt = receipts.draw(transaction, replace(event, recipients={wish.desk: new}), wanted.sign)
    connection = transaction.connection
    number = DeliveryNumber(row.number)
    receipts.LOG.execute(
        connection, [receipts.log_row(receipt, message=row.message, delivery=number)]
    )
    REWRAPS.execute(connection, [(receipt.position, number, wish.old, new, wish.token)])
    connection.execute(RESEAL, {"message": row.message, "resealed": resealed})
    connection.execute(RENAME, {"delivery": number, "new_key": new})
    standing.kids[subject] = new
    standing.done[subject, wish.old, new] = Rewrapped(
        number=number, kid=new, receipt=receipt, replayed=True
    )
    return Rewrapped(number=number, kid=new, receipt=receipt, replayed=False)


def _resealed(
    transaction: Transaction, row: Row[*tuple[object, ...]], wish: Rewrap
) -> bytes | None:
    # Read anew for each: another desk's entry of the same message may have changed just now.
    sealed = transaction.connection.execute(SEALED, {"message": row.message}).scalar_one()
    try:
        return wire.write(wire.parse(sealed).with_entry(wish.old, wish.recipient))
    except UnsealError:
        return None


def _subject(row: Row[*tuple[object, ...]]) -> Subject:
    desk = DeskRef(country=Country(row.desk_country), compartment=Compartment(row.compartment))
    return desk, MessageId(row.message_id), ContentHash(row.content_hash)
