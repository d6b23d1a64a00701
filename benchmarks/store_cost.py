"""What a store costs the pipeline that writes it, at a thousand events a second: `python -m benchmarks.store_cost`.

Ten cameras of ten pictures a second, ten events at each result. A picture costs 4 ms (a blur, for a tracker), so that
the run takes some 40 % of a core without a store. Runs with and without one take turns; figures are medians.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

import cv2
import numpy as np

from vidpipe import Answer, How, PictureSource, Shot, Stage, Transform, nothing
from vidpipe.core.frame import Frame
from vidpipe.pipeline.yaml.build import Pipeline
from vidpipe.results.store.queries import Store
from vidpipe.results.store.sink import StoreConfig, StoreSink
from vidpipe.runtime.driver.run import run
from vidpipe.transforms.base import Moment

CAMERAS, FPS, EVENTS = 10, 10, 10
SECONDS, TURNS = 12, 3
_CPU: dict[str, float] = {}  # seconds of the thread that publishes a stream, by stream


class Camera(PictureSource):
    """Pictures at their own pace."""

    live = True

    def pictures(self) -> Iterator[Shot]:
        picture = np.random.default_rng(0).integers(0, 255, (360, 640, 3), dtype=np.uint8)
        began = time.monotonic()
        for number in range(SECONDS * FPS):
            time.sleep(max(0.0, began + number / FPS - time.monotonic()))
            yield Shot(number / FPS, picture, time.time())


class Blurs(Stage):
    """Takes as long as a tracker does."""

    def answer(self, frames: list[Frame]) -> list[Answer]:
        cv2.medianBlur(frames[0].bgr(), 7)
        return [Answer(nothing(), How.MEASURED, self.id, frames[0].seq)]


class Tells(Transform):
    """Ten events at each result; notes what its thread, which publishes, has taken so far."""

    def apply(self, frame: Frame | None, answer: Answer, moment: Moment) -> None:
        for number in range(EVENTS):
            self.emit("zone.enter", moment, zone=f"z{number % 4}", track_id=moment.seq, miss_rate=None)
        _CPU[moment.stream] = time.thread_time()


class Took(NamedTuple):
    """What a run took: CPU seconds of all and of the threads that publish, and the median age of a result in ms."""

    all_s: float
    publishing_s: float
    latency_ms: float


def cost() -> None:
    """Print what a run takes with and without a store."""
    without, with_ = [], []
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(TURNS):
            without.append(_took(None))
            with_.append(_took(Path(folder, f"{turn}.db")))
    for name in Took._fields:
        before, now = (median(getattr(each, name) for each in runs) for runs in (without, with_))
        pairs = [getattr(b, name) / getattr(a, name) - 1 for a, b in zip(without, with_, strict=True)]
        print(f"{name}: {before:.2f} without, {now:.2f} with a store: {100 * median(pairs):+.1f} %")  # noqa: T201
    each_us = 1e6 * (median(w.all_s for w in with_) - median(w.all_s for w in without)) / _count()
    print(f"{_count() / SECONDS:.0f} events a second, {each_us:.0f} us of CPU an event")  # noqa: T201


def _count() -> int:
    return CAMERAS * FPS * EVENTS * SECONDS


def _took(store: Path | None) -> Took:
    pipeline = Pipeline(
        [{"id": "blurs", "type": Blurs}],
        classes={"person": "person"},
        transforms=[{"id": "tells", "type": Tells}],
        streams={f"c{number}": "benchmarks.store_cost:Camera" for number in range(CAMERAS)},
    )
    sinks = [] if store is None else [StoreSink(StoreConfig(path=str(store)))]
    _CPU.clear()
    began = time.process_time()
    outcome = run(pipeline, engine="inline", sinks=sinks)
    took = time.process_time() - began
    assert not outcome.errors, outcome.errors
    if store is not None:
        with Store(store) as kept:
            found = sum(row["events"] for row in kept.event_counts())
        assert found == _count(), f"{found} events of {_count()} are stored"
    return Took(took, sum(_CPU.values()), outcome.report["latency_ms"]["p50"])


if __name__ == "__main__":
    from benchmarks import store_cost  # whose classes the pipeline names

    store_cost.cost()
