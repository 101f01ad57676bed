"""What did a desk find under the seal when its copy had ended already?

The delivery stays as it ended. Beside it lies the desk's signed word, with an entry in the log:
a recall, or a time that ends soon, takes no lie away.
"""

from datetime import datetime

from sqlalchemy import Row, bindparam, select

from broker.admission.acknowledge import rule_in
from broker.model.answers import DeskAnswer
from broker.model.events import Event, EventKind, Receipt, RefusalReason
from broker.model.status import Finding
from broker.ports.deliveries import TellFinding
from broker.ports.receipts import SignReceipt
from broker.storage import receipts
from broker.storage.bulk import BulkInsert
from broker.storage.notices import add_notice
from broker.storage.settling import draw_receipt
from broker.storage.tables import findings, log
from broker.storage.transaction import Transaction

FINDINGS = BulkInsert(findings, "delivery", "reason", "token", "receipt")
FOUND = (
    select(*receipts.RECEIPT_COLUMNS)
    .join(findings, findings.c.receipt == log.c.position)
    .where(findings.c.delivery == bindparam("found_in"))
)
FINDING_LOG = log.alias("finding_log")
FINDING_COLUMNS = (
    findings.c.reason.label("finding_reason"),
    findings.c.token.label("finding_token"),
    FINDING_LOG.c.at.label("finding_at"),
    FINDING_LOG.c.token.label("finding_receipt"),
)


def keep_finding(
    transaction: Transaction,
    row: Row[*tuple[object, ...]],
    answer: DeskAnswer,
    *,
    now: datetime,
    sign: SignReceipt,
) -> Receipt:
    """Keep what a desk found in a copy that has ended, once; its first word stands.

    Args:
        transaction: A crash before its commit loses all of it; the desk says it again.
        row: Of the delivery; has the ``EVENT_COLUMNS``.
        answer: The desk's signed refusal.
        now: When it came.
        sign: Signs the receipt.
    """
    known = transaction.connection.execute(FOUND, {"found_in": row.number}).one_or_none()
    if known is not None:
        return receipts.read_receipt(known)
    receipt = draw_receipt(
        transaction, row, kind=EventKind.REFUSED, now=now, sign=sign, reason=answer.reason
    )
    receipts.LOG.execute(
        transaction.connection,
        [receipts.log_row(receipt, message=row.message, delivery=row.number)],
    )
    FINDINGS.execute(
        transaction.connection, [(row.number, answer.reason, answer.token, receipt.position)]
    )
    return receipt


def tell_of(transaction: Transaction, event: Event, tell: TellFinding) -> None:
    """Write the notices of a finding, late or not: each country's once."""
    for notice in tell(event):
        add_notice(transaction, notice)


def read_finding(row: Row[*tuple[object, ...]]) -> Finding | None:
    """Read a finding from a row that has the ``FINDING_COLUMNS``."""
    if row.finding_reason is None:
        return None
    return Finding(
        reason=RefusalReason(row.finding_reason),
        rule=rule_in(row.finding_token),
        at=row.finding_at,
        desk_evidence=row.finding_token,
        receipt=row.finding_receipt,
    )
