"""Who takes part: the pipeline, its baselines, and the pipeline without each of its stages."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

from vidpipe.bench.baselines import pipelines
from vidpipe.bench.baselines.grid import as_accurate, as_cheap
from vidpipe.bench.baselines.motion_gate import NOTE as MOTION_NOTE
from vidpipe.bench.baselines.ultralytics_loop import NOTE as LOOP_NOTE
from vidpipe.bench.baselines.ultralytics_loop import UltralyticsLoop, applies
from vidpipe.bench.cost.job import Job, PipelineJob
from vidpipe.bench.figures import Choice, Kind
from vidpipe.bench.fit import Fit
from vidpipe.pipeline.spec import Pipeline

LOOP = "Ultralytics' loop"
BASELINES: tuple[Kind, ...] = tuple(kind for kind in get_args(Kind) if kind != "pipeline")


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """One way to answer the clip.

    Attributes:
        what: what it is, in a line.
        notes: what a reader must know of it.
    """

    name: str
    kind: Kind
    what: str
    job: Job
    notes: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """The name of its results file."""
        return f"{file_name(self.name)}.jsonl"


@dataclass(frozen=True, slots=True)
class Field:
    """What candidates are made from.

    Attributes:
        pipeline: the user's, on the scored part.
        fps: of the clip.
        fitted: what the fitted part taught; None where nothing was fitted on.
    """

    pipeline: Pipeline
    fps: float
    engine: Literal["inline", "ray"]
    fitted: Fit | None

    @property
    def models(self) -> tuple[str | None, str | None]:
        """The little and the big model."""
        return pipelines.models_of(self.pipeline)

    def job(self, pipeline: Pipeline) -> PipelineJob:
        return PipelineJob(pipeline, self.engine)


def file_name(name: str) -> str:
    """A name as part of a path: streams and pipelines may be called anything."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")


def first(field: Field, kinds: Collection[Kind]) -> Iterator[Candidate]:
    """The candidates that are known before anything has run, the pipeline first."""
    pipeline = field.pipeline
    order = " > ".join(stage.id for stage in pipeline.stages)
    yield Candidate(pipeline.name, "pipeline", order, field.job(pipeline))
    little, big = field.models
    if "big" in kinds and big is not None:
        yield _every_frame(field, "big", big)
    if "little" in kinds and little is not None:
        yield _every_frame(field, "little", little)
    if "static" in kinds and field.fitted is not None:
        yield from _static(field, field.fitted)
    if "motion" in kinds and big is not None:
        gate = pipelines.motion(pipeline, big)
        yield Candidate("motion gate", "motion", f"{big} where something moves", field.job(gate), (MOTION_NOTE,))
    if "ultralytics" in kinds and big is not None and applies(pipeline.models[big], pipeline) is None:
        yield _ultralytics(field, big, 1)
    if "tracked" in kinds and big is not None and (tracked := pipelines.tracked(pipeline, big)) is not None:
        what = f"{big} looks at every frame, identities by the same tracker"
        yield Candidate(f"{big} tracked", "tracked", what, field.job(tracked))
    if "without" in kinds:
        for stage in pipeline.stages:
            rest = pipelines.without(pipeline, stage.id)
            if isinstance(rest, Pipeline):
                order = " > ".join(left.id for left in rest.stages)
                yield Candidate(f"without {stage.id}", "without", order, field.job(rest))
    yield from _late(field, kinds)
    if "ray" in kinds and field.engine == "inline":
        yield Candidate(f"{pipeline.name} on Ray", "ray", "the same pipeline as actors", PipelineJob(pipeline, "ray"))


def at_equal_cost(
    field: Field, kinds: Collection[Kind], reports: dict[str, dict[str, Any]], video_s: float
) -> Iterator[Candidate]:
    """The candidates that are set to cost what the pipeline did.

    Args:
        reports: of the first runs, by candidate.
        video_s: media seconds of the scored part.
    """
    _, big = field.models
    if big is None:
        return
    cost = reports[field.pipeline.name]["cpu_s"] / video_s
    every = _every_name("big", big)
    if "uniform" in kinds and every in reports:
        looks_per_s = _affordable(reports[every], big, cost, video_s)
        if 0 < looks_per_s < field.fps:
            sampled = pipelines.uniform(field.pipeline, big, looks_per_s)
            what = f"{big} {looks_per_s:.3g} times a second, result held"
            yield Candidate("uniform sampling", "uniform", what, field.job(sampled))
    if LOOP in reports:
        stride = max(1, math.ceil(reports[LOOP]["cpu_s"] / video_s / cost))
        if stride > 1:
            yield _ultralytics(field, big, stride)


