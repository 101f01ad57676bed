"""Where does a key stand now? That follows from what was stated, decided and counted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.act_kind import ActKind
from keys.algorithms import EncryptionAlgorithm
from keys.decisions import KeyEvent
from keys.holder import Holder
from keys.identifiers import parse_kid
from keys.key import DecryptionKey, KeyUse, SigningKey
from keys.policy import STANDARD_KEY_POLICY, KeyPolicy
from keys.ring import InFlight, KeyRing, KeyState, RingEntry, announce, starts_at, step
from keys.statement import KeyStatement, StatementTerms
from schemas.vocabulary import Compartment, Country

MakeSigningKey = Callable[..., SigningKey]
MakeStatement = Callable[[StatementTerms], KeyStatement]
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
LIFE = 100 * DAY
GRACE = STANDARD_KEY_POLICY.uses[KeyUse.DESK_ENCRYPTION].grace
DESK = Holder.desk(Country.GUATEMALA, Compartment.INTELLIGENCE)
NOTHING = InFlight(count=0)
WAITING = InFlight(count=3)


@dataclass(frozen=True, kw_only=True)
class Row:
    """Days after the statement: what was decided when, what is counted, and what follows."""

    decided: tuple[tuple[ActKind, float], ...] = ()
    in_flight: InFlight | None = None
    emptied: float | None = None
    at: float
    state: KeyState
    since: float


ACTIVATED = (ActKind.ACTIVATE, 1)
ROWS = {
    "just stated": Row(at=0, state=KeyState.ANNOUNCED, since=0),
    "stated long ago and let by nobody": Row(at=50, state=KeyState.ANNOUNCED, since=0),
    "let, and its announcement not over": Row(
        decided=((ActKind.ACTIVATE, 0.5),), at=0.999, state=KeyState.ANNOUNCED, since=0
    ),
    "let before its announcement was over": Row(
        decided=((ActKind.ACTIVATE, 0.5),), at=1, state=KeyState.ACTIVE, since=1
    ),
    "let later than announced": Row(
        decided=((ActKind.ACTIVATE, 3),), at=4, state=KeyState.ACTIVE, since=3
    ),
    "let from tomorrow on": Row(
        decided=((ActKind.ACTIVATE, 3),), at=2.999, state=KeyState.ANNOUNCED, since=0
    ),
    "in its last moment": Row(decided=(ACTIVATED,), at=99.999, state=KeyState.ACTIVE, since=1),
    "over, and let by nobody": Row(at=100, state=KeyState.EMPTY, since=100),
    "over, and nobody has counted": Row(
        decided=(ACTIVATED,), at=300, state=KeyState.DRAINING, since=100
    ),
    "over, and messages wait": Row(
        decided=(ACTIVATED,), in_flight=WAITING, at=300, state=KeyState.DRAINING, since=100
    ),
    "over, and nothing waits": Row(
        decided=(ACTIVATED,), in_flight=NOTHING, at=101, state=KeyState.EMPTY, since=100
    ),
    "over, and its last message was opened later": Row(
        decided=(ACTIVATED,),
        in_flight=NOTHING,
        emptied=105,
        at=106,
        state=KeyState.EMPTY,
        since=105,
    ),
    "suspended": Row(
        decided=(ACTIVATED, (ActKind.SUSPEND, 5)), at=5, state=KeyState.SUSPENDED, since=5
    ),
    "suspended a moment from now": Row(
        decided=(ACTIVATED, (ActKind.SUSPEND, 5)), at=4.999, state=KeyState.ACTIVE, since=1
    ),
    "suspended before it was let": Row(
        decided=((ActKind.SUSPEND, 0.5), ACTIVATED), at=2, state=KeyState.SUSPENDED, since=0.5
    ),
    "suspended twice": Row(
        decided=(ACTIVATED, (ActKind.SUSPEND, 5), (ActKind.SUSPEND, 6)),
        at=7,
        state=KeyState.SUSPENDED,
        since=5,
    ),
    "suspended and lifted": Row(
        decided=(ACTIVATED, (ActKind.SUSPEND, 5), (ActKind.LIFT, 6)),
        at=6,
        state=KeyState.ACTIVE,
        since=1,
    ),
    "suspended, lifted and suspended again": Row(
        decided=(ACTIVATED, (ActKind.SUSPEND, 5), (ActKind.LIFT, 6), (ActKind.SUSPEND, 7)),
        at=8,
        state=KeyState.SUSPENDED,
        since=7,
    ),
    "compromised": Row(
        decided=(ACTIVATED, (ActKind.COMPROMISE, 5)), at=5, state=KeyState.COMPROMISED, since=5
    ),
    "suspended and then compromised": Row(
        decided=(ACTIVATED, (ActKind.SUSPEND, 5), (ActKind.COMPROMISE, 6)),
        at=7,
        state=KeyState.COMPROMISED,
        since=6,
    ),
    "compromised, and somebody lifts it": Row(
        decided=(ACTIVATED, (ActKind.COMPROMISE, 5), (ActKind.LIFT, 6)),
        at=7,
        state=KeyState.COMPROMISED,
        since=5,
    ),
    "given up while messages are sealed to it": Row(
        decided=(ACTIVATED, (ActKind.DESTROY, 5)),
        in_flight=NOTHING,
        at=6,
        state=KeyState.ACTIVE,
        since=1,
    ),
    "given up while messages wait": Row(
        decided=(ACTIVATED, (ActKind.DESTROY, 101)),
        in_flight=WAITING,
        at=300,
        state=KeyState.DRAINING,
        since=100,
    ),
    "given up before anybody counted": Row(
        decided=(ACTIVATED, (ActKind.DESTROY, 101)), at=300, state=KeyState.DRAINING, since=100
    ),
    "compromised and given up while messages wait": Row(
        decided=(ACTIVATED, (ActKind.COMPROMISE, 5), (ActKind.DESTROY, 6)),
        in_flight=WAITING,
        at=300,
        state=KeyState.COMPROMISED,
        since=5,
    ),
    "given up in its grace": Row(
        decided=(ACTIVATED, (ActKind.DESTROY, 106)),
        in_flight=NOTHING,
        emptied=105,
        at=134.999,
        state=KeyState.EMPTY,
        since=105,
    ),
    "given up, and its grace is over": Row(
        decided=(ACTIVATED, (ActKind.DESTROY, 106)),
        in_flight=NOTHING,
        emptied=105,
        at=135,
        state=KeyState.DESTROYED,
        since=135,
    ),
    "given up after its grace": Row(
        decided=(ACTIVATED, (ActKind.DESTROY, 140)),
        in_flight=NOTHING,
        emptied=105,
        at=141,
        state=KeyState.DESTROYED,
        since=140,
    ),
    "given up in use, then over with nothing ever sealed to it": Row(
        decided=(ACTIVATED, (ActKind.DESTROY, 5)),
        in_flight=NOTHING,
        at=101,
        state=KeyState.DESTROYED,
        since=100,
    ),
    "given up before it was used": Row(
        decided=((ActKind.DESTROY, 0.5),),
        in_flight=NOTHING,
        at=2,
        state=KeyState.DESTROYED,
        since=0.5,
    ),
    "given up, and then let": Row(
        decided=((ActKind.DESTROY, 0.5), ACTIVATED),
        in_flight=NOTHING,
        at=2,
        state=KeyState.DESTROYED,
        since=0.5,
    ),
    "let, and given up before its announcement was over": Row(
        decided=((ActKind.ACTIVATE, 0.25), (ActKind.DESTROY, 0.5)),
        in_flight=NOTHING,
        at=2,
        state=KeyState.DESTROYED,
        since=0.5,
    ),
    "given up while it was suspended, and then lifted": Row(
        decided=(ACTIVATED, (ActKind.SUSPEND, 5), (ActKind.DESTROY, 6), (ActKind.LIFT, 7)),
        in_flight=NOTHING,
        at=8,
        state=KeyState.DESTROYED,
        since=6,
    ),
}


@pytest.fixture(scope="session")
def begin(now: datetime) -> datetime:
    """Give the moment from which the rows count."""
    return now - 10 * DAY


@pytest.fixture(scope="session")
def make_entry(stated: MakeStatement, begin: datetime) -> Callable[..., RingEntry]:
    """State an encryption key of the desk; ``at`` says how many days after the first one."""

    def make(
        name: str = "1",
        *,
        algorithm: EncryptionAlgorithm = EncryptionAlgorithm.HPKE_9_KE,
        at: float = 0,
        **changes: object,
    ) -> RingEntry:
        key = DecryptionKey.generate(
            algorithm, parse_kid(f"GT-desk-{name}"), lambda size: (name * size).encode()[:size]
        )
        terms: dict[str, object] = {
            "not_before": begin + at * DAY,
            "not_after": begin + at * DAY + LIFE,
            "serial": 1,
            "issued": begin + at * DAY,
        }
        return announce(
            stated(
                StatementTerms(
                    holder=DESK,
                    use=KeyUse.DESK_ENCRYPTION,
                    key=key.public,
                    **(terms | changes),  # type: ignore[arg-type]
                )
            )
        )

    return make


MakeEntry = Callable[..., RingEntry]


def decided(
    entry: RingEntry, begin: datetime, *events: tuple[ActKind, float], at: float = 0
) -> RingEntry:
    """Decide of a key, so many days after its statement."""
    moments = [(kind, begin + (at + days) * DAY) for kind, days in events]
    return replace(
        entry, events=tuple(KeyEvent(at=when, kind=kind, since=when) for kind, when in moments)
    )


def states(ring: KeyRing) -> list[KeyState]:
    """Give the states in the ring's own order."""
    return [entry.state for entry in ring.entries.values()]


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_step_gives_the_state_of_a_desks_key(
    make_entry: MakeEntry, begin: datetime, row: Row
) -> None:
    """One key of a desk alone, through everything that can become of it."""
    emptied = None if row.emptied is None else begin + row.emptied * DAY
    in_flight = row.in_flight and replace(row.in_flight, emptied_at=emptied)
    entry = replace(decided(make_entry(), begin, *row.decided), in_flight=in_flight)

    stepped = step(KeyRing([entry]), begin + row.at * DAY)

    (found,) = stepped.entries.values()
    assert (found.state, (found.since - begin) / DAY) == (row.state, row.since)


