"""Ways to answer a stream whose looks are known: at fixed settings, with a floor, as Chameleon does, with hindsight."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import supervision as sv
from numpy.typing import NDArray

from benchmarks.day import FPS
from benchmarks.footage import ASSETS
from vidpipe.accuracy.series import Boxes, Series
from vidpipe.core.progress import Silent
from vidpipe.pipeline.yaml.load import load
from vidpipe.tuning.chameleon.policy import Policy, Rules
from vidpipe.tuning.chameleon.space import Look as Priced
from vidpipe.tuning.chameleon.space import Space
from vidpipe.tuning.chameleon.trial import Trial
from vidpipe.tuning.floor.configuration import Configuration, Roles, roles_of
from vidpipe.tuning.floor.evidence import counted, evidence
from vidpipe.tuning.floor.replay import replay
from vidpipe.tuning.floor.search import STRIDES, Stretch, search
from vidpipe.tuning.looks import Look, Looks, Variant, look

STREAM = "street"
BIG = Variant("big")
VARIANTS = (BIG, Variant("little"), Variant("little", (192, 192)))
MINUTE_S, WINDOW_S, SEGMENT_S = 60.0, 20.0, 4.0
TRAILING_S = 10.0
_CHAMELEON_STRIDES = (1, 2, 3, 5, 10)
_FIT_S, _FIT_EVERY_S = (
    20.0,
    50.0,
)  # stretches that the search looks at: the share that `vidpipe tune` takes of a long one


Chosen = tuple[Configuration, float | None]
"""A configuration, and the floor that its tracker holds while it runs; None: the time between looks is fixed."""


class Answered(NamedTuple):
    """What a policy publishes, and CPU ms a frame with decoding."""

    series: Series
    cpu_ms: float


class Scored(NamedTuple):
    """A policy on the second day.

    Attributes:
        cost: CPU time, as a share of the big model's at every frame.
        f1: of all.
        minutes, windows: share of minutes, and of 20-s windows, in which F1 reaches the floor; those without an object
            are left out.
        worst: F1 of the worst minute.
        counts: minutes and windows that speak for that.
    """

    cost: float
    f1: float
    minutes: float
    windows: float
    worst: float
    counts: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Footage:
    """A recording with the looks of all variants at all of its frames."""

    roles: Roles
    looks: Looks

    @classmethod
    def of(cls, clip: Path) -> Footage:
        """Look, or know it from an earlier time."""
        models = {"big": "2003", "little": "2001"}
        paths = [f"models.{k}.path={ASSETS}/models/person-vehicle-bike-detection-{v}.xml" for k, v in models.items()]
        # Under .4 2003 sees a person of the picture's size in the noise of the generated night.
        pipeline = load("follow", sources={STREAM: str(clip)}, sets=[*paths, "models.big.threshold=0.4"])
        spec = pipeline.streams[STREAM].spec
        made = {each: look(pipeline, STREAM, spec, each.spec(pipeline), Silent()) for each in VARIANTS}
        return cls(roles_of(pipeline), made)

    @property
    def frames(self) -> int:
        return self.looks[BIG].predictions.series.frames

    @property
    def safe_ms(self) -> float:
        """CPU ms a frame of the big model at every frame, with decoding."""
        return self.looks[BIG].cpu_ms + self.decode_ms

    @property
    def decode_ms(self) -> float:
        return self.looks[BIG].predictions.decode_cpu_ms

    def part(self, start: int, stop: int) -> Stretch:
        """Frames start to stop - 1."""
        spec = self.roles.pipeline.streams[STREAM].spec
        begin_s = max(0.0, (start - 0.5) / FPS)  # half-way between frames: no rounding of times matters
        spec = spec.model_copy(update={"start_s": begin_s, "end_s": (stop - 0.5) / FPS})
        looks = {variant: _cut(each, start, stop) for variant, each in self.looks.items()}
        return Stretch(spec, looks[BIG].predictions.sure(), looks)


def score(answered: Answered, truth: Series, floor: float, safe_ms: float) -> Scored:
    """Hold a policy's answers against the big model's."""
    hits, trials = agreement(answered.series, truth)
    minutes, windows = (by_time(hits, trials, seconds) for seconds in (MINUTE_S, WINDOW_S))
    return Scored(
        answered.cpu_ms / safe_ms,
        float(hits.sum() / trials.sum()),
        float((minutes >= floor).mean()),
        float((windows >= floor).mean()),
        float(minutes.min()),
        (len(minutes), len(windows)),
    )


def agreement(found: Series, truth: Series) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Twice the right boxes, and the boxes of both sides, of each frame."""
    return counted(found, truth, "boxes")


