"""What the streams of a pipeline take on this machine, for plans: each runs for a while, in processes of its own.

Shares and times are of a part of that while in which they were steady (`course.py`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from vidpipe.bench.cost.machine import processor
from vidpipe.bench.cost.measure import Measured, measure
from vidpipe.bench.cost.models_job import ModelsJob
from vidpipe.bench.cost.stream_job import StreamJob
from vidpipe.bench.figures import Engine
from vidpipe.core.names import references
from vidpipe.models.library import threads_of_a_look
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.spec import Pipeline, Stream
from vidpipe.sources.address import is_camera
from vidpipe.tuning.planner.costs import (
    Costs,
    MemoryCost,
    ModelCost,
    PictureCost,
    StageCost,
    StreamCost,
    cost_key,
)
from vidpipe.tuning.planner.expect import expect
from vidpipe.tuning.planner.nodes import one_machine

_CPUINFO = Path("/proc/cpuinfo")
_COPIES = 4  # streams of the run that tells what one takes of memory, and what a run takes whatever its streams
_COPIES_S = 6.0  # media seconds of it
_COPIES_BEGIN_S = 2.0  # of these, until figures count: imports at first use are no cost of a stream

Step = Callable[[str], None]


def measure_costs(pipeline: Pipeline, seconds: float, engine: Engine, streams: int, step: Step) -> Costs:
    """What each stream of a pipeline takes.

    Args:
        seconds: media seconds of each that are answered at most; a camera's are as long as any. Less, where what it
            takes is steady before.
        streams: that the run is planned for: with more of them fewer threads infer.
        step: is told what is measured next.

    Raises:
        ConfigError: a stream or model does not open.
        RunError: a run ended before its time.
    """
    with TemporaryDirectory() as folder:
        return _Measuring(pipeline.without_outputs, seconds, engine, streams, step, Path(folder)).costs()


class _Measuring:
    def __init__(
        self, pipeline: Pipeline, seconds: float, engine: Engine, streams: int, step: Step, folder: Path
    ) -> None:
        self._threads = threads_of_a_look(streams)
        self._pipeline = replace(
            pipeline,
            models={
                name: model if model.threads else model.model_copy(update={"threads": self._threads})
                for name, model in pipeline.models.items()
            },
            sinks=(),
        )
        self._given = pipeline
        self._seconds, self._engine, self._step, self._folder = seconds, engine, step, folder

    def costs(self) -> Costs:
        self._step("models")
        alone = self._measure(ModelsJob(self._given, self._threads))
        models = {name: ModelCost.model_validate(each) for name, each in alone.report["models"].items()}
        streams: dict[str, StreamCost] = {}
        ran: list[Measured] = []
        for name in self._pipeline.streams:
            self._step(f"stream {name}")
            measured = self._measure(StreamJob(self._only(name), self._engine, self._seconds))
            ran.append(measured)
            streams[name] = self._stream(name, measured.report, models)
        self._step("several streams")
        first = next(iter(streams))
        copies = self._copies(first)
        memory = self._memory(ran[0].peak_pss_mb, copies.peak_pss_mb, alone.report["process_mb"], models)
        run_cpu = self._run_cpu(streams[first], copies.report)
        streams = {
            name: each.model_copy(update={"other_ms": max(0.0, each.other_ms - 1000 * run_cpu / each.fps)})
            for name, each in streams.items()
        }
        costs = Costs(
            pipeline=self._pipeline.name,
            processor=this_processor(),
            cores=os.cpu_count() or 1,
            engine=self._engine,
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            run_cpu=run_cpu,
            memory=memory,
            models=models,
            streams=streams,
        )
        return self._with_latency(costs, {name: each.report for name, each in zip(streams, ran, strict=True)})

    def _measure(self, job: Any) -> Measured:
        return measure(job, self._folder / "unused")

    def _only(self, *names: str, seconds: float | None = None) -> Pipeline:
        """The pipeline with these streams alone, each no longer than that."""
        streams = {name: _cut(self._pipeline.streams[name], seconds or self._seconds) for name in names}
        return replace(self._pipeline, streams=streams)

    def _stream(self, name: str, report: Mapping[str, Any], models: Mapping[str, ModelCost]) -> StreamCost:
        """What a run told of its only stream.

        How long a stage takes is its CPU time, by as much less as its model's threads work at once: the time that
        passed holds what others took of the machine.
        """
        part = report["part"]
        stages: dict[str, StageCost] = {}
        for stage in self._pipeline.stages:
            model = next((model for _, model in references(stage.config, "detector")), None)
            cpu_ms = part["stage_ms"].get(stage.id, report["stages"][stage.id]["cpu_ms"])
            stages[stage.id] = StageCost(
                asked=part["asked"][stage.id],
                audited=part["audited"].get(stage.id, 0.0),
                cpu_ms=cpu_ms,
                wall_ms=cpu_ms * (1.0 if model is None else models[model].at_once(self._threads)),
            )
        pictures = {codec: PictureCost.model_validate(each) for codec, each in report["pictures"].items()}
        known = StreamCost(
            key=cost_key(self._given, name),
            fps=report["fps"],
            width=report["size"][0],
            height=report["size"][1],
            frames=report["frames"],
            steady=report["steady"],
            threads=self._threads,
            other_ms=0.0,
            stages=stages,
            pictures=pictures,
            seen=report["seen"],
            f1=report["f1"],
            low=report["low"],
        )
        other_ms = max(0.0, part["other_ms"] - sum(_link_ms(known, self._pipeline)))
        return known.model_copy(update={"other_ms": other_ms})

    def _copies(self, stream: str) -> Measured:
        """A run of several streams that are the same."""
        several = self._only(stream, seconds=_COPIES_S)
        copies = {f"{stream}-{number}": several.streams[stream] for number in range(_COPIES)}
        run_of = replace(several, streams=copies, streams_per_actor=_COPIES)
        return self._measure(StreamJob(run_of, self._engine, _COPIES_S, _COPIES_BEGIN_S))

    def _run_cpu(self, one: StreamCost, copies: Mapping[str, Any]) -> float:
        """Cores that a run takes whatever its streams: what is done beside stages grows by less than the streams do."""
        part: Mapping[str, Any] = copies["part"]
        asked = {name: stage.model_copy(update={"asked": part["asked"][name]}) for name, stage in one.stages.items()}
        links = sum(_link_ms(one.model_copy(update={"stages": asked}), self._pipeline))
        alone = one.fps * one.other_ms / 1000
        fps, beside_ms = float(copies["fps"]), float(part["other_ms"])
        several = _COPIES * fps * max(0.0, beside_ms - links) / 1000
        each = max(0.0, several - alone) / (_COPIES - 1)
        return max(0.0, alone - each)

    def _memory(self, one_mb: float, many_mb: float, process_mb: float, models: Mapping[str, ModelCost]) -> MemoryCost:
        """What runs of one and of some streams take tells what one more does."""
        stream_mb = max(0.0, (many_mb - one_mb) / (_COPIES - 1))
        used = {name for stage in self._pipeline.stages for _, name in references(stage.config, "model")}
        run_mb = one_mb - stream_mb - sum(models[name].memory_mb for name in used if name in models)
        return MemoryCost(run_mb=max(0.0, run_mb), process_mb=process_mb, stream_mb=stream_mb)

    def _with_latency(self, costs: Costs, reports: Mapping[str, Mapping[str, Any]]) -> Costs:
        """What live results were late, beside what stages explain."""
        here = one_machine(costs.cores, psutil.virtual_memory().total / 1e9)
        streams = dict(costs.streams)
        for name, report in reports.items():
            if (measured_ms := report["part"]["latency_ms"]) is None:
                continue
            bare = costs.model_copy(update={"streams": {name: streams[name].model_copy(update={"other_wall_ms": 0.0})}})
            explained = expect(plan(self._only(name)), bare, here).cameras[0].latency_ms or 0.0
            late = max(0.0, measured_ms - explained)
            streams[name] = streams[name].model_copy(update={"other_wall_ms": late})
        return costs.model_copy(update={"streams": streams})


def this_processor() -> str:
    """The name of the processor that costs are measured on."""
    return processor(_CPUINFO)


def _cut(stream: Stream, seconds: float) -> Stream:
    """A recording as long as that; a camera is stopped after as long."""
    spec = stream.spec
    if is_camera(spec.url):
        return stream
    end_s = spec.start_s + seconds
    return replace(stream, spec=spec.model_copy(update={"end_s": min(end_s, spec.end_s or end_s)}))


def _link_ms(cost: StreamCost, pipeline: Pipeline) -> Iterator[float]:
    """CPU time a frame for each link of a pipeline."""
    laid = plan(pipeline)
    for at, link in enumerate(laid.links, 1):
        below = [stage.id for segment in laid.segments[at:] for stage in segment.stages]
        picture = cost.picture(link)
        yield cost.crossing(below) * (picture.pack_ms + picture.unpack_ms)
