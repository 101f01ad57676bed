"""Where keys stand, what waits for them, and what is due: exact, from the ledger."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from broker.directory import ClientRecord
from broker.model.names import QueueName
from broker.sandbox.kits import STATED
from broker.storage.ledger import open_ledger
from keys.act_kind import ActKind
from keys.algorithms import EncryptionAlgorithm
from keys.holder import Holder
from keys.identifiers import KeyId
from keys.key import DecryptionKey, KeyUse
from keys.statement import StatementTerms, issue
from schemas.vocabulary import Country
from tests.cli.conftest import Cli
from tests.cli.office import DAY, DESK, HOUR, QUEUE, Office, open_office
from tests.contract.ledger.world import NOW, SIGNING_KEY, Maker

SUCCESSOR = KeyId("GT-desk-judicial-2")


@pytest.fixture
def office(tmp_path: Path, cli: Cli, ledger: str, passphrase: Path) -> Office:
    """Open the office, with a desk that receives and a pair that is open."""
    office = open_office(tmp_path, cli, ledger, passphrase)
    pair = office.exchange.decide(ActKind.OPEN, pairs=[QUEUE])
    office.decided(office.guatemala.acts, pair)
    return office


def _accept(office: Office, *, number: int = 1) -> list[str]:
    """Let messages be accepted for the desk; give their ids."""
    make = Maker()
    messages = [
        replace(
            make.acceptance(desks=(DESK,)),
            accepted_at=datetime.now(UTC),
            recipient_keys={DESK: KeyId(office.desk_key)},
        )
        for _ in range(number)
    ]

    async def record() -> None:
        async with open_ledger(office.ledger) as ledger:
            for each in messages:
                await ledger.messages.record(each, sign=make.sign)

    asyncio.run(record())
    return [each.message_id for each in messages]


def _state_successor(office: Office) -> None:
    kit = office.guatemala
    key = DecryptionKey.generate(EncryptionAlgorithm.HPKE_9_KE, SUCCESSOR)
    kit.state(Holder.desk(kit.country, DESK.compartment), KeyUse.DESK_ENCRYPTION, key.public)
    assert office.add(kit.statements[-1:]).code == 0


def _replace_key(office: Office) -> None:
    """Let the successor become active now, long after it was announced."""
    kit = office.guatemala
    key = DecryptionKey.generate(EncryptionAlgorithm.HPKE_9_KE, SUCCESSOR)
    kit.state(Holder.desk(kit.country, DESK.compartment), KeyUse.DESK_ENCRYPTION, key.public)
    office.record(kit.statements[-1:], at=kit.now - STATED)
    at = (kit.now - 26 * HOUR, kit.now - 25 * HOUR)
    for token, moment in zip(
        kit.decide(ActKind.ACTIVATE, keys=[SUCCESSOR], at=at), at, strict=True
    ):
        office.record([token], at=moment)


def test_status_counts_what_is_sealed_to_a_key(office: Office) -> None:
    """By place, with the last use; a key without messages shows none."""
    _accept(office, number=3)

    ran = office.run("keys", "status")

    assert ran.code == 0, ran.err
    rows = {each["kid"]: each for each in ran.lines}
    own = rows[office.desk_key]
    assert (own["state"], own["in_flight"]) == ("active", {"queued": 3})
    assert own["last_use"] is not None
    assert own["age_days"] == 3
    assert rows["GW-receipt-1"]["in_flight"] == {}


def test_status_names_who_has_not_picked_up_a_successor(office: Office) -> None:
    """Clients, and gateways that run: those that work by a directory without it, and no other."""
    client = ClientRecord(client_id="mx-fgr", subject=DESK, scopes=frozenset())

    async def versions() -> int:
        async with open_ledger(office.ledger) as ledger:
            for name in ("mx-fgr", "mx-late", "mx-never"):
                await ledger.directory.put_client(replace(client, client_id=name))
            return await ledger.directory.version()

    async def note(old: int) -> None:
        now = datetime.now(UTC)
        async with open_ledger(office.ledger) as ledger:
            new = await ledger.directory.version()
            for party, version, at in (
                ("gateway-slow", old, now),
                ("gateway-good", new, now),
                ("gateway-that-ended", old, now - HOUR),
                ("mx-fgr", new, now - DAY),
                ("mx-late", old, now - DAY),
            ):
                await ledger.keys.note_pickup(party, version, at)
            # What has nothing to do with the key makes nobody late.
            await ledger.directory.add_country(Country.HONDURAS)

    old = asyncio.run(versions())
    _replace_key(office)
    asyncio.run(note(old))

    rows = {each["kid"]: each for each in office.run("keys", "status").lines}

    assert rows[office.desk_key]["behind"] == ["gateway-slow", "mx-late", "mx-never"]
    assert rows[SUCCESSOR]["behind"] == []
    assert rows[SUCCESSOR]["state"] == "active"


def test_status_has_a_table_for_people(office: Office, cli: Cli) -> None:
    """In Spanish as well."""
    ran = cli(
        *("keys", "status", "--roots", office.folder / "roots.json", "--lang", "es"),
        *("--ledger-url", office.ledger),
    )

    assert ran.code == 0
    assert "en curso" in ran.out
    assert office.desk_key in ran.out


def test_destroy_is_refused_while_messages_wait(office: Office) -> None:
    """Where they wait is listed, and nothing is written."""
    _accept(office, number=2)
    _replace_key(office)
    before = office.documents()

    ran = office.act(office.guatemala, "ana", "keys", "destroy", office.desk_key, "--yes")

    assert ran.code == 6
    assert [(each["queue"], each["place"], each["count"]) for each in ran.lines] == [
        (QUEUE, "queued", 2)
    ]
    assert "2 messages" in ran.err
    assert office.documents() == before


def test_destroy_is_refused_while_the_grace_runs(office: Office) -> None:
    """Everything was opened just now: backups may still need the key."""
    make = Maker()
    message = replace(make.acceptance(desks=(DESK,)), recipient_keys={DESK: KeyId(office.desk_key)})

    async def deliver() -> None:
        async with open_ledger(office.ledger) as ledger:
            await make.dispatched(ledger, message)
            (waiting,) = await ledger.deliveries.waiting([QueueName(QUEUE)], limit=9, now=NOW)
            (handed,) = await ledger.deliveries.lease(
                [waiting[0]],
                queues=[QueueName(QUEUE)],
                holder="desk",
                now=NOW,
                until=NOW + HOUR,
            )
            answer = make.answer(handed, desk=DESK)
            await ledger.deliveries.answer(answer, now=datetime.now(UTC), sign=make.sign)

    asyncio.run(deliver())
    _replace_key(office)

    ran = office.act(office.guatemala, "ana", "keys", "destroy", office.desk_key, "--yes")

    assert ran.code == 6
    assert "backups" in ran.err


def test_compromise_lists_every_message_and_recipient(office: Office) -> None:
    """An encryption key: all that was ever sealed to it. A signing key: since the loss."""
    ids = _accept(office, number=3)

    ran = office.act(
        *(office.guatemala, "ana", "keys", "compromise", office.desk_key),
        *("--since", "2026-11-01T00:00:00Z", "--reason", "stolen"),
    )

    assert ran.code == 0, ran.err
    act, *affected = ran.lines
    assert act["act"] == "compromise"
    assert [each["id"] for each in affected] == ids
    assert {each["recipient"] for each in affected} == {str(DESK)}
    assert "3 copies" in ran.err
    assert SIGNING_KEY not in ran.out


def test_forecast_names_the_pairs_that_go_dark(office: Office) -> None:
    """A suspended desk key closes the road to the desk today."""
    office.act(office.guatemala, "ana", "keys", "suspend", office.desk_key, "--reason", "lost")

    ran = office.run("keys", "forecast", "--days", 7)

    assert ran.code == 7
    rows = {each["use"]: each for each in ran.lines}
    assert (rows["desk_encryption"]["why"], rows["desk_encryption"]["pairs"]) == (
        "suspended",
        [QUEUE],
    )


def test_forecast_is_empty_when_everybody_has_keys(office: Office) -> None:
    """Nothing within a week; within 400 days every key ends."""
    week = office.run("keys", "forecast", "--days", 7)
    year = office.run("keys", "forecast", "--days", 400)

    assert (week.code, week.lines) == (0, [])
    assert year.code == 7
    assert {each["why"] for each in year.lines} == {"expired"}
    assert {each["use"] for each in year.lines} == {
        "desk_encryption",
        "desk_signature",
        "receipt_signature",
        "token_signature",
    }


def test_needs_rotation_is_quiet_when_nothing_is_due(office: Office) -> None:
    """Status 0 and no line, for a timer."""
    ran = office.run("keys", "needs-rotation")

    assert (ran.code, ran.lines) == (0, [])


def test_needs_rotation_asks_for_attention_when_a_key_nears_its_end(office: Office) -> None:
    """Status 7, the key and what to do."""
    kit = office.guatemala
    terms = StatementTerms(
        holder=Holder.agency(kit.country, "fiscalia"),
        use=KeyUse.MESSAGE_SIGNATURE,
        key=kit.signing("fiscalia-sign-1").public,
        not_before=kit.now - 300 * DAY,
        not_after=kit.now + 10 * DAY,
        serial=100,
        issued=kit.now - DAY,
    )
    assert office.add([issue(terms, signers=kit.signers)]).code == 0

    ran = office.run("keys", "needs-rotation")

    assert ran.code == 7
    (row,) = ran.lines
    assert (row["kid"], row["step"], row["days_before"]) == (
        "GT-fiscalia-sign-1",
        "state-successor",
        14,
    )
