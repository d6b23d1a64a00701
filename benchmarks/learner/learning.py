"""Learning a scene as looks of the big model come, judged on later looks alone."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.learner.net import Learner, LearnerNet, Lessons, Rows, background, train
from benchmarks.learner.scenes import BIG, CLASSES, LITTLE, Watched
from vidpipe.accuracy.scores.box_score import count
from vidpipe.accuracy.series import Series

SHARES = (0.1, 0.2, 0.4, 0.6, 0.8)
_BEGIN_STEPS = 900  # of training that weights at the beginning take
_STEPS = 80  # of training at each share
_USUAL = 0.35  # threshold of a class before there is a later look to choose it by
_GRID = np.arange(0.15, 0.75, 0.05)


class Stage(NamedTuple):
    """What was learnt of a part of a scene.

    Attributes:
        behind: the first picture that nothing was learnt of.
        learner: with thresholds that fit the part of it that the learner before had not seen yet.
        looks: of the big model, so far.
        cpu_s: of training, so far.
    """

    behind: int
    learner: Learner
    looks: int
    cpu_s: float


def learn(scene: Watched, whole: int, begin: LearnerNet | None, steps: int = _STEPS) -> list[Stage]:
    """Learn a scene as its looks come, and stop at each of `SHARES` of a whole.

    Args:
        whole: pictures that shares are of; the scene has at least as many as are learnt.
        begin: weights at the beginning; None: at random.
        steps: of training at each share, twice as many at the first.
    """
    least = np.full(len(CLASSES.names), BIG[1])
    net = LearnerNet(len(CLASSES.names)) if begin is None else copy.deepcopy(begin)
    stages: list[Stage] = []
    cpu_s = 0.0
    for share in SHARES:
        behind = round(share * whole)
        chosen = fitted(scene, stages[-1], behind) if stages else np.full(len(least), _USUAL)
        looked = np.flatnonzero(scene.teaching[:behind])
        lessons = Lessons(scene.pictures[looked], [scene.big[one] for one in looked], least, scene.size)
        cpu_s += train(net, [lessons], steps if stages else 2 * steps, seed=len(stages))
        learner = Learner(net, background(scene.pictures[looked]), chosen)
        stages.append(Stage(behind, learner, len(looked), cpu_s))
    return stages


def told(scene: Watched, learner: Learner) -> list[Rows]:
    """What a learner says of each picture of a scene."""
    return [learner.look(picture, scene.size) for picture in scene.pictures]


def fitted(scene: Watched, stage: Stage, end: int) -> NDArray[np.float64]:
    """The threshold of each class that is best on what came after a learner was trained."""
    later, learner = scene.part(stage.behind, end), stage.learner
    truth = later.series(later.big, np.full(len(learner.least), BIG[1]))
    found = later.series(told(later, learner), np.zeros(len(learner.least)))
    scores = np.stack([_f1(found.where(found.boxes.score >= least), truth) for least in _GRID])
    best = _GRID[np.nan_to_num(scores, nan=-1.0).argmax(axis=0)]
    return np.where(np.isnan(scores).all(axis=0), learner.least, best)


def _f1(found: Series, truth: Series) -> NDArray[np.float64]:
    """Box F1 of each class; NaN where there was nothing to count."""
    right, false, missed = (part.sum(axis=1) for part in count(found, truth))
    with np.errstate(invalid="ignore"):
        return 2 * right / (2 * right + false + missed)


def score(scene: Watched, rows: Sequence[Rows], least: NDArray[np.float64]) -> float:
    """Box F1 of all classes together against the big model."""
    counts = count(scene.series(rows, least), scene.series(scene.big, np.full(len(least), BIG[1])))
    right, false, missed = (int(part.sum()) for part in counts)
    return 2 * right / max(1, 2 * right + false + missed)


def judged(scene: Watched, stages: Iterable[Stage]) -> tuple[list[float], float]:
    """F1 on a scene after each stage, and that of the little model."""
    found = [score(scene, told(scene, stage.learner), stage.learner.least) for stage in stages]
    return found, score(scene, scene.little, np.full(len(CLASSES.names), LITTLE[1]))


def beginning(scenes: Sequence[Watched], path: Path) -> LearnerNet:
    """A net that has learnt these scenes, kept in a file."""
    net = LearnerNet(len(CLASSES.names))
    if path.is_file():
        net.load_state_dict(torch.load(path))
        return net
    least = np.full(len(CLASSES.names), BIG[1])
    lessons = [Lessons(scene.pictures, scene.big, least, scene.size) for scene in scenes]
    train(net, lessons, _BEGIN_STEPS, mirrored=True, zoom=0.35)
    torch.save(net.state_dict(), path)
    return net
