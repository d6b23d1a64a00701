"""Writes docs/metrics.md from what Prometheus is told: `python docs/make_metrics.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import Metric

from vidpipe.results.collector import Collector
from vidpipe.results.sinks.metric_families import families
from vidpipe.results.status import stream_statuses

PAGE = Path(__file__).with_name("metrics.md")
HEAD = """# Metrics

Made from the metrics themselves by `python docs/make_metrics.py`. `vidpipe run ... --metrics 9100` serves them
([results.md](results.md#metrics)); a dashboard for Grafana and alerts for Prometheus are in
[samples/monitoring](../samples/monitoring/README.md).

| metric | kind | labels | meaning |
|---|---|---|---|
"""
ENDING = {"counter": "_total", "info": "_info"}


def page() -> str:
    """The whole page."""
    collector = Collector(["gate"], live=["gate"])
    told = families(collector, stream_statuses(collector.status_monitors))
    return HEAD + "".join(_row(family) for family in sorted(told, key=lambda family: family.name))


def _row(family: Metric) -> str:
    name = family.name + ENDING.get(family.type, "")
    labels = ", ".join(dict.fromkeys(_labels(family)))
    return f"| `{name}` | {family.type} | {labels} | {family.documentation} |\n"


def _labels(family: Metric) -> Iterator[str]:
    yield from family._labelnames  # noqa: SLF001 - of those without a sample there is no other way
    if family.type == "info":
        yield from (label for sample in family.samples for label in sample.labels)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
