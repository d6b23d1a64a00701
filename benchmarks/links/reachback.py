"""`python -m benchmarks links reachback`: what asking again for pictures that a filter had answered would bring.

After a look below a link that differs from the one before it, pictures between the two are asked by bisection (Wang
et al., SEC 2018, ask for suppressed frames around a hit), as far back as a ring of the last seconds reaches. A stage
runs as it is, with recorded looks of 2001, or with the exact truth of a generated scene, in place of a model. It is not
part of a run: this says what it would be worth.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
import supervision as sv

from benchmarks.footage import ASSETS
from benchmarks.links.quality import CLASSES
from vidpipe.accuracy.figures import PresenceScore
from vidpipe.accuracy.reference.predictions import FramePrediction, series_of
from vidpipe.accuracy.scores.presence import presence
from vidpipe.accuracy.series import Series
from vidpipe.cascade.audit import AuditSpec
from vidpipe.cascade.cascade import Cascade, Ticket
from vidpipe.cascade.runner import StageRunner
from vidpipe.cascade.stage import Context, Models, Stage
from vidpipe.core.answer import Answer, How
from vidpipe.core.frame import Frame
from vidpipe.core.picture import BgrPicture
from vidpipe.core.settings import Knobs, StageConfig
from vidpipe.models.base import ModelSpec
from vidpipe.models.load import load_detector
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.open import open_source
from vidpipe.stages.difference.difference import Difference, DifferenceConfig
from vidpipe.stages.sample import Sample, SampleConfig
from vidpipe.stages.track.track import Track, TrackConfig
from vidpipe.testing.scene import COUNTS_FROM, Scene, SceneSpec

CLIPS = ("street_parked_cars.mp4", "car-detection.mp4", "reception_lobby.mp4")
SCENES = (1, 2)  # seeds
MODEL = ModelSpec(path="person-vehicle-bike-detection-2001.xml", threshold=0.4, threads=1)
RING_S = 5.0
FILTERS: dict[str, tuple[type[Stage[Any]], StageConfig]] = {
    **{f"difference {limit}": (Difference, DifferenceConfig(threshold=limit)) for limit in (30, 120, 300)},
    **{f"track, looks every {wait} s": (Track, TrackConfig(refresh_s=wait)) for wait in (0.5, 1.0, 2.0)},
    **{f"sample, {fps} a second": (Sample, SampleConfig(fps=fps)) for fps in (2, 1, 0.5)},
}
HEAD = """Presence of classes in the picture against looks at every one: F1 of passages that begin and end within a
second, and of frames. Looks: of all pictures. Asked: pictures that are asked in addition, within {ring:g} s before a
look, by bisection: where a class begins, or where one begins or ends.
"""

Present = frozenset[int]
"""The classes that are in a picture."""


class Ran(NamedTuple):
    """What was published of each picture, and which were looked at."""

    said: list[Present]
    looks: list[int]


class _Recorded(Stage[StageConfig]):
    """Says what is in each picture."""

    def __init__(self, wanted: Sequence[Present]) -> None:
        self._wanted = wanted

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        return [Answer(_boxes(self._wanted[frame.seq], frame), How.MEASURED, self.id, frame.seq) for frame in frames]


def report(names: Sequence[str], folder: Path) -> Iterator[str]:
    """The section of the page, line by line; of these clips, or all and generated scenes."""
    cv2.setNumThreads(1)
    yield HEAD.format(ring=RING_S)
    yield "| clip | filter | looks | F1, frames | begins: asked, F1, frames | both: asked, F1, frames |"
    yield "|---|---|---:|---:|---:|---:|"
    for name in [Path(clip).stem for clip in CLIPS] + [f"scene {seed}" for seed in SCENES]:
        if not names or name in names:
            wanted, pts = _wanted(name)
            for title, (kind, config) in FILTERS.items():
                ran = run(name, kind, config, wanted)
                begins, both = (reach_back(ran, pts, wanted, ends=ends) for ends in (False, True))
                cells = [
                    _cell(ran.said, wanted, pts),
                    *(f"{asked}, {_cell(said, wanted, pts)}" for said, asked in (begins, both)),
                ]
                yield f"| {name} | {title} | {len(ran.looks)} of {len(pts)} | {' | '.join(cells)} |"


def reach_back(ran: Ran, pts: Sequence[float], wanted: Sequence[Present], *, ends: bool) -> tuple[list[Present], int]:
    """What is known then of each picture, and how many were asked.

    Args:
        wanted: what a look at each says.
        ends: also where what was there is there no more.
    """
    said, asked = [set(each) for each in ran.said], 0
    for before, look in zip(ran.looks, ran.looks[1:], strict=False):
        known: set[int] = set()
        for label in wanted[before] ^ wanted[look]:
            is_there = label in wanted[look]
            if not is_there and not ends:
                continue
            low, high = before, look
            while low + 1 < high and pts[look] - pts[low + 1] > RING_S:
                low += 1
            while high - low > 1:
                middle = (low + high) // 2
                known.add(middle)
                low, high = (low, middle) if (label in wanted[middle]) == is_there else (middle, high)
            for number in range(high, look):
                (said[number].add if is_there else said[number].discard)(label)
        asked += len(known)
    return [frozenset(each) for each in said], asked


def run(name: str, kind: type[Stage[Any]], config: StageConfig, wanted: Sequence[Present]) -> Ran:
    """A stage in front of looks that are known."""
    recorded = _Recorded(wanted)
    recorded.id = "big"

    def opened(_: str | None) -> Stage[Any]:
        stage = kind()
        stage.id, stage.config = "filter", config
        stage.open(Context("filter", name, cast("Models", None), CLASSES.names, last=False))  # it asks for no model
        return stage

    runners = [
        StageRunner("filter", False, False, opened, CLASSES.names),
        StageRunner("big", False, True, lambda _: recorded, CLASSES.names),
    ]
    cascade = Cascade(runners, AuditSpec(rate=0, max_unchecked_s=None), last="big")
    cascade.open([name])
    ran = Ran([], [])
    for number, frame in enumerate(_frames(name)):
        frame.seq, frame.knobs = number, Knobs(0, {"filter": config, "big": StageConfig()})
        ticket = Ticket(frame)
        cascade.ask([ticket])
        answer = cascade.complete(ticket).answer
        ran.said.append(frozenset(np.asarray(answer.detections.class_id, int).tolist()))
        if answer.by == "big" and answer.as_of == number:
            ran.looks.append(number)
    cascade.close()
    return ran


def _wanted(name: str) -> tuple[list[Present], list[float]]:
    """What is in each picture, and its time."""
    if name.startswith("scene"):
        counted = ([box.kind for box in boxes if box.visibility >= COUNTS_FROM] for _, boxes in _scene(name))
        drawn = [frozenset(CLASSES.names.index(kind) for kind in kinds) for kinds in counted]
        return drawn, [frame.pts for frame in _frames(name)]
    detector = load_detector(MODEL, CLASSES, search_paths=[ASSETS / "models"])
    looks, pts = [], []
    for frame in _frames(name):
        (found,) = detector.detect([frame.bgr()])
        looks.append(frozenset(np.asarray(found.class_id, int).tolist()))
        pts.append(frame.pts)
    return looks, pts


def _frames(name: str) -> Iterator[Frame]:
    if name.startswith("scene"):
        for number, (picture, _) in enumerate(_scene(name)):
            height, width = picture.shape[:2]
            yield Frame(name, number, number / 10, BgrPicture(picture), width, height)
        return
    (path,) = (ASSETS / "videos" / clip for clip in CLIPS if Path(clip).stem == name)
    with closing(open_source(name, StreamSpec(url=str(path)), knobs=Knobs())) as source:
        yield from (picture for picture in source if isinstance(picture, Frame))


def _scene(name: str) -> Scene:
    seed = int(name.rpartition(" ")[2])
    return Scene(SceneSpec(width=640, height=360, duration_s=90, seed=seed, quiet_share=0.6, arrivals_per_minute=10))


def _boxes(present: Present, frame: Frame) -> sv.Detections:
    """A box in the middle for each class: where things are is nothing to presence."""
    labels = np.array(sorted(present), int)
    corners = np.array([frame.width / 4, frame.height / 4, frame.width * 3 / 4, frame.height * 3 / 4], np.float32)
    boxes = np.tile(corners, (len(labels), 1))
    names = np.array(CLASSES.names)[labels] if len(labels) else np.zeros(0, str)
    return sv.Detections(
        boxes, confidence=np.ones(len(labels), np.float32), class_id=labels, data={"class_name": names}
    )


def _cell(said: Sequence[Present], wanted: Sequence[Present], pts: Sequence[float]) -> str:
    score = _presence(said, wanted, pts)
    same = 2 * sum(len(one & other) for one, other in zip(said, wanted, strict=True))
    frames = same / max(1, sum(map(len, said)) + sum(map(len, wanted)))
    return f"{score.f1 or 0.0:.3f}, {frames:.3f}"


def _presence(said: Sequence[Present], wanted: Sequence[Present], pts: Sequence[float]) -> PresenceScore:
    return presence(_series(said, pts), _series(wanted, pts), {})[0]


def _series(present: Sequence[Present], pts: Sequence[float]) -> Series:
    rows = (np.array([[1, 1, 9, 9, 1, label] for label in sorted(each)], np.float32).reshape(-1, 6) for each in present)
    predictions = [FramePrediction(seq, at, boxes) for seq, (at, boxes) in enumerate(zip(pts, rows, strict=True))]
    return series_of(predictions, CLASSES.names, 100, 100)
