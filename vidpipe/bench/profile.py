"""What a bench measured on its fitted parts, kept for planning and tuning: cost and accuracy of models and stages."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from vidpipe.accuracy.figures import Figures
from vidpipe.accuracy.reference.predictions import Predictions
from vidpipe.accuracy.scores.precision import ap50
from vidpipe.bench.cost.machine import machine
from vidpipe.bench.figures import Machine, Part
from vidpipe.bench.fit import Fit
from vidpipe.core.files import write_whole
from vidpipe.core.registry import STAGES


class ModelProfile(Figures):
    """A model at one input size, looking at every frame of the part.

    Attributes:
        size: (height, width) of the input in pixels.
        thresholds: by class.
        cpu_ms, wall_ms: mean of a look; None where none was made anew.
        f1, moving_f1: against the reference, by stride: every n-th frame looked at, the result held.
        ap50: by class, against labels; None without.
    """

    model: str
    size: tuple[int, int]
    thresholds: dict[str, float]
    cpu_ms: float | None
    wall_ms: float | None
    f1: dict[str, float | None]
    moving_f1: dict[str, float | None]
    ap50: dict[str, float | None] | None


class StageProfile(Figures):
    """A stage of the pipeline as it ran.

    Attributes:
        type: as pipelines name it.
        asked, answered: frames.
        cpu_ms, wall_ms: mean per frame asked.
        audited, missed, false: frames audited, and those of them whose withheld answer lacked a class or had one too
            many.
    """

    id: str
    type: str
    asked: int
    answered: int
    cpu_ms: float
    wall_ms: float
    audited: int
    missed: int
    false: int


class ClipProfile(Figures):
    """What was measured on the fitted part of one clip.

    Attributes:
        decode_cpu_ms: mean per frame; None where nothing was decoded anew.
        models: one for each model and size.
        stages: in the order of the cascade.
    """

    pipeline: str
    clip: str
    part: Part
    fps: float
    machine: Machine
    decode_cpu_ms: float | None
    models: list[ModelProfile]
    stages: list[StageProfile]


class Profiles(Figures):
    """The file."""

    version: Literal[1] = 1
    clips: list[ClipProfile]


def clip_profile(fitted: Fit) -> ClipProfile:
    """What is kept of a fit."""
    clip = fitted.clip
    decoding = (_measured(model.predictions.decode_cpu_ms) for model in fitted.models)
    return ClipProfile(
        pipeline=clip.pipeline.name,
        clip=clip.name,
        part=fitted.part,
        fps=round(clip.truth.fps, 3),
        machine=machine(),
        decode_cpu_ms=next((ms for ms in decoding if ms is not None), None),
        models=[_model(fitted, model.name, model.predictions) for model in fitted.models],
        stages=list(_stages(fitted)),
    )


def write(path: Path, profiles: Sequence[ClipProfile]) -> None:
    """Write the profiles of a bench, all or nothing. Raises RunError."""
    write_whole(path, Profiles(clips=list(profiles)).model_dump_json(indent=2) + "\n", "profile")


def _model(fitted: Fit, name: str, predictions: Predictions) -> ModelProfile:
    labels, part = fitted.clip.labels, fitted.part
    choices = [choice for choice in fitted.grid if (choice.model, choice.size) == (name, predictions.size)]
    return ModelProfile(
        model=name,
        size=predictions.size,
        thresholds=dict(predictions.thresholds),
        cpu_ms=_measured(predictions.cpu_ms),
        wall_ms=_measured(predictions.wall_ms),
        f1={str(choice.stride): choice.f1 for choice in choices},
        moving_f1={str(choice.stride): choice.moving_f1 for choice in choices},
        ap50=None if labels is None else ap50(predictions.series, labels.series.part(part.start, part.stop)),
    )


def _stages(fitted: Fit) -> Iterator[StageProfile]:
    report = fitted.report
    audits = report["streams"][fitted.clip.name]["audits"]
    for stage in fitted.clip.pipeline.stages:
        work, audit = report["stages"][stage.id], audits.get(stage.id, {})
        yield StageProfile(
            id=stage.id,
            type=STAGES.name_of(stage.type),
            **{key: work[key] for key in ("asked", "answered", "cpu_ms", "wall_ms")},
            **{key: audit.get(key, 0) for key in ("audited", "missed", "false")},
        )


def _measured(mean_ms: float) -> float | None:
    return None if math.isnan(mean_ms) else mean_ms
