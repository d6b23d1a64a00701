"""Who takes part: the pipeline, its baselines, and the pipeline without each of its stages."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from vidpipe.bench.baselines import chameleon, motion_gate, pipelines, ultralytics_loop
from vidpipe.bench.baselines.chameleon import ChameleonConfig, PricedLook
from vidpipe.bench.baselines.grid import STRIDES, as_accurate, as_cheap
from vidpipe.bench.baselines.ultralytics_loop import UltralyticsLoop
from vidpipe.bench.cost.job import Job, PipelineJob
from vidpipe.bench.figures import Choice, Engine, Kind
from vidpipe.bench.fit import Fit, SizedModel
from vidpipe.pipeline.models import model_of, models_of
from vidpipe.pipeline.spec import Pipeline
from vidpipe.tuning.floor.apply import audit_rate, with_audits
from vidpipe.tuning.floor.configuration import model_of_stage, roles_of
from vidpipe.tuning.floor.profile import with_settings
from vidpipe.tuning.looks import Variant

LOOP = "Ultralytics' loop"
FLOOR = 0.9
"""The accuracy that is aimed at where nobody says another."""
BASELINES: tuple[Kind, ...] = tuple(kind for kind in get_args(Kind) if kind != "pipeline")
_OF_BIG: frozenset[Kind] = frozenset({"big", "uniform", "motion", "ultralytics"})


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
        kinds: the baselines that were asked for.
        floor: the accuracy that those aim at which aim at one: F1 against their best.
    """

    pipeline: Pipeline
    fps: float
    engine: Engine
    fitted: Fit | None
    kinds: Collection[Kind]
    floor: float = FLOOR

    @property
    def models(self) -> tuple[str | None, str | None]:
        """The little and the big model."""
        return models_of(self.pipeline)

    def candidate(self, name: str, kind: Kind, what: str, pipeline: Pipeline, *notes: str) -> Candidate:
        """One that is a pipeline."""
        return Candidate(name, kind, what, PipelineJob(pipeline, self.engine), notes)


