"""Who will have no key, when and why? What is due by now?"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from keys.act_kind import ActKind
from keys.algorithms import EncryptionAlgorithm, SignatureAlgorithm
from keys.decisions import KeyEvent
from keys.forecast import Outage, Step, Why, forecast, warnings
from keys.holder import Holder
from keys.identifiers import KeyId
from keys.key import DecryptionKey, KeyUse, SigningKey
from keys.policy import KeyPolicy
from keys.ring import InFlight, KeyRing, RingEntry, announce, step
from keys.root import RootHolder, RootTerms
from keys.statement import KeyStatement, StatedKey
from schemas.vocabulary import Compartment, Country

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)
DESK = (Holder.desk(Country.GUATEMALA, Compartment.JUDICIAL), KeyUse.DESK_ENCRYPTION)
AGENCY = (Holder.agency(Country.MEXICO, "fge"), KeyUse.MESSAGE_SIGNATURE)
ACTIVATE, SUSPEND = ActKind.ACTIVATE, ActKind.SUSPEND
LIFT, COMPROMISE = ActKind.LIFT, ActKind.COMPROMISE
Decided = tuple[tuple[ActKind, int], ...]
MONTH = 30 * DAY


def _entry(
    purpose: tuple[Holder, KeyUse],
    number: int,
    begins: int,
    ends: int,
    decided: Decided = (),
    key: Callable[[KeyId], StatedKey] | None = None,
) -> RingEntry:
    """State a key from one day to another, counted from now, with what was decided of it."""
    holder, use = purpose
    kid = KeyId(f"{holder.owner}-key-{number}")
    stated = KeyStatement(
        holder=holder,
        use=use,
        key=(key or (_opening if use is KeyUse.DESK_ENCRYPTION else _signing))(kid),
        not_before=NOW + begins * DAY,
        not_after=NOW + ends * DAY,
        serial=number,
        issued=NOW + begins * DAY,
        token="",
        root_version=1,
        signed_with=frozenset(),
    )
    events = [
        KeyEvent(at=NOW + day * DAY, kind=kind, since=NOW + day * DAY) for kind, day in decided
    ]
    return announce(stated, events)


def _opening(kid: KeyId) -> StatedKey:
    return DecryptionKey.generate(EncryptionAlgorithm.HPKE_9_KE, kid).public


def _signing(kid: KeyId) -> StatedKey:
    return SigningKey.generate(SignatureAlgorithm.ED25519, kid).public


def _p256(kid: KeyId) -> StatedKey:
    return SigningKey.generate(SignatureAlgorithm.ES256, kid).public


def _root(begins: int, ends: int) -> RootTerms:
    names = ("ana", "luis", "eva")
    keys = [
        SigningKey.generate(SignatureAlgorithm.ED25519, KeyId(f"MX-root-{name}")) for name in names
    ]
    return RootTerms(
        owner=Country.MEXICO,
        version=1,
        threshold=2,
        holders=tuple(
            RootHolder(name=name, key=key.public) for name, key in zip(names, keys, strict=True)
        ),
        first_serial=1,
        issued=NOW + begins * DAY,
        expires=NOW + ends * DAY,
    )


Found = tuple[Why, int, int | None, str | None]
CASES: dict[str, tuple[tuple[Holder, KeyUse], Sequence[RingEntry], Sequence[Found]]] = {
    "active all the time": (DESK, [_entry(DESK, 1, -9, 300, ((ACTIVATE, -8),))], []),
    "no key at all": (DESK, [], [(Why.NONE_STATED, 0, None, None)]),
    "nobody activated it": (
        DESK,
        [_entry(DESK, 1, -9, 300)],
        [(Why.NOT_ACTIVATED, 0, None, "GT-key-1")],
    ),
    "activated, and the time-lock ends in two days": (
        DESK,
        [_entry(DESK, 1, -9, 300, ((ACTIVATE, 2),))],
        [(Why.NOT_ACTIVATED, 0, 2, "GT-key-1")],
    ),
    "ends without a successor": (
        DESK,
        [_entry(DESK, 1, -300, 10, ((ACTIVATE, -290),))],
        [(Why.EXPIRED, 10, None, "GT-key-1")],
    ),
    "ends with a successor that nobody activated": (
        DESK,
        [_entry(DESK, 1, -300, 10, ((ACTIVATE, -290),)), _entry(DESK, 2, -1, 300)],
        [(Why.NOT_ACTIVATED, 10, None, "GT-key-2")],
    ),
    "ends with a successor that is activated in time": (
        DESK,
        [
            _entry(DESK, 1, -300, 10, ((ACTIVATE, -290),)),
            _entry(DESK, 2, -1, 300, ((ACTIVATE, 5),)),
        ],
        [],
    ),
    "ends before the successor's time-lock": (
        DESK,
        [
            _entry(DESK, 1, -300, 10, ((ACTIVATE, -290),)),
            _entry(DESK, 2, -1, 300, ((ACTIVATE, 12),)),
        ],
        [(Why.NOT_ACTIVATED, 10, 12, "GT-key-2")],
    ),
    "suspended": (
        DESK,
        [_entry(DESK, 1, -9, 300, ((ACTIVATE, -8), (SUSPEND, -1)))],
        [(Why.SUSPENDED, 0, None, "GT-key-1")],
    ),
    "suspended, and lifted tomorrow": (
        DESK,
        [_entry(DESK, 1, -9, 300, ((ACTIVATE, -8), (SUSPEND, -1), (LIFT, 1)))],
        [(Why.SUSPENDED, 0, 1, "GT-key-1")],
    ),
    "compromised": (
        AGENCY,
        [_entry(AGENCY, 1, -9, 300, ((COMPROMISE, -1),))],
        [(Why.COMPROMISED, 0, None, "MX-key-1")],
    ),
    "a signing key and its successor, which begins by itself": (
        AGENCY,
        [_entry(AGENCY, 1, -300, 10), _entry(AGENCY, 2, 9, 300)],
        [],
    ),
    "a signing key whose successor comes late": (
        AGENCY,
        [_entry(AGENCY, 1, -300, 10), _entry(AGENCY, 2, 11, 300)],
        [(Why.NOT_ACTIVATED, 10, 11, "MX-key-2")],
    ),
    "an end beyond the span": (AGENCY, [_entry(AGENCY, 1, -300, 31)], []),
    "an end at the span's own end": (
        AGENCY,
        [_entry(AGENCY, 1, -300, 30)],
        [(Why.EXPIRED, 30, None, "MX-key-1")],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_forecast_finds_every_time_without_a_key(name: str) -> None:
    """From which day, to which day, why, and which key."""
    purpose, entries, expected = CASES[name]

    found = forecast(KeyRing(entries), [purpose], now=NOW, span=MONTH)

    assert [_short(each) for each in found] == list(expected)
    assert {(each.holder, each.use) for each in found} <= {purpose}


def _short(outage: Outage) -> Found:
    until = None if outage.until is None else (outage.until - NOW).days
    return outage.why, (outage.at - NOW).days, until, outage.kid


def test_forecast_knows_what_the_policy_rules_out() -> None:
    """A key whose algorithm is allowed no more is none."""
    policy = KeyPolicy.from_json({"uses": {"message_signature": {"algorithms": ["Ed25519"]}}})
    ring = KeyRing([_entry(AGENCY, 1, -9, 300, key=_p256)], policy=policy)

    (found,) = forecast(ring, [AGENCY], now=NOW, span=MONTH)

    assert found.why is Why.ALGORITHM


@pytest.mark.parametrize(("ends", "day"), [(-1, 0), (10, 10), (30, 30), (31, None)])
def test_forecast_tells_of_roots_that_end(ends: int, day: int | None) -> None:
    """Without a root an owner states nothing new."""
    found = forecast(KeyRing(), [], [_root(-900, ends)], now=NOW, span=MONTH)

    assert [(each.why, (each.at - NOW).days) for each in found] == (
        [] if day is None else [(Why.ROOT_EXPIRED, day)]
    )


def test_forecast_says_the_same_however_the_ring_was_stepped() -> None:
    """States that were worked out before do not count."""
    ring = KeyRing([_entry(DESK, 1, -300, 10, ((ACTIVATE, -290),)), _entry(DESK, 2, -1, 300)])

    found = forecast(ring, [DESK], now=NOW, span=MONTH)

    assert forecast(step(ring, NOW + 99 * DAY), [DESK], now=NOW, span=MONTH) == found


@pytest.mark.parametrize(
    ("begins", "ends", "expected"),
    [
        (-10, 290, None),
        (-197, 103, None),
        (-199, 101, "life"),
        (-270, 30, 30),
        (-280, 20, 30),
        (-286, 14, 14),
        (-297, 3, 3),
        (-299, 1, 3),
    ],
)
def test_warnings_come_at_two_thirds_of_life_and_three_times_before_the_end(
    begins: int, ends: int, expected: int | str | None
) -> None:
    """66 of 100, then 30, 14 and 3 days; the narrowest that has passed is told."""
    ring = step(KeyRing([_entry(AGENCY, 1, begins, ends)]), NOW)

    found = warnings(ring, NOW)

    told = [each.before.days if each.before is not None else "life" for each in found]
    assert told == ([] if expected is None else [expected])
    assert all(each.step is Step.SUCCESSOR for each in found)


@pytest.mark.parametrize(("ends", "due"), [(151, False), (150, True)])
def test_warnings_come_when_a_successor_should_be_there_by_the_policy(
    ends: int, *, due: bool
) -> None:
    """Whoever wants a longer overlap is told as early."""
    policy = KeyPolicy.from_json({"uses": {"message_signature": {"overlap": "150d"}}})
    ring = step(KeyRing([_entry(AGENCY, 1, -10, ends)], policy=policy), NOW)

    assert bool(warnings(ring, NOW)) is due


@pytest.mark.parametrize(
    ("entries", "steps"),
    [
        ([_entry(DESK, 1, -300, 10, ((ACTIVATE, -290),))], [Step.SUCCESSOR]),
        (
            [_entry(DESK, 1, -300, 10, ((ACTIVATE, -290),)), _entry(DESK, 2, -1, 300)],
            [Step.ACTIVATE],
        ),
        (
            [
                _entry(DESK, 1, -300, 10, ((ACTIVATE, -290),)),
                _entry(DESK, 2, -1, 300, ((ACTIVATE, 1),)),
            ],
            [],
        ),
        ([_entry(AGENCY, 1, -300, 10), _entry(AGENCY, 2, 9, 300)], []),
        ([_entry(AGENCY, 1, -300, 10), _entry(AGENCY, 2, 11, 300)], [Step.SUCCESSOR]),
    ],
)
def test_warnings_say_what_is_to_be_done_next(entries: list[RingEntry], steps: list[Step]) -> None:
    """A successor is stated, then activated; one that comes by itself is nobody's work."""
    found = warnings(step(KeyRing(entries), NOW), NOW)

    assert [each.step for each in found] == steps


