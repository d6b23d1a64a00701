"""Scenes to learn: real clips, generated streets, and hours that are made of either, with what models say of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.footage import ASSETS
from benchmarks.learner.net import Rows, shrunk
from vidpipe.accuracy.series import Boxes, Series
from vidpipe.core.frame import Frame, Image
from vidpipe.core.settings import Knobs
from vidpipe.models.base import Classes, Detector, ModelSpec
from vidpipe.models.load import load_detector
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.open import open_source
from vidpipe.testing.scene import Scene, SceneSpec

OTHERS = (
    *("city_junction", "TUD-Stadtmitte", "road_from_above", "crowd_colonnade", "junction", "autostrada_sparse"),
    *("autostrada_wet", "autostrada_far", "store_retail02", "reception_lobby"),
)
"""Clips that the weights at the beginning come from, with two generated streets."""
CLASSES = Classes({"person": ["person"], "vehicle": ["vehicle"], "bike": ["bike"]})
BIG, LITTLE = ("person-vehicle-bike-detection-2003.xml", 0.3), ("person-vehicle-bike-detection-2001.xml", 0.4)
LOOKS_A_S = 2.5  # of the big model, that teach
_UNSURE = 0.05  # least score of a look that is kept


class Watched(NamedTuple):
    """A scene with what both models say of it.

    Attributes:
        pictures: uint8 [n, h, w, 3], at the size of the learner's input.
        pts: float64 [n], media seconds.
        big, little: boxes of each picture, in pixels of the source.
        size: (width, height) of the source.
        teaching: which pictures a look of the big model may teach at, bool [n].
    """

    name: str
    pictures: NDArray[np.uint8]
    pts: NDArray[np.float64]
    big: Sequence[Rows]
    little: Sequence[Rows]
    size: tuple[int, int]
    teaching: NDArray[np.bool_]

    def part(self, begin: int, end: int) -> Watched:
        """These pictures of it."""
        here = slice(begin, end)
        return self._replace(
            pictures=self.pictures[here],
            pts=self.pts[here],
            big=self.big[here],
            little=self.little[here],
            teaching=self.teaching[here],
        )

    def series(self, rows: Sequence[Rows], least: NDArray[np.float64]) -> Series:
        """Boxes of each picture that reach their class's threshold."""
        frame = np.repeat(np.arange(len(rows)), [len(each) for each in rows])
        table = np.concatenate([np.zeros((0, 6), np.float32), *rows])
        boxes = Boxes.of(frame, table[:, :4], score=table[:, 4], label=table[:, 5])
        sure = boxes.score >= least[boxes.label]
        known = np.ones(len(rows), bool)
        return Series(tuple(CLASSES.names), *self.size, self.pts, known, boxes[sure])


def of_pictures(
    name: str, pictures: Iterable[tuple[float, Image]], teach_s: float, detectors: Sequence[Detector]
) -> Watched:
    """A scene of pictures and their media seconds, with looks of big and little at each of them.

    Args:
        teach_s: media seconds between looks that teach.
    """
    small, pts, looks, size = [], [], ([], []), (0, 0)
    for when, picture in pictures:
        size = picture.shape[1], picture.shape[0]
        small.append(shrunk(picture))
        pts.append(when)
        for kept, detector in zip(looks, detectors, strict=True):
            (found,) = detector.detect([picture], _UNSURE)
            columns = (found.xyxy, np.asarray(found.confidence), np.asarray(found.class_id))
            kept.append(np.column_stack(columns).astype(np.float32))
    at = np.array(pts)
    teaching = np.diff(np.floor((at - at[0]) / teach_s + 1e-6), prepend=-1) > 0
    return Watched(name, np.stack(small), at, *looks, size, teaching)


