"""Where two parts meet: what one of them keeps from somebody, does another tell him?"""

from datetime import UTC, datetime

import pytest

from broker.model.events import Event, EventKind, Notice, RefusalReason
from broker.model.names import AgencyRef, ContentHash, DeskRef, MessageId
from broker.notices import NOTICE_TYP, FindingNotices, UnreadNotices, deliveries_in
from keys import jws, strict_json
from keys.identifiers import KeyId
from schemas.vocabulary import Country
from tests.attacks.attacker import Arena
from tests.attacks.test_description import check
from tests.attacks.test_reply_clocks import SEGUNDA, answer_as, ask
from tests.attacks.test_reply_clocks import _here as _here_  # noqa: F401 - a fixture
from tests.flow.conftest import (
    FISCALIA,
    GT_DESK,
    GT_PROTECTION,
    MIGRACION,
    MX_DESK,
    PGN,
    new_id,
)
from tests.flow.test_requests import PNC

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER = AgencyRef(country=Country.GUATEMALA, agency="other")


async def test_reply_tells_nothing_of_the_protection_desk_next_door(here: Arena) -> None:
    """Guatemala's police try the id of what its protection desk was asked, as that of nothing."""
    asked = await ask(here, FISCALIA, "protection")

    known, unknown = [await answer_as(here, PNC, named) for named in (asked, new_id())]

    assert known.verdict == unknown.verdict == (422, "reference-unknown")
    for name in known.json.keys() - {"request_id", "instance"}:
        assert known.json[name] == unknown.json[name]


async def noticed(one: Arena, subject: AgencyRef | DeskRef, query: str) -> set[tuple[str, str]]:
    """What somebody reads of his country's notices: origin and compartment of each delivery."""
    found: set[tuple[str, str]] = set()
    after = 0
    while True:
        answer = await one.attacker(subject).call("GET", f"/v1/notices?after={after}{query}")
        assert answer.status == 200, answer.body
        check(answer, "GET", "/v1/notices")
        if not answer.json["notices"]:
            return found
        for each in answer.json["notices"]:
            found |= {*deliveries_in(each["notice"])}
            after = each["number"]


@pytest.mark.parametrize("query", ["", "&limit=1"])
async def test_notices_tell_of_protection_only_who_may_know(here: Arena, query: str) -> None:
    """Police, and the desk next door, hear of their country's messages, and not of those."""
    key = here.world.exchange.receipt_key
    write = UnreadNotices(
        sign=lambda payload: jws.sign_compact(payload, key, typ=NOTICE_TYP), issuer="https://x"
    )
    events = [
        Event(
            kind=EventKind.EXPIRED,
            at=datetime.now(UTC),
            message_id=MessageId(new_id()),
            sender=sender,
            content_hash=ContentHash("A" * 43),
            recipients={desk: KeyId(f"{desk.country}-desk-1")},
        )
        for sender, desk in (
            (MIGRACION, GT_PROTECTION),
            (FISCALIA, GT_PROTECTION),
            (MIGRACION, GT_DESK),
            (OTHER, GT_PROTECTION),
            (PNC, MX_DESK),
        )
    ]
    for notice in write(events):
        await here.gateway.key_ledger.add_notice(notice)
    # Who is late in a group whose members are hidden is not named; the wall holds all the same.
    await here.gateway.key_ledger.add_notice(
        Notice(
            country=Country.MEXICO,
            at=datetime.now(UTC),
            event="request-overdue",
            subject=b"hidden",
            token=jws.sign_compact(
                strict_json.write(
                    {"org": "MX/other", "compartment": "protection", "late": 2, "mid": new_id()}
                ),
                key,
                typ=NOTICE_TYP,
            ),
        )
    )

    def name(sender: AgencyRef, desk: DeskRef) -> tuple[str, str]:
        return str(sender), desk.compartment.value

    mexican, everybodys = name(MIGRACION, GT_DESK), name(PNC, MX_DESK)
    assert await noticed(here, FISCALIA, query) == {mexican, name(FISCALIA, GT_PROTECTION)}
    assert await noticed(here, MIGRACION, query) == {mexican, name(MIGRACION, GT_PROTECTION)}
    assert await noticed(here, MX_DESK, query) == {mexican}
    for police in (PNC, GT_DESK):
        assert await noticed(here, police, query) == {everybodys}
    for reader in (PGN, GT_PROTECTION):
        assert await noticed(here, reader, query) == {everybodys, name(OTHER, GT_PROTECTION)}


async def test_notices_tell_of_a_refused_content_no_neighbour_of_the_desk(here: Arena) -> None:
    """In its country the desk alone hears of it; in the author's, who may hear of his messages.

    Whoever hid in a message to the intelligence desk who fled from its country must not point the
    police there to it by a notice that something was hidden.
    """
    key = here.world.exchange.receipt_key
    before = {
        subject: await noticed(here, subject, "")
        for subject in (FISCALIA, MIGRACION, MX_DESK, PNC, PGN, GT_DESK, GT_PROTECTION)
    }
    write = FindingNotices(
        sign=lambda payload: jws.sign_compact(payload, key, typ=NOTICE_TYP), issuer="https://x"
    )
    for desk in (GT_DESK, GT_PROTECTION):
        event = Event(
            kind=EventKind.REFUSED,
            at=datetime.now(UTC),
            message_id=MessageId(new_id()),
            sender=SEGUNDA,
            content_hash=ContentHash("A" * 43),
            recipients={desk: KeyId(f"{desk.country}-desk-1")},
            reason=RefusalReason.FACTS_NOT_TRUE,
        )
        for notice in write(event):
            await here.gateway.key_ledger.add_notice(notice)

    after = {subject: await noticed(here, subject, "") - before[subject] for subject in before}

    open_one, walled = [(str(SEGUNDA), desk.compartment.value) for desk in (GT_DESK, GT_PROTECTION)]
    assert after == {
        FISCALIA: {open_one},
        MIGRACION: {open_one},
        MX_DESK: {open_one},
        PNC: set(),
        PGN: set(),
        GT_DESK: {open_one},
        GT_PROTECTION: {walled},
    }
    assert await noticed(here, SEGUNDA, "") >= {open_one, walled}
