"""Who may do what alone, and from when on does it count what two decided?"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from broker.sandbox.kits import ExchangeKit, Kit
from keys import act, jws, statement
from keys.act import ActTerms, act_id
from keys.act_kind import ActKind
from keys.algorithms import EncryptionAlgorithm
from keys.decide import decide
from keys.decision import Decision
from keys.decisions import Decisions
from keys.holder import Holder
from keys.identifiers import Exchange, KeyId, Owner
from keys.key import DecryptionKey, KeyUse, SigningKey
from keys.policy import STANDARD_KEY_POLICY
from keys.revocation import is_revoked
from keys.ring import KeyRing, KeyState, announce, step
from keys.root import RootChain
from keys.statement import KeyStatement
from schemas.vocabulary import Compartment, Country

NOW = timedelta(0)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
GT_KEY, GT_NEXT, MX_KEY = KeyId("GT-desk-1"), KeyId("GT-desk-2"), KeyId("MX-desk-1")
ROAD, FOREIGN_ROAD = "MX.GT.intelligence", "HN.CO.intelligence"
POLICY = {"decisions": {"time_lock": "48h"}}


@dataclass(kw_only=True)
class Council:
    """Mexico, Guatemala and the exchange, each with Ana and Luis, and the desks' keys."""

    now: datetime
    kits: Mapping[Owner, Kit] = field(init=False)
    statements: dict[KeyId, KeyStatement] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kits = {
            Country.MEXICO: Kit(owner=Country.MEXICO, now=self.now),
            Country.GUATEMALA: Kit(owner=Country.GUATEMALA, now=self.now),
            Exchange.GATEWAY: ExchangeKit(now=self.now),
        }
        for kid in (GT_KEY, GT_NEXT, MX_KEY):
            country = Country(kid[:2])
            key = DecryptionKey.generate(EncryptionAlgorithm.HPKE_9_KE, kid).public
            desk = Holder.desk(country, Compartment.INTELLIGENCE)
            self.kits[country].state(desk, KeyUse.DESK_ENCRYPTION, key)
        self.read()

    def read(self) -> None:
        """Take every statement for true that a root vouches for."""
        roots = {owner: RootChain((kit.root,)) for owner, kit in self.kits.items()}
        for kit in self.kits.values():
            for token in kit.statements:
                stated = statement.verify(token, roots=roots)
                self.statements[stated.kid] = stated

    def kit_of(self, who: str) -> tuple[Kit, str]:
        """Find ``GT ana``."""
        owner, name = who.split()
        return next(kit for kit in self.kits.values() if kit.owner.value == owner), name

    def act(self, who: str, kind: ActKind, *, after: timedelta = HOUR * 0, **what: Any) -> str:
        """Sign an act as Ana or Luis of some owner."""
        kit, name = self.kit_of(who)
        terms = ActTerms(kind=kind, by=kit.administrator(name), at=self.now + after, **what)
        return act.sign(terms, kit.administrators[name])

    def answer(
        self, who: str, proposal: str, *, kind: ActKind = ActKind.APPROVE, after: timedelta = HOUR
    ) -> str:
        """Approve or cancel."""
        return self.act(who, kind, after=after, of=act_id(proposal))

    def decide(self, *tokens: str) -> Decisions:
        """Judge these in this order."""
        return decide(tokens, self.statements)

    def reasons(self, *tokens: str) -> list[str]:
        """Say why acts count for nothing."""
        return [reason for _, reason in self.decide(*tokens).rejected]


@pytest.fixture(scope="module")
def council(now: datetime) -> Council:
    """Give the council; no test changes it."""
    return Council(now=now)


@pytest.fixture
def own_council(now: datetime) -> Council:
    """Give a council that a test may change."""
    return Council(now=now)


def only(decisions: Decisions) -> Decision:
    """Take the only decision."""
    (found,) = decisions.by_id.values()
    return found


