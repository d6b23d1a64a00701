"""From a user's pipeline to what it is compared with: other cascades on the same streams, classes, links and machines.

A baseline's detector stands on the tier on which the pipeline uses its model, answers every frame that reaches it, and
is never audited: nobody pays for checking it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

from vidpipe.bench.baselines.chameleon import ChameleonConfig, ChameleonStage
from vidpipe.bench.baselines.every_nth import EveryNth, EveryNthConfig
from vidpipe.bench.baselines.motion_gate import DETECT_FPS, MotionGate, MotionGateConfig
from vidpipe.cascade.audit import AuditSpec
from vidpipe.cascade.stage import Stage
from vidpipe.core.settings import StageConfig
from vidpipe.pipeline.models import model_of
from vidpipe.pipeline.spec import LinkSpec, Pipeline, PlacedStage, Stream, Tier
from vidpipe.stages.detect.detect import Detect, DetectConfig
from vidpipe.stages.sample import Sample, SampleConfig
from vidpipe.stages.track.track import Track

Size = int | tuple[int, int]
"""Of a network's input in pixels: a side, or (height, width)."""


def every_frame(pipeline: Pipeline, model: str) -> Pipeline:
    """The model looks at every frame."""
    return _baseline(pipeline, model)


def static(pipeline: Pipeline, model: str, size: Size | None, stride: int) -> Pipeline:
    """The model, at this size of its input or its own, looks at every `stride`-th frame, and its result is held."""
    sized = pipeline.models[model] if size is None else pipeline.models[model].model_copy(update={"size": size})
    filters = [("sample", EveryNth, EveryNthConfig(stride=stride))] if stride > 1 else []
    return _baseline(replace(pipeline, models={model: sized}), model, *filters)


def uniform(pipeline: Pipeline, model: str, looks_per_s: float) -> Pipeline:
    """The model looks so many times a second of media time, at even distances, and its result is held."""
    return _baseline(pipeline, model, ("sample", Sample, SampleConfig(fps=looks_per_s)))


def motion(pipeline: Pipeline, model: str) -> Pipeline:
    """The model looks where something moves, five times a second at most; see `motion_gate`."""
    sample = ("sample", Sample, SampleConfig(fps=DETECT_FPS))
    return _baseline(pipeline, model, sample, ("motion", MotionGate, MotionGateConfig()))


def tracked(pipeline: Pipeline, model: str) -> Pipeline | None:
    """The model looks at every frame, and the pipeline's tracker says who is who; None where it has no tracker."""
    tracker = next((stage for stage in pipeline.stages if issubclass(stage.type, Track)), None)
    if tracker is None:
        return None
    every = tracker.config.model_copy(update={"refresh_s": 0.0, "agreement": None})
    return _baseline(pipeline, model, (tracker.id, tracker.type, every))


def chameleon(pipeline: Pipeline, config: ChameleonConfig) -> Pipeline:
    """Chameleon in place of the whole cascade, where the pipeline's last stage stands; see `chameleon`."""
    stage: type[Stage[Any]] = ChameleonStage
    placed = PlacedStage("chameleon", stage, config, pipeline.stages[-1].tier)
    return _only(pipeline, {look.model for look in config.looks}, placed)


def waiting(pipeline: Pipeline) -> Pipeline:
    """The same pipeline, but a frame's answer is waited for however late it is."""
    return replace(pipeline, late="wait")


def undelayed(pipeline: Pipeline) -> Pipeline | None:
    """The same pipeline on links as they are, without the worse network that was asked for; None where none was."""
    links = {name: link.model_copy(update={"shaper": None}) for name, link in pipeline.links.items()}
    return replace(pipeline, links=links) if links != dict(pipeline.links) else None


def without(pipeline: Pipeline, stage_id: str) -> Pipeline | str:
    """The pipeline without one of its stages, all else as it is, audits included; or why that cannot be."""
    left = tuple(stage for stage in pipeline.stages if stage.id != stage_id)
    if not left:
        return "it is the only stage"
    last = left[-1]
    if not last.type.can_be_last:
        return f"{last.id} would be the last stage, and is a filter: nobody would answer what it passes on"
    streams = {
        name: replace(stream, configs={stage: own for stage, own in stream.configs.items() if stage != stage_id})
        for name, stream in pipeline.streams.items()
    }
    return replace(pipeline, stages=left, streams=streams, links=_links(pipeline, left))


def _baseline(pipeline: Pipeline, model: str, *filters: tuple[str, type[Stage[Any]], StageConfig]) -> Pipeline:
    """Filters on the device, then the model at every frame that they let through."""
    detect: type[Stage[Any]] = Detect
    placed = (PlacedStage(name, kind, config) for name, kind, config in filters)
    last = PlacedStage(model, detect, DetectConfig(model=model), _tier(pipeline, model))
    return _only(pipeline, {model}, *placed, last)


def _only(pipeline: Pipeline, models: Collection[str], *stages: PlacedStage) -> Pipeline:
    """These stages in place of the pipeline's, without audits."""
    return replace(
        pipeline,
        models={model: spec for model, spec in pipeline.models.items() if model in models},
        stages=stages,
        streams={name: Stream(stream.spec) for name, stream in pipeline.streams.items()},
        audit=AuditSpec(rate=0, max_unchecked_s=None),
        links=_links(pipeline, stages),
    )


def _tier(pipeline: Pipeline, model: str) -> Tier:
    """Where the pipeline uses a model; one that it only lists stands with its last stage."""
    return next(
        (stage.tier for stage in pipeline.stages if model_of(pipeline, stage) == model), pipeline.stages[-1].tier
    )


def _links(pipeline: Pipeline, stages: Sequence[PlacedStage]) -> Mapping[str, LinkSpec]:
    """The pipeline's links; one between tiers that it has no link between is like the pipeline's into the lower tier.

    Else a cascade that leaves a tier out would reach the next one on a link that nobody ever set: uncoded, unshaped.
    """
    links = dict(pipeline.links)
    tiers = dict.fromkeys([Tier.DEVICE, *(stage.tier for stage in stages)])
    for upper, lower in pairwise(tiers):
        into = next((link for name, link in pipeline.links.items() if name.endswith(f"-{lower}")), None)
        if into is not None:
            links.setdefault(f"{upper}-{lower}", into)
    return links
