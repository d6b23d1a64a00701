"""What each model variant says of every frame of some footage, and what a look of it costs."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from vidpipe.accuracy.reference.predictions import Predictions, Viewer
from vidpipe.accuracy.reference.reference import reference
from vidpipe.core.frame import Frame, Image
from vidpipe.core.progress import Progress
from vidpipe.core.settings import Knobs
from vidpipe.models.base import ModelSpec, Precision, Size
from vidpipe.pipeline.spec import Pipeline
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.open import open_source

TIMED = 12  # looks that are made to learn their price, where all were known from an earlier time


class Variant(NamedTuple):
    """A model of the pipeline at a size of its input, and in a precision; None: the one that it has."""

    model: str
    size: Size | None = None
    precision: Precision | None = None

    def __str__(self) -> str:
        said = self.model
        if self.size is not None:
            said += f" at {self.size}" if isinstance(self.size, int) else f" at {self.size[1]}x{self.size[0]}"
        return said if self.precision is None else f"{said} in {self.precision}"

    def spec(self, pipeline: Pipeline) -> ModelSpec:
        """The model as it is set so."""
        return pipeline.models[self.model].varied(self.size, self.precision)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A variant in front of some footage.

    Attributes:
        predictions: of every frame, with what a look costs on this machine, measured now; NaN where no picture could be
            decoded.
        spent_s: CPU seconds that looking has taken now, none where it was known from before.
    """

    predictions: Predictions
    spent_s: float

    @property
    def cpu_ms(self) -> float:
        """CPU time of a look."""
        return self.predictions.cpu_ms


Looks = Mapping[Variant, Look]


def look(
    pipeline: Pipeline, stream: str, spec: StreamSpec, model: ModelSpec, progress: Progress, timed: int = TIMED
) -> Look:
    """Look at every frame of a stretch with one model; what was looked at before comes from the cache.

    Args:
        spec: the stretch, as a part of the stream's recording.
        timed: looks by which the price is known.

    Raises:
        ConfigError: the footage cannot be opened.
        ModelError: nor the model, or not at that size.
    """
    paths = [Path(path) for path in pipeline.search_paths]
    predictions = reference(spec, stream, model, pipeline.classes, search_paths=paths, progress=progress.advance)
    spent_s = _spent_s(predictions.looked, predictions.cpu_ms)
    if predictions.looked >= timed:
        return Look(predictions, spent_s)
    viewer = Viewer(spec, stream, model, pipeline.classes, paths)
    with closing(viewer.predict()) as found:  # footage may begin with pictures that cannot be decoded
        for _ in islice((each for each in found if each.boxes is not None), timed):
            pass
    _, cpu_ms, decode_ms, looked = viewer.cost()
    priced = replace(predictions, cpu_ms=cpu_ms, decode_cpu_ms=decode_ms)
    return Look(priced, spent_s + _spent_s(looked, cpu_ms))


def pictures_of(stream: str, spec: StreamSpec, every: int) -> Generator[Image]:
    """Every so many-th picture of a stretch, uint8 BGR [h, w, 3]; valid until the next one."""
    with closing(open_source(stream, spec, knobs=Knobs())) as source:
        for number, picture in enumerate(source):
            if number % every == 0 and isinstance(picture, Frame):
                yield picture.bgr()


def _spent_s(looked: int, cpu_ms: float) -> float:
    return looked * cpu_ms / 1000 if looked else 0.0