def by_time(hits: NDArray[np.float64], trials: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
    """F1 of each stretch of so many seconds that has an object."""
    stretch = (np.arange(len(hits)) / (seconds * FPS)).astype(int)
    hit, tried = np.bincount(stretch, hits), np.bincount(stretch, trials)
    return hit[tried > 0] / tried[tried > 0]


def static(fit: Stretch, scored: Stretch, floor: float, footage: Footage) -> tuple[str, Answered]:
    """The cheapest look at every n-th frame whose lower bound reaches the floor on the first day."""
    able = []
    for variant in VARIANTS:
        for stride in STRIDES:
            found = _strided(fit, variant, stride, fit.truth.frames)
            if (variant, stride) == (BIG, 1) or evidence([found], [fit.truth]).low >= floor:
                able.append((footage.looks[variant].cpu_ms / stride, variant, stride))
    cost, variant, stride = min(able, key=lambda each: each[0])
    series = _strided(scored, variant, stride, scored.truth.frames)
    return f"{variant}, one frame in {stride}", Answered(series, footage.decode_ms + cost)


def oracle(stretch: Stretch, floor: float, footage: Footage) -> Answered:
    """In each 4 s the cheapest static configuration that holds there, with hindsight."""
    frames, length = stretch.truth.frames, round(SEGMENT_S * FPS)
    segment = np.arange(frames) // length
    best = np.full(segment[-1] + 1, np.inf)
    who, source = np.zeros(frames, int), np.arange(frames)
    for place, variant in enumerate(VARIANTS):
        for stride in STRIDES:
            hits, trials = (
                np.bincount(segment, each)
                for each in agreement(_strided(stretch, variant, stride, length), stretch.truth)
            )
            looks = np.bincount(segment, _source(frames, stride, length) == np.arange(frames))
            cost = np.where(hits >= floor * trials, looks * footage.looks[variant].cpu_ms, np.inf)
            better = (cost < best)[segment]
            best = np.minimum(best, cost)
            who[better], source[better] = place, _source(frames, stride, length)[better]
    return Answered(_composed(stretch, who, source), footage.decode_ms + float(best.sum()) / frames)


def chameleon(
    stretch: Stretch, floor: float, footage: Footage, *, tries: bool, cameras: int = 1, scored_from: int = 0
) -> Answered:
    """Chameleon on so many cameras that see the same; the mean cost of them, the answers of the first.

    Args:
        tries: golden runs 1 s in 4; else 1 s in 16.
        scored_from: the frame from which answers and their cost are given.
    """
    priced = {Priced(str(variant), 0): footage.looks[variant].cpu_ms for variant in VARIANTS}
    space = Space.of(priced, _CHAMELEON_STRIDES)
    rules = Rules(alpha=floor, tries=tries)
    if not tries:  # nothing but profiles would be left to tell how long a window should be
        rules = replace(rules, windows=(rules.window, rules.window))
    policy = Policy(space, rules)
    place = {Priced(str(variant), 0): number for number, variant in enumerate(VARIANTS)}
    seen = [detections(_sure(stretch, variant)) for variant in VARIANTS]
    frames, segment = stretch.truth.frames, round(rules.segment_s * FPS)
    who, source = np.zeros(frames, int), np.zeros(frames, int)
    looks: Counter[Priced] = Counter()
    trials: list[Trial | None] = [None] * cameras
    for frame in range(frames):
        for camera in range(cameras):
            name, trial = str(camera), trials[camera]
            if frame % segment == 0 and (question := policy.question(name, frame // segment)) is not None:
                trial = trials[camera] = Trial(question, round(rules.profile_s * FPS), floor)
            if trial is not None:
                wanted = trial.wanted()
                trial.take({each: seen[place[each]][frame] for each in wanted})
                if trial.done:
                    policy.learn(name, trial.question, trial.f1())
                    trials[camera] = None
            else:
                chosen = policy.chosen(name) or space.golden
                wanted = [chosen.look] if frame % chosen.stride == 0 else []
            if frame >= scored_from:
                looks.update(wanted)
            if camera == 0:
                asked = bool(wanted)
                who[frame] = place[wanted[0]] if asked else who[frame - 1]
                source[frame] = frame if asked else source[frame - 1]
    spent = sum(number * priced[each] for each, number in looks.items())
    series = _composed(stretch, who, source).part(scored_from, frames)
    return Answered(series, footage.decode_ms + spent / series.frames / cameras)


def floored(
    stretch: Stretch, configurations: Sequence[Chosen], footage: Footage, scored_from: int = 0
) -> list[Answered]:
    """The cascade under each of these.

    Args:
        scored_from: the frame from which answers and their cost are given. Every look is taken to cost as much there as
            the looks of the whole stretch do on average.
    """
    settings = [footage.roles.settings(configuration, floor) for configuration, floor in configurations]
    answered = []
    for run in replay(footage.roles.pipeline, STREAM, stretch.spec, stretch.looks, settings):
        looks_ms = sum(number * footage.looks[variant].cpu_ms for variant, number in run.looks.items())
        share = float(run.looked[scored_from:].mean() / max(1, run.looked.sum()))
        series = run.series.part(scored_from, run.series.frames)
        answered.append(Answered(series, footage.decode_ms + run.stages_ms + share * looks_ms))
    return answered


def searched(fit: Footage, stop: int, floor: float) -> Chosen:
    """What `vidpipe tune` chooses by the frames before this one, of which it looks at a share."""
    length, every = round(_FIT_S * FPS), round(_FIT_EVERY_S * FPS)
    begins = range(0, max(1, stop - length + 1), every)
    stretches = [fit.part(begin, min(stop, begin + length)) for begin in begins]
    chosen = search(fit.roles, STREAM, stretches, floor, "boxes", Silent(), decodings=()).chosen
    return chosen.configuration, floor if chosen.guarded else None


def recovers(answered: Answered, truth: Series, at_s: float, floor: float) -> tuple[float, float]:
    """Media seconds from a breach until F1 of the last 10 s is back over the floor (inf: never), and the worst of it.

    0 where it never falls under the floor.
    """
    hits, trials = agreement(answered.series, truth)
    window = np.ones(round(TRAILING_S * FPS))
    hit, tried = (np.convolve(each, window)[: len(each)][round(at_s * FPS) :] for each in (hits, trials))
    f1 = np.where(tried > 0, hit / np.maximum(tried, 1), 1.0)
    under = np.flatnonzero(f1 < floor)
    if not len(under):
        return 0.0, float(f1.min())
    back = np.flatnonzero(f1[under[0] :] >= floor)
    return (float(under[0] + back[0]) / FPS if len(back) else math.inf), float(f1.min())


def detections(series: Series) -> list[sv.Detections]:
    """The boxes of each frame, as those who match them want them."""
    borders = np.searchsorted(series.boxes.frame, np.arange(series.frames + 1))
    boxes = (series.boxes[slice(start, stop)] for start, stop in pairwise(borders))
    return [sv.Detections(each.xyxy, confidence=each.score, class_id=each.label.astype(int)) for each in boxes]


def _cut(whole: Look, start: int, stop: int) -> Look:
    predictions = whole.predictions
    return replace(whole, predictions=replace(predictions, series=predictions.series.part(start, stop)))


def _sure(stretch: Stretch, variant: Variant) -> Series:
    return stretch.looks[variant].predictions.sure()


def _source(frames: int, stride: int, segment: int) -> NDArray[np.int64]:
    """Which frame each has its boxes from: every n-th of each segment is looked at."""
    at = np.arange(frames)
    within = at % segment
    return at - within % stride


def _strided(stretch: Stretch, variant: Variant, stride: int, segment: int) -> Series:
    return _sure(stretch, variant).held(_source(stretch.truth.frames, stride, segment))


def _composed(stretch: Stretch, who: NDArray[np.int64], source: NDArray[np.int64]) -> Series:
    """Each frame with the boxes that one of the variants saw in one of the frames."""
    parts = [_sure(stretch, variant).held(np.where(who == place, source, -1)) for place, variant in enumerate(VARIANTS)]
    boxes = [part.boxes for part in parts]
    columns = {name: np.concatenate([getattr(each, name) for each in boxes]) for name in ("score", "label")}
    frame, xyxy = (np.concatenate([getattr(each, name) for each in boxes]) for name in ("frame", "xyxy"))
    return replace(parts[0], boxes=Boxes.of(frame, xyxy, **columns))