ENDED: dict[str, tuple[tuple[Holder, KeyUse], Sequence[RingEntry], Sequence[tuple[Step, str]]]] = {
    "ended, and nobody followed": (
        AGENCY,
        [_entry(AGENCY, 1, -300, -1)],
        [(Step.SUCCESSOR, "MX-key-1")],
    ),
    "ended, and somebody followed": (
        AGENCY,
        [_entry(AGENCY, 1, -300, -1), _entry(AGENCY, 2, -30, 300)],
        [],
    ),
    "ended, with a successor that nobody activated": (
        DESK,
        [_entry(DESK, 1, -300, -1, ((ACTIVATE, -290),)), _entry(DESK, 2, -30, 300)],
        [(Step.ACTIVATE, "GT-key-2")],
    ),
    "ended, with a successor whose time-lock runs": (
        DESK,
        [
            _entry(DESK, 1, -300, -1, ((ACTIVATE, -290),)),
            _entry(DESK, 2, -30, 300, ((ACTIVATE, 1),)),
        ],
        [],
    ),
    "compromised": (
        DESK,
        [_entry(DESK, 1, -9, 300, ((ACTIVATE, -8), (COMPROMISE, -1)))],
        [(Step.SUCCESSOR, "GT-key-1")],
    ),
    "suspended, which a second person looks after": (
        AGENCY,
        [_entry(AGENCY, 1, -9, 300, ((SUSPEND, -1),))],
        [],
    ),
    "a signing key that begins by itself": (AGENCY, [_entry(AGENCY, 1, 1, 300)], []),
    "none ever": (AGENCY, [], []),
}


