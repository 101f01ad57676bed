"""`enlace status`: how far have messages come?"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from broker.cli.exit_codes import ExitCode, worst
from broker.cli.explain import EXPECTED, explain, show
from broker.cli.options import ProfileOption
from broker.cli.session import open_client
from broker.cli.terminal import Record, Terminal, finish, moment, terminal_of
from broker.model.events import DeliveryState
from broker.model.names import Json, MessageId
from broker.model.status import Finding, MessageStatus, OrderStatus, RecipientStatus

if TYPE_CHECKING:
    from broker.desk.client import EnlaceClient

COLUMNS: Final = (
    "id",
    "kind",
    "recipient",
    "state",
    "changed_at",
    "attempts",
    "reason",
    "rule",
    "finding",
    "read_for",
)
SELDOM: Final = frozenset({"rule", "finding"})
"""Takes room in the table only where there is one."""
FAILED: Final = frozenset(
    {
        DeliveryState.REFUSED,
        DeliveryState.DEAD_LETTERED,
        DeliveryState.EXPIRED,
        DeliveryState.NOT_SEALED,
    }
)
"""The message did not arrive, and somebody should know."""


def read_message_id(text: str) -> MessageId:
    """Read a message id.

    Raises:
        ValueError: Not a UUIDv7 in lower case.
    """
    from broker.admission.desk_word import MESSAGE_ID  # noqa: PLC0415 - a tenth of a second

    if MESSAGE_ID.fullmatch(text) is None:
        raise ValueError("not a UUIDv7 in lower case")
    return MessageId(text)


def status(
    context: typer.Context,
    ids: Annotated[list[MessageId], typer.Argument(parser=read_message_id, metavar="ID")],
    profile: ProfileOption = Path(),
) -> None:
    """Show the state of each recipient's copy."""
    terminal = terminal_of(context)
    found, code = asyncio.run(_ask(open_client(profile, terminal), ids, terminal))
    if terminal.json:
        for each in found:
            terminal.line(to_json(each))
    else:
        rows = [_row(each, recipient) for each in found for recipient in each.recipients]
        shown = [name for name in COLUMNS if name not in SELDOM or any(row[name] for row in rows)]
        terminal.rows(rows, shown)
    failed = any(_has_failed(one) for each in found for one in each.recipients)
    finish(worst([code, ExitCode.ACTION_NEEDED if failed else ExitCode.OK]))


def _has_failed(recipient: RecipientStatus) -> bool:
    return recipient.state in FAILED or recipient.finding is not None


async def _ask(
    client: "EnlaceClient", ids: Sequence[MessageId], terminal: Terminal
) -> tuple[list[MessageStatus], ExitCode]:
    found, code = [], ExitCode.OK
    async with client:
        for each in ids:
            try:
                found.append(await client.status(each))
            except EXPECTED as error:
                failure = explain(error, terminal)
                terminal.warn("status.failed", id=each)
                show(failure, terminal)
                code = worst([code, failure.exit_code])
    return found, code


def to_json(found: MessageStatus) -> Record:
    """Write a status with the members that the wire has (docs/protocol.md)."""
    return {
        "id": found.id,
        "kind": found.kind,
        "accepted_at": moment(found.accepted_at),
        "expires": moment(found.expires),
        "content_hash": found.content_hash,
        "receipt": found.receipt,
        "recipients": [
            {
                "country": each.desk.country,
                "compartment": each.desk.compartment,
                "state": each.state,
                "changed_at": moment(each.changed_at),
                "attempts": each.attempts,
                "reason": each.reason,
                "rule": each.rule,
                "desk_evidence": each.desk_evidence,
                "receipt": each.receipt,
                **({} if each.finding is None else {"finding": _finding_record(each.finding)}),
                **({} if each.order is None else {"order": order_record(each.order)}),
                "uses": [
                    {
                        "at": moment(one.at),
                        "reader": one.reader,
                        "purpose": one.purpose,
                        "times": one.times,
                        "token": one.token,
                    }
                    for one in each.uses
                ],
            }
            for each in found.recipients
        ],
    }


def order_record(order: OrderStatus) -> dict[str, Json]:
    """Write what a desk did about a recall, with the members that the wire has."""
    return {
        "state": "open" if order.answered_at is None else "answered",
        "disposition": order.disposition,
        "because": order.because,
        "until": None if order.until is None else order.until.isoformat(),
        "answered_at": None if order.answered_at is None else moment(order.answered_at),
        "desk_evidence": order.desk_evidence,
        "receipt": order.receipt,
    }


def _finding_record(finding: Finding) -> dict[str, Json]:
    return {
        "reason": finding.reason,
        "rule": finding.rule,
        "at": moment(finding.at),
        "desk_evidence": finding.desk_evidence,
        "receipt": finding.receipt,
    }


def _row(found: MessageStatus, recipient: RecipientStatus) -> Record:
    return {
        "id": found.id,
        "kind": found.kind,
        "recipient": str(recipient.desk),
        "state": recipient.state,
        "changed_at": moment(recipient.changed_at),
        "attempts": recipient.attempts,
        "reason": recipient.reason,
        "rule": recipient.rule,
        "finding": None if recipient.finding is None else _found(recipient.finding),
        "read_for": [f"{each.purpose} ({each.reader})" for each in recipient.uses] or None,
    }


def _found(finding: Finding) -> str:
    return finding.reason if finding.rule is None else f"{finding.reason} ({finding.rule})"
