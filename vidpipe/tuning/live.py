"""Watching a camera to learn from it: it comes once, so looks and previews are taken together."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from vidpipe.accuracy.reference.predictions import FramePrediction, series_of
from vidpipe.accuracy.series import Series
from vidpipe.core.errors import ConfigError
from vidpipe.core.frame import Frame, Image, Missing
from vidpipe.core.settings import Knobs
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.load import load_detector
from vidpipe.models.meter import Meter
from vidpipe.sources.base import LiveSource, StreamSpec
from vidpipe.sources.open import open_source
from vidpipe.sources.view import View
from vidpipe.stages.gate.examples import Collector
from vidpipe.tuning.footage import Footage, Walker

MOST_FRAMES = 20_000  # previews of 20 kB that are held until the watch is over
FIRST_S = 30.0  # until a camera must have shown itself: somebody sits and waits, as nobody does for a run
_TICK_S = 0.5


@dataclass(slots=True)
class Watched:
    """What a camera has shown.

    Attributes:
        truth: the big model's boxes; not `known` are pictures that came while it was looking.
        size: (width, height) in pixels.
        look_ms: CPU of a look.
    """

    truth: Series
    size: tuple[int, int]
    look_ms: float
    _previews: list[Image | None] = field(default_factory=list)
    _hidden: NDArray[np.bool_] | None = None
    _preview_ns: int = 0

    def footage(self, refresh: int) -> Footage:
        """The same as a walk through a recording gives; what decoding costs a camera's own thread is not known."""
        walker = Walker(self.truth, refresh)
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
    """Look at what comes, for so many seconds; a camera that falls silent meanwhile has shown what it has shown.

    Args:
        examples: gets every frame that was looked at.

    Raises:
        ConfigError: the camera or the model cannot be opened, or no picture comes within `FIRST_S`.
    """
    detector = load_detector(model, classes, search_paths=search_paths, threads=os.cpu_count())
    view = View.of(stream)
    meter = Meter()
    predictions: list[FramePrediction] = []
    previews: list[Image | None] = []
    hidden = None
    preview_ns = 0
    source = cast("LiveSource", open_source(name, stream, knobs=Knobs()))
    with closing(source):
        for picture in _arriving(source, for_s):
            if isinstance(picture, Missing):
                predictions.append(FramePrediction.missed(picture))
                previews.append(None)
            else:
                before = time.thread_time_ns()
                previews.append(picture.keep(picture.preview()))
                preview_ns += time.thread_time_ns() - before
                hidden = picture.hidden
                with meter.measure(1):
                    (found,) = detector.detect([picture.bgr()])
                if view is not None:
                    found = view.without_hidden(found, picture.width, picture.height)
                predictions.append(FramePrediction.of(picture, found))
                examples.add(picture, found)
            progress(1)
            if picture.pts - predictions[0].pts >= for_s or len(predictions) >= MOST_FRAMES:
                break
    if not predictions:
        why = "; ".join(source.notes) or "no picture came"
        raise ConfigError(f"stream {name}: {why}, for {FIRST_S:g} s (`vidpipe probe` looks at a camera)")
    width, height = source.info.width, source.info.height
    count, _, cpu_ns = meter.snapshot()
    each_ns = preview_ns // max(1, count)
    series = series_of(predictions, detector.traits.names, width, height)
    return Watched(series, (width, height), cpu_ns / max(1, count) / 1e6, previews, hidden, each_ns)


def _arriving(source: LiveSource, for_s: float) -> Iterator[Frame | Missing]:
    """The pictures of so many seconds by our own clock; none where the first one does not come in time."""
    until = time.monotonic() + FIRST_S
    seen = False
    for picture in source.arrivals(lambda: time.monotonic() + _TICK_S):
        now = time.monotonic()
        if picture is not None and not seen:
            seen, until = True, now + for_s
        if now >= until:
            return
        if picture is not None:
            yield picture
