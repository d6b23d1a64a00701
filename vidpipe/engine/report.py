"""The report of a run: where every frame was answered, and what it cost."""

from __future__ import annotations

import time
from typing import Any

from vidpipe.engine.collector import Collector
from vidpipe.engine.host import Counts
from vidpipe.engine.pipeline import Pipeline
from vidpipe.seat import Meter


def build_report(
    pipeline: Pipeline, collector: Collector, counts: Counts, wall_s: float, cpu_s: float
) -> dict[str, Any]:
    """What `--report` writes; stage and model times are milliseconds a frame.

    Args:
        pipeline: its stages are listed in order, also one whose counts are gone with its process.
        wall_s: from the start of all streams to the last answer.
        cpu_s: of all processes in that time, decoding and Ray included.
    """
    streams: dict[str, Any] = {}
    for name, ledger in collector.ledgers.items():
        streams[name] = ledger.report()
        if name in collector.ended:
            streams[name]["notes"] = list(collector.ended[name].notes)
    now = time.monotonic()
    for name, vitals in collector.vitals.items():
        streams[name]["health"] = vitals.report(now)
    return {
        "streams": streams,
        "wall_s": round(wall_s, 3),
        "cpu_s": round(cpu_s, 3),
        "fps": round(collector.frames_in() / wall_s, 3) if wall_s else 0.0,
        "latency_ms": collector.latencies.report(),
        "stages": {stage.id: _stage(counts.stages.get(stage.id, Meter())) for stage in pipeline.stages},
        "models": {
            model: {"calls": calls, "wall_ms": _ms_each(wall, calls), "cpu_ms": _ms_each(cpu, calls)}
            for model, (calls, wall, cpu) in counts.models.items()
        },
        "links": {link: {"frames": frames, "bytes": nbytes} for link, (frames, nbytes) in counts.links.items()},
    }


def _stage(meter: Meter) -> dict[str, Any]:
    return {
        "asked": meter.asked,
        "answered": meter.answered,
        "errors": meter.errors,
        **({"errors_in": dict(sorted(meter.raised.items()))} if meter.raised else {}),
        "wall_ms": _ms_each(meter.wall_ns, meter.asked),
        "cpu_ms": _ms_each(meter.cpu_ns, meter.asked),
        **({"counts": dict(sorted(meter.counts.items()))} if meter.counts else {}),
    }


def _ms_each(nanoseconds: int, count: int) -> float:
    return round(nanoseconds / count / 1e6, 4) if count else 0.0