def file_name(name: str) -> str:
    """A name as part of a path: streams and pipelines may be called anything."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")


def first(field: Field) -> Iterator[Candidate | str]:
    """The candidates that are known before anything has run, the pipeline first; or why one cannot be."""
    pipeline, kinds = field.pipeline, field.kinds
    little, big = field.models
    yield field.candidate(pipeline.name, "pipeline", _order(pipeline), pipeline)
    if big is not None:
        if "big" in kinds:
            yield _every_frame(field, "big", big)
    elif _OF_BIG & set(kinds):
        yield f"no big model to compare with: the last stage, {pipeline.stages[-1].id}, names none"
    if "little" in kinds:
        if little is not None:
            yield _every_frame(field, "little", little)
        else:
            yield "no little model to compare with: the pipeline has one model"
    if "static" in kinds:
        if field.fitted is not None:
            yield from _static(field, field.fitted)
        else:
            yield "no static configuration: nothing was fitted on (--fit 0)"
    if "tuned" in kinds and field.fitted is not None:
        yield from _at_the_floor(field, field.fitted)
    if "chameleon" in kinds:
        if field.fitted is not None:
            yield from _chameleon(field, field.fitted)
        else:
            yield "no Chameleon: nothing was fitted on (--fit 0), so nobody knows what looks cost"
    if big is not None:
        yield from _with_big(field, big)
    if "without" in kinds:
        for stage in pipeline.stages:
            rest = pipelines.without(pipeline, stage.id)
            if isinstance(rest, Pipeline):
                yield field.candidate(f"without {stage.id}", "without", _order(rest), rest)
            else:
                yield f"not without {stage.id}: {rest}"
    if "wait" in kinds and any(map(pipeline.detours, pipeline.streams)):
        what = "every answer is waited for, however late"
        yield field.candidate(f"{pipeline.name}, waiting", "wait", what, pipelines.waiting(pipeline))
    if "undelayed" in kinds and (undelayed := pipelines.undelayed(pipeline)) is not None:
        yield field.candidate(f"{pipeline.name}, undelayed", "undelayed", "links as they are", undelayed)
    if "ray" in kinds and field.engine == "inline":
        yield Candidate(f"{pipeline.name} on Ray", "ray", "the same pipeline as actors", PipelineJob(pipeline, "ray"))


def at_equal_cost(field: Field, reports: Mapping[str, Mapping[str, Any]], video_s: float) -> Iterator[Candidate | str]:
    """The candidates that are set to cost what the pipeline did; or why one cannot be.

    Args:
        reports: of the first runs, by candidate.
        video_s: media seconds of the scored part.
    """
    _, big = field.models
    if big is None:
        return
    cost = reports[field.pipeline.name]["cpu_s"] / video_s
    if "uniform" in field.kinds:
        every = reports.get(_every_name("big", big))
        looks_per_s = _affordable(every, big, cost, video_s) if every is not None else 0.0
        if 0 < looks_per_s < field.fps:
            what = f"{big} {looks_per_s:.3g} times a second, result held"
            sampled = pipelines.uniform(field.pipeline, big, looks_per_s)
            yield field.candidate("uniform sampling", "uniform", what, sampled)
        elif every is not None:
            name = field.pipeline.name
            yield f"no uniform sampling: for what {name} costs, {big} could look at every frame, or at none"
        else:
            yield "no uniform sampling: its rate is worked out from what the big model at every frame costs; add big"
    if LOOP in reports:
        stride = max(1, math.ceil(reports[LOOP]["cpu_s"] / video_s / cost))
        if stride > 1:
            yield _ultralytics(field, big, stride)


def _with_big(field: Field, big: str) -> Iterator[Candidate | str]:
    """What others do with the big model, and what the pipeline's own tracker makes of it."""
    pipeline, kinds = field.pipeline, field.kinds
    if "motion" in kinds:
        gated = pipelines.motion(pipeline, big)
        yield field.candidate("motion gate", "motion", f"{big} where something moves", gated, motion_gate.NOTE)
    if "ultralytics" in kinds:
        why_not = ultralytics_loop.applies(pipeline.models[big], pipeline)
        yield _ultralytics(field, big, 1) if why_not is None else f"no loop of Ultralytics: {why_not}"
    if "tracked" in kinds and (tracked := pipelines.tracked(pipeline, big)) is not None:
        what = f"{big} looks at every frame, identities by the same tracker"
        yield field.candidate(f"{big} tracked", "tracked", what, tracked)


def _order(pipeline: Pipeline) -> str:
    return " > ".join(stage.id for stage in pipeline.stages)


def _every_frame(field: Field, kind: Literal["big", "little"], model: str) -> Candidate:
    every = pipelines.every_frame(field.pipeline, model)
    return field.candidate(_every_name(kind, model), kind, f"{model} looks at every frame", every)


def _every_name(kind: str, model: str) -> str:
    return f"{kind} every frame" if kind == model else f"{model} every frame"


def _static(field: Field, fitted: Fit) -> Iterator[Candidate]:
    """The cheapest configuration as accurate as the pipeline, and the most accurate as cheap; often they are one."""
    accurate = as_accurate(fitted.grid, fitted.f1) if fitted.f1 is not None else None
    cheap = as_cheap(fitted.grid, fitted.cpu)
    if accurate == cheap:
        yield _held(field, fitted, "static", cheap)
        return
    if accurate is not None:
        yield _held(field, fitted, "static as accurate", accurate)
    notes = ("no static configuration was as accurate as the pipeline on the fitted part",) if accurate is None else ()
    yield _held(field, fitted, "static as cheap", cheap, *notes)


