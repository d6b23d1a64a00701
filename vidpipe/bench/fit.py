"""What the fitted part of a clip teaches: what each model costs and finds there, and what the pipeline does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from vidpipe.accuracy.reference.model import folders
from vidpipe.accuracy.reference.predictions import Predictions
from vidpipe.accuracy.scores.box_score import count, total
from vidpipe.accuracy.series import Series
from vidpipe.bench.baselines.grid import grid
from vidpipe.bench.clip import Clip
from vidpipe.bench.cost.job import PipelineJob
from vidpipe.bench.cost.measure import measure
from vidpipe.bench.figures import Choice, Engine, Part
from vidpipe.bench.results import read_answers
from vidpipe.core.errors import ConfigError, ModelError
from vidpipe.core.progress import Progress
from vidpipe.models.base import ModelSpec
from vidpipe.models.load import load_detector
from vidpipe.models.sizes import smaller_sizes
from vidpipe.sources.base import Want
from vidpipe.tuning.floor.configuration import model_of_stage, roles_of
from vidpipe.tuning.floor.search import Search, Stretch, search
from vidpipe.tuning.looks import Look, Variant, look


class SizedModel(NamedTuple):
    """A model of the pipeline at one of its sizes, and what it says of the fitted part."""

    name: str
    spec: ModelSpec
    predictions: Predictions


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """What was measured on the fitted part.

    Attributes:
        models: each at each of its sizes, the pipeline's own size first.
        grid: the static configurations that there are.
        f1: of the pipeline itself there, against the reference.
        report: of the pipeline's run there.
        cpu: CPU seconds of that run a second of video.
        search: what was found for a floor; None where none was asked for, or the pipeline cannot be tuned.
        untuned: why it cannot.
    """

    clip: Clip
    part: Part
    models: list[SizedModel]
    grid: list[Choice]
    f1: float | None
    report: dict[str, Any]
    cpu: float
    search: Search | None = None
    untuned: str = ""


def fit(
    clip: Clip,
    part: Part,
    engine: Engine,
    folder: Path,
    progress: Progress,
    floor: float | None = None,
    want: Want = "boxes",
) -> Fit:
    """Look at the fitted part with every model and size, and run the pipeline on it once.

    Args:
        floor, want: with them, settings are searched that hold this at the least cost.
    """
    truth = clip.truth.part(part.start, part.stop)
    models = list(_models(clip, part, progress))
    choices = grid([(model.name, model.predictions) for model in models], truth, clip.truth.fps)
    progress.step(f"{clip.name}: the pipeline on the fitted part")
    results = folder / "fitted.jsonl"
    report = measure(PipelineJob(clip.cut(part), engine), results).report
    found = read_answers(results, clip.name, truth.classes, truth.width, truth.height).series
    fitted = Fit(clip, part, models, choices, total(count(found, truth)).f1, report, report["cpu_s"] / truth.video_s)
    return fitted if floor is None else _searched(fitted, truth, floor, want, progress)


def _searched(fitted: Fit, truth: Series, floor: float, want: Want, progress: Progress) -> Fit:
    clip = fitted.clip
    try:
        roles = roles_of(clip.pipeline)
    except ConfigError as error:
        return replace(fitted, untuned=str(error))
    able = [model_of_stage(roles.pipeline, stage) for stage in (roles.last, roles.little) if stage is not None]
    looks = {}
    for model in fitted.models:
        if model.name in able:
            own = model.spec == clip.pipeline.models[model.name]
            variant = Variant(model.name, None if own else model.predictions.size)
            looks[variant] = Look(model.predictions, 0.0)
    if roles.little is None:  # nobody could look in place of the last stage
        looks = {variant: look for variant, look in looks.items() if variant == Variant(able[0])}
    spec = clip.cut(fitted.part).streams[clip.name].spec
    found = search(roles, clip.name, [Stretch(spec, truth, looks)], floor, want, progress)
    return replace(fitted, search=found)


def _models(clip: Clip, part: Part, progress: Progress) -> Iterator[SizedModel]:
    """Each detector as the pipeline has it, then at other sizes if its network takes them."""
    for name, spec in clip.pipeline.models.items():
        if spec.family == "embedder":
            continue
        own = _look(clip, part, name, spec, progress)
        yield own
        for size in _other_sizes(clip, spec, own.predictions.size):
            try:
                yield _look(clip, part, name, spec.model_copy(update={"size": size}), progress)
            except ModelError:  # its network has one size
                break


def _other_sizes(clip: Clip, spec: ModelSpec, taken: tuple[int, int]) -> list[tuple[int, int]]:
    """The network's own (height, width) and smaller ones: what it is set to must not make the baselines worse."""
    native = taken
    if spec.size is not None:
        with suppress(ModelError):  # it has none of its own
            free, classes = spec.model_copy(update={"size": None}), clip.pipeline.classes
            native = load_detector(free, classes, search_paths=folders(clip.pipeline)).traits.size
    return [size for size in (native, *smaller_sizes(native)) if size != taken]


def _look(clip: Clip, part: Part, name: str, spec: ModelSpec, progress: Progress) -> SizedModel:
    shown = "" if spec.size is None else f" at {spec.size}"
    progress.step(f"{clip.name}: {name}{shown} looks at the fitted part", part.stop - part.start)
    stretch = clip.cut(part).streams[clip.name].spec
    found = look(clip.pipeline, clip.name, stretch, spec, progress)
    return SizedModel(name, spec, found.predictions)
