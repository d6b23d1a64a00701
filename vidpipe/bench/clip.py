"""A clip before anything is measured on it: its frames, what the reference and people say of them, its parts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from vidpipe.bench.figures import Part
from vidpipe.bench.labels.read import Labels, read_labels
from vidpipe.bench.reference.predictions import Predictions
from vidpipe.bench.reference.reference import reference
from vidpipe.bench.series import Boxes, Series
from vidpipe.bench.split import rate
from vidpipe.core.errors import ConfigError
from vidpipe.core.settings import Knobs
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.load import load_detector
from vidpipe.models.resolve import resolve, unknown_aliases
from vidpipe.pipeline.spec import Pipeline, Stream
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.open import open_source


class Progress(Protocol):
    """Sees how a bench goes on."""

    def step(self, what: str, total: int | None = None) -> None:
        """A step begins; `total` of what `advance` counts, if it counts."""
        ...

    def advance(self, count: int = 1) -> None: ...


@dataclass(frozen=True, slots=True)
class ReferenceModel:
    """The model that every answer is held against.

    Attributes:
        name: in the pipeline, or the path that the user gave.
    """

    name: str
    spec: ModelSpec


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
    live: bool
    reference_model: ReferenceModel
    predictions: Predictions
    truth: Series
    labels: Labels | None

    @property
    def spec(self) -> StreamSpec:
        return self.pipeline.streams[self.name].spec

    @property
    def fps(self) -> float:
        return rate(self.truth)

    def is_reference(self, model: str) -> bool:
        """Whether a model of the pipeline has the reference's weights, however it is written and set."""
        paths = [Path(path) for path in self.pipeline.search_paths]
        own, reference = (resolve(spec, paths) for spec in (self.pipeline.models[model], self.reference_model.spec))
        return (own.file or own.source) == (reference.file or reference.source)

    def cut(self, part: Part) -> Pipeline:
        """The pipeline on a part of the clip alone."""
        # Half a frame before the one that is no longer wanted: times go through text and may be rounded. Behind the
        # last frame too, so that a recording which breaks off there has been answered whole.
        last = part.stop == self.truth.frames
        after = float(self.truth.pts[-1]) + 1 / self.fps if last else float(self.truth.pts[part.stop])
        end_s = after - 0.5 / self.fps
        spec = self.spec.model_copy(update={"start_s": part.start_s, "end_s": end_s})
        return replace(self.pipeline, streams={self.name: replace(self.pipeline.streams[self.name], spec=spec)})


def alone(pipeline: Pipeline, name: str, stream: Stream) -> Pipeline:
    """The pipeline with one stream."""
    return replace(pipeline, streams={name: stream})


def outline(name: str, stream: StreamSpec, classes: tuple[str, ...]) -> tuple[Series, bool]:
    """The frames of a clip, without boxes, by decoding it once; and whether it is live.

    So truth that does not fit, or a clip that is too short, is told before the reference has taken its time.
    """
    source = open_source(name, stream.recording, knobs=Knobs())
    pts = np.array([frame.pts for frame in source], np.float64)
    info = source.info
    none = Boxes.of([], [])
    return Series(classes, info.width, info.height, pts, np.zeros(len(pts), bool), none), stream.live


def look_up(
    name: str,
    pipeline: Pipeline,
    reference_model: ReferenceModel,
    labels: Path | None,
    label_class: str | None,
    progress: Progress,
    *,
    frames: int,
    live: bool,
) -> Clip:
    """Ask the reference for every frame of a stream, and read the labels."""
    progress.step(f"{name}: reference {reference_model.name} looks at every frame", frames)
    predictions = reference(
        pipeline.streams[name].spec,
        name,
        reference_model.spec,
        pipeline.classes,
        search_paths=[Path(path) for path in pipeline.search_paths],
        progress=progress.advance,
    )
    truth = predictions.sure()
    read = read_labels(labels, pipeline.classes, truth, label_class) if labels is not None else None
    return Clip(name, alone(pipeline, name, pipeline.streams[name]), live, reference_model, predictions, truth, read)


def choose_reference(pipeline: Pipeline, named: str | None, big: str | None) -> ReferenceModel:
    """The reference: the model that was named (of the pipeline, or a file), else the last stage's.

    Raises:
        ConfigError: nothing was named, and the last stage has no model.
    """
    name = named or big
    if name is None:
        raise ConfigError(
            f"the last stage, {pipeline.stages[-1].id}, names no model: say with --reference MODEL "
            "what the answers are to be held against"
        )
    return ReferenceModel(name, pipeline.models.get(name) or ModelSpec(path=name))


def check_classes(reference_model: ReferenceModel, pipeline: Pipeline) -> None:
    """Raise ConfigError if the reference does not know a class of the pipeline: what is found of it would be false."""
    paths = [Path(path) for path in pipeline.search_paths]
    names = resolve(reference_model.spec, paths, pipeline.classes).names
    if names is None:  # only the loaded file tells
        names = load_detector(reference_model.spec, Classes({}), search_paths=paths).traits.names
    unknown = unknown_aliases(pipeline.classes, [(reference_model.name, names)])
    if unknown:
        classes = ", ".join(f"{lacking.name} ({' or '.join(lacking.aliases)})" for lacking in unknown)
        raise ConfigError(
            f"reference {reference_model.name} does not know {classes}: what is found of it would all count as false; "
            f"name another --reference, or leave it out of the pipeline's classes. It knows {', '.join(names[:12])}"
            + (" ..." if len(names) > 12 else "")
        )