def test_step_keeps_one_active_key_when_a_successor_begins(
    make_entry: MakeEntry, begin: datetime
) -> None:
    """The successor takes over in one moment, and any number of older ones drain."""
    ring = KeyRing(
        decided(
            make_entry(name, at=10.0 * number, serial=number + 1),
            begin,
            ACTIVATED,
            at=10.0 * number,
        )
        for number, name in enumerate("1234")
    )
    active, announced, draining = KeyState.ACTIVE, KeyState.ANNOUNCED, KeyState.DRAINING
    expected = {
        10.999: [active, announced, announced, announced],
        11.0: [draining, active, announced, announced],
        21.0: [draining, draining, active, announced],
        31.0: [draining, draining, draining, active],
    }

    found = {at: states(step(ring, begin + at * DAY)) for at in expected}

    assert found == expected


def test_step_keeps_one_active_key_when_the_successor_has_another_algorithm(
    make_entry: MakeEntry, begin: datetime
) -> None:
    """Both algorithms are of one suite, so the stronger one takes over."""
    keys = [
        make_entry("1"),
        make_entry("2", algorithm=EncryptionAlgorithm.HPKE_10_KE, serial=2),
    ]
    ring = KeyRing(decided(key, begin, ACTIVATED) for key in keys)

    assert states(step(ring, begin + 2 * DAY)) == [KeyState.DRAINING, KeyState.ACTIVE]