def left_out(field: Field, kinds: Collection[Kind], took_part: Collection[Kind]) -> Iterator[str]:
    """Which of the baselines that were asked for there cannot be, and why; for the reader."""
    pipeline = field.pipeline
    little, big = field.models
    if big is None and set(kinds) & {"big", "uniform", "motion", "ultralytics"}:
        yield f"no big model to compare with: the last stage, {pipeline.stages[-1].id}, names none"
    if "little" in kinds and little is None:
        yield "no little model to compare with: the pipeline has one model"
    elif "uniform" in kinds and "uniform" not in took_part:
        yield (
            f"no uniform sampling: for what {pipeline.name} costs, {big} could look at every frame, or at none"
            if "big" in kinds
            else "no uniform sampling: its rate is worked out from what the big model at every frame costs; add big"
        )
    if "static" in kinds and field.fitted is None:
        yield "no static configuration: nothing was fitted on (--fit 0)"
    if "ultralytics" in kinds and big is not None and (why := applies(pipeline.models[big], pipeline)) is not None:
        yield f"no loop of Ultralytics: {why}"
    if "without" in kinds:
        for stage in pipeline.stages:
            rest = pipelines.without(pipeline, stage.id)
            if isinstance(rest, str):
                yield f"not without {stage.id}: {rest}"


def _late(field: Field, kinds: Collection[Kind]) -> Iterator[Candidate]:
    """What late answers cost: the same pipeline if it waits for them, and if they were not late."""
    pipeline = field.pipeline
    if "wait" in kinds and any(map(pipeline.detours, pipeline.streams)):
        what = "every answer is waited for, however late"
        yield Candidate(f"{pipeline.name}, waiting", "wait", what, field.job(pipelines.waiting(pipeline)))
    if "undelayed" in kinds and (undelayed := pipelines.undelayed(pipeline)) is not None:
        yield Candidate(f"{pipeline.name}, undelayed", "undelayed", "links as they are", field.job(undelayed))


def _every_frame(field: Field, kind: Literal["big", "little"], model: str) -> Candidate:
    job = field.job(pipelines.every_frame(field.pipeline, model))
    return Candidate(_every_name(kind, model), kind, f"{model} looks at every frame", job)


def _every_name(kind: str, model: str) -> str:
    return f"{kind} every frame" if kind == model else f"{model} every frame"


def _static(field: Field, fitted: Fit) -> Iterator[Candidate]:
    """The cheapest configuration as accurate as the pipeline, and the most accurate as cheap; often they are one."""
    accurate = as_accurate(fitted.grid, fitted.f1) if fitted.f1 is not None else None
    cheap = as_cheap(fitted.grid, fitted.cpu)
    if accurate == cheap:
        yield _held(field, fitted, "static", cheap, ())
        return
    if accurate is not None:
        yield _held(field, fitted, "static as accurate", accurate, ())
    notes = ("no static configuration was as accurate as the pipeline on the fitted part",) if accurate is None else ()
    yield _held(field, fitted, "static as cheap", cheap, notes)


def _held(field: Field, fitted: Fit, name: str, choice: Choice, notes: tuple[str, ...]) -> Candidate:
    # Another clip was fitted on, of another rate: what carries over is the time between two looks.
    stride = max(1, round(choice.stride * field.fps / fitted.clip.fps))
    height, width = choice.size
    chosen = choice.model, choice.size
    sized = next(spec for model, spec, seen in fitted.predictions if (model, seen.size) == chosen)
    pipeline = pipelines.static(field.pipeline, choice.model, sized.size, stride)
    rhythm = "every frame" if stride == 1 else f"one frame in {stride}, held"
    return Candidate(name, "static", f"{choice.model} {width}x{height}, {rhythm}", field.job(pipeline), notes)


def _affordable(report: dict[str, Any], big: str, cost: float, video_s: float) -> float:
    """How many looks a second of video cost what the pipeline did: all but the model is spent on every frame."""
    work = report["models"][big]
    look_s = work["cpu_ms"] / 1000
    rest = report["cpu_s"] / video_s - look_s * work["calls"] / video_s
    return float((cost - rest) / look_s)


def _ultralytics(field: Field, model: str, stride: int) -> Candidate:
    pipeline = field.pipeline
    ((stream, placed),) = pipeline.streams.items()
    spec = pipeline.models[model]
    job = UltralyticsLoop(stream, placed.spec, model, spec, pipeline.classes, stride, pipeline.search_paths)
    name = LOOP if stride == 1 else f"{LOOP}, sampled"
    return Candidate(name, "ultralytics", f"predict(stream=True, vid_stride={stride})", job, (LOOP_NOTE,))
