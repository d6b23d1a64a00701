"""Prometheus metrics of a run, over HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector as PrometheusCollector

from vidpipe.results.sinks.http import LOCAL, PageServer
from vidpipe.results.status import StreamStatus, stream_statuses
from vidpipe.sources.health import State

if TYPE_CHECKING:
    from vidpipe.results.collector import Collector
    from vidpipe.sources.base import StreamInfo

_TOLD_EVERY_S = 0.5  # a run tells of every batch of answers; to work all of it out takes a millisecond and more


class Metrics(PrometheusCollector):
    """A `Watcher` that shows what it sees at http://ADDRESS:PORT/metrics.

    Labels are names of streams and stages, states and reasons: nothing of a camera's address.

    Args:
        port: 0 takes a free one, which `port` tells.
        address: to listen at; "" is every one that the machine has.

    Raises:
        ConfigError: nobody may listen there.
    """

    def __init__(self, port: int, address: str = LOCAL) -> None:
        self._lock = threading.Lock()
        self._families: Sequence[Metric] = ()
        self._told_at = -_TOLD_EVERY_S
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._server = PageServer(port, address, "metrics", self._page)
        self.port = self._server.port

    def collect(self) -> Iterable[Metric]:
        """What a scrape gets: the state of the run as it was last told of, at most a moment ago."""
        with self._lock:
            return self._families

    def started(self, infos: Sequence[StreamInfo]) -> None: ...

    def progressed(self, collector: Collector) -> None:
        now = time.monotonic()
        if now - self._told_at < _TOLD_EVERY_S:
            return
        self._told_at = now
        families = list(_families(collector, stream_statuses(collector.status_monitors)))
        with self._lock:
            self._families = families

    def close(self) -> None:
        self._server.close()

    def _page(self, accept: str) -> tuple[bytes, str]:
        encode, kind = choose_encoder(accept)
        return encode(self._registry), kind


def _families(collector: Collector, statuses: Mapping[str, StreamStatus]) -> Iterator[Metric]:
    yield from _of_sources(statuses)
    yield _look_age(collector)
    yield from _of_frames(collector)
    yield from _of_accuracy(collector)
    yield from _of_sinks(collector)
    help = "From capture (live) or decoding to the sink, since the run began."
    seconds = GaugeMetricFamily("vidpipe_latency_seconds", help, labels=["quantile"])
    for quantile in (0.5, 0.95, 0.99):
        seconds.add_metric([str(quantile)], collector.latencies.quantile_ms(quantile) / 1000)
    yield seconds


def _of_sources(statuses: Mapping[str, StreamStatus]) -> Iterator[Metric]:
    state = GaugeMetricFamily(
        "vidpipe_stream_state", "1 for the state in which a live stream is.", labels=["stream", "state"]
    )
    info = InfoMetricFamily("vidpipe_stream", "What comes, and how it is decoded.", labels=["stream"])
    rates = GaugeMetricFamily("vidpipe_stream_fps", "Frames a second, over the last 5 s.", labels=["stream", "of"])
    for stream, status in statuses.items():
        health = status.health
        for each in State:
            state.add_metric([stream, each.value], float(each is health.state))
        size = f"{health.width}x{health.height}"
        info.add_metric([stream], {"codec": health.codec, "decoder": health.decoder, "size": size})
        for of, fps in status.rates._asdict().items():
            if of != "kbit_s":
                rates.add_metric([stream, of], fps)
    yield from (state, info, rates)
    yield _gauge("last_frame_age_seconds", "Since the newest picture came.", statuses, lambda status: status.age_s)
    yield _gauge("bits_per_second", "Of video, over the last 5 s.", statuses, lambda status: status.rates.kbit_s * 1000)
    yield _gauge("reconnects_per_hour", "In the last hour.", statuses, lambda status: status.reconnects_h)
    yield _gauge("stalls_per_hour", "In the last hour.", statuses, lambda status: status.stalls_h)
    yield _counter("received", "Pictures that came over the wire.", statuses, lambda status: status.health.received)
    yield _counter("decoded", "Of these, decoded whole.", statuses, lambda status: status.health.decoded)
    yield _counter("bytes", "Of video that came over the wire.", statuses, lambda status: status.health.bytes)
    yield _counter("reconnects", "Connections made anew.", statuses, lambda status: status.health.reconnects)
    yield _counter("stalls", "How often pictures ceased to come.", statuses, lambda status: status.health.stalls)
    yield _counter("out_of_sight_seconds", "Without a picture in all.", statuses, lambda status: status.health.gap_s)


def _look_age(collector: Collector) -> Metric:
    """Streams of which nobody has looked at a picture are missing."""
    help = "Since a model last looked at one of its pictures, as far as is known."
    age = GaugeMetricFamily("vidpipe_stream_look_age_seconds", help, labels=["stream"])
    for stream in collector.ledgers:
        if (seconds := collector.look_age_s(stream)) is not None:
            age.add_metric([stream], seconds)
    return age


def _of_frames(collector: Collector) -> Iterator[Metric]:
    ledgers = collector.ledgers.items()
    yield _counts("vidpipe_frames", "Frames, by how they were answered.", "how", ((s, led.how) for s, led in ledgers))
    yield _counts("vidpipe_answers", "Frames, by who answered them.", "by", ((s, led.by) for s, led in ledgers))
    yield _counts("vidpipe_dropped", "Frames lost, by reason.", "reason", ((s, led.dropped) for s, led in ledgers))
    yield _counts(
        "vidpipe_covered", "Frames not waited for, by reason.", "reason", ((s, led.covered) for s, led in ledgers)
    )
    help = "Frames whose answer is worth less, as a segment was away."
    degraded = CounterMetricFamily("vidpipe_degraded", help, labels=["stream"])
    refused = CounterMetricFamily("vidpipe_refused", "Frames passed on that nobody looked at.", labels=["stream"])
    checked = CounterMetricFamily(
        "vidpipe_audits", "Answers checked by chance, and what was wrong.", labels=["stream", "stage", "found"]
    )
    for stream, ledger in ledgers:
        degraded.add_metric([stream], ledger.degraded)
        refused.add_metric([stream], ledger.refused)
        for stage, audits in ledger.audits.items():
            for found, count in (("any", audits.audited), ("missed", audits.missed), ("false", audits.false)):
                checked.add_metric([stream, stage, found], count)
    yield from (degraded, refused, checked)
    late = CounterMetricFamily(
        "vidpipe_late", "Answers that came when another had been published.", labels=["stream", "by"]
    )
    for stream, ledger in ledgers:
        for stage, covers in ledger.late.items():
            late.add_metric([stream, stage], covers.total())
    yield late


def _of_sinks(collector: Collector) -> Iterator[Metric]:
    waiting = GaugeMetricFamily("vidpipe_sink_waiting", "Events that wait to be delivered.", labels=["sink"])
    counted = CounterMetricFamily("vidpipe_sink_events", "What became of what sinks took.", labels=["sink", "what"])
    for sink, counts in collector.sink_counts().items():
        for what, count in counts.items():
            if what == "waiting":
                waiting.add_metric([sink], count)
            elif not what.endswith("waiting"):  # which also goes down
                counted.add_metric([sink, what], count)
    yield from (waiting, counted)


def _of_accuracy(collector: Collector) -> Iterator[Metric]:
    """Streams of which nothing is known, or asked, are missing."""
    told = {stream: ledger.accuracy.summary() for stream, ledger in collector.ledgers.items()}
    names = {
        "f1": ("vidpipe_accuracy_f1", "Of published answers against the last stage, as `want` of the stream says."),
        "low": ("vidpipe_accuracy_low", "Lower end of its 95 % interval."),
        "high": ("vidpipe_accuracy_high", "Upper end of its 95 % interval."),
        "floor": ("vidpipe_floor", "The accuracy asked for."),
    }
    for field, (name, help) in names.items():
        family = GaugeMetricFamily(name, help, labels=["stream"])
        for stream, accuracy in told.items():
            if accuracy[field] is not None:
                family.add_metric([stream], accuracy[field])
        yield family


def _gauge(
    name: str, help: str, statuses: Mapping[str, StreamStatus], value: Callable[[StreamStatus], float | None]
) -> Metric:
    family = GaugeMetricFamily(f"vidpipe_stream_{name}", help, labels=["stream"])
    for stream, status in statuses.items():
        if (number := value(status)) is not None:
            family.add_metric([stream], number)
    return family


def _counter(
    name: str, help: str, statuses: Mapping[str, StreamStatus], value: Callable[[StreamStatus], float]
) -> Metric:
    family = CounterMetricFamily(f"vidpipe_stream_{name}", help, labels=["stream"])
    for stream, status in statuses.items():
        family.add_metric([stream], value(status))
    return family


def _counts(name: str, help: str, by: str, counted: Iterable[tuple[str, Mapping[str, int]]]) -> Metric:
    family = CounterMetricFamily(name, help, labels=["stream", by])
    for stream, counts in counted:
        for key, count in counts.items():
            family.add_metric([stream, key], count)
    return family
