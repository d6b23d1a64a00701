"""`python -m benchmarks links reachback`: what asking again for pictures that a filter had answered brings, and costs.

A run of the inline engine, with `reachback` and without, with recorded looks of 2001, or with the exact truth of a
generated scene, in place of the last model. What was published is held against these looks as it is, and as its
corrections say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

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
from vidpipe.cascade.reachback import Correction, ReachbackSpec
from vidpipe.cascade.stage import Stage
from vidpipe.core.answer import Answer, How, class_ids
from vidpipe.core.frame import Frame, Missing
from vidpipe.core.settings import Knobs, StageConfig
from vidpipe.models.base import ModelSpec
from vidpipe.models.load import load_detector
from vidpipe.pipeline.spec import Pipeline, PlacedStage, Stream, Tier
from vidpipe.runtime.driver.session import Run
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.open import open_source
from vidpipe.sources.own import PictureSource, Shot
from vidpipe.stages.difference.difference import Difference, DifferenceConfig
from vidpipe.stages.sample import Sample, SampleConfig
from vidpipe.stages.track.track import Track, TrackConfig
from vidpipe.testing.scene import COUNTS_FROM, Scene, SceneSpec

SCENES = (1, 2)  # seeds
MODEL = ModelSpec(path="person-vehicle-bike-detection-2001.xml", threshold=0.4, threads=1)
SPEC = ReachbackSpec()
FILTERS: dict[str, tuple[type[Stage[Any]], StageConfig]] = {
    **{f"difference {limit}": (Difference, DifferenceConfig(threshold=limit)) for limit in (30, 120)},
    "track, looks every 1 s": (Track, TrackConfig(refresh_s=1.0)),
    "sample, 1 a second": (Sample, SampleConfig(fps=1)),
}
HEAD = """Presence of classes in the picture against looks at every one, as published and as corrected: F1 of passages
that begin and end within a second, F1 of frames, and by how many seconds these passages begin late (the median).
Asked: pictures that are looked at in addition. CPU: milliseconds a picture without `reachback`, and with it: decoding,
filter and what is kept; looks are not in it. Clips and filters with which nothing was asked are in the means alone.
"""

Present = frozenset[int]
"""The classes that are in a picture."""


class SceneSource(PictureSource):
    """A generated scene as a recording; the name of the stream has its seed."""

    def pictures(self) -> Iterator[Shot]:
        for number, (picture, _) in enumerate(_scene(self.name)):
            yield Shot(number / 10, picture)


class Score(NamedTuple):
    """How what was said of the pictures of a clip agrees with looks at each; None where that cannot be said.

    Attributes:
        f1: of passages.
        frames: F1 of frames.
        begins_s: by how much the begins of passages that match are late, the median.
    """

    f1: float | None
    frames: float | None
    begins_s: float | None

    def __str__(self) -> str:
        f1, frames = ("-" if each is None else f"{each:.3f}" for each in self[:2])
        return f"{f1}, {frames}, " + ("-" if self.begins_s is None else f"{self.begins_s:.2f}")


class Ran(NamedTuple):
    """What was published of each picture, the same with corrections, and what it took."""

    said: list[Present]
    corrected: list[Present]
    looks: int
    asked: int
    cpu_s: float


class Recorded(Stage[StageConfig]):
    """Says what is in each picture, as was found before."""

    shared = True
    stateless = True
    wanted: ClassVar[Sequence[Present]] = ()

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        return [Answer(_boxes(self.wanted[frame.seq], frame), How.MEASURED, self.id, frame.seq) for frame in frames]


class Row(NamedTuple):
    """What came of a filter on a clip."""

    looks: int
    asked: int
    before: Score
    after: Score
    cpu_ms: tuple[float, float]


def report(names: Sequence[str], folder: Path) -> Iterator[str]:
    """The section of the page, line by line; of these clips, or all and generated scenes."""
    cv2.setNumThreads(1)
    yield HEAD
    yield "| clip | filter | looks | asked | F1, frames, begins | corrected | CPU |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    clips = sorted(path.stem for path in (ASSETS / "videos").iterdir())
    rows: dict[str, list[Row]] = {title: [] for title in FILTERS}
    for name in [*clips, *(f"scene {seed}" for seed in SCENES)]:
        if not names or name in names:
            wanted, pts = _wanted(name)
            for title, (kind, config) in FILTERS.items():
                without, ran = (run(name, kind, config, wanted, back) for back in (None, SPEC))
                before, after = (score_of(said, wanted, pts) for said in (ran.said, ran.corrected))
                cpu_ms = 1000 * without.cpu_s / len(pts), 1000 * ran.cpu_s / len(pts)
                rows[title].append(row := Row(ran.looks, ran.asked, before, after, cpu_ms))
                if row.asked:
                    yield f"| {name} | {title} | {ran.looks} of {len(pts)} {_cells(row)}"
    for title, of in rows.items():
        total = Row(
            sum(row.looks for row in of),
            sum(row.asked for row in of),
            _mean([row.before for row in of]),
            _mean([row.after for row in of]),
            (float(np.mean([row.cpu_ms[0] for row in of])), float(np.mean([row.cpu_ms[1] for row in of]))),
        )
        yield f"| all {len(of)} | {title} | {total.looks} {_cells(total)}"


def _cells(row: Row) -> str:
    return f"| {row.asked} | {row.before} | {row.after} | {row.cpu_ms[0]:.2f}, {row.cpu_ms[1]:.2f} |"


def _mean(scores: Sequence[Score]) -> Score:
    known = [[value for each in scores if (value := each[place]) is not None] for place in range(len(Score._fields))]
    return Score(*(float(np.mean(each)) if each else None for each in known))


def run(
    name: str, kind: type[Stage[Any]], config: StageConfig, wanted: Sequence[Present], back: ReachbackSpec | None
) -> Ran:
    """A filter in front of looks that are known."""
    Recorded.wanted = wanted
    pipeline = Pipeline(
        "reachback",
        CLASSES,
        {},
        (PlacedStage("filter", kind, config), PlacedStage("big", Recorded, StageConfig(), Tier.CLOUD)),
        {name: Stream(_spec(name))},
        audit=AuditSpec(rate=0, max_unchecked_s=None),
        reachback=back,
    )
    ran = Ran([], [], 0, 0, 0.0)
    corrections: list[Correction] = []
    with Run(pipeline, engine="inline") as begun:
        for result in begun:
            ran.said.append(class_ids(result.answer))
            corrections += result.corrections
        report = begun.join().report
    ledger = report["streams"][name]
    corrected = [set(said) for said in ran.said]
    for each in corrections:
        label = CLASSES.names.index(each.name)
        for said in corrected[each.seq : each.look]:
            (said.add if each.appeared else said.discard)(label)
    asked = ledger.get("reachback", {}).get("asked", 0)
    looks = report["stages"]["big"]["asked"] - asked
    return ran._replace(corrected=list(map(frozenset, corrected)), looks=looks, asked=asked, cpu_s=report["cpu_s"])


def _wanted(name: str) -> tuple[list[Present], list[float]]:
    """What is in each picture, and its time."""
    if name.startswith("scene"):
        counted = ([box.kind for box in boxes if box.visibility >= COUNTS_FROM] for _, boxes in _scene(name))
        drawn = [frozenset(CLASSES.names.index(kind) for kind in kinds) for kinds in counted]
        return drawn, [frame.pts for frame in _frames(name)]
    detector = load_detector(MODEL, CLASSES, search_paths=[ASSETS / "models"])
    looks, pts = [], []
    for frame in _frames(name):
        if isinstance(frame, Frame):
            (found,) = detector.detect([frame.bgr()])
        looks.append(frozenset(np.asarray(found.class_id, int).tolist()))  # of a damaged one what was before it
        pts.append(frame.pts)
    return looks, pts


def _frames(name: str) -> Iterator[Frame | Missing]:
    with closing(open_source(name, _spec(name), knobs=Knobs())) as source:
        yield from source


def _spec(name: str) -> StreamSpec:
    if name.startswith("scene"):
        return StreamSpec(url=f"{__name__}:SceneSource")
    (path,) = (path for path in (ASSETS / "videos").iterdir() if path.stem == name)
    return StreamSpec(url=str(path))


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


def score_of(said: Sequence[Present], wanted: Sequence[Present], pts: Sequence[float]) -> Score:
    """The score of what was said, against what is there."""
    score = _presence(said, wanted, pts)
    same = 2 * sum(len(one & other) for one, other in zip(said, wanted, strict=True))
    boxes = sum(map(len, said)) + sum(map(len, wanted))
    return Score(score.f1, same / boxes if boxes else None, score.begin_delay_s)


def _presence(said: Sequence[Present], wanted: Sequence[Present], pts: Sequence[float]) -> PresenceScore:
    return presence(_series(said, pts), _series(wanted, pts), {})[0]


def _series(present: Sequence[Present], pts: Sequence[float]) -> Series:
    rows = (np.array([[1, 1, 9, 9, 1, label] for label in sorted(each)], np.float32).reshape(-1, 6) for each in present)
    predictions = [FramePrediction(seq, at, boxes) for seq, (at, boxes) in enumerate(zip(pts, rows, strict=True))]
    return series_of(predictions, CLASSES.names, 100, 100)
