"""What the fitted part of a clip teaches: what each model costs and finds there, and what the pipeline does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vidpipe.bench.baselines.grid import grid, smaller_sizes
from vidpipe.bench.clip import Clip, Progress
from vidpipe.bench.cost.job import PipelineJob
from vidpipe.bench.cost.measure import measure
from vidpipe.bench.figures import Choice, Part
from vidpipe.bench.reference.predictions import Predictions, predict
from vidpipe.bench.results import read_answers
from vidpipe.bench.scores.box_score import box_score, count
from vidpipe.bench.series import Series
from vidpipe.core.errors import ModelError
from vidpipe.models.base import ModelSpec
from vidpipe.models.load import load_detector


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """What was measured on the fitted part.

    Attributes:
        predictions: of each model at each of its sizes, the pipeline's own size first.
        grid: the static configurations that there are.
        f1: of the pipeline itself there, against the reference.
        report: of the pipeline's run there.
        cpu: CPU seconds of that run a second of video.
    """

    clip: Clip
    part: Part
    predictions: list[tuple[str, ModelSpec, Predictions]]
    grid: list[Choice]
    f1: float | None
    report: dict[str, Any]
    cpu: float

    @property
    def truth(self) -> Series:
        return self.clip.truth.part(self.part.start, self.part.stop)


def fit(clip: Clip, part: Part, engine: str, folder: Path, progress: Progress) -> Fit:
    """Look at the fitted part with every model and size, and run the pipeline on it once."""
    truth = clip.truth.part(part.start, part.stop)
    predictions = list(_all_predictions(clip, part, progress))
    choices = grid([(name, found) for name, _, found in predictions], truth, clip.fps)
    progress.step(f"{clip.name}: the pipeline on the fitted part")
    results = folder / "fitted.jsonl"
    measured = measure(PipelineJob(clip.cut(part), engine), results)  # type: ignore[arg-type]
    found = read_answers(results, clip.name, truth.classes, truth.width, truth.height).series
    score = box_score(count(found, truth), truth.pts)
    return Fit(clip, part, predictions, choices, score.f1, measured.report, measured.report["cpu_s"] / truth.video_s)


def _all_predictions(clip: Clip, part: Part, progress: Progress) -> Iterator[tuple[str, ModelSpec, Predictions]]:
    """Each detector as the pipeline has it, then at other sizes if its network takes them."""
    for name, spec in clip.pipeline.models.items():
        if spec.family == "embedder":
            continue
        found = _predictions(clip, part, name, spec, progress)
        yield name, spec, found
        for size in _other_sizes(clip, spec, found.size):
            other = spec.model_copy(update={"size": size})
            try:
                yield name, other, _predictions(clip, part, name, other, progress)
            except ModelError:  # its network has one size
                break


def _other_sizes(clip: Clip, spec: ModelSpec, taken: tuple[int, int]) -> list[tuple[int, int]]:
    """The network's own (height, width) and smaller ones: what it is set to must not make the baselines worse."""
    native = taken
    if spec.size is not None:
        with suppress(ModelError):  # it has none of its own
            free, classes = spec.model_copy(update={"size": None}), clip.pipeline.classes
            native = load_detector(free, classes, search_paths=_paths(clip)).traits.size
    return [size for size in (native, *smaller_sizes(native)) if size != taken]


def _predictions(clip: Clip, part: Part, name: str, spec: ModelSpec, progress: Progress) -> Predictions:
    shown = "" if spec.size is None else f" at {spec.size}"
    progress.step(f"{clip.name}: {name}{shown} looks at the fitted part", part.stop - part.start)
    return predict(
        clip.spec,
        clip.name,
        spec,
        clip.pipeline.classes,
        search_paths=_paths(clip),
        part=(part.start, part.stop),
        progress=progress.advance,
    )


def _paths(clip: Clip) -> list[Path]:
    return [Path(path) for path in clip.pipeline.search_paths]
