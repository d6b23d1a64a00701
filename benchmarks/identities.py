"""How well things keep their identity between looks: MOTA, IDF1, HOTA and switches, against exact or human labels.

python -m benchmarks.identities clips     vtest.avi and TUD-Stadtmitte.mp4 with `follow` (VIDPIPE_ASSETS)
python -m benchmarks.identities crowds    generated crowds, seen by a detector that errs as real ones do

Each is answered by a look at every picture and by looks farther apart, with the same tracker. What the model says of
each picture of a clip is looked up once and kept; all else is the real thing. Constants of the tracker are chosen on
crowds of other seeds, and by no clip.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidpipe.accuracy.reference.predictions import Predictions
from vidpipe.accuracy.scores.tracks import track_score
from vidpipe.accuracy.series import Boxes, Series
from vidpipe.bench.labels.read import read_labels
from vidpipe.core.progress import Silent
from vidpipe.models.boxes import iou
from vidpipe.pipeline.spec import Pipeline
from vidpipe.pipeline.yaml.load import load
from vidpipe.sources.base import StreamSpec
from vidpipe.testing.scene import CLASSES, COUNTS_FROM, Scene, SceneSpec, write
from vidpipe.tuning.floor.configuration import Settings
from vidpipe.tuning.floor.replay import Replayed, replay
from vidpipe.tuning.looks import Look, Variant, look

STREAM = "clip"
CLIPS = ("vtest.avi", "TUD-Stadtmitte.mp4")
BIG = Variant("big")
WAYS: dict[str, Settings] = {
    "every picture": {"track": {"refresh_s": 0.0, "floor": None}},
    "follow": {},
    "floor 0.95": {"track": {"floor": 0.95}},
    "each 0.5 s": {"track": {"refresh_s": 0.5, "floor": None}},
}
"""Settings of `follow` by name; the first one is what the others are held against."""

# How the detector of crowds errs, in the order of what big detectors do on footage of people.
_OFF = 0.03  # of a side, by which each edge is off, normally distributed
_LASTS_S = 0.3  # after which an edge is off by something else
_MISSED = 0.02  # of things that nothing hides
_MERGED = 0.7  # overlap from which only the nearer of two boxes is found
_CUT = 0.5  # how often the box of a thing that is hidden on one side ends where it can be seen no more
_COVERS = 0.6  # share of its width that must be hidden for its feet to be, or of its height for a side
_PARTS = 0.01  # of boxes, beside which the upper part is found as well


@dataclass(frozen=True, slots=True, eq=False)
class Footage:
    """Something to track.

    Attributes:
        pipeline: `follow` on it, by the name `STREAM`.
        look: what its big model says of each picture, and what a look costs.
        truth: who is where.
        labelled: classes that truth knows; answers of others are left out.
    """

    name: str
    pipeline: Pipeline
    look: Look
    truth: Series
    labelled: Callable[[Series], Series] = lambda found: found

    @property
    def spec(self) -> StreamSpec:
        return self.pipeline.streams[STREAM].spec


def clip(name: str) -> Footage:
    """Footage that people labelled."""
    assets = Path(os.environ["VIDPIPE_ASSETS"])
    pipeline = _follow(assets / "videos" / name, assets / "models")
    known = look(pipeline, STREAM, pipeline.streams[STREAM].spec, BIG.spec(pipeline), Silent())
    labels = read_labels(
        assets / "truth" / f"{Path(name).stem}.txt", pipeline.classes, known.predictions.series, "person"
    )
    return Footage(name, pipeline, known, labels.series, labels.comparable)


def _follow(video: Path, *models: Path) -> Pipeline:
    pipeline = load("follow", sources={STREAM: str(video)})
    return replace(pipeline, search_paths=(*pipeline.search_paths, *map(str, models)))


def crowd(spec: SceneSpec, folder: Path) -> Footage:
    """A generated street, and a detector that errs as real ones do."""
    video = write(spec, folder / f"{spec.seed}.mp4").video
    rows = [
        (frame, *box.xyxy, CLASSES.index(box.kind), box.id, box.visibility)
        for frame, (_, boxes) in enumerate(Scene(spec))
        for box in boxes
    ]
    table = np.array(rows, float).reshape(-1, 8)
    frames, xyxy, label, track, visible = (table[:, 0], table[:, 1:5], *table[:, 5:].T)
    boxes = Boxes.of(frames, xyxy, label=label, track=track, ignored=visible < COUNTS_FROM)
    pts, known = np.arange(spec.frames) / spec.fps, np.ones(spec.frames, bool)
    truth = Series(CLASSES, spec.width, spec.height, pts, known, boxes)
    found = replace(truth, boxes=_found(boxes, visible, spec))
    predictions = Predictions(found, {}, (spec.height, spec.width), 0.0, 0.0, 0.0, 0)
    return Footage(f"crowd {spec.seed}", _follow(video), Look(predictions, 0.0), truth)


def _found(boxes: Boxes, visible: NDArray[np.float64], spec: SceneSpec) -> Boxes:
    """What a detector finds of boxes: a little off, some not, of two that are nearly one the nearer, and parts."""
    rng = np.random.default_rng([spec.seed, 9])
    nearer = np.zeros(len(boxes))  # how much of a nearer box's place a box shares, at most
    xyxy = boxes.xyxy.astype(np.float64)
    for frame in range(spec.frames):
        rows = np.flatnonzero(boxes.frame == frame)  # far things first
        own = boxes.xyxy[rows].astype(np.float64)
        overlap = np.triu(iou(own[:, None], own), 1)
        nearer[rows] = overlap.max(axis=1, initial=0.0)
        for place, row in enumerate(rows.tolist()):
            for hides in own[place + 1 :]:
                if rng.random() < _CUT:
                    xyxy[row] = cut(xyxy[row], hides)
    sides = np.tile(xyxy[:, 2:] - xyxy[:, :2], 2)
    found = xyxy + sides * _errors(boxes, spec, rng)
    score = np.clip(0.5 + 0.4 * visible + rng.normal(0, 0.08, len(boxes)), 0.05, 1)
    missed = rng.random(len(boxes)) < _MISSED + np.clip(0.6 - visible, 0, None)
    keep = (visible >= COUNTS_FROM) & (nearer < _MERGED) & ~missed
    parts = keep & (rng.random(len(boxes)) < _PARTS)
    upper = found[parts] - np.array([0, 0, 0, 0.4]) * sides[parts]
    return Boxes.of(
        np.append(boxes.frame[keep], boxes.frame[parts]),
        np.concatenate([found[keep], upper]),
        score=np.append(score[keep], 0.7 * score[parts]),
        label=np.append(boxes.label[keep], boxes.label[parts]),
    )


def cut(box: NDArray[np.float64], hides: NDArray[np.float64]) -> NDArray[np.float64]:
    """What of a box stands out beside a nearer one that covers most of its width, or of its height, on one side."""
    covered = np.minimum(box[2:], hides[2:]) - np.maximum(box[:2], hides[:2])
    across, down = covered / (box[2:] - box[:2])
    left = box.copy()
    if across >= _COVERS and 0 < down < _COVERS and hides[1] > box[1]:
        left[3] = hides[1]
    elif down >= _COVERS and 0 < across < _COVERS:
        if hides[0] > box[0]:
            left[2] = hides[0]
        else:
            left[0] = hides[2]
    return left


def _errors(boxes: Boxes, spec: SceneSpec, rng: np.random.Generator) -> NDArray[np.float64]:
    """By how much of a side each edge is off, [n, 4]: as in the frame before, nearly, for each thing."""
    stays = np.exp(-1 / spec.fps / _LASTS_S)
    errors = rng.normal(0, _OFF, (len(boxes), 4))
    for thing in np.unique(boxes.track):
        rows = np.flatnonzero(boxes.track == thing)
        for before, row in pairwise(rows.tolist()):
            errors[row] = stays * errors[before] + np.sqrt(1 - stays**2) * errors[row]
    return errors


def specs(first: int) -> Iterator[SceneSpec]:
    """Crowds that are hard in different ways, from this seed on."""
    kinds: Sequence[Mapping[str, Any]] = (
        {"width": 320, "height": 240, "fps": 10, "arrivals_per_minute": 60},
        {"width": 640, "height": 360, "fps": 25, "arrivals_per_minute": 60},
        {"width": 640, "height": 480, "fps": 6, "arrivals_per_minute": 40},
        {"width": 480, "height": 270, "fps": 15, "arrivals_per_minute": 90},
        {"width": 640, "height": 360, "fps": 12, "arrivals_per_minute": 60, "night": (0.0, 1.0)},
        {"width": 768, "height": 576, "fps": 10, "arrivals_per_minute": 40},
    )
    for seed, kind in enumerate(kinds, first):
        yield SceneSpec(duration_s=20, seed=seed, quiet_share=0.0, **kind)


def tell(footage: Footage, ways: Mapping[str, Settings] = WAYS) -> list[tuple[Any, float]]:
    """Print what each way comes to on it; returns scores, and costs as parts of those of the first way."""
    known = footage.look
    runs = replay(footage.pipeline, STREAM, footage.spec, {BIG: known}, list(ways.values()))
    costs = [_cost_ms(run, known) for run in runs]
    told = []
    for name, run, cost in zip(ways, runs, costs, strict=True):
        score = track_score(footage.labelled(run.series), footage.truth)
        told.append((score, cost / costs[0]))
        print(  # noqa: T201
            f"{footage.name}, {name}: MOTA {score.mota:.3f}, IDF1 {score.idf1:.3f}, HOTA {score.hota:.3f}, "
            f"{score.switches} switches; looks {run.looked.mean():.1%}, cost {cost / costs[0]:.1%}, "
            f"{run.stages_ms:.2f} ms a picture"
        )
    return told


def _cost_ms(run: Replayed, known: Look) -> float:
    """CPU time a picture: decoding, looks, and the stages before them."""
    predictions = known.predictions
    return predictions.decode_cpu_ms + run.stages_ms + predictions.cpu_ms * float(run.looked.mean())


def clips() -> None:
    """Footage that people labelled."""
    for name in CLIPS:
        tell(clip(name))


def crowds(first: int = 100) -> None:
    """Generated crowds, each by itself, and all together."""
    with TemporaryDirectory() as folder:
        told = [tell(crowd(spec, Path(folder))) for spec in specs(first)]
    for name, each in zip(WAYS, zip(*told, strict=True), strict=True):
        scores = [score for score, _ in each]
        mota, idf1, hota = (float(np.mean([getattr(s, k) for s in scores])) for k in ("mota", "idf1", "hota"))
        switches = sum(score.switches for score in scores)
        print(f"all, {name}: MOTA {mota:.3f}, IDF1 {idf1:.3f}, HOTA {hota:.3f}, {switches} switches")  # noqa: T201


PARTS: dict[str, Callable[[], object]] = {"clips": clips, "crowds": crowds}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
