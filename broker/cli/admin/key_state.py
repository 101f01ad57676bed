"""Where does each key stand? What is stated and decided, together with what the ledger counts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from broker.cli.admin.dark_roads import dark_channels, dark_pairs
from broker.cli.terminal import Record, moment
from broker.directory import Directory
from broker.ports.keys import Pickup
from broker.storage.ledger import Ledger
from keys.forecast import Due, Outage
from keys.identifiers import KeyId, Owner
from keys.ring import InFlight, KeyRing, KeyState, RingEntry, step
from keys.root import Root

ENDED_AFTER: Final = timedelta(minutes=1)
"""A gateway process says every five seconds by what it works; one that is silent has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySurvey:
    """All that is known of keys, as of one moment."""

    now: datetime
    directory: Directory
    ring: KeyRing
    """Stepped, with counts."""
    places: Mapping[KeyId, Mapping[str, int]]
    last_uses: Mapping[KeyId, datetime]
    pickups: tuple[Pickup, ...]
    versions: Mapping[str, int]
    """With which version of the directory each signed document came."""

    @property
    def roots(self) -> tuple[Root, ...]:
        """The newest root of each owner."""
        return tuple(chain.newest for chain in self.directory.roots.values())


async def survey(ledger: Ledger, pinned: Mapping[Owner, Root], now: datetime) -> KeySurvey:
    """Ask the ledger everything."""
    record = await ledger.directory.load()
    directory, _ = Directory.verify(record, roots=pinned, now=now)
    kids = [*directory.ring.entries]
    places: dict[KeyId, dict[str, int]] = {}
    for each in await ledger.keys.in_flight(kids):
        at = places.setdefault(each.kid, {})
        at[each.place.value] = at.get(each.place.value, 0) + each.count
    emptied = await ledger.keys.emptied(kids)
    counts = {
        kid: InFlight(count=sum(places.get(kid, {}).values()), emptied_at=emptied.get(kid))
        for kid in kids
    }
    return KeySurvey(
        now=now,
        directory=directory,
        ring=step(directory.ring.with_counts(counts), now),
        places=places,
        last_uses=await ledger.keys.last_uses(kids),
        pickups=tuple(await ledger.keys.pickups()),
        versions=await ledger.directory.versions(),
    )


def key_rows(found: KeySurvey) -> Iterator[Record]:
    """Show every key, by name."""
    for kid, entry in sorted(found.ring.entries.items()):
        last_use = found.last_uses.get(kid)
        yield {
            "kid": kid,
            "holder": str(entry.statement.holder),
            "use": entry.statement.use.value,
            "state": entry.state.value,
            "since": moment(entry.since),
            "age_days": max(0, (found.now - entry.statement.not_before).days),
            "expires": moment(entry.statement.not_after),
            "in_flight": dict(found.places.get(kid, {})),
            "last_use": moment(last_use) if last_use is not None else None,
            "behind": [*_behind(found, entry)],
        }


def outage_row(outage: Outage, directory: Directory) -> Record:
    """Show an outage, with the pairs and channels that go dark by it."""
    return {
        "at": moment(outage.at),
        "until": moment(outage.until) if outage.until is not None else None,
        "holder": str(outage.holder) if outage.holder is not None else f"{outage.owner}/root",
        "use": outage.use.value,
        "why": outage.why.value,
        "kid": outage.kid,
        "pairs": [*dark_pairs(outage, directory)],
        "channels": [*dark_channels(outage, directory)],
    }


def due_row(due: Due) -> Record:
    """Show what is due."""
    return {
        "kid": due.kid,
        "holder": str(due.holder) if due.holder is not None else f"{due.owner}/root",
        "use": due.use.value,
        "step": due.step.value,
        "expires": moment(due.ends),
        "days_before": due.before.days if due.before is not None else None,
    }


def _behind(found: KeySurvey, entry: RingEntry) -> Iterator[str]:
    """Who has not taken up this key's successor: clients, and gateway processes that run?"""
    stated, newest = entry.statement, found.directory.version
    # Where it was not noted with which version a statement came, only the newest has it surely.
    successors = [
        found.versions.get(other.statement.token, newest)
        for other in found.ring.of(stated.holder, stated.use)
        if other.statement.serial > stated.serial and other.state is not KeyState.DESTROYED
    ]
    if successors:
        taken_up = {each.party: each.version for each in found.pickups}
        needed = min(successors)
        yield from (party for party in _parties(found) if taken_up.get(party, 0) < needed)


def _parties(found: KeySurvey) -> Sequence[str]:
    clients = {each.client_id for each in found.directory.record.clients}
    running = {each.party for each in found.pickups if found.now - each.at < ENDED_AFTER}
    return sorted(clients | running)