@pytest.mark.parametrize("name", ENDED)
def test_warnings_go_on_when_nobody_did_anything_in_time(name: str) -> None:
    """Whoever should have a key and has none any more stays on the list until there is one."""
    purpose, entries, expected = ENDED[name]
    ring = step(KeyRing(entries).with_counts({}), NOW)

    found = warnings(ring, NOW, (), [purpose])

    assert [(each.step, each.kid) for each in found] == list(expected)


def test_warnings_end_when_nobody_needs_the_key() -> None:
    """Of an administrator who left there is nothing more to say."""
    ring = step(KeyRing([_entry(AGENCY, 1, -300, -1)]), NOW)

    assert warnings(ring, NOW) == ()


@pytest.mark.parametrize(("days_ago", "counted", "due"), [(31, 0, 1), (29, 0, 0), (31, 2, 0)])
def test_warnings_tell_of_keys_that_may_go(days_ago: int, counted: int, due: int) -> None:
    """Empty, and for longer than its grace; never while something waits for it."""
    entries = [
        _entry(DESK, 1, -300, 100, ((ACTIVATE, -290),)),
        _entry(DESK, 2, -90, 300, ((ACTIVATE, -80),)),
    ]
    flight = InFlight(count=counted, emptied_at=NOW - days_ago * DAY)
    ring = step(KeyRing(entries).with_counts({entries[0].kid: flight}), NOW)

    found = warnings(ring, NOW)

    assert [(each.kid, each.step) for each in found] == [("GT-key-1", Step.DESTROY)] * due


def test_warnings_tell_of_roots() -> None:
    """A root's holders need time to meet."""
    found = warnings(KeyRing(), NOW, [_root(-990, 10), _root(-9, 900)])

    assert [(each.step, each.before) for each in found] == [(Step.ROOT, 14 * DAY)]
