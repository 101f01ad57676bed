"""What operators count. Labels come from closed sets: no agency, no country, no message."""

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from broker.errors import Code


class Metrics:
    """The counters of one gateway process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._answers = Counter(
            "enlace_http_answers",
            "Answers by route and status.",
            ("route", "status"),
            registry=self.registry,
        )
        self._refusals = Counter(
            "enlace_refusals", "Refusals by code.", ("code",), registry=self.registry
        )
        self._accepted = Counter(
            "enlace_messages_accepted", "Messages accepted.", ("replayed",), registry=self.registry
        )
        self._handed_over = Counter(
            "enlace_hand_overs", "Messages handed to desks.", registry=self.registry
        )
        self._answered = Counter(
            "enlace_desk_answers", "Desks' answers by state.", ("state",), registry=self.registry
        )
        self.unpublished = Gauge(
            "enlace_unpublished_deliveries",
            "Recorded, not yet with the transport.",
            registry=self.registry,
        )
        self.streams = Gauge("enlace_open_streams", "Open streams.", registry=self.registry)

    def count_answer(self, route: str, status: int) -> None:
        """Count an HTTP answer."""
        self._answers.labels(route, str(status)).inc()

    def count_refusal(self, code: Code) -> None:
        """Count a refusal: all that is kept of a refused message."""
        self._refusals.labels(code.value).inc()

    def count_accepted(self, *, replayed: bool) -> None:
        """Count an accepted message."""
        self._accepted.labels(str(replayed).lower()).inc()

    def count_handed_over(self, messages: int) -> None:
        """Count messages handed to a desk."""
        self._handed_over.inc(messages)

    def count_answered(self, state: str) -> None:
        """Count a desk's answer."""
        self._answered.labels(state).inc()

    def exposition(self) -> bytes:
        """Write all of them in the Prometheus text format."""
        return generate_latest(self.registry)