def test_step_makes_one_key_active_when_two_begin_together(
    make_entry: MakeEntry, begin: datetime
) -> None:
    """Of two that begin in the same moment the one that was stated last wins."""
    keys = [make_entry("1", serial=2), make_entry("2", serial=1)]
    for order in (keys, keys[::-1]):
        ring = step(KeyRing(decided(key, begin, ACTIVATED) for key in order), begin + 2 * DAY)

        assert ring.entries[keys[0].kid].state is KeyState.ACTIVE
        assert ring.entries[keys[1].kid].state is KeyState.DRAINING


def test_step_gives_no_old_key_back_when_its_successor_is_suspended(
    make_entry: MakeEntry, begin: datetime
) -> None:
    """A suspension never makes senders seal to a key that somebody has given up."""
    old = decided(make_entry("1"), begin, ACTIVATED)
    new = decided(make_entry("2", serial=2), begin, (ActKind.ACTIVATE, 10), (ActKind.SUSPEND, 20))

    ring = step(KeyRing([old, new]), begin + 21 * DAY)

    assert states(ring) == [KeyState.DRAINING, KeyState.SUSPENDED]


def test_step_leaves_an_announced_successor_out_when_nobody_let_it(
    make_entry: MakeEntry, begin: datetime
) -> None:
    """A statement alone takes nothing over, however new its serial."""
    old = decided(make_entry("1"), begin, ACTIVATED)
    new = make_entry("2", serial=9)

    assert states(step(KeyRing([old, new]), begin + 50 * DAY)) == [
        KeyState.ACTIVE,
        KeyState.ANNOUNCED,
    ]


def test_step_goes_by_the_policy_of_the_ring(make_entry: MakeEntry, begin: datetime) -> None:
    """Administrators may ask for a longer announcement."""
    longer = KeyPolicy.from_json({"uses": {"desk_encryption": {"announce": "10d"}}})
    entry = decided(make_entry(), begin, ACTIVATED)
    ring = KeyRing([entry], policy=longer)

    assert states(step(ring, begin + 10 * DAY - SECOND)) == [KeyState.ANNOUNCED]
    assert states(step(ring, begin + 10 * DAY)) == [KeyState.ACTIVE]
    assert starts_at(entry, longer, begin + 2 * DAY) == begin + 10 * DAY