ABOUT: dict[ActKind, dict[str, Any]] = {
    ActKind.SUSPEND: {"keys": (GT_KEY,)},
    ActKind.COMPROMISE: {"keys": (GT_KEY,)},
    ActKind.CLOSE: {"pairs": (ROAD,)},
    ActKind.ACTIVATE: {"keys": (GT_KEY,)},
    ActKind.LIFT: {"keys": (GT_KEY,)},
    ActKind.DESTROY: {"keys": (GT_KEY,)},
    ActKind.OPEN: {"pairs": (ROAD,)},
    ActKind.POLICY: {"policy": POLICY},
}
TAKES = (ActKind.SUSPEND, ActKind.COMPROMISE, ActKind.CLOSE)
GIVES = tuple(kind for kind in ABOUT if kind not in TAKES)


@pytest.mark.parametrize("who", ["GT ana", "GW luis"])
@pytest.mark.parametrize("kind", TAKES)
def test_decide_lets_one_person_take_away(council: Council, who: str, kind: ActKind) -> None:
    """It counts from the moment in which it was done, for the owner and for the exchange."""
    decisions = council.decide(council.act(who, kind, **ABOUT[kind]))

    assert only(decisions).in_force(council.now)
    assert decisions.rejected == ()


@pytest.mark.parametrize("kind", GIVES)
def test_decide_lets_nobody_give_alone(council: Council, kind: ActKind) -> None:
    """What one person proposes waits for ever."""
    suspended = council.act("GT luis", ActKind.SUSPEND, after=-HOUR, keys=(GT_KEY,))
    before = [suspended] if kind is ActKind.LIFT else []
    proposal = council.act("GT ana", kind, **ABOUT[kind])
    decisions = council.decide(*before, proposal)

    much_later = council.now + 10_000 * HOUR
    proposed = decisions.by_id[act_id(proposal)]
    assert not proposed.in_force(much_later)
    assert proposed.is_pending(much_later)
    assert decisions.open_pairs(much_later) == frozenset()
    assert decisions.policy(much_later) == STANDARD_KEY_POLICY


