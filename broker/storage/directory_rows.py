"""How does each thing in the directory look as a row?"""

from sqlalchemy import Connection, Row, select

from broker.directory import AgencyRecord, ClientRecord
from broker.model.names import AgencyRef, DeskRef, Scope
from broker.storage.tables import agencies, clients, desks
from schemas.vocabulary import AgencyFunction, Compartment, Country


def agency_values(record: AgencyRecord) -> dict[str, str | None]:
    """Write an agency as a row."""
    return {
        "country": record.ref.country.value,
        "agency": record.ref.agency,
        "function": record.function.value,
        "name": record.name,
    }


def read_agencies(connection: Connection) -> tuple[AgencyRecord, ...]:
    """Read all agencies, sorted."""
    rows = connection.execute(select(agencies).order_by(agencies.c.country, agencies.c.agency))
    return tuple(
        AgencyRecord(
            ref=AgencyRef(country=Country(row.country), agency=row.agency),
            function=AgencyFunction(row.function),
            name=row.name,
        )
        for row in rows
    )


def client_values(record: ClientRecord) -> dict[str, str | None]:
    """Write a client as a row; it is an agency's or a desk's."""
    subject = record.subject
    return {
        "client_id": record.client_id,
        "country": subject.country.value,
        "agency": subject.agency if isinstance(subject, AgencyRef) else None,
        "compartment": subject.compartment.value if isinstance(subject, DeskRef) else None,
        "scopes": " ".join(sorted(record.scopes)),
    }


def read_clients(connection: Connection) -> tuple[ClientRecord, ...]:
    """Read all clients, sorted."""
    rows = connection.execute(select(clients).order_by(clients.c.client_id))
    return tuple(
        ClientRecord(
            client_id=row.client_id,
            subject=_subject(row),
            scopes=frozenset(Scope(scope) for scope in row.scopes.split()),
        )
        for row in rows
    )


def desk_values(desk: DeskRef) -> dict[str, str | None]:
    """Write a desk as a row."""
    return {"country": desk.country.value, "compartment": desk.compartment.value}


def read_desks(connection: Connection) -> frozenset[DeskRef]:
    """Read all desks."""
    return frozenset(_desk(row) for row in connection.execute(select(desks)))


def _subject(row: Row[*tuple[object, ...]]) -> AgencyRef | DeskRef:
    if row.agency is not None:
        return AgencyRef(country=Country(row.country), agency=row.agency)
    return _desk(row)


def _desk(row: Row[*tuple[object, ...]]) -> DeskRef:
    return DeskRef(country=Country(row.country), compartment=Compartment(row.compartment))
