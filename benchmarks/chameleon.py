"""`python -m benchmarks chameleon`: what it takes to judge cameras alone and in groups, on streams of mere figures.

Accuracies of each knob are given and independent, as they nearly are on footage; each second adds noise of its own.
What a look takes is that of Open Model Zoo's 2003, 2001 and 2000 on one core. So it tells what decisions cost and how
soon they follow a change, not what a network sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vidpipe.tuning.chameleon.policy import Policy, Rules
from vidpipe.tuning.chameleon.space import Configuration, Look, Space

CPU_MS = {Look("2003", 0): 47.0, Look("2001", 0): 12.0, Look("2000", 0): 6.0}
STRIDES = (1, 2, 3, 5, 10)
FPS = 10.0
NOISE = 0.03  # sd of what a second says of an accuracy
SEGMENTS = 900  # an hour


class Kind(NamedTuple):
    """F1 of each model, and of golden at each stride."""

    models: dict[str, float]
    strides: tuple[float, ...]

    def f1(self, configuration: Configuration) -> float:
        return self.models[configuration.model] * self.strides[STRIDES.index(configuration.stride)]


SLOW = Kind({"2003": 1.0, "2001": 0.95, "2000": 0.9}, (1.0, 0.99, 0.98, 0.96, 0.9))
FAST = Kind({"2003": 1.0, "2001": 0.85, "2000": 0.6}, (1.0, 0.96, 0.92, 0.8, 0.6))


class Told(NamedTuple):
    """Means over cameras: CPU seconds a second of video to judge and to answer; F1; share of segments under alpha."""

    judging: float
    answering: float
    f1: float
    below: float


def simulated(cameras: int, rules: Rules, changes_every: int | None) -> Told:
    """Cameras of one kind; the first becomes of the other kind every so many segments, and back."""
    rng = np.random.default_rng(0)
    space = Space.of(CPU_MS, STRIDES)
    policy = Policy(space, rules)
    judging, answering, f1 = np.zeros((3, cameras, SEGMENTS))
    for segment in range(SEGMENTS):
        for camera in range(cameras):
            changed = changes_every is not None and camera == 0 and segment // changes_every % 2
            kind, name = FAST if changed else SLOW, str(camera)
            if (question := policy.question(name, segment)) is not None:
                tried = question.configurations
                measured = np.clip([kind.f1(each) for each in tried] + rng.normal(0, NOISE, len(tried)), 0, 1)
                policy.learn(name, question, dict(zip(tried, measured.tolist(), strict=True)))
                share = rules.profile_s / rules.segment_s
                # Golden's looks serve its own strides; what else shares a look is not told apart: an upper bound.
                paid = {each for each in tried if each.model != question.golden.model}
                judging[camera, segment] = share * (space.cost(question.golden) + sum(map(space.cost, paid)))
            chosen = policy.chosen(name) or space.golden
            answering[camera, segment], f1[camera, segment] = space.cost(chosen), kind.f1(chosen)
    ms = FPS / 1000
    return Told(judging.mean() * ms, answering.mean() * ms, f1.mean(), (f1 < rules.alpha).mean())


def report(_names: Sequence[str], _: Path) -> Iterator[str]:
    """The table, a line each."""
    yield f"golden alone takes {CPU_MS[Look('2003', 0)] * FPS / 1000:.3f} CPU s a second of video"
    yield f"{'':34}{'judging':>9}{'answering':>11}{'F1':>7}{'below':>7}"
    for tries, rhythm in ((True, "1 s in 4"), (False, "once a window")):
        for cameras in (1, 2, 4, 8):
            for every, what in ((None, "steady"), (75, "one changes each 5 min")):
                told = simulated(cameras, Rules(tries=tries), every)
                name = f"{cameras} x {rhythm}, {what}"
                yield f"{name:34.34}{told.judging:9.3f}{told.answering:11.3f}{told.f1:7.3f}{told.below:7.2f}"
