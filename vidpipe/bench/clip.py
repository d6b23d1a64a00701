"""A clip before anything is measured on it: its frames, what the reference and people say of them, its parts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vidpipe.accuracy.reference.model import ReferenceModel, folders
from vidpipe.accuracy.reference.predictions import Predictions
from vidpipe.accuracy.reference.reference import reference
from vidpipe.accuracy.series import Boxes, Series
from vidpipe.bench.figures import Part
from vidpipe.bench.labels.read import Labels, read_labels
from vidpipe.core.errors import ConfigError
from vidpipe.core.progress import Progress
from vidpipe.core.settings import Knobs
from vidpipe.models.resolve import resolve
from vidpipe.pipeline.spec import Pipeline
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.open import open_source

SHORTEST_S = 5.0  # presence is counted to a second: less tells nothing


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """One stream of a pipeline, with what is wanted of it.

    Attributes:
        pipeline: the user's, with this stream alone.
        predictions: of the reference at every frame.
        truth: the boxes of which the reference is sure.
        labels: what people drew, if they did.
    """

    name: str
    pipeline: Pipeline
    reference_model: ReferenceModel
    predictions: Predictions
    truth: Series
    labels: Labels | None

    @property
    def spec(self) -> StreamSpec:
        return self.pipeline.streams[self.name].spec

    def is_reference(self, model: str) -> bool:
        """Whether a model of the pipeline has the reference's weights, however it is written and set."""
        paths = folders(self.pipeline)
        own, reference = (resolve(spec, paths) for spec in (self.pipeline.models[model], self.reference_model.spec))
        return (own.file or own.source) == (reference.file or reference.source)

    def cut(self, part: Part) -> Pipeline:
        """The pipeline on a part of the clip alone."""
        # Half a frame before the one that is no longer wanted: times go through text and may be rounded. Behind the
        # last frame too, so that a recording which breaks off there has been answered whole.
        frame_s = 1 / self.truth.fps
        last = part.stop == self.truth.frames
        after = float(self.truth.pts[-1]) + frame_s if last else float(self.truth.pts[part.stop])
        spec = self.spec.model_copy(update={"start_s": part.start_s, "end_s": after - 0.5 * frame_s})
        return replace(self.pipeline, streams={self.name: replace(self.pipeline.streams[self.name], spec=spec)})


def split(clip: str, series: Series, fit: float) -> tuple[Part | None, Part]:
    """The fitted and the scored part: the first `fit` of the frames, and the rest.

    In one clip the two share their background, and maybe an object that stands on the border: fit on another clip
    where there is one.

    Args:
        fit: share of the frames, 0..1; 0: all of the clip is scored, nothing is fitted on.

    Raises:
        ConfigError: a part would be shorter than `SHORTEST_S`.
    """
    border = round(series.frames * fit)
    scored = _part(series, border, series.frames)
    fitted = _part(series, 0, border) if border else None
    for purpose, made in (("fit on", fitted), ("score", scored)):
        if made is not None and made.end_s - made.start_s < SHORTEST_S:
            raise ConfigError(
                f"clip {clip} is too short to split: of its {series.video_s:.1f} s --fit {fit:g} leaves "
                f"{made.end_s - made.start_s:.1f} s to {purpose}, and {SHORTEST_S:g} s are needed; "
                "fit on another clip with --fit-on CLIP, or not at all with --fit 0"
            )
    return fitted, scored


def outline(name: str, stream: StreamSpec, classes: tuple[str, ...]) -> Series:
    """The frames of a clip, without boxes, by decoding it once.

    So truth that does not fit, or a clip that is too short, is told before the reference has taken its time.
    """
    source = open_source(name, stream.recording, knobs=Knobs())
    pts = np.array([frame.pts for frame in source], np.float64)
    return Series(classes, source.info.width, source.info.height, pts, np.zeros(len(pts), bool), Boxes.of([], []))


def look_up(
    name: str,
    pipeline: Pipeline,
    reference_model: ReferenceModel,
    frames: int,
    progress: Progress,
    labels: Path | None = None,
    label_class: str | None = None,
) -> Clip:
    """Ask the reference for every frame of a stream, and read the labels."""
    progress.step(f"{name}: reference {reference_model.name} looks at every frame", frames)
    stream = pipeline.streams[name]
    predictions = reference(
        stream.spec,
        name,
        reference_model.spec,
        pipeline.classes,
        search_paths=folders(pipeline),
        progress=progress.advance,
    )
    truth = predictions.sure()
    read = read_labels(labels, pipeline.classes, truth, label_class) if labels is not None else None
    return Clip(name, replace(pipeline, streams={name: stream}), reference_model, predictions, truth, read)


def _part(series: Series, start: int, stop: int) -> Part:
    """Frames start to stop - 1; the last lasts as long as frames do on average."""
    step_s = series.video_s / series.frames
    return Part(start=start, stop=stop, start_s=float(series.pts[start]), end_s=float(series.pts[stop - 1] + step_s))
