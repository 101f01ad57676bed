"""Which messages may be handed on, and to whom, since their originator said so (SG-05)?"""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, exists, or_, select

from broker.model.message import Acceptance
from broker.storage.bulk import Values
from broker.storage.tables import grants, messages, orders
from broker.storage.transaction import padded
from schemas.vocabulary import Kind

OWN = select(messages.c.number).where(
    messages.c.message_id.in_(bindparam("ids", expanding=True)),
    messages.c.origin_country == bindparam("country"),
    messages.c.origin_agency == bindparam("agency"),
)
STILL_COUNTS = ~exists().where(
    orders.c.kind == Kind.RECALL.value,
    or_(orders.c.subject == grants.c.message, orders.c.subject == grants.c.subject),
)
"""Nobody took back the reply that granted it, nor the message itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Granting:
    """A reply that permits, and its place in the ledger."""

    number: int
    acceptance: Acceptance


def grant_rows(connection: Connection, granting: Granting) -> list[Values]:
    """Make a row for each message of the granting agency itself, and for no other's."""
    acceptance = granting.acceptance
    grant = None if acceptance.facts is None else acceptance.facts.grant
    if grant is None:
        return []
    asked = {
        "ids": padded(sorted(grant.of)),
        "country": acceptance.sender.country.value,
        "agency": acceptance.sender.agency,
    }
    # Who names no country permits it to whoever asked: those who receive this reply.
    countries = grant.to_countries or {route.desk.country for route in acceptance.routes}
    return [
        (
            granting.number,
            row.number,
            " ".join(sorted(countries)),
            " ".join(sorted(grant.purposes)),
            grant.until,
        )
        for row in connection.execute(OWN, asked)
    ]
