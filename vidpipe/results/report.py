"""The report of a run: where every frame was answered, and what it cost."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from vidpipe.cascade.runner import Meter
from vidpipe.media.counts import media_report
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.collector import Collector
from vidpipe.results.provenance import Provenance
from vidpipe.results.records import Counts
from vidpipe.sources.base import StreamInfo


class Reporter:
    """Makes the report of a run, whole or so far.

    Args:
        infos: of the streams as they were opened.

    Attributes:
        infos: of the streams as they were opened.
        cpu_s: of all processes since the start; set by whoever can ask them.
    """

    def __init__(self, provenance: Provenance, collector: Collector, infos: Sequence[StreamInfo]) -> None:
        self._provenance = provenance
        self._collector = collector
        self.infos = infos
        self._sizes = {info.name: (info.width, info.height) for info in infos if info.width and info.height}
        self._began = time.perf_counter()
        self._ended: float | None = None
        self.cpu_s = 0.0

    def start(self) -> None:
        """All streams begin now."""
        self._began = time.perf_counter()

    def stop(self) -> None:
        """The last answer has come."""
        self._ended = time.perf_counter()

    def provenance(self, pipeline: Pipeline) -> dict[str, Any]:
        """What answers come from, with the sizes of pictures as far as they are known by now."""
        newest = {name: self._collector.newest(name) for name in pipeline.streams}
        seen = {name: record.size for name, record in newest.items() if record is not None and record.size is not None}
        return self._provenance.told(pipeline, {**self._sizes, **seen})

    def report(
        self, pipeline: Pipeline, counts: Counts, *, finished: bool, errors: Sequence[str] = ()
    ) -> dict[str, Any]:
        """What `--report` writes, with `cpu_s` as it was set last."""
        wall_s = (self._ended or time.perf_counter()) - self._began
        return {
            "finished": finished,
            "errors": list(errors),
            "run": self.provenance(pipeline),
            **build_report(pipeline, self._collector, counts, wall_s, self.cpu_s),
        }


def build_report(
    pipeline: Pipeline, collector: Collector, counts: Counts, wall_s: float, cpu_s: float
) -> dict[str, Any]:
    """The figures of a report; stage and model times are milliseconds a frame.

    Args:
        pipeline: its stages are listed in order, also one whose counts are gone with its process.
        wall_s: from the start of all streams to the last answer.
        cpu_s: of all processes in that time, decoding and Ray included.
    """
    streams: dict[str, Any] = {}
    taught = collector.taught()
    for name, ledger in collector.ledgers.items():
        streams[name] = ledger.report()
        if name in pipeline.streams and (site := pipeline.site(name)):
            streams[name]["site"] = site
        if name in taught:
            streams[name]["taught"] = taught[name]
        if name in collector.ended:
            streams[name]["notes"] = list(collector.ended[name].notes)
    for name, monitor in collector.status_monitors.items():
        streams[name]["health"] = monitor.report()
    return {
        "streams": streams,
        "wall_s": round(wall_s, 3),
        "cpu_s": round(cpu_s, 3),
        "fps": round(collector.frames_in() / wall_s, 3) if wall_s else 0.0,
        "latency_ms": collector.latencies.report(),
        "stages": {stage.id: stage_report(counts.stages.get(stage.id, Meter())) for stage in pipeline.stages},
        "transforms": {each.id: stage_report(counts.stages.get(each.id, Meter())) for each in pipeline.transforms},
        "models": models_report(counts.models, counts.shared),
        "links": {link: carried.report() for link, carried in counts.links.items()},
        "shadows": {variant: stage_report(meter) for variant, meter in counts.shadows.items()},
        "sinks": {name: dict(counts) for name, counts in collector.sink_counts().items()},
        "media": {stream: media_report(counts) for stream, counts in sorted(counts.media.items())},
        "deaths": {name: [round(at, 3) for at in times] for name, times in counts.deaths.items()},
    }


def stage_report(meter: Meter) -> dict[str, Any]:
    """What a stage has done and cost; times are milliseconds a frame."""
    return {
        "asked": meter.asked,
        "answered": meter.answered,
        "errors": meter.errors,
        **({"errors_in": dict(sorted(meter.raised.items()))} if meter.raised else {}),
        "wall_ms": _ms_each(meter.wall_ns, meter.asked),
        "cpu_ms": _ms_each(meter.cpu_ns, meter.asked),
        **({"counts": dict(sorted(meter.counts.items()))} if meter.counts else {}),
    }


def models_report(
    models: Mapping[str, tuple[int, int, int]], shared: Mapping[str, int] | None = None
) -> dict[str, dict[str, float]]:
    """How often each model was asked, and what a picture took, in milliseconds.

    Args:
        shared: looks of each that another query had made already.
    """
    return {
        model: {
            "calls": calls,
            "wall_ms": _ms_each(wall, calls),
            "cpu_ms": _ms_each(cpu, calls),
            **({"shared": shared[model]} if shared and model in shared else {}),
        }
        for model, (calls, wall, cpu) in models.items()
    }


def _ms_each(nanoseconds: int, count: int) -> float:
    return round(nanoseconds / count / 1e6, 4) if count else 0.0
