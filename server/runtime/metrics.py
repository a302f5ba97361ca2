"""What `/metrics` shows. Domains register what they know; this knows no domain."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest

from server.runtime.recorded import Counts, Durations

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics of one process. Names follow OpenMetrics: base units, no ids as labels."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        # Memory, processor time, file descriptors and their limit, where the system tells them.
        # Their names are the same in every program.
        ProcessCollector(registry=self._registry)
        self.replies = Counts(
            "warroom_replies",
            "Commands and queries answered, by name and code.",
            ("name", "code"),
            self._registry,
        )
        self.reply_seconds = Durations(
            "warroom_reply_seconds",
            "From a message's arrival to its reply.",
            "name",
            _FAST,
            self._registry,
        )
        self.events = Counts(
            "warroom_events", "Events published, by name.", ("name",), self._registry
        )
        self.dropped = Counter(
            "warroom_dropped_events",
            "Events that a client did not get as it read too slowly, by delivery.",
            ("delivery",),
            registry=self._registry,
        )
        self.evicted = Counter(
            "warroom_evicted", "Clients let go, by reason.", ("reason",), registry=self._registry
        )
        self.refused = Counter(
            "warroom_transport_refused",
            "Requests refused and connections ended by their transport, by reason.",
            ("reason",),
            registry=self._registry,
        )
        self.loop_lag = Histogram(
            "warroom_loop_lag_seconds",
            "How much later than asked the event loop woke: all messages wait as long.",
            buckets=_FAST,
            registry=self._registry,
        )
        self.batch_units = Histogram(
            "warroom_batch_units",
            "Units of work committed together.",
            buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000),
            registry=self._registry,
        )
        self.commit_seconds = Histogram(
            "warroom_commit_seconds",
            "From the first statement of a batch to its commit.",
            buckets=_FAST,
            registry=self._registry,
        )

    def watch(self, name: str, help_text: str, read: Callable[[], float]) -> None:
        """A gauge that is read when somebody asks."""
        Gauge(name, help_text, registry=self._registry).set_function(read)

    def expose(self) -> tuple[bytes, str]:
        """All metrics as OpenMetrics text, and its content type."""
        text: bytes = generate_latest(self._registry)  # type: ignore[no-untyped-call]
        return text, CONTENT_TYPE_LATEST
