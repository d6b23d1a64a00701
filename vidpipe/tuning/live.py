"""Watching a camera to learn from it: it comes once, so looks and previews are taken together."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidpipe.evaluation.reference.looks import Look, series_of
from vidpipe.evaluation.series import Series
from vidpipe.frame import Image, Missing
from vidpipe.knobs import Knobs
from vidpipe.learning.examples import Collector
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.load import load_detector
from vidpipe.models.meter import Meter
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.open import open_source
from vidpipe.tuning.footage import Footage, Walker

MOST_FRAMES = 20_000  # previews of 20 kB that are held until the watch is over


@dataclass(slots=True)
class Watched:
    """What a camera has shown.

    Attributes:
        wanted: the big model's boxes; not `known` are pictures that came while it was looking.
        size: (width, height) in pixels.
        look_ms: CPU of a look.
    """

    wanted: Series
    size: tuple[int, int]
    look_ms: float
    _previews: list[Image | None] = field(default_factory=list)
    _hidden: NDArray[np.bool_] | None = None
    _preview_ns: int = 0

    def footage(self, refresh: int) -> Footage:
        """The same as a walk through a recording gives; what decoding costs a camera's own thread is not known."""
        walker = Walker(self.wanted, refresh)
        for preview in self._previews:
            walker.see(preview, self._hidden, 0, self._preview_ns)
        return walker.footage(self.size)


def watch(
    stream: StreamSpec,
    name: str,
    model: ModelSpec,
    classes: Classes,
    search_paths: Sequence[Path],
    for_s: float,
    examples: Collector,
    progress: Callable[[int], None],
) -> Watched:
    """Look at what comes, for so many seconds of media time.

    Args:
        examples: gets every frame that was looked at.

    Raises:
        ConfigError: the camera or the model cannot be opened.
    """
    detector = load_detector(model, classes, search_paths=search_paths, threads=os.cpu_count())
    meter = Meter()
    looks: list[Look] = []
    previews: list[Image | None] = []
    hidden = None
    preview_ns = 0
    source = open_source(name, stream, knobs=Knobs())
    with closing(source):
        for picture in source:
            if isinstance(picture, Missing):
                looks.append(Look.missed(picture))
                previews.append(None)
            else:
                before = time.thread_time_ns()
                previews.append(picture.keep(picture.preview()))
                preview_ns += time.thread_time_ns() - before
                hidden = picture.hidden
                with meter.measure(1):
                    (found,) = detector.detect([picture.bgr()])
                score, label = np.asarray(found.confidence, np.float32), np.asarray(found.class_id, np.int64)
                looks.append(Look(picture.seq, picture.pts, True, found.xyxy.astype(np.float32), score, label))
                examples.add(picture, found)
            progress(1)
            if picture.pts - looks[0].pts >= for_s or len(looks) >= MOST_FRAMES:
                break
    width, height = source.info.width, source.info.height
    count, _, cpu_ns = meter.snapshot()
    each_ns = preview_ns // max(1, count)
    series = series_of(looks, detector.traits.names, width, height)
    return Watched(series, (width, height), cpu_ns / max(1, count) / 1e6, previews, hidden, each_ns)
