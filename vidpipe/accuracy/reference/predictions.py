"""Looking at every frame of a stream with one model: how references are made, and what profiles are read from."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.accuracy.series import Boxes, Series
from vidpipe.core.frame import Frame, Missing
from vidpipe.core.settings import Knobs
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.detectors.detector import Traits
from vidpipe.models.load import load_detector
from vidpipe.models.meter import Meter
from vidpipe.sources.base import Resume, Source, StreamSpec
from vidpipe.sources.open import open_source
from vidpipe.sources.view import View

if TYPE_CHECKING:
    import supervision as sv

FLOOR = 0.05
"""Scores from here on are kept: average precision needs the unsure boxes."""


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What one model says of every frame.

    Attributes:
        series: boxes from `FLOOR` on; not `known` are pictures that could not be decoded.
        thresholds: the model's own, by class.
        size: (height, width) of the network's input in pixels.
        wall_ms, cpu_ms: mean of a look, from the decoded picture to its boxes, with the CPU time of the runtime's own
            threads; NaN where no look was made now.
        decode_cpu_ms: mean of decoding a picture; NaN likewise.
        looked: pictures looked at now; the others were known from an earlier time.
    """

    series: Series
    thresholds: Mapping[str, float]
    size: tuple[int, int]
    wall_ms: float
    cpu_ms: float
    decode_cpu_ms: float
    looked: int

    def sure(self) -> Series:
        """The boxes that reach the model's threshold of their class."""
        return self.series.at_least(self.thresholds)


class FramePrediction(NamedTuple):
    """What a model says of one picture, best boxes first.

    Attributes:
        seq, pts: of the picture.
        boxes: float32 [n, 6]: xyxy in pixels of the source, score, class; None: it could not be decoded.
    """

    seq: int
    pts: float
    boxes: NDArray[np.float32] | None

    @classmethod
    def of(cls, frame: Frame, found: sv.Detections) -> FramePrediction:
        columns = (found.xyxy, np.asarray(found.confidence), np.asarray(found.class_id))
        return cls(frame.seq, frame.pts, np.column_stack(columns).astype(np.float32))

    @classmethod
    def missed(cls, missing: Missing) -> FramePrediction:
        return cls(missing.seq, missing.pts, None)


def predict(
    stream: StreamSpec,
    name: str,
    spec: ModelSpec,
    classes: Classes,
    *,
    search_paths: Sequence[Path] = (),
    part: tuple[int, int] | None = None,
    progress: Callable[[int], None],
) -> Predictions:
    """Look at each frame of a stream, its mask and regions honoured as in a run.

    Args:
        name: of the stream, for errors.
        spec: of the model, loaded here.
        classes: of the pipeline; where it lists none, the series has the model's own.
        search_paths: folders in which a relative path is looked for, after the working directory.
        part: frames of this range alone; the series begins with its first.
        progress: is told how many frames more are done.

    Raises:
        ConfigError: the source or the model cannot be opened.
    """
    viewer = Viewer(stream, name, spec, classes, search_paths)
    predictions = []
    for prediction in viewer.predict(part=part):
        predictions.append(prediction)
        progress(1)
    series = series_of(predictions, viewer.traits.names, viewer.width, viewer.height)
    return Predictions(series, viewer.traits.thresholds, viewer.traits.size, *viewer.cost())


class Viewer:
    """A model in front of a stream, both open.

    Attributes:
        traits: of the model.
        width, height: of the stream's pictures in pixels.
    """

    def __init__(
        self,
        stream: StreamSpec,
        name: str,
        spec: ModelSpec,
        classes: Classes,
        search_paths: Sequence[Path] = (),
        resume: Resume | None = None,
    ) -> None:
        """Arguments as of `predict`; `resume`: begin behind this picture. Raises ConfigError."""
        import cv2

        # Threads as in a run, so that costs can be compared.
        cv2.setNumThreads(1)
        self._source = open_source(name, stream.recording, knobs=Knobs(), resume=resume)
        self._detector = load_detector(spec, classes, search_paths=search_paths, threads=os.cpu_count())
        self._view = View.of(stream)
        self._meter = Meter()
        self._decode_ns: list[int] = []
        self.traits: Traits = self._detector.traits
        self.width, self.height = self._source.info.width, self._source.info.height

    def predict(self, part: tuple[int, int] | None = None) -> Generator[FramePrediction]:
        """What the model says of each picture, or of those in this range."""
        with closing(self._source):
            for picture, decode_ns in islice(timed(self._source), *(part or (None,))):
                self._decode_ns.append(decode_ns)
                yield FramePrediction.missed(picture) if isinstance(picture, Missing) else self._predict(picture)

    def cost(self) -> tuple[float, float, float, int]:
        """Mean wall and CPU ms of a look, mean CPU ms of decoding a picture, and how many looks there were."""
        count, wall_ns, cpu_ns = self._meter.snapshot()
        # The first picture of a stretch takes all that lies between the last key frame and it.
        decode_ns = self._decode_ns[1:] or self._decode_ns
        decoding = _mean_ms(sum(decode_ns), len(decode_ns))
        return _mean_ms(wall_ns, count), _mean_ms(cpu_ns, count), decoding, count

    def _predict(self, frame: Frame) -> FramePrediction:
        with self._meter.measure(1):
            (found,) = self._detector.detect([frame.bgr()], FLOOR)
        return FramePrediction.of(
            frame, self._view.without_hidden(found, frame.width, frame.height) if self._view else found
        )


def timed(source: Source) -> Iterator[tuple[Frame | Missing, int]]:
    """Each picture with the CPU nanoseconds that decoding it took."""
    pictures = iter(source)
    while True:
        before = time.thread_time_ns()
        picture = next(pictures, None)
        if picture is None:
            return
        yield picture, time.thread_time_ns() - before


def series_of(predictions: Sequence[FramePrediction], classes: Sequence[str], width: int, height: int) -> Series:
    """Predictions at neighbouring frames as one series; its frame 0 is the first of them."""
    none = np.zeros((0, 6), np.float32)
    by_frame = [none if prediction.boxes is None else prediction.boxes for prediction in predictions]
    rows = np.concatenate([none, *by_frame])
    frame = np.repeat(np.arange(len(by_frame)), [len(boxes) for boxes in by_frame])
    known = np.array([prediction.boxes is not None for prediction in predictions], bool)
    pts = np.array([prediction.pts for prediction in predictions], np.float64)
    boxes = Boxes.of(frame, rows[:, :4], score=rows[:, 4], label=rows[:, 5])
    return Series(tuple(classes), width, height, pts, known, boxes)


def _mean_ms(nanoseconds: int, count: int) -> float:
    return nanoseconds / count / 1e6 if count else math.nan
