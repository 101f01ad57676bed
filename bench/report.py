"""From samples to tables: medians, spreads, ratios."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from bench.fan_out import AIM, Road
from bench.parts import POLICY, Part
from bench.queue_counts import Count
from bench.services import Usage
from bench.suspension import Suspension


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One round of one side."""

    messages: int
    seconds: float
    usage: Usage
    latencies: Sequence[float] = ()
    """In seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What all rounds of one side came to, CPU in microseconds a message."""

    side: str
    clients: int
    rounds: int
    per_second: float
    per_second_low: float
    per_second_high: float
    p50_ms: float | None
    p99_ms: float | None
    gateway_us: float
    gateway_us_low: float
    gateway_us_high: float
    rabbitmq_us: float
    postgresql_us: float
    load_us: float

    @classmethod
    def of(cls, side: str, clients: int, samples: Sequence[Sample]) -> "Row":
        """Take the medians over the rounds."""
        rates = [one.messages / one.seconds for one in samples]
        gateway = [one.usage.gateway / one.messages for one in samples]
        timed = [one for one in samples if one.latencies]
        return cls(
            side=side,
            clients=clients,
            rounds=len(samples),
            per_second=statistics.median(rates),
            per_second_low=min(rates),
            per_second_high=max(rates),
            p50_ms=_median(1000 * quantile(one.latencies, 0.50) for one in timed),
            p99_ms=_median(1000 * quantile(one.latencies, 0.99) for one in timed),
            gateway_us=statistics.median(gateway),
            gateway_us_low=min(gateway),
            gateway_us_high=max(gateway),
            rabbitmq_us=statistics.median(one.usage.rabbitmq / one.messages for one in samples),
            postgresql_us=statistics.median(one.usage.postgresql / one.messages for one in samples),
            load_us=statistics.median(one.usage.load / one.messages for one in samples),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """One number over another, in words."""

    name: str
    clients: int
    value: float


@dataclass(slots=True, kw_only=True)
class Result:
    """All that was measured with one transport and one ledger."""

    transport: str
    ledger: str
    rows: list[Row] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    rewrap: Part | None = None
    ring: Part | None = None
    suspension: Suspension | None = None
    joined: Part | None = None
    ratios: list[Ratio] = field(default_factory=list)
    delivery: list[Row] = field(default_factory=list)
    roads: Sequence[Road] = ()
    queue_counts: Sequence[Count] = ()
    gateway_peak_kib: int = 0
    notes: list[str] = field(default_factory=list)

    def row(self, side: str, clients: int) -> Row | None:
        """Find a row."""
        found = (one for one in self.rows if (one.side, one.clients) == (side, clients))
        return next(found, None)


RAW = "raw aio-pika, confirmed"
HTTPS = "HTTPS alone"
ACCEPT = "accept, relay running"
HELD = "accept, relay held"
RELAY = "relay alone"
DELIVERY = "stream, open, store, acknowledge"
STREAM = "stream alone"


LEGEND = "Medians of the rounds (lowest to highest); CPU in µs a message, each process by itself."


def quantile(values: Sequence[float], part: float) -> float:
    """Take the value below which this part of all lies."""
    ordered = sorted(values)
    return ordered[min(int(part * len(ordered)), len(ordered) - 1)]


def add_ratios(result: Result) -> None:
    """Compare what can be compared in this run."""
    for clients in sorted({row.clients for row in result.rows}):
        held, running, raw, https = (
            result.row(side, clients) for side in (HELD, ACCEPT, RAW, HTTPS)
        )
        if held is not None and https is not None:
            accept = https.gateway_us + sum(one.cpu_us for one in result.parts if not one.relay)
            result.ratios.append(
                Ratio(
                    name="CPU of the accept path / sum of its parts",
                    clients=clients,
                    value=held.gateway_us / accept,
                )
            )
            policy = sum(one.cpu_us for one in result.parts if one.name == POLICY)
            result.ratios.append(
                Ratio(
                    name="safeguards / CPU of the accept path (aim: below 0.05)",
                    clients=clients,
                    value=policy / held.gateway_us,
                )
            )
            if running is not None:
                both = https.gateway_us + sum(one.cpu_us for one in result.parts)
                result.ratios.append(
                    Ratio(
                        name="the same, relay in both",
                        clients=clients,
                        value=running.gateway_us / both,
                    )
                )
        if raw is not None and running is not None:
            result.ratios.append(
                Ratio(
                    name="messages a second / raw aio-pika",
                    clients=clients,
                    value=running.per_second / raw.per_second,
                )
            )


def write(result: Result) -> str:
    """Write a result as text."""
    lines = [f"## Transport {result.transport}, ledger {result.ledger}", ""]
    lines += [f"({note})" for note in result.notes]
    lines += ["", f"Accept. {LEGEND}", ""]
    lines += _table(result.rows)
    lines += ["", "The parts of one accepted message, each by itself, µs of CPU:", ""]
    lines += _parts(result)
    lines += ["", "Ratios:", ""]
    lines += [f"  {one.name}, {one.clients} clients: {one.value:.2f}" for one in result.ratios]
    lines += _fan_out(result.roads)
    lines += _queue_counts(result.queue_counts)
    lines += ["", "Delivery (load is the desk: it opens, verifies, stores and signs):", ""]
    lines += _table(result.delivery)
    lines += ["", f"Gateway, most memory resident: {result.gateway_peak_kib / 1024:.0f} MiB", ""]
    return "\n".join(lines)


def _fan_out(roads: Sequence[Road]) -> list[str]:
    if not roads:
        return []
    lines = ["", f"Fan-out, µs of CPU of the accept path (aim for 11 members: {AIM}):", ""]
    lines += ["| to | recipients | µs | over the pair |", "|---|---|---|---|"]
    return lines + [
        f"| {one.name} | {one.recipients} | {one.accept_us:.0f} | {one.over_pair:.2f} |"
        for one in roads
    ]


def _queue_counts(counts: Sequence[Count]) -> list[str]:
    if not counts:
        return []
    head = (
        "| queues | of channels | directory verified ms | ready s | all desks read s "
        "| gateway MiB | RabbitMQ, more than before MiB |"
    )
    lines = ["", "Many queues, declared and consumed:", "", head, "|---|---|---|---|---|---|---|"]
    return lines + [
        f"| {one.queues} | {one.channels} | {one.verify_ms:.0f} | {one.ready_s:.1f} "
        f"| {one.reading_s:.1f} | {one.gateway_mib:.0f} "
        f"| {'—' if one.rabbitmq_mib is None else f'{one.rabbitmq_mib:.0f}'} |"
        for one in counts
    ]


def as_json(facts: Mapping[str, str], results: Sequence[Result]) -> dict[str, object]:
    """Write everything for programs."""
    return {"machine": dict(facts), "results": [asdict(result) for result in results]}


def _table(rows: Sequence[Row]) -> list[str]:
    head = "| side | clients | messages/s | p50 / p99 ms | gateway | RabbitMQ | PostgreSQL | load |"
    lines = [head, "|---|---|---|---|---|---|---|---|"]
    for row in rows:
        rate = f"{row.per_second:,.0f} ({row.per_second_low:,.0f} to {row.per_second_high:,.0f})"
        times = "—" if row.p50_ms is None else f"{row.p50_ms:.2f} / {row.p99_ms:.2f}"
        cpu = f"{row.gateway_us:.0f} ({row.gateway_us_low:.0f} to {row.gateway_us_high:.0f})"
        lines.append(
            f"| {row.side} | {row.clients or '—'} | {rate} | {times} | "
            f"{cpu if row.gateway_us else '—'} | {_cpu(row.rabbitmq_us)} | "
            f"{_cpu(row.postgresql_us)} | {_cpu(row.load_us)} |"
        )
    return lines


def _parts(result: Result) -> list[str]:
    lines = ["| part | µs |", "|---|---|"]
    https = [row for row in result.rows if row.side == HTTPS]
    lines += [
        f"| HTTPS request and answer, {row.clients} clients | {row.gateway_us:.0f} |"
        for row in https
    ]
    lines += [f"| {part.name} | {part.cpu_us:.1f} |" for part in result.parts]
    own = sum(part.cpu_us for part in result.parts if not part.relay)
    relay = sum(part.cpu_us for part in result.parts if part.relay)
    for row in https:
        whole = f"{row.gateway_us + own:.0f}; with the relay {row.gateway_us + own + relay:.0f}"
        lines.append(f"| **sum, {row.clients} clients** | **{whole}** |")
    if result.ring is not None and result.joined is not None:
        share = 100 * result.ring.cpu_us / result.joined.cpu_us
        lines.append(
            f"| {result.ring.name}: {share:.2f} % of the accept path without its ledger "
            f"| {result.ring.cpu_us:.1f} |"
        )
    if result.suspension is not None:
        lines.append(f"| {result.suspension.line()} | - |")
    if result.rewrap is not None:
        per_core = 1_000_000 / result.rewrap.cpu_us
        lines.append(
            f"| {result.rewrap.name}: {per_core:.0f} messages a second on one core "
            f"| {result.rewrap.cpu_us:.1f} |"
        )
    if result.joined is not None:
        lines.append(f"| for comparison: {result.joined.name} | {result.joined.cpu_us:.0f} |")
    return lines


def _median(values: Iterable[float]) -> float | None:
    found = list(values)
    return statistics.median(found) if found else None


def _cpu(value: float) -> str:
    return f"{value:.0f}" if value else "—"
