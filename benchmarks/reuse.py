"""`python -m benchmarks reuse`: a detector that computes its first layers alone where they say what they said before.

2003 is cut at a thin tensor, a sixth of its multiplications in. While the map there is near that of the last look, the
rest is skipped and the boxes of that look stand. Beside it, the same rule on what the difference detector compares.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.footage import ASSETS
from benchmarks.learner.scenes import BIG, CLASSES, clip_of, models
from vidpipe.accuracy.scores.box_score import count, total
from vidpipe.accuracy.series import Boxes, Series
from vidpipe.core.frame import Frame, Image
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.open import open_source
from vidpipe.stages.difference.blocks import Blocks

CLIPS = ("vtest", "urban_road_overpass", "street_parked_cars", "pedestrian_overpass", "car-detection")
CUT = 7  # convolutions: the last one gives 24 maps at a quarter of the size
FLOOR = 0.9  # mean F1 on the other clips that a threshold is chosen for
THRESHOLDS = {"cut": np.geomspace(1e-3, 30, 33).tolist(), "difference": np.geomspace(1, 2e4, 33).tolist()}
_TIMED = 40
_PICTURES, _A_S = 300, 10.0
_GRID = 10  # blocks a side, of which the worst counts, as with the difference detector

Errors = Callable[[int, int], float]
"""How far two pictures of a clip are from each other."""


class Compared(NamedTuple):
    """A clip: how far its pictures are from each other at the cut and as previews, and what is seen in each."""

    name: str
    ways: dict[str, Errors]
    truth: Series

    def at(self, way: str, threshold: float) -> tuple[float, float]:
        """Share of pictures that are not looked at, and F1."""
        last, source = 0, []
        for picture in range(self.truth.frames):
            if self.ways[way](picture, last) > threshold:
                last = picture
            source.append(last)
        counts = count(self.truth.held(np.array(source)), self.truth)
        return 1 - len(set(source)) / len(source), total(counts).f1 or 0.0


class Cut:
    """2003 with one thread, up to the cut.

    Attributes:
        share: of the CPU time of the whole network, median of runs in turns.
    """

    def __init__(self) -> None:
        import openvino as ov

        whole = ov.Core().read_model(ASSETS / "models" / BIG[0])
        shape = tuple(whole.inputs[0].shape)
        convolutions = [op for op in whole.get_ordered_ops() if op.get_type_name().endswith("Convolution")]
        tensor = convolutions[CUT - 1].output(0)
        first = ov.Model([ov.opset13.result(tensor)], whole.get_parameters(), "cut")
        settings = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"}
        self._size = shape[:1:-1]
        self._request, other = (
            ov.Core().compile_model(model, "CPU", settings).create_infer_request() for model in (first, whole)
        )
        took: tuple[list[float], list[float]] = [], []
        for _ in range(_TIMED):
            for request, into in zip((self._request, other), took, strict=True):
                began = time.process_time()
                request.infer([np.zeros(shape, np.float32)])
                into.append(time.process_time() - began)
        self.share = float(np.median(took[0]) / np.median(took[1]))

    def __call__(self, picture: Image) -> NDArray[np.float32]:
        """The map, float32 [h, w, maps], at half its size."""
        self._request.infer([cv2.resize(picture, self._size).transpose(2, 0, 1)[None].astype(np.float32)])
        maps = self._request.get_output_tensor(0).data[0]
        return cv2.resize(maps.transpose(1, 2, 0), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def compared(name: str, cut: Callable[[Image], NDArray[np.float32]]) -> Compared:
    """Look at the first pictures of a clip."""
    big, _ = models()
    maps, previews, rows, size, due = [], [], [], (0, 0), -np.inf
    with closing(open_source(name, StreamSpec(url=str(clip_of(name))), knobs=Knobs())) as source:
        for picture in source:
            if len(maps) < _PICTURES and isinstance(picture, Frame) and picture.pts >= due - 1e-3:
                due, size = picture.pts + 1 / _A_S, (picture.width, picture.height)
                (found,) = big.detect([picture.bgr()])
                rows.append(np.column_stack([np.full(len(found), len(maps)), found.xyxy, found.class_id]))
                previews.append(picture.preview().copy())
                maps.append(cut(picture.bgr()))
    table, pictures = np.concatenate(rows), len(maps)
    boxes = Boxes.of(table[:, 0], table[:, 1:5], label=table[:, 5])
    truth = Series(tuple(CLASSES.names), *size, np.arange(pictures) / _A_S, np.ones(pictures, bool), boxes)
    return Compared(name, {"cut": worst(maps), "difference": worst([each[..., None] for each in previews])}, truth)


def worst(pictures: Sequence[NDArray]) -> Errors:
    """The mean squared error of the worst block of two of these, [h, w, maps] each."""
    blocks = Blocks(pictures[0].shape[:2], _GRID)

    def error(one: int, other: int) -> float:
        off = pictures[one].astype(np.float32) - pictures[other]
        return float(blocks.mean((off * off).mean(axis=2)).max())

    return error


def chosen(clips: Sequence[Compared], way: str) -> float:
    """The largest threshold that holds the floor on average over clips; the least one where none does."""
    thresholds = THRESHOLDS[way]
    held = [each for each in thresholds if np.mean([clip.at(way, each)[1] for clip in clips]) >= FLOOR]
    return max(held, default=min(thresholds))


def report(names: Sequence[str], _: Path) -> Iterator[str]:
    """The table, line by line."""
    cut = Cut()
    yield f"Up to the cut: {cut.share:.0%} of the CPU time of the network."
    clips = [compared(name, cut) for name in names or CLIPS]
    yield "| clip | cut: skipped | F1 | CPU saved | difference: skipped = saved | F1 | the same at the cut's F1 |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for clip in clips:
        others = [each for each in clips if each is not clip]
        (skipped, f1), (passed, other_f1) = (clip.at(way, chosen(others, way)) for way in THRESHOLDS)
        tried = [clip.at("difference", threshold) for threshold in THRESHOLDS["difference"]]
        same = max((share for share, score in tried if score >= f1), default=0.0)
        saved = skipped * (1 - cut.share)
        yield f"| {clip.name} | {skipped:.0%} | {f1:.3f} | {saved:.0%} | {passed:.0%} | {other_f1:.3f} | {same:.0%} |"
