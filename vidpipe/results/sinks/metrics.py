"""Prometheus metrics of a run over HTTP, and whether it is alive and ready for those who watch processes."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector as PrometheusCollector

from vidpipe.results.sinks.http import LOCAL, Request, Server, put_page
from vidpipe.results.sinks.metric_families import families
from vidpipe.results.status import stream_statuses

if TYPE_CHECKING:
    from vidpipe.results.collector import Collector
    from vidpipe.sources.base import StreamInfo

_TOLD_EVERY_S = 0.5  # a run tells of every batch of answers; to work all of it out takes a millisecond and more
_SILENT_S = 15.0  # of a run, after which it counts as hung: it tells several times a second


class Metrics(PrometheusCollector):
    """A `Watcher` that shows what it sees at http://ADDRESS:PORT/metrics; /healthz and /readyz say how the run is.

    Labels are names of streams and stages, states and reasons: nothing of a camera's address.

    Args:
        port: 0 takes a free one, which `port` tells.
        address: to listen at; "" is every one that the machine has.

    Raises:
        ConfigError: nobody may listen there.
    """

    def __init__(self, port: int, address: str = LOCAL) -> None:
        self._lock = threading.Lock()
        self._of: dict[str, Sequence[Metric]] = {}  # by query
        self._told_at: float | None = None  # None: the run has not begun
        self._run = QueryMetrics(self, "")
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self._server = _MetricsServer(self, port, address)
        self.port = self._server.port

    def collect(self) -> Iterable[Metric]:
        """What a scrape gets: the state of the run as it was last told of, at most a moment ago."""
        with self._lock:
            return self._of[""] if "" in self._of else _labelled(self._of)

    def started(self, infos: Sequence[StreamInfo]) -> None: ...

    def progressed(self, collector: Collector) -> None:
        self._run.progressed(collector)

    def watcher(self, query: str) -> QueryMetrics:
        """What sees one query of several: what it shows has the label `query`."""
        return QueryMetrics(self, query)

    def tell(self, query: str, made: Sequence[Metric] | None) -> None:
        """A query goes on; with what there is to show of it, where that was worked out anew."""
        self._told_at = time.monotonic()
        if made is not None:
            with self._lock:
                self._of[query] = made

    def page(self, accept: str) -> tuple[bytes, str]:
        """All metrics in a form that is accepted, and its content type."""
        encode, kind = choose_encoder(accept)
        return encode(self._registry), kind

    def health(self, *, ready: bool) -> tuple[int, str]:
        """HTTP status and a line: 200 where the run is alive, or `ready`, 503 where it is not."""
        told_at = self._told_at
        if told_at is None:
            return (503, "opening") if ready else (200, "opening")
        silent_s = time.monotonic() - told_at
        return (503, f"nothing was heard of the run for {silent_s:.0f} s") if silent_s > _SILENT_S else (200, "ok")

    def close(self) -> None:
        self._server.close()


class QueryMetrics:
    """A `Watcher` of one query.

    Args:
        query: its name; "": the run has one alone, and nothing is labelled.
    """

    def __init__(self, metrics: Metrics, query: str) -> None:
        self._metrics = metrics
        self._query = query
        self._worked_out_at = -_TOLD_EVERY_S

    def started(self, infos: Sequence[StreamInfo]) -> None: ...

    def progressed(self, collector: Collector) -> None:
        now, made = time.monotonic(), None
        if now - self._worked_out_at >= _TOLD_EVERY_S:
            self._worked_out_at = now
            made = list(families(collector, stream_statuses(collector.status_monitors)))
        self._metrics.tell(self._query, made)


def _labelled(of: Mapping[str, Sequence[Metric]]) -> list[Metric]:
    """The metrics of all queries, each with its label."""
    joined: dict[str, Metric] = {}
    for query, metrics in of.items():
        for metric in metrics:
            shown = joined.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
            shown.samples += [sample._replace(labels={"query": query, **sample.labels}) for sample in metric.samples]
    return list(joined.values())


class _MetricsServer(Server):
    """Answers /healthz and /readyz, and everything else with the metrics."""

    def __init__(self, metrics: Metrics, port: int, address: str) -> None:
        self._metrics = metrics
        super().__init__(port, address, "metrics")

    async def answer(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if request.path in ("/healthz", "/readyz"):
            code, said = self._metrics.health(ready=request.path == "/readyz")
            await put_page(writer, request, f"{said}\n".encode(), "text/plain; charset=utf-8", code)
        else:
            await put_page(writer, request, *self._metrics.page(request.headers.get("accept", "")))
