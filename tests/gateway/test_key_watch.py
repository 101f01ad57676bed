"""Do operators hear in time what becomes of keys, in the log and in the metrics?"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

from structlog.testing import capture_logs

from broker.directory import Directory, DirectoryRecord
from broker.directory_watch import DirectoryWatch
from broker.gateway.metrics import Metrics
from broker.key_watch import KeyWatch
from broker.notices import Notices
from broker.ports.keys import KeyLedger
from broker.sandbox.kits import ExchangeKit, Kit
from keys.act_kind import ActKind
from tests.keys.assembly import GT, MX, NAME, charter_of

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass(kw_only=True)
class Looking:
    """A gateway process that looks after the exchange's own keys, and its clock."""

    kit: ExchangeKit = field(default_factory=lambda: ExchangeKit(now=NOW))
    countries: tuple[Kit, ...] = ()
    acts: list[str] = field(default_factory=list)
    metrics: Metrics = field(default_factory=Metrics)
    now: datetime = NOW
    watch: KeyWatch = field(init=False)

    def __post_init__(self) -> None:
        ledger = cast("KeyLedger", self)
        self.watch = KeyWatch(
            directory=cast("DirectoryWatch", SimpleNamespace()),
            ledger=ledger,
            notices=Notices(ledger=ledger, sign=lambda _: "", issuer="https://enlace.test"),
            clock=lambda: self.now,
            show=self.metrics.show_keys,
            show_reviews=self.metrics.show_reviews,
        )

    @property
    def ends(self) -> datetime:
        """When the exchange's first keys end."""
        [key] = [one for kid, one in self._directory().ring.entries.items() if "receipt" in kid]
        return key.statement.not_after

    async def note_pickup(self, party: str, version: int, at: datetime) -> None:
        """Note nothing."""

    async def look(self, at: datetime) -> list[dict[str, object]]:
        """Look at that moment; give what the log says of it."""
        self.now = at
        self.watch.directory = cast("DirectoryWatch", SimpleNamespace(current=self._directory()))
        with capture_logs() as logs:
            await self.watch.look()
        return [dict(each) for each in logs]

    def metric(self, name: str, **labels: str) -> float | None:
        """Read a metric; None if it is not shown."""
        return self.metrics.registry.get_sample_value(name, labels)

    def _directory(self) -> Directory:
        kits = (self.kit, *self.countries)
        statements = [token for kit in kits for token in kit.statements]
        record = DirectoryRecord(version=1, statements=(*statements, *self.acts))
        roots = {kit.owner: kit.root for kit in kits}
        directory, _ = Directory.verify(record, roots=roots, now=self.now)
        return directory


async def test_keys_are_told_in_log_and_metrics_when_they_near_their_end() -> None:
    """At 30, 14 and 3 days, and when it is over: a warning that nobody hears does not go away."""
    looking, told = Looking(), []

    for days in (200, 29, 13, 2, -1):
        logs = await looking.look(looking.ends - days * DAY)
        of_receipts = [one for one in logs if one.get("key") == "GW-receipt-1"]
        told.append([(one["event"], one["step"], one["days_before"]) for one in of_receipts])
        due = looking.metric("enlace_keys_due", use="receipt_signature")
        left = looking.metric("enlace_key_expiry_seconds", use="receipt_signature")
        assert due == len(of_receipts)
        assert left == (days * DAY.total_seconds() if days > 0 else None)

    assert told == [
        [],
        [("key:due", "state-successor", 30)],
        [("key:due", "state-successor", 14)],
        [("key:due", "state-successor", 3)],
        [("key:due", "state-successor", 3)],
    ]


async def test_unratified_act_is_told_in_log_and_metrics_when_a_day_has_passed() -> None:
    """One person took a key out, and nobody has agreed: somebody must hear of that."""
    looking = Looking()
    suspended = looking.kit.token_key.kid
    looking.acts.append(looking.kit.alone(ActKind.SUSPEND, at=NOW, keys=[suspended]))

    at_first = await looking.look(NOW + DAY / 2)
    waiting = looking.metric("enlace_acts_unratified")
    after_a_day = await looking.look(NOW + DAY)

    assert [one["event"] for one in at_first] == []
    assert waiting == 0
    assert [(one["event"], one["log_level"]) for one in after_a_day] == [
        ("key:unratified", "error")
    ]
    assert looking.metric("enlace_acts_unratified") == 1


async def test_review_of_a_channel_is_told_in_log_and_metrics_when_it_is_due() -> None:
    """Two thirds of its time, 30, 14 and 3 days before, and when its channel has stopped."""
    mexico, guatemala = Kit(owner=MX, now=NOW), Kit(owner=GT, now=NOW)
    looking, told = Looking(countries=(mexico, guatemala)), []
    charter = charter_of(MX, GT, now=NOW, review=NOW + 201 * DAY)
    proposal = mexico.propose(charter, at=NOW)
    looking.acts += [proposal, *(kit.consent(proposal, at=NOW) for kit in (mexico, guatemala))]

    for days in (200, 100, 66, 30, 14, 2, -1):
        logs = await looking.look(charter.review - days * DAY)
        again = await looking.look(charter.review - days * DAY)
        of_channel = [one for one in logs if one["event"] == "channel:review-due"]
        assert not [one for one in again if one["event"] == "channel:review-due"]
        assert {one["channel"] for one in of_channel} <= {NAME}
        told.append([one["days_before"] for one in of_channel])
        assert looking.metric("enlace_channel_reviews_due") == len(of_channel)

    assert told == [[], [], [None], [30], [14], [3], [3]]