def kept(path: Path, make: Callable[[], Watched]) -> Watched:
    """A scene from a file, or made now and put there."""
    if not path.is_file():
        scene = make()
        tables = {
            who: np.concatenate([np.insert(rows, 0, number, axis=1) for number, rows in enumerate(looks)])
            for who, looks in (("big", scene.big), ("little", scene.little))
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, pictures=scene.pictures, pts=scene.pts, size=scene.size, teaching=scene.teaching, **tables)
    with np.load(path) as file:
        pictures, size = file["pictures"], file["size"].tolist()
        looks = [_by_picture(file[who], len(pictures)) for who in ("big", "little")]
        return Watched(path.stem, pictures, file["pts"], *looks, (size[0], size[1]), file["teaching"])


def _by_picture(table: NDArray[np.float32], pictures: int) -> list[Rows]:
    return [rows[:, 1:] for rows in np.split(table, np.searchsorted(table[:, 0], np.arange(1, pictures)))]


def models() -> tuple[Detector, Detector]:
    """Big and little, with one thread."""
    big, little = (
        load_detector(ModelSpec(path=path, threshold=least), CLASSES, search_paths=[ASSETS / "models"], threads=1)
        for path, least in (BIG, LITTLE)
    )
    return big, little


def clip_of(name: str) -> Path:
    """A real clip by its name without ending."""
    return next(path for path in sorted((ASSETS / "videos").iterdir()) if path.stem == name)


def pictures_of(name: str, a_s: float = np.inf) -> Iterator[tuple[float, Image]]:
    """So many pictures a second of a real clip, with their media seconds; valid until the next one."""
    due = -np.inf
    with closing(open_source(name, StreamSpec(url=str(clip_of(name))), knobs=Knobs())) as source:
        for picture in source:
            if isinstance(picture, Frame) and picture.pts >= due - 1e-3:
                due = picture.pts + 1 / a_s
                yield picture.pts, picture.bgr()


def street(seed: int, seconds: float, a_s: float, arrivals: float = 20.0) -> Iterator[tuple[float, Image]]:
    """So many pictures a second of a generated street whose light drifts."""
    spec = SceneSpec(
        width=640, height=480, fps=a_s, duration_s=seconds, seed=seed, light_drift=0.15, arrivals_per_minute=arrivals
    )
    for number, (picture, _) in enumerate(Scene(spec)):
        yield number / a_s, picture


def looped(name: str, hours: float, a_s: float, part: tuple[float, float], seed: int) -> Iterator[tuple[float, Image]]:
    """Pictures of a part of a clip over and over: each time from another moment, each other time backwards, in other
    light, with noise of its own.

    Args:
        part: from and to, shares of the clip.
    """
    pictures = [picture.copy() for _, picture in pictures_of(name, 10.0)]
    pictures = pictures[round(part[0] * len(pictures)) : round(part[1] * len(pictures))]
    rng = np.random.default_rng(seed)
    step, number = 10.0 / a_s, 0
    while number < hours * 3600 * a_s:
        gain, gamma = rng.uniform(0.75, 1.15), rng.uniform(0.75, 1.4)
        tone = np.clip(255 * gain * (np.arange(256) / 255) ** gamma, 0, 255)
        at = np.arange(rng.uniform(0, step), len(pictures), step).astype(int)
        for one in at[:: rng.choice((-1, 1))]:
            picture = tone[pictures[one]] + rng.normal(0, 3, pictures[one].shape)
            yield number / a_s, picture.clip(0, 255).astype(np.uint8)
            number += 1


def others(folder: Path, detectors: Sequence[Detector]) -> list[Watched]:
    """The clips that are not reported, and two streets, kept in the folder."""
    makes = {name: partial(pictures_of, name, LOOKS_A_S) for name in OTHERS}
    makes |= {f"street{seed}": partial(street, seed, 60.0, 1.0, 30.0) for seed in (101, 102)}
    return [
        kept(folder / f"{name}.npz", lambda name=name, make=make: of_pictures(name, make(), 0.1, detectors))
        for name, make in makes.items()
    ]