def _chameleon(field: Field, fitted: Fit) -> Iterator[Candidate]:
    """With golden in each segment, and only in the first of each window: nobody knows which of them the paper has."""
    used = {model_of(field.pipeline, stage) for stage in field.pipeline.stages}
    models = [model for model in fitted.models if model.name in used]
    if not models:
        return
    looks = [look for name in dict.fromkeys(model.name for model in models) for look in _priced(name, models)]
    profiled = [stride for stride in STRIDES if stride <= max(1, round(field.fps))]  # a profile lasts for a second
    for rhythm, tries in (("1 s in 4", True), ("1 s in 16", False)):
        config = ChameleonConfig(looks=looks, strides=profiled, fps=field.fps, alpha=field.floor, tries=tries)
        what = f"judges itself {rhythm}, for an F1 of {field.floor:g}"
        made = pipelines.chameleon(field.pipeline, config)
        yield field.candidate(f"Chameleon {rhythm}", "chameleon", what, made, chameleon.NOTE)


def _priced(name: str, models: Sequence[SizedModel]) -> list[PricedLook]:
    """A model as the pipeline has it, then at smaller sizes."""
    own, *others = (model for model in models if model.name == name)
    smaller = [model for model in others if _pixels(model) < _pixels(own)]
    return [
        PricedLook(model=name, size=None if model is own else model.spec.size, cpu_ms=model.predictions.cpu_ms)
        for model in (own, *sorted(smaller, key=_pixels, reverse=True))
    ]


def _pixels(model: SizedModel) -> int:
    height, width = model.predictions.size
    return height * width


def _at_the_floor(field: Field, fitted: Fit) -> Iterator[Candidate | str]:
    """What tuning chose for the floor, and the cheapest static configuration that holds it by the same bound."""
    if fitted.untuned:
        yield f"not tuned: {fitted.untuned}"
    if fitted.search is None:
        return
    chosen, static = fitted.search.chosen, fitted.search.static
    roles = roles_of(field.pipeline)
    floor = field.floor if chosen.guarded else None
    tuned = with_settings(roles, dict.fromkeys(field.pipeline.streams, (chosen.configuration, floor)))
    tuned = with_audits(tuned, audit_rate(chosen.cpu_ms, fitted.search.safe.cpu_ms))
    yield field.candidate("tuned", "tuned", str(chosen.configuration), tuned)
    configuration = static.configuration
    variant = configuration.looker or Variant(model_of_stage(roles.pipeline, roles.last))
    stride = max(1, round(configuration.between_s * field.fps))
    held = pipelines.static(field.pipeline, variant.model, variant.size, stride)
    yield field.candidate("static at the floor", "tuned", str(configuration), held)


def _held(field: Field, fitted: Fit, name: str, choice: Choice, *notes: str) -> Candidate:
    # Another clip may have been fitted on, of another rate: what carries over is the time between two looks.
    stride = max(1, round(choice.stride * field.fps / fitted.clip.truth.fps))
    height, width = choice.size
    chosen = choice.model, choice.size
    size = next(model.spec.size for model in fitted.models if (model.name, model.predictions.size) == chosen)
    held = pipelines.static(field.pipeline, choice.model, size, stride)
    rhythm = "every frame" if stride == 1 else f"one frame in {stride}, held"
    return field.candidate(name, "static", f"{choice.model} {width}x{height}, {rhythm}", held, *notes)


def _affordable(report: Mapping[str, Any], big: str, cost: float, video_s: float) -> float:
    """How many looks a second of video cost what the pipeline did: all but the model is spent on every frame."""
    work = report["models"][big]
    look_s = work["cpu_ms"] / 1000
    rest = (report["cpu_s"] - look_s * work["calls"]) / video_s
    return float((cost - rest) / look_s)


def _ultralytics(field: Field, model: str, stride: int) -> Candidate:
    pipeline = field.pipeline
    ((stream, placed),) = pipeline.streams.items()
    spec = pipeline.models[model]
    job = UltralyticsLoop(stream, placed.spec, model, spec, pipeline.classes, stride, pipeline.search_paths)
    name = LOOP if stride == 1 else f"{LOOP}, sampled"
    return Candidate(name, "ultralytics", f"predict(stream=True, vid_stride={stride})", job, (ultralytics_loop.NOTE,))
