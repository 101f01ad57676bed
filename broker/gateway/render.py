"""How the exchange's answers look as JSON; ``broker/gateway/openapi.yaml`` says the same."""

from collections.abc import Container, Iterable, Mapping
from datetime import UTC, datetime

from aiohttp import web

from broker.channel_view import channel_view
from broker.directory import Directory
from broker.exchange import Accepted
from broker.model.delivery import HandOver, QueueDepth
from broker.model.message import RoutedMessage
from broker.model.names import DeskRef, Json
from broker.model.status import Finding, MessageStatus, OrderStatus, RecipientStatus
from keys import strict_json


def json_response(document: dict[str, Json], *, status: int = 200) -> web.Response:
    """Answer with a JSON document that no cache keeps."""
    return web.Response(
        body=strict_json.write(document),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )


def moment(at: datetime) -> str:
    """Write a time in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def accepted(answer: Accepted) -> dict[str, Json]:
    """The answer to a posting."""
    return {
        "id": answer.message_id,
        "status": "accepted",
        "receipt": answer.receipt.token,
        "recipients": _recipients(answer.rules, answer.not_sealed),
    }


def preview(routed: RoutedMessage, not_sealed: Container[DeskRef]) -> dict[str, Json]:
    """The answer to a dry run."""
    return {
        "id": routed.message.id,
        "status": "dry-run",
        "recipients": _recipients({each.desk: each.rule for each in routed.deliveries}, not_sealed),
    }


def status(known: MessageStatus) -> dict[str, Json]:
    """How far a message has come."""
    return {
        "id": known.id,
        "kind": known.kind.value,
        "accepted_at": moment(known.accepted_at),
        "expires": moment(known.expires),
        "content_hash": known.content_hash,
        "receipt": known.receipt,
        "recipients": [_recipient(one) for one in known.recipients],
    }


def queues(depths: Iterable[QueueDepth]) -> dict[str, Json]:
    """What waits for a desk."""
    return {
        "queues": [
            {
                "queue": depth.queue,
                "waiting": depth.waiting,
                "leased": depth.leased,
                "oldest_accepted_at": None
                if depth.oldest_accepted_at is None
                else moment(depth.oldest_accepted_at),
            }
            for depth in depths
        ]
    }


def hand_over(handed: HandOver) -> bytes:
    """One message for a desk, on one line. The sealed form goes through as it lies."""
    members: dict[str, Json] = {
        "hand_over": handed.hand_over,
        "queue": handed.queue,
        "origin": {"country": handed.origin.country.value, "agency": handed.origin.agency},
        "id": handed.message_id,
        "content_hash": handed.content_hash,
        "urgency": handed.urgency.value,
        "attempt": handed.attempt,
        "lease_until": moment(handed.lease_until),
        "receipt": handed.receipt,
    }
    # The JWE is JSON that we wrote: parsing 350 KiB only to write it again would be waste.
    return b'%b,"sealed":%b}' % (strict_json.write(members)[:-1], handed.sealed)


def directory(known: Directory) -> dict[str, Json]:
    """Who takes part, as members may see it."""
    record = known.record
    return {
        "version": record.version,
        "countries": [country.value for country in sorted(record.countries)],
        "agencies": [
            {
                "country": agency.ref.country.value,
                "agency": agency.ref.agency,
                "function": agency.function.value,
                "name": agency.name,
            }
            for agency in record.agencies
        ],
        "desks": [
            {"country": desk.country.value, "compartment": desk.compartment.value}
            for desk in sorted(record.desks)
        ],
        "pairs": [
            {
                "from": pair.origin.value,
                "to": pair.desk.country.value,
                "compartment": pair.desk.compartment.value,
            }
            for pair in known.open_pairs
        ],
        "channels": [
            view
            for channel in known.channels
            if (view := channel_view(channel, known.at)) is not None
        ],
        "statements": list(record.statements),
        "recorded": [None if at is None else moment(at) for at in record.recorded],
    }


def _recipients(rules: Mapping[DeskRef, str], not_sealed: Container[DeskRef]) -> list[Json]:
    return [
        {
            "country": desk.country.value,
            "compartment": desk.compartment.value,
            "rule": rule,
            "sealed": desk not in not_sealed,
        }
        for desk, rule in rules.items()
    ]


def order(known: OrderStatus) -> dict[str, Json]:
    """What a desk did about a recall or rectification."""
    return {
        "state": "open" if known.answered_at is None else "answered",
        "disposition": None if known.disposition is None else known.disposition.value,
        "because": None if known.because is None else known.because.value,
        "until": None if known.until is None else known.until.isoformat(),
        "answered_at": None if known.answered_at is None else moment(known.answered_at),
        "desk_evidence": known.desk_evidence,
        "receipt": known.receipt,
    }


def finding(known: Finding) -> dict[str, Json]:
    """What a desk found in a copy that had ended."""
    return {
        "reason": known.reason.value,
        "rule": known.rule,
        "at": moment(known.at),
        "desk_evidence": known.desk_evidence,
        "receipt": known.receipt,
    }


def _recipient(known: RecipientStatus) -> dict[str, Json]:
    members: dict[str, Json] = {
        "country": known.desk.country.value,
        "compartment": known.desk.compartment.value,
        "state": known.state.value,
        "changed_at": moment(known.changed_at),
        "attempts": known.attempts,
        "reason": None if known.reason is None else known.reason.value,
        "rule": known.rule,
        "desk_evidence": known.desk_evidence,
        "receipt": known.receipt,
        "uses": [
            {
                "at": moment(one.at),
                "reader": one.reader,
                "purpose": one.purpose,
                "times": one.times,
                "token": one.token,
            }
            for one in known.uses
        ],
    }
    if known.order is not None:
        members["order"] = order(known.order)
    if known.finding is not None:
        members["finding"] = finding(known.finding)
    return members
