"""Running a cascade again on footage whose looks are known: nothing is inferred, everything else is the real thing.

The stages are those of a run, under the settings of a configuration; only the detectors are replaced, by what their
models have said of each frame. So the joint space of settings costs the looks of each model variant once, and no
independence of settings need be assumed. Several configurations go side by side over one decoding of the footage.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidpipe.accuracy.series import Boxes, Series
from vidpipe.cascade.cascade import Cascade, Ticket
from vidpipe.cascade.runner import StageRunner
from vidpipe.cascade.stage import Context
from vidpipe.core.answer import Answer
from vidpipe.core.errors import ConfigError
from vidpipe.core.frame import Frame, Image, Missing
from vidpipe.core.settings import Knobs, StageConfig, with_values
from vidpipe.models.base import Embedder, ModelSpec, Precision, Size, Tail
from vidpipe.models.library import Library
from vidpipe.pipeline.spec import Pipeline, PlacedStage
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.open import open_source
from vidpipe.tuning.floor.configuration import Settings
from vidpipe.tuning.floor.export import export_ms
from vidpipe.tuning.looks import Look, Looks, Variant

if TYPE_CHECKING:
    import supervision as sv


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """What a configuration would have published, and what it would have cost.

    Attributes:
        series: its answers, with identities where a tracker gave some.
        looked: bool [frames], whether a model looked at the frame.
        looks: how many, by variant.
        stages_ms: CPU time a frame of everything but looks and plain decoding: where a stage goes by the vectors of the
            codec, what it costs to have them is in it.
    """

    series: Series
    looked: NDArray[np.bool_]
    looks: Mapping[Variant, int]
    stages_ms: float


def replay(
    pipeline: Pipeline,
    stream: str,
    spec: StreamSpec,
    looks: Looks,
    settings: Sequence[Settings],
    vectors_ms: float | None = None,
) -> list[Replayed]:
    """Run the cascade under each of these settings over a stretch of a stream.

    Args:
        spec: the stretch; what it leaves undecoded nobody looks at.
        looks: of every variant that is asked for, at every frame of the stretch.
        vectors_ms: what it costs to have the codec's vectors of a picture; None: that is measured, if they are wanted.

    Raises:
        ConfigError: the footage cannot be opened, or a stage asks for a look that nobody made.
    """
    runs = [_Run(pipeline, stream, looks, each) for each in settings]
    wanting = (run.knobs for run in runs if run.knobs.want_motion)
    source = open_source(stream, spec.waiting, knobs=next(wanting, Knobs()))
    with closing(source):
        for picture in source:
            if isinstance(picture, Frame):
                picture.bgr()  # part of what a look costs, wherever it is looked at
            for run in runs:
                # Each pays for the views that its stages ask for.
                run.take(picture.twin() if isinstance(picture, Frame) else picture)
    any_look = next(iter(looks.values())).predictions.series
    if vectors_ms is None and any(run.knobs.want_motion for run in runs):
        vectors_ms = export_ms(stream, spec)
    return [run.replayed(any_look, (vectors_ms or 0.0) if run.knobs.want_motion else 0.0) for run in runs]


class _Run:
    """One configuration on its way through the footage."""

    def __init__(self, pipeline: Pipeline, stream: str, looks: Looks, settings: Settings) -> None:
        self._models = _Recorded(pipeline, looks)
        stages = [_under(stage, pipeline, stream, settings) for stage in pipeline.stages]
        last = stages[-1].id
        runners = [self._runner(stage, stream, pipeline.classes.names, stage.id == last) for stage in stages]
        self._cascade = Cascade(runners, pipeline.audit, last=last)
        self._cascade.open([stream])
        self.knobs = Knobs(0, {stage.id: stage.config for stage in stages})
        self._boxes: list[NDArray[np.float64]] = []
        self._looked: list[bool] = []
        self._spent_ns = 0

    def take(self, picture: Frame | Missing) -> None:
        """Answer the next picture of the stretch. Raises ConfigError where that takes a look that nobody made."""
        self._models.frame = len(self._boxes)
        looks = self._models.looks.total()
        before = time.thread_time_ns()
        if isinstance(picture, Missing):
            answer = self._cascade.complete_missing(picture).answer
        else:
            picture.knobs = self.knobs
            ticket = Ticket(picture)
            self._cascade.ask([ticket])
            answer = self._cascade.complete(ticket).answer
        self._spent_ns += time.thread_time_ns() - before
        if self._models.lacks:
            raise ConfigError(self._models.lacks)
        self._boxes.append(_rows(answer))
        self._looked.append(self._models.looks.total() > looks)

    def replayed(self, like: Series, vectors_ms: float) -> Replayed:
        """What came of it; `vectors_ms`: what the vectors of a picture cost that it goes by."""
        self._cascade.close()
        rows = np.concatenate([np.zeros((0, 7)), *self._boxes])
        frame = np.repeat(np.arange(len(self._boxes)), [len(boxes) for boxes in self._boxes])
        boxes = Boxes.of(frame, rows[:, :4], score=rows[:, 4], label=rows[:, 5], track=rows[:, 6])
        series = replace(like, known=np.ones(like.frames, bool), boxes=boxes)
        own_ns = self._spent_ns - self._models.spent_ns
        looked = np.array(self._looked, bool)
        stages_ms = own_ns / max(1, len(self._boxes)) / 1e6 + vectors_ms
        return Replayed(series, looked, dict(self._models.looks), stages_ms)

    def _runner(self, stage: PlacedStage, stream: str, classes: tuple[str, ...], last: bool) -> StageRunner:
        def opened(of: str | None) -> Any:
            part: Any = stage.type()
            part.id, part.config = stage.id, stage.config
            part.open(Context(stage.id, of, self._models, classes, last))
            return part

        return StageRunner(stage.id, stage.type.shared, last, opened, classes)


class _Recorded:
    """Implements `cascade.stage.Models` with looks that were made before.

    Attributes:
        frame: which frame of the stretch it is.
        looks: how many were asked for, by variant.
        spent_ns: CPU time of finding them: no part of what a run costs.
        lacks: what was asked for, and nobody has recorded: stages are guarded, so raising it ends nothing.
    """

    def __init__(self, pipeline: Pipeline, looks: Looks) -> None:
        self.frame = 0
        self.looks: Counter[Variant] = Counter()
        self.spent_ns = 0
        self.lacks = ""
        self._pipeline = pipeline
        self._known = looks
        self._library: Library | None = None

    def detector(
        self, name: str, size: Size | None = None, precision: Precision | None = None, calibrated: str | None = None
    ) -> _RecordedDetector:
        variant = Variant(name, size, precision)
        known = self._known.get(variant)
        return _RecordedDetector(self, variant, variant.spec(self._pipeline), known)

    def load(
        self, name: str, size: Size | None = None, precision: Precision | None = None, calibrated: str | None = None
    ) -> None:
        """Nothing is loaded."""

    def tail(self, name: str, behind: int) -> Tail:
        """No frame of a replay has crossed a link."""
        raise NotImplementedError

    def embedder(self, name: str) -> Embedder:
        if self._library is None:
            paths = [Path(path) for path in self._pipeline.search_paths]
            self._library = Library(self._pipeline.models, self._pipeline.classes, paths, threads=1)
        return self._library.embedder(name)


class _RecordedDetector:
    """Says of each frame what its model said of it."""

    def __init__(self, models: _Recorded, variant: Variant, spec: ModelSpec, known: Look | None) -> None:
        self.spec = spec
        self._models = models
        self._variant = variant
        self._known = known
        if known is not None:
            series = known.predictions.series
            self._boxes, self._names = series.boxes, np.array(series.classes)
            least = known.predictions.thresholds
            self._least = np.array([least.get(name, 0.0) for name in series.classes], np.float32)

    def detect(self, images: Sequence[Image], floor: float | None = None) -> list[sv.Detections]:
        """See `Detector.detect`; of whole pictures, one at a time."""
        import supervision as sv

        before = time.thread_time_ns()
        if self._known is None or len(images) != 1:
            self._models.lacks = (
                f"{self._variant} was asked, and has not looked at this footage"
                if self._known is None
                else "parts of pictures were looked at, of which nothing is recorded"
            )
            raise ConfigError(self._models.lacks)
        boxes, frame = self._boxes, self._models.frame
        rows = np.arange(*np.searchsorted(boxes.frame, [frame, frame + 1]))
        label = boxes.label[rows]
        keep = boxes.score[rows] >= (self._least[label] if floor is None else floor)
        rows, label = rows[keep], label[keep]
        found = sv.Detections(
            xyxy=boxes.xyxy[rows].copy(),
            confidence=boxes.score[rows].copy(),
            class_id=label.astype(int),
            data={"class_name": self._names[label]},
        )
        self._models.looks[self._variant] += 1
        self._models.spent_ns += time.thread_time_ns() - before
        return [found]

    def keep_sure(self, detections: sv.Detections) -> sv.Detections:
        """See `Detector.keep_sure`."""
        if not len(detections):
            return detections
        sure = np.asarray(detections.confidence) >= self._least[np.asarray(detections.class_id)]
        return detections[sure]  # type: ignore[return-value]

    def margins(self, detections: sv.Detections) -> NDArray[np.float64]:
        """See `Detector.margins`."""
        if not len(detections):
            return np.zeros(0)
        least = self._least[np.asarray(detections.class_id)]
        margins: NDArray[np.float64] = np.abs(np.asarray(detections.confidence, np.float64) - least)
        return margins


def _under(stage: PlacedStage, pipeline: Pipeline, stream: str, settings: Settings) -> PlacedStage:
    """A stage under the settings that its stream has, changed by these."""
    own: StageConfig = pipeline.streams[stream].configs.get(stage.id, stage.config)
    changed = settings.get(stage.id)
    return replace(stage, config=with_values(own, changed) if changed else own)


def _rows(answer: Answer) -> NDArray[np.float64]:
    """Boxes of an answer as [n, 7]: xyxy, score, class, identity (-1: none)."""
    found = answer.detections
    if not len(found):
        return np.zeros((0, 7))
    score = np.ones(len(found)) if found.confidence is None else found.confidence
    track = np.full(len(found), -1) if found.tracker_id is None else found.tracker_id
    return np.column_stack([found.xyxy, score, np.asarray(found.class_id), track]).astype(np.float64)
