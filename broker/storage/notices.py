"""Who has taken up the directory, and who was told of what?"""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, func, insert, select, update

from broker.model.events import Notice
from broker.ports.keys import NumberedNotice, Pickup
from broker.storage.group_commit import Sort, one_by_one
from broker.storage.tables import notices, pickups
from broker.storage.transaction import Transaction
from keys.identifiers import KeyId
from schemas.vocabulary import Country

NO_KEY = ""
"""In the place of the key, where a notice is about none."""
PICKED_UP = select(pickups.c.version, pickups.c.at).where(pickups.c.party == bindparam("party"))
PICK_UP = (
    update(pickups)
    .where(pickups.c.party == bindparam("who"))
    .values(version=bindparam("next_version"), at=bindparam("moment"))
)
PICKUPS = select(pickups).order_by(pickups.c.party)
TOLD = select(notices.c.number).where(
    notices.c.country == bindparam("country"), notices.c.subject == bindparam("subject")
)
LAST_NOTICE = select(func.coalesce(func.max(notices.c.number), 0))
NOTICES = (
    select(notices)
    .where(notices.c.country == bindparam("country"), notices.c.number > bindparam("after"))
    .order_by(notices.c.number)
    .limit(bindparam("most"))
)


def note_pickup(transaction: Transaction, pickup: Pickup) -> None:
    """Note a version; the party, if it has no answer, notes it again."""
    connection = transaction.connection
    known = connection.execute(PICKED_UP, {"party": pickup.party}).one_or_none()
    if known is None:
        values = {"party": pickup.party, "version": pickup.version, "at": pickup.at}
        connection.execute(insert(pickups), values)
    elif (known.version, known.at) < (pickup.version, pickup.at):
        connection.execute(
            PICK_UP,
            {"who": pickup.party, "next_version": pickup.version, "moment": pickup.at},
        )


def add_notice(transaction: Transaction, notice: Notice) -> bool:
    """Write a notice once; the ledger's lock keeps two from writing it at the same time."""
    connection = transaction.connection
    if was_told(connection, country=notice.country, subject=notice.subject):
        return False
    values = {
        "number": connection.execute(LAST_NOTICE).scalar_one() + 1,
        "country": notice.country.value,
        "at": notice.at,
        "kid": notice.kid or NO_KEY,
        "event": notice.event,
        "subject": notice.subject,
        "token": notice.token,
    }
    connection.execute(insert(notices), values)
    return True


def was_told(connection: Connection, *, country: Country, subject: bytes) -> bool:
    """Look whether a country has a notice on this."""
    asked = {"country": country.value, "subject": subject}
    return connection.execute(TOLD, asked).first() is not None


NOTE_PICKUP = Sort(apply=one_by_one(note_pickup))
ADD_NOTICE = Sort(apply=one_by_one(add_notice))


def list_pickups(connection: Connection) -> Sequence[Pickup]:
    """List what every party works by."""
    return [
        Pickup(party=row.party, version=row.version, at=row.at)
        for row in connection.execute(PICKUPS)
    ]


def list_notices(
    connection: Connection, *, country: Country, after: int, limit: int
) -> Sequence[NumberedNotice]:
    """List a country's next few."""
    rows = connection.execute(NOTICES, {"country": country.value, "after": after, "most": limit})
    return [
        NumberedNotice(
            number=row.number,
            notice=Notice(
                country=Country(row.country),
                at=row.at,
                kid=KeyId(row.kid) if row.kid else None,
                event=row.event,
                subject=bytes(row.subject),
                token=row.token,
            ),
        )
        for row in rows
    ]
