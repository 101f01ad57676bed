"""What does an accepted message add to the tables?"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from broker.model.events import DeliveryState, Receipt
from broker.model.facts import Evaluation, Facts
from broker.model.message import Acceptance
from broker.model.names import NO_KEY, DeskRef, LogPosition
from broker.storage import receipts
from broker.storage.bulk import BulkInsert, Values
from broker.storage.clocks import CLOCKS, clock_rows, note_replies
from broker.storage.granting import Granting, grant_rows
from broker.storage.tables import deliveries, grants, messages
from broker.storage.transaction import Transaction

MESSAGES = BulkInsert(
    messages,
    "number",
    "message_id",
    "origin_country",
    "origin_agency",
    "body_mac",
    "kind",
    "version",
    "urgency",
    "created",
    "expires",
    "accepted_at",
    "content_hash",
    "sealed",
    "signing_key",
    "second_signing_key",
    "compartment",
    "channel",
    "handling",
    "purpose",
    "evaluation",
    "roots",
    "in_reply_to",
    "review_by",
)
DELIVERIES = BulkInsert(
    deliveries,
    "number",
    "message",
    "queue",
    "desk_country",
    "compartment",
    "key_id",
    "state",
    "changed_at",
    "expires",
    "attempts",
    "desk_receipt",
)
GRANTS = BulkInsert(grants, "message", "subject", "countries", "purposes", "until")


@dataclass(slots=True, kw_only=True)
class Rows:
    """What a group of messages adds, gathered so that each table is written once."""

    messages: list[Values] = field(default_factory=list)
    log: list[Values] = field(default_factory=list)
    deliveries: list[Values] = field(default_factory=list)
    granting: list[Granting] = field(default_factory=list)
    clocks: list[Values] = field(default_factory=list)
    recorded: list[tuple[LogPosition, Acceptance]] = field(default_factory=list)

    def add(
        self,
        transaction: Transaction,
        acceptance: Acceptance,
        receipt: Receipt,
        *,
        desk_receipts: Mapping[DeskRef, str],
    ) -> None:
        """Add a message, its acceptance and a delivery for each recipient.

        Args:
            transaction: Gives each delivery its number.
            acceptance: What was accepted.
            receipt: For its sender.
            desk_receipts: For each desk that may not learn who else received it.
        """
        number = receipt.position
        self.messages.append(_message(number, acceptance))
        self.log.append(receipts.log_row(receipt, message=number, delivery=None))
        if acceptance.facts is not None and acceptance.facts.grant is not None:
            self.granting.append(Granting(number=number, acceptance=acceptance))
        self.recorded.append((number, acceptance))
        drawn = [transaction.head.next_delivery() for _ in acceptance.routes]
        self.clocks.extend(clock_rows(acceptance, number, drawn))
        for delivery, route in zip(drawn, acceptance.routes, strict=True):
            kid = acceptance.recipient_keys[route.desk]
            # Final at once: what was not sealed for a desk is never published, nor counted.
            state = DeliveryState.NOT_SEALED if kid == NO_KEY else DeliveryState.ACCEPTED
            self.deliveries.append(
                (
                    delivery,
                    number,
                    route.queue,
                    route.desk.country.value,
                    route.desk.compartment.value,
                    kid,
                    state.value,
                    acceptance.accepted_at,
                    acceptance.expires,
                    0,
                    desk_receipts.get(route.desk),
                )
            )

    def insert(self, transaction: Transaction) -> None:
        """Write the tables, in this order, since each refers to the one before.

        A crash in between, or before the commit, loses them all: no sender has a receipt.
        """
        MESSAGES.execute(transaction.connection, self.messages)
        receipts.LOG.execute(transaction.connection, self.log)
        DELIVERIES.execute(transaction.connection, self.deliveries)
        for each in self.granting:
            GRANTS.execute(transaction.connection, grant_rows(transaction.connection, each))
        CLOCKS.execute(transaction.connection, self.clocks)
        note_replies(transaction, self.recorded)


def _message(number: int, acceptance: Acceptance) -> Values:
    return (
        number,
        acceptance.message_id,
        acceptance.sender.country.value,
        acceptance.sender.agency,
        acceptance.body_mac,
        acceptance.kind.value,
        acceptance.version,
        acceptance.urgency.value,
        acceptance.created,
        acceptance.expires,
        acceptance.accepted_at,
        acceptance.content_hash,
        acceptance.sealed,
        acceptance.signing_key,
        acceptance.second_signing_key,
        acceptance.compartment.value,
        acceptance.channel,
        *_noted(acceptance.facts),
        " ".join(sorted(acceptance.roots)) or None,
        *_named(acceptance.facts),
    )


def _noted(facts: Facts | None) -> Values:
    if facts is None:
        return "", "", None
    return facts.handling.value, facts.purpose, write_evaluation(facts.evaluation)


def _named(facts: Facts | None) -> Values:
    return (None, None) if facts is None else (facts.in_reply_to, facts.review_by)


def write_evaluation(evaluation: Evaluation | None) -> str | None:
    """Write an evaluation as one text."""
    if evaluation is None:
        return None
    return f"{evaluation.scheme}/{evaluation.source}/{evaluation.information}"
