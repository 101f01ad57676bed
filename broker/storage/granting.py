"""Which messages may be handed on, and to whom, since their originator said so (SG-05)?"""

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from broker.model import Acceptance
from broker.storage.bulk import Values
from broker.storage.tables import messages
from broker.storage.transaction import padded

OWN = select(messages.c.number).where(
    messages.c.message_id.in_(bindparam("ids", expanding=True)),
    messages.c.origin_country == bindparam("country"),
    messages.c.origin_agency == bindparam("agency"),
)


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