def test_step_lets_a_signing_key_begin_by_itself(
    terms: StatementTerms, stated: MakeStatement, make_signing_key: MakeSigningKey
) -> None:
    """Who signs needs no administrator; the old key drains until its time is over."""
    later = replace(
        terms,
        serial=2,
        key=make_signing_key("MX-fge-2").public,
        not_before=terms.not_before + 10 * DAY,
        not_after=terms.not_after + 10 * DAY,
    )
    ring = KeyRing([announce(stated(terms)), announce(stated(later))])
    moments = [
        terms.not_before,
        terms.not_before + 10 * DAY,
        terms.not_after,
        later.not_after,
    ]

    assert [states(step(ring, moment)) for moment in moments] == [
        [KeyState.ACTIVE, KeyState.ANNOUNCED],
        [KeyState.DRAINING, KeyState.ACTIVE],
        [KeyState.EMPTY, KeyState.ACTIVE],
        [KeyState.EMPTY, KeyState.EMPTY],
    ]


def test_step_ends_signatures_when_the_compromise_began(
    terms: StatementTerms, stated: MakeStatement, now: datetime
) -> None:
    """Not the report counts but since when somebody else may have had the key; for ever."""
    event = KeyEvent(at=now, kind=ActKind.COMPROMISE, since=now - 5 * DAY)
    entry = replace(announce(stated(terms)), events=(event,), in_flight=NOTHING)

    (found,) = step(KeyRing([entry]), now).entries.values()

    assert found.could_sign_at(now - 5 * DAY - SECOND)
    assert not found.could_sign_at(now - 5 * DAY)


KINDS = st.sampled_from(
    [ActKind.ACTIVATE, ActKind.SUSPEND, ActKind.LIFT, ActKind.COMPROMISE, ActKind.DESTROY]
)
EVENTS = st.lists(st.tuples(KINDS, st.integers(0, 150)), max_size=6)
COUNTS = st.sampled_from([None, NOTHING, WAITING])
MOMENTS = st.lists(st.integers(0, 300), min_size=1, max_size=4)


def ring_of(
    make_entry: MakeEntry,
    begin: datetime,
    events: Sequence[Sequence[tuple[ActKind, int]]],
    counts: Sequence[InFlight | None],
) -> KeyRing:
    """Put three keys of one desk into a ring."""
    return KeyRing(
        replace(
            decided(
                make_entry(name, at=5.0 * number, serial=number + 1),
                begin,
                *sorted(events[number], key=lambda event: event[1]),
            ),
            in_flight=counts[number],
        )
        for number, name in enumerate("123")
    )


@given(
    events=st.tuples(EVENTS, EVENTS, EVENTS),
    counts=st.tuples(COUNTS, COUNTS, COUNTS),
    moments=MOMENTS,
)
def test_step_gives_the_same_states_whatever_was_asked_before(
    make_entry: MakeEntry,
    begin: datetime,
    events: Sequence[Sequence[tuple[ActKind, int]]],
    counts: Sequence[InFlight | None],
    moments: list[int],
) -> None:
    """A ring that was stepped through other moments, or twice, tells the same of the last one."""
    ring = ring_of(make_entry, begin, events, counts)
    walked = ring
    for moment in moments:
        walked = step(walked, begin + moment * DAY)

    direct = step(ring, begin + moments[-1] * DAY)

    assert walked.entries == direct.entries
    assert step(direct, begin + moments[-1] * DAY).entries == direct.entries


@given(events=st.tuples(EVENTS, EVENTS, EVENTS), counts=st.tuples(COUNTS, COUNTS, COUNTS))
def test_step_breaks_no_promise_at_any_moment(
    make_entry: MakeEntry,
    begin: datetime,
    events: Sequence[Sequence[tuple[ActKind, int]]],
    counts: Sequence[InFlight | None],
) -> None:
    """At most one active key; none destroyed while something waits; what is gone stays gone."""
    ring = ring_of(make_entry, begin, events, counts)
    history = [states(step(ring, begin + day * DAY)) for day in range(0, 300, 5)]

    for found in history:
        assert found.count(KeyState.ACTIVE) <= 1
        for state, in_flight in zip(found, counts, strict=True):
            assert state is not KeyState.DESTROYED or in_flight == NOTHING
    for before, after in pairwise(history):
        for was, then in zip(before, after, strict=True):
            assert was is not KeyState.DESTROYED or then is KeyState.DESTROYED
