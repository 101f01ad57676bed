"""What operators count. Labels come from closed sets: no agency, no country, no message."""

from collections.abc import Callable, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from broker.errors import Code
from broker.ports.requests import RoadRequests
from keys.forecast import Due
from keys.key import KeyUse


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
        self._keys_due = Gauge(
            "enlace_keys_due", "Keys and roots to look after.", ("use",), registry=self.registry
        )
        self._reviews_due = Gauge(
            "enlace_channel_reviews_due",
            "Channels whose charters are due for review.",
            registry=self.registry,
        )
        self._key_expiry = Gauge(
            "enlace_key_expiry_seconds",
            "Until the first active key of this use ends.",
            ("use",),
            registry=self.registry,
        )
        self._unratified = Gauge(
            "enlace_acts_unratified",
            "Emergency acts with which nobody has agreed in time.",
            registry=self.registry,
        )
        self._requests_open = Gauge(
            "enlace_requests_open",
            "Requests that are not answered and not yet due.",
            ("road",),
            registry=self.registry,
        )
        self._requests_overdue = Gauge(
            "enlace_requests_overdue",
            "Requests that are not answered in time.",
            ("road",),
            registry=self.registry,
        )
        self.streams = Gauge("enlace_open_streams", "Open streams.", registry=self.registry)

    def show_keys(
        self, due: Sequence[Due], seconds_left: Mapping[KeyUse, float], unratified: int
    ) -> None:
        """Show what is due, when the first active key of each use ends, and who is waited for.

        By use and not by key: a key id tells of a country and an agency.
        """
        for use in KeyUse:
            self._keys_due.labels(use.value).set(sum(one.use is use for one in due))
        # Of a use without an active key nothing is shown: its last number would look like one.
        self._key_expiry.clear()
        for use, seconds in seconds_left.items():
            self._key_expiry.labels(use.value).set(seconds)
        self._unratified.set(unratified)

    def show_requests(self, waiting: Sequence[RoadRequests] | None) -> None:
        """Show how many requests wait on pairs and on channels; None where nobody can tell.

        By sort of road and not by road: a queue's name tells of two countries.
        """
        for road in ("pair", "channel"):
            of_road = [one for one in waiting or () if (one.channel is None) == (road == "pair")]
            unknown = float("nan") if waiting is None else 0
            self._requests_open.labels(road).set(unknown + sum(one.open for one in of_road))
            self._requests_overdue.labels(road).set(unknown + sum(one.overdue for one in of_road))

    def show_reviews(self, due: int) -> None:
        """Show how many charters are due for review; not of which channels."""
        self._reviews_due.set(due)

    def watch_tls(self, seconds_left: Callable[[], float]) -> None:
        """Show how long the certificate in force is still good; asked at each scrape."""
        expiry = Gauge(
            "enlace_tls_expiry_seconds",
            "Until the certificate in force ends.",
            registry=self.registry,
        )
        expiry.set_function(seconds_left)

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