FOREIGN = "another owner's"
ROADS = "of other countries"
ACTS = {
    "another country's key": ("MX ana", ActKind.SUSPEND, {"keys": (GT_KEY,)}, FOREIGN),
    "one's own key and another's": (
        "MX ana", ActKind.COMPROMISE, {"keys": (MX_KEY, GT_KEY)}, FOREIGN,
    ),
    "another country's key to activate": ("MX ana", ActKind.ACTIVATE, {"keys": (GT_KEY,)}, FOREIGN),
    "a key of the exchange": (
        "MX ana", ActKind.SUSPEND, {"keys": (KeyId("GW-receipt-1"),)}, FOREIGN,
    ),
    "a road between others, to close": ("GT ana", ActKind.CLOSE, {"pairs": (FOREIGN_ROAD,)}, ROADS),
    "a road between others, to open": ("GT ana", ActKind.OPEN, {"pairs": (FOREIGN_ROAD,)}, ROADS),
    "a policy that nobody can read": (
        "GT ana", ActKind.POLICY, {"policy": {"color": "red"}}, "no policy has",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("who", "kind", "what", "why"), ACTS.values(), ids=ACTS.keys())
def test_decide_refuses_an_act_on_what_is_not_ones_own(
    council: Council, who: str, kind: ActKind, what: dict[str, Any], why: str
) -> None:
    """A country decides on its own keys and roads; such an act counts for nothing."""
    decisions = council.decide(council.act(who, kind, **what))

    assert decisions.by_id == {}
    assert why in decisions.rejected[0][1]


LOCK = STANDARD_KEY_POLICY.time_lock
OWNER = "must be the key owner's administrator"
TWO_OWNERS = "administrators of two owners"
NOT_HIS_OWN = "nobody approves his own"
PAIRS_OF_PEOPLE: dict[str, tuple[str, str, ActKind, timedelta | str]] = {
    "both of the country let a key receive": ("GT ana", "GT luis", ActKind.ACTIVATE, LOCK),
    "country and exchange let a key receive": ("GT ana", "GW ana", ActKind.ACTIVATE, LOCK),
    "exchange proposes, country agrees": ("GW ana", "GT ana", ActKind.ACTIVATE, LOCK),
    "the exchange alone lets a key receive": ("GW ana", "GW luis", ActKind.ACTIVATE, OWNER),
    "the exchange alone lifts": ("GW ana", "GW luis", ActKind.LIFT, OWNER),
    "the exchange alone lets a key go": ("GW ana", "GW luis", ActKind.DESTROY, OWNER),
    "one person twice": ("GT ana", "GT ana", ActKind.ACTIVATE, NOT_HIS_OWN),
    "one person twice opens": ("GW ana", "GW ana", ActKind.OPEN, NOT_HIS_OWN),
    "namesakes of two owners are two": ("GT ana", "GW ana", ActKind.OPEN, LOCK),
    "another country agrees": ("GT ana", "MX ana", ActKind.ACTIVATE, FOREIGN),
    "both lift": ("GT ana", "GT luis", ActKind.LIFT, timedelta(0)),
    "both let a key go": ("GT ana", "GT luis", ActKind.DESTROY, LOCK),
    "both ends of a road open it": ("MX ana", "GT ana", ActKind.OPEN, LOCK),
    "the exchange opens a road": ("GW ana", "GW luis", ActKind.OPEN, LOCK),
    "a policy of two countries": ("GT ana", "MX ana", ActKind.POLICY, LOCK),
    "a policy of country and exchange": ("GW ana", "MX ana", ActKind.POLICY, LOCK),
    "a policy of one country": ("GT ana", "GT luis", ActKind.POLICY, TWO_OWNERS),
    "a policy of the exchange alone": ("GW ana", "GW luis", ActKind.POLICY, TWO_OWNERS),
}


@pytest.mark.parametrize("row", PAIRS_OF_PEOPLE.values(), ids=PAIRS_OF_PEOPLE.keys())
def test_decide_counts_what_two_persons_agree_on(
    council: Council, row: tuple[str, str, ActKind, timedelta | str]
) -> None:
    """From the end of the time-lock on, and not a moment before."""
    first, second, kind, expected = row
    proposal = council.act(first, kind, **ABOUT[kind])
    suspended = council.act("GT luis", ActKind.SUSPEND, after=-HOUR, keys=(GT_KEY,))
    before = [suspended] if kind is ActKind.LIFT else []
    decisions = council.decide(*before, proposal, council.answer(second, proposal))

    proposed = decisions.by_id[act_id(proposal)]
    if isinstance(expected, str):
        assert proposed.effective_at is None
        assert expected in decisions.rejected[0][1]
    else:
        effective = council.now + HOUR + expected
        assert proposed.in_force(effective)
        assert not proposed.in_force(effective - SECOND)


def test_activate_makes_the_key_active_when_its_lock_is_over(council: Council) -> None:
    """The decision, the ring and the clock together."""
    proposal = council.act("GT ana", ActKind.ACTIVATE, keys=(GT_KEY,))
    decisions = council.decide(proposal, council.answer("GT luis", proposal))
    ring = KeyRing([announce(council.statements[GT_KEY], decisions.events_of(GT_KEY))])
    effective = council.now + HOUR + LOCK

    found = [step(ring, at).entries[GT_KEY].state for at in (effective - SECOND, effective)]

    assert found == [KeyState.ANNOUNCED, KeyState.ACTIVE]
    assert decisions.next_moment(council.now) == effective


@pytest.mark.parametrize(
    ("taken_out", "lock"),
    [(ActKind.SUSPEND, "1h"), (ActKind.COMPROMISE, "1h"), (None, "24h")],
    ids=["suspended", "compromised", "in use"],
)
def test_activate_is_soon_when_the_desks_key_was_taken_out(
    council: Council, taken_out: ActKind | None, lock: str
) -> None:
    """Nobody can write to such a desk meanwhile; in all other cases a day is left to cancel."""
    first = council.act("GT ana", ActKind.ACTIVATE, after=-72 * HOUR, keys=(GT_KEY,))
    before = [first, council.answer("GT luis", first, after=-71 * HOUR)]
    before += [council.act("GT ana", taken_out, keys=(GT_KEY,))] if taken_out else []
    proposal = council.act("GT ana", ActKind.ACTIVATE, keys=(GT_NEXT,))
    decisions = council.decide(*before, proposal, council.answer("GT luis", proposal))

    effective = council.now + HOUR + int(lock.removesuffix("h")) * HOUR
    assert decisions.by_id[act_id(proposal)].effective_at == effective


def test_activate_waits_the_whole_lock_when_one_of_its_keys_replaces_none(
    council: Council,
) -> None:
    """A replacement carries no other key through its shorter lock."""
    suspended = council.act("GT ana", ActKind.SUSPEND, keys=(GT_KEY,))
    proposal = council.act("GW ana", ActKind.ACTIVATE, keys=(GT_NEXT, MX_KEY))
    mexican = council.act("GT ana", ActKind.ACTIVATE, keys=(GT_NEXT, MX_KEY))

    decisions = council.decide(suspended, proposal, mexican, council.answer("GT luis", proposal))

    assert decisions.by_id[act_id(proposal)].effective_at is None
    assert [reason for _, reason in decisions.rejected] == ["the key is another owner's"] * 2


CANCELS = {
    "in the time-lock": ("GT luis", HOUR + LOCK - SECOND, None),
    "by whoever proposed it": ("GT ana", 2 * HOUR, None),
    "by the exchange": ("GW ana", 2 * HOUR, None),
    "when it has taken effect": ("GT luis", HOUR + LOCK, "cannot be cancelled"),
    "by another country": ("MX ana", 2 * HOUR, FOREIGN),
}


@pytest.mark.parametrize(("who", "after", "why"), CANCELS.values(), ids=CANCELS.keys())
def test_cancel_stops_what_has_not_taken_effect(
    council: Council, who: str, after: timedelta, why: str | None
) -> None:
    """One person is enough to say no."""
    proposal = council.act("GT ana", ActKind.ACTIVATE, keys=(GT_KEY,))
    approval = council.answer("GT luis", proposal)
    cancel = council.answer(who, proposal, kind=ActKind.CANCEL, after=after)

    decisions = council.decide(proposal, approval, cancel)

    assert only(decisions).in_force(council.now + 1000 * HOUR) is (why is not None)
    assert bool(decisions.events_of(GT_KEY)) is (why is not None)
    assert [why in reason for _, reason in decisions.rejected if why] == [True] * bool(why)


def test_cancel_is_for_ever_when_somebody_approves_later(council: Council) -> None:
    """A cancelled proposal is dead; whoever still wants it proposes anew."""
    proposal = council.act("GT ana", ActKind.ACTIVATE, keys=(GT_KEY,))
    cancel = council.answer("GT ana", proposal, kind=ActKind.CANCEL)
    approval = council.answer("GT luis", proposal, after=2 * HOUR)

    assert council.reasons(proposal, cancel, approval) == ["there is nothing left to approve"]


def test_cancel_does_not_bring_back_what_one_person_took_out(council: Council) -> None:
    """A suspension ends by two persons who lift it, and by nothing else."""
    suspended = council.act("GT ana", ActKind.SUSPEND, keys=(GT_KEY,))
    cancel = council.answer("GT ana", suspended, kind=ActKind.CANCEL)

    assert council.reasons(suspended, cancel) == ["what has taken effect cannot be cancelled"]


@pytest.mark.parametrize("kind", [ActKind.SUSPEND, ActKind.COMPROMISE])
def test_unratified_tells_of_an_emergency_that_nobody_agreed_with(
    council: Council, kind: ActKind
) -> None:
    """After a day it escalates; it stays in force all the same."""
    taken_out = council.act("GT ana", kind, keys=(GT_KEY,))
    alone = council.decide(taken_out)
    own = council.decide(taken_out, council.answer("GT ana", taken_out))
    ratified = council.decide(taken_out, council.answer("GT luis", taken_out))
    overdue = council.now + STANDARD_KEY_POLICY.ratify_within

    assert alone.unratified(overdue - SECOND) == ()
    assert alone.unratified(overdue) == own.unratified(overdue) == (only(alone),)
    assert ratified.unratified(overdue) == ()
    for decisions in (alone, ratified):
        assert only(decisions).effective_at == council.now


def test_decide_refuses_an_administrator_who_was_taken_out(council: Council) -> None:
    """From then on he does nothing; what he did before stays."""
    ana = council.kits[Country.GUATEMALA].administrators["ana"].kid
    before = council.act("GT ana", ActKind.SUSPEND, keys=(GT_KEY,))
    taken_out = council.act("GT luis", ActKind.SUSPEND, after=HOUR, keys=(ana,))
    after = council.act("GT ana", ActKind.SUSPEND, after=HOUR, keys=(GT_NEXT,))

    decisions = council.decide(before, taken_out, after)

    assert decisions.by_id.keys() == {act_id(before), act_id(taken_out)}
    assert "does not count at the time" in decisions.rejected[0][1]


def test_decide_refuses_an_act_that_is_dated_back_before_its_key_was_taken_out(
    council: Council,
) -> None:
    """Whoever stole the key chooses the date, but not the order in which acts come."""
    ana = council.kits[Country.GUATEMALA].administrators["ana"].kid
    taken_out = council.act("GT luis", ActKind.COMPROMISE, keys=(ana,))
    proposal = council.act("GT ana", ActKind.ACTIVATE, after=-100 * HOUR, keys=(GT_KEY,))

    assert "does not count at the time" in council.reasons(taken_out, proposal)[0]


def test_decide_takes_an_administrator_again_when_he_was_lifted(council: Council) -> None:
    """Two persons bring him back, of whom he is none."""
    ana = council.kits[Country.GUATEMALA].administrators["ana"].kid
    taken_out = council.act("GT luis", ActKind.SUSPEND, keys=(ana,))
    lift = council.act("GT luis", ActKind.LIFT, keys=(ana,))
    own = council.answer("GT ana", lift)
    approval = council.answer("GW ana", lift, after=HOUR)
    after = council.act("GT ana", ActKind.SUSPEND, after=2 * HOUR, keys=(GT_KEY,))

    assert len(council.reasons(taken_out, lift, own)) == 1
    assert act_id(after) in council.decide(taken_out, lift, approval, after).by_id


def test_decide_judges_in_the_order_of_arrival(council: Council) -> None:
    """An approval before its proposal answers nothing, and is not kept for later."""
    proposal = council.act("GT ana", ActKind.OPEN, pairs=(ROAD,))
    approval = council.answer("GT luis", proposal)

    decisions = council.decide(approval, proposal)

    assert only(decisions).effective_at is None
    assert [reason for _, reason in decisions.rejected] == ["the act that is answered is not known"]


def test_decide_counts_an_act_once_when_it_is_replayed(council: Council) -> None:
    """A road that was closed since is not opened by the old acts."""
    proposal = council.act("GT ana", ActKind.OPEN, pairs=(ROAD,))
    approval = council.answer("GT luis", proposal)
    closed = council.act("GT luis", ActKind.CLOSE, after=HOUR + LOCK + SECOND, pairs=(ROAD,))

    decisions = council.decide(proposal, approval, closed, proposal, approval)

    opened = council.now + HOUR + LOCK
    assert decisions.open_pairs(opened) == {ROAD}
    assert decisions.open_pairs(opened + 1000 * HOUR) == frozenset()
    assert [reason for _, reason in decisions.rejected] == ["there is nothing left to approve"]


def test_decide_refuses_an_approval_that_is_older_than_its_act(council: Council) -> None:
    """Nobody dates his approval back, to make the lock end sooner."""
    proposal = council.act("GT ana", ActKind.OPEN, pairs=(ROAD,), after=HOUR)
    early = council.answer("GT luis", proposal, after=HOUR - SECOND)

    assert council.reasons(proposal, early) == ["the approval is older than the act"]


def test_decide_refuses_who_is_no_administrator(own_council: Council) -> None:
    """A stranger, another's name, a key for something else, and a key before its time."""
    kit = own_council.kits[Country.GUATEMALA]
    ana = kit.administrator("ana")
    agency, early = kit.signing("agency-1"), kit.signing("admin-eva-1")
    kit.state(Holder.agency(kit.owner, "mp"), KeyUse.MESSAGE_SIGNATURE, agency.public)
    eva = kit.administrator("eva")
    kit.state(eva, KeyUse.ADMINISTRATION, early.public, stated=own_council.now + HOUR)
    own_council.read()
    terms = ActTerms(kind=ActKind.SUSPEND, by=ana, at=own_council.now, keys=(GT_KEY,))
    luis: SigningKey = kit.administrators["luis"]
    tokens = [
        act.sign(terms, kit.signing("admin-ana-1")),
        act.sign(terms, luis),
        act.sign(terms, agency),
        act.sign(replace(terms, by=eva), early),
        "not.an.act",
    ]

    decisions = own_council.decide(*tokens)

    assert decisions.by_id == {}
    assert len(decisions.rejected) == len(tokens)


def test_policy_counts_for_what_is_decided_after_it(council: Council) -> None:
    """Two owners ask for a longer lock; the next decision waits so long."""
    longer = council.act("GT ana", ActKind.POLICY, policy=POLICY)
    agreed = council.answer("MX ana", longer)
    later = HOUR + LOCK
    proposal = council.act("GT ana", ActKind.OPEN, after=later, pairs=(ROAD,))
    approval = council.answer("GT luis", proposal, after=later)

    decisions = council.decide(longer, agreed, proposal, approval)

    assert decisions.policy(council.now + later - SECOND) == STANDARD_KEY_POLICY
    assert decisions.policy(council.now + later).time_lock == 48 * HOUR
    effective = decisions.by_id[act_id(proposal)].effective_at
    assert effective == council.now + later + 48 * HOUR


def arrived(council: Council, *acts: tuple[str, timedelta]) -> Decisions:
    """Judge acts that came so long after the council's moment."""
    arrivals = {token: council.now + after for token, after in acts}
    return decide([token for token, _ in acts], council.statements, arrivals)


def test_decide_refuses_what_gives_when_it_is_dated_otherwise_than_it_came(
    council: Council,
) -> None:
    """Two who date their acts back do not save themselves the time-lock."""
    proposal = council.act("GT ana", ActKind.ACTIVATE, after=-60 * HOUR, keys=(GT_KEY,))
    approval = council.answer("GT luis", proposal, after=-59 * HOUR)

    decisions = arrived(council, (proposal, HOUR), (approval, HOUR))

    assert decisions.by_id == {}
    assert "dated otherwise" in decisions.rejected[0][1]


def test_decide_refuses_what_gives_when_nobody_noted_its_arrival(council: Council) -> None:
    """Whoever writes the rows cannot leave out when they came."""
    proposal = council.act("GT ana", ActKind.OPEN, pairs=(ROAD,))

    decisions = decide([proposal], council.statements, {})

    assert decisions.by_id == {}


def test_cancel_undoes_nothing_when_it_is_dated_back(council: Council) -> None:
    """What has taken effect stays, whatever moment a later act names."""
    proposal = council.act("GT ana", ActKind.ACTIVATE, keys=(GT_KEY,))
    approval = council.answer("GT luis", proposal)
    cancel = council.answer("GW ana", proposal, kind=ActKind.CANCEL, after=2 * HOUR)

    decisions = arrived(council, (proposal, HOUR * 0), (approval, HOUR), (cancel, 30 * HOUR))

    assert decisions.by_id[act_id(proposal)].in_force(council.now + 30 * HOUR)
    assert "cannot be cancelled" in decisions.rejected[0][1]


def test_suspend_counts_from_its_arrival_when_the_clock_was_fast(council: Council) -> None:
    """An emergency waits for no clock."""
    suspended = council.act("GT ana", ActKind.SUSPEND, after=5 * HOUR, keys=(GT_KEY,))

    decisions = arrived(council, (suspended, HOUR))

    assert only(decisions).effective_at == council.now + HOUR


def test_decide_stops_what_a_stolen_key_began_when_it_is_taken_out(council: Council) -> None:
    """The time-lock is there for that: what the thief approved does not take effect."""
    luis = council.kits[Country.GUATEMALA].administrators["luis"].kid
    proposal = council.act("GT ana", ActKind.ACTIVATE, keys=(GT_KEY,))
    approval = council.answer("GT luis", proposal)
    taken_out = council.act("GW ana", ActKind.COMPROMISE, after=2 * HOUR, keys=(luis,))

    decisions = council.decide(proposal, approval, taken_out)

    assert not decisions.by_id[act_id(proposal)].in_force(council.now + 1000 * HOUR)


def test_suspend_counts_from_its_arrival_when_it_is_dated_before_a_lift(council: Council) -> None:
    """By a slow clock: it would else have been lifted before it began."""
    first = council.act("GT ana", ActKind.SUSPEND, keys=(GT_KEY,))
    lift = council.act("GT ana", ActKind.LIFT, after=HOUR, keys=(GT_KEY,))
    approval = council.answer("GT luis", lift, after=HOUR)
    slow = council.act("GT ana", ActKind.SUSPEND, after=HOUR - MINUTE, keys=(GT_KEY,))
    again = HOUR + MINUTE

    decisions = arrived(council, (first, NOW), (lift, HOUR), (approval, HOUR), (slow, again))

    assert is_revoked(decisions.events_of(GT_KEY), council.now + again)
    assert not is_revoked(decisions.events_of(GT_KEY), council.now + again - SECOND)


def test_close_counts_from_its_arrival_when_it_is_dated_before_the_opening(
    council: Council,
) -> None:
    """By a slow clock: the road would else be open for good."""
    proposal = council.act("GT ana", ActKind.OPEN, pairs=(ROAD,))
    approval = council.answer("GT luis", proposal, after=NOW)
    slow = council.act("GT ana", ActKind.CLOSE, after=LOCK - MINUTE, pairs=(ROAD,))
    came = LOCK + MINUTE

    decisions = arrived(council, (proposal, NOW), (approval, NOW), (slow, came))

    assert decisions.open_pairs(council.now + came - SECOND) == {ROAD}
    assert decisions.open_pairs(council.now + came) == frozenset()


def test_compromise_counts_from_its_own_date_when_a_lift_lies_between(council: Council) -> None:
    """Nothing lifts it, and later would be laxer."""
    first = council.act("GT ana", ActKind.SUSPEND, keys=(GT_KEY,))
    lift = council.act("GT ana", ActKind.LIFT, after=HOUR, keys=(GT_KEY,))
    approval = council.answer("GT luis", lift, after=HOUR)
    seen = HOUR - MINUTE
    slow = council.act("GT ana", ActKind.COMPROMISE, after=seen, keys=(GT_KEY,))

    decisions = arrived(council, (first, NOW), (lift, HOUR), (approval, HOUR), (slow, 2 * HOUR))

    assert decisions.by_id[act_id(slow)].effective_at == council.now + seen


@pytest.mark.parametrize("kind", [ActKind.SUSPEND, ActKind.COMPROMISE])
def test_decide_stops_a_lift_that_waits_when_its_key_is_taken_out_again(
    council: Council, kind: ActKind
) -> None:
    """Whoever was to agree with it did not know yet why it is taken out now."""
    first = council.act("GT ana", ActKind.SUSPEND, keys=(GT_KEY,))
    lift = council.act("GT ana", ActKind.LIFT, keys=(GT_KEY,))
    again = council.act("GW ana", kind, after=HOUR, keys=(GT_KEY,))
    approval = council.answer("GT luis", lift, after=2 * HOUR)

    decisions = council.decide(first, lift, again, approval)

    assert [reason for _, reason in decisions.rejected] == ["there is nothing left to approve"]
    assert is_revoked(decisions.events_of(GT_KEY), council.now + 3 * HOUR)


def test_decide_stops_an_opening_that_waits_when_its_road_is_closed(council: Council) -> None:
    """A road does not open by itself a day after somebody has closed it."""
    proposal = council.act("GT ana", ActKind.OPEN, pairs=(ROAD,))
    approval = council.answer("GT luis", proposal)
    closed = council.act("MX ana", ActKind.CLOSE, after=2 * HOUR, pairs=(ROAD,))

    decisions = council.decide(proposal, approval, closed)

    assert decisions.open_pairs(council.now + 1000 * HOUR) == frozenset()


def test_decide_lets_an_opening_wait_when_another_road_is_closed(council: Council) -> None:
    """What it does not touch goes on."""
    proposal = council.act("GT ana", ActKind.OPEN, pairs=(ROAD,))
    approval = council.answer("GT luis", proposal)
    closed = council.act("GW ana", ActKind.CLOSE, after=2 * HOUR, pairs=(FOREIGN_ROAD,))

    decisions = council.decide(proposal, approval, closed)

    assert decisions.open_pairs(council.now + 1000 * HOUR) == {ROAD}


def test_cancel_undoes_nothing_when_nobody_noted_its_arrival(council: Council) -> None:
    """Whoever writes the rows, and bribed one administrator, brings no road back years later."""
    proposal = council.act("GT ana", ActKind.OPEN, pairs=(ROAD,))
    approval = council.answer("GT luis", proposal)
    later = council.act("GW ana", ActKind.CLOSE, after=5000 * HOUR, pairs=(FOREIGN_ROAD,))
    cancel = council.answer("GW ana", proposal, kind=ActKind.CANCEL, after=2 * HOUR)
    came = {
        proposal: council.now,
        approval: council.now + HOUR,
        later: council.now + 5000 * HOUR,
    }

    decisions = decide([proposal, approval, later, cancel], council.statements, came)

    assert decisions.open_pairs(council.now + 6000 * HOUR) == {ROAD}
    assert [reason for _, reason in decisions.rejected] == [
        "what has taken effect cannot be cancelled"
    ]


def test_suspend_is_ratified_and_overdue_by_its_arrival_when_it_is_dated_ahead(
    council: Council,
) -> None:
    """A clock that is far ahead hides no emergency from those who must agree."""
    ahead = council.act("GT ana", ActKind.SUSPEND, after=300 * 24 * HOUR, keys=(GT_KEY,))
    approval = council.answer("GT luis", ahead, after=2 * HOUR)
    overdue = council.now + HOUR + STANDARD_KEY_POLICY.ratify_within

    alone = arrived(council, (ahead, HOUR))
    agreed = arrived(council, (ahead, HOUR), (approval, 2 * HOUR))

    assert alone.unratified(overdue) == (only(alone),)
    assert (agreed.unratified(overdue), agreed.rejected) == ((), ())


def test_compromise_shields_no_key_when_it_is_dated_ahead(council: Council) -> None:
    """Who declares that a key may be stolen next year does not vouch for it until then."""
    since = 200 * 24 * HOUR
    act_ahead = council.act(
        "GT ana", ActKind.COMPROMISE, after=since, keys=(GT_KEY,), since=council.now + since
    )

    (event,) = arrived(council, (act_ahead, HOUR)).events_of(GT_KEY)

    assert (event.at, event.since) == (council.now + HOUR, council.now + HOUR)


def test_decide_stops_nobody_when_an_act_cannot_be_written_again(council: Council) -> None:
    """Two of them of one second: the exchange reads on, and each is one."""
    kit, name = council.kit_of("GT ana")
    terms = ActTerms(
        kind=ActKind.SAFEGUARDS,
        by=kit.administrator(name),
        at=council.now,
        policy={"version": 2, "x": 1},
    )
    huge = [
        jws.sign_compact(
            terms.payload().replace(b'"x":1', number), kit.administrators[name], typ=act.ACT_TYP
        )
        for number in (b'"x":1e999', b'"x":2e999')
    ]

    decisions = council.decide(*huge)

    assert len(decisions.by_id) == 2
