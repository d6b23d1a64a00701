"""How long a look lasts, so that the answers of a stream hold a floor of accuracy."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.statistics.agreement import Matched
from vidpipe.statistics.draw import draw

_KEPT = 24  # samples of an age: what was so much earlier says little of now
_FRESH = 64  # samples of all ages, after which one is no longer believed: a scene changes
_LEAST = 4  # of them, by which anything changes: fewer say nothing of how much they differ
_APART_S = 0.25  # looks that are nearer in time say the same thing twice: they make one sample
_PROBE_EVERY = 32  # looks of which one comes early, at a random age: younger errors would be known from long ago only
_PATIENCE_S = 5.0  # of doubt, until it counts as a breach
_DOUBT_EVERY = 3  # the same while what is known of younger ages does not decide
_WIDER = 1.5  # times as long the time between looks becomes at once
_BUCKET = 1.25  # times as old the boxes are that the next bucket of ages begins with
_CONFIDENCE = 0.9  # of both bounds, one-sided
_CAUTION = 0.25  # share of the margin that the present time between looks must keep from the floor: half of all streams
# would end up a little under it otherwise
_SURELY = 0.98  # that another scene has begun: it is asked at each look


class _Age(NamedTuple):
    """What looks have said of boxes of one age.

    Attributes:
        frames: the mean age.
        error: 1 less F1.
        spread: standard error of that.
        samples: how many there were.
    """

    frames: float
    error: float
    spread: float
    samples: int


class _Error(NamedTuple):
    """The mean error of a time between looks: at least, likely, and at most, each give or take the margin."""

    least: float
    likely: float
    most: float
    margin: float

    @property
    def caution(self) -> float:
        """How far a time between looks that is in force, or shall be, must keep from the floor."""
        return _CAUTION * self.margin


class _Sample:
    """Looks of one moment, at boxes of one age."""

    __slots__ = ("number", "pts", "row")

    def __init__(self, pts: float, number: int) -> None:
        self.pts = pts
        self.number = number
        self.row = [0.0, 0.0, 0.0, 0.0]

    def add(self, frames: float, matched: Matched) -> None:
        for place, value in enumerate((1.0, frames, 2.0 * matched.right, float(matched.boxes))):
            self.row[place] += value


class Aging:
    """Error by age, and the time between looks that follows from it.

    A look at a frame tells how wrong the boxes are that would have been published there: it is a free sample of the
    error at that age. Between two looks all ages occur equally often, so the error of a stream is the mean of the
    errors at all ages up to the time between looks. That is held against the floor: the time grows when the lower bound
    of a longer one reaches the floor, and shrinks when the present one is likely to be under it. What is likely hangs
    on ages that nobody has seen: where they would decide, looks come early now and then, at the age that would tell,
    and for a few seconds nothing else is done. Looks that find nothing where nothing was known are no evidence. Where
    looks at an age are suddenly worse, all that was seen before is forgotten.

    Attributes:
        frames: between two looks, at the moment; 1: every frame is looked at.
    """

    def __init__(self, frames: float = 1.0) -> None:
        self.frames = max(1, round(frames))
        self._seen: dict[int, deque[_Sample]] = {}
        self._since = 0  # samples since the time between looks changed
        self._taken = 0  # samples
        self._doubted = 0.0  # media seconds, when doubt began
        self._looks = 0
        self._unsure_of: int | None = None  # the age that would decide

    def due(self, name: str) -> int:
        """Frames from the last look to the next; now and then fewer than usual.

        Args:
            name: of what is drawn for: the same looks come early in every run.
        """
        if self.frames < 2:
            return self.frames
        if self._unsure_of is not None and self._looks % _DOUBT_EVERY == 0:
            return min(self._unsure_of, self.frames)
        if self._looks % _PROBE_EVERY == 0:
            return 1 + int(draw(name, "probe", self._looks) * (self.frames - 1))
        return self.frames

    def learn(self, pts: float, frames: float, matched: Matched, floor: float, longest: int) -> None:
        """A look has come.

        Args:
            pts: media seconds of it.
            frames: how many the boxes were old that it is held against.
            matched: those boxes, and what it found.
            floor: the F1 to hold.
            longest: frames between looks, at most; 1 at least.
        """
        self._looks += 1
        if not matched.boxes or frames <= 0:
            return
        kept = self._seen.setdefault(_bucket(frames), deque(maxlen=_KEPT))
        if kept and 0 <= pts - kept[-1].pts < _APART_S:
            kept[-1].add(frames, matched)
            return
        self._taken += 1
        kept.append(_Sample(pts, self._taken))
        kept[-1].add(frames, matched)
        if _is_worse(kept):
            self._forget_before(kept[-_LEAST].number)
        self._since += 1
        self.frames = min(self.frames, longest)
        if self._since >= _LEAST:
            self._adapt(pts, floor, longest)

    def _adapt(self, pts: float, floor: float, longest: int) -> None:
        ages = self._ages()
        if not ages:
            return
        wider = min(max(self.frames + 1, round(_WIDER * self.frames)), longest)
        now, then = _mean_error(ages, self.frames), _mean_error(ages, wider)
        self._unsure_of = None
        broken = 1 - now.likely - now.caution < floor
        telling = _telling(ages, self.frames) if broken else None
        if not (broken and self._doubted <= pts):
            self._doubted = pts
        if broken and (1 - now.least - now.caution < floor or telling is None or pts - self._doubted >= _PATIENCE_S):
            self._change(self._longest_within(ages, floor))
        elif wider > self.frames and 1 - then.most - then.margin >= floor:
            self._change(wider)
        elif broken:
            self._unsure_of = telling
        elif wider > self.frames and 1 - then.likely - then.margin >= floor:
            self._unsure_of = _telling(ages, self.frames)

    def _longest_within(self, ages: list[_Age], floor: float) -> int:
        shorter = _shorter(self.frames)
        while shorter > 1:
            error = _mean_error(ages, shorter)
            if 1 - error.likely - error.caution >= floor:
                break
            shorter = _shorter(shorter)
        return shorter

    def _forget_before(self, number: int) -> None:
        """What was seen earlier is of another scene."""
        for kept in self._seen.values():
            while kept and kept[0].number < number:
                kept.popleft()

    def _change(self, frames: int) -> None:
        self.frames = frames
        self._since = 0

    def _ages(self) -> list[_Age]:
        """What is known of each age, youngest first; errors that never fall with age (isotonic regression)."""
        from scipy.optimize import isotonic_regression

        ages: list[_Age] = []
        for bucket in sorted(self._seen):
            oldest = self._taken - _FRESH
            rows = np.array([sample.row for sample in self._seen[bucket] if sample.number > oldest])
            if len(rows) >= _LEAST:
                ages.append(_age(rows))
        if len(ages) < 2:
            return ages
        rising = isotonic_regression([age.error for age in ages], weights=[age.samples for age in ages]).x
        return [age._replace(error=error) for age, error in zip(ages, rising.tolist(), strict=True)]


def _shorter(frames: int) -> int:
    return max(1, min(frames - 1, round(frames / _WIDER)))


def _is_worse(kept: deque[_Sample]) -> bool:
    """Whether the newest samples of an age are surely worse than those before, which would hide it for long."""
    from scipy.special import stdtrit

    if len(kept) < 2 * _LEAST:
        return False
    rows = np.array([sample.row for sample in kept])
    before, now = _age(rows[:-_LEAST]), _age(rows[-_LEAST:])
    times = float(stdtrit(_LEAST - 1, _SURELY))
    return now.error - before.error > times * (now.spread + before.spread)


def _bucket(frames: float) -> int:
    """Ages that count as one: single frames at first, then steps of a quarter."""
    return round(frames) if frames < 4 else 4 + round(np.log(frames / 4) / np.log(_BUCKET))


def _age(rows: NDArray[np.float64]) -> _Age:
    """Rows of (looks, frames, twice the right boxes, boxes of both sides)."""
    looks, frames, right, boxes = rows.sum(axis=0)
    f1 = right / boxes
    samples = len(rows)
    off = rows[:, 2] - f1 * rows[:, 3]
    # One wrong box more than there was: a few perfect looks must not pass for certainty.
    spread = float(np.sqrt(((off**2).sum() + 1.0) * samples / (samples - 1))) / boxes
    return _Age(frames / looks, float(1 - f1), spread, samples)


def _mean_error(ages: list[_Age], between: int) -> _Error:
    """The mean error over all ages where there are so many frames between looks.

    Errors grow with age. Of an age that nobody has seen they lie between those of its neighbours, and likely on a
    straight line; at ages older than all that were seen they go on as they have grown on average.
    """
    from scipy.special import stdtrit

    at = np.arange(1, between)  # at age 0 there is no error
    known = np.array([0.0, *(age.frames for age in ages)])
    errors = np.array([0.0, *(age.error for age in ages)])
    beyond = at > known[-1]
    older = np.minimum(np.searchsorted(known, at), len(known) - 1)
    younger = np.searchsorted(known, at, side="right") - 1
    values = np.array([errors[younger], np.interp(at, known, errors), errors[older]])
    values[1:, beyond] = errors[-1] * at[beyond] / known[-1]
    least, likely, most = (values.sum(axis=1) / between).tolist()
    # Errors of all ages come from the same things in the picture: they are off together.
    spreads = np.interp(at, known, np.array([0.0, *(age.spread for age in ages)]))
    samples = min(age.samples for age in ages if age.frames < max(between, known[1] + 0.5))
    times = float(stdtrit(samples - 1, _CONFIDENCE))
    return _Error(least, likely, most, times * float(spreads.sum()) / between)


def _telling(ages: list[_Age], between: int) -> int | None:
    """The age of which least is known: in the middle of the neighbours that leave most room for the mean error."""
    within = [age for age in ages if age.frames <= between]
    known = [0.0, *(age.frames for age in within)]
    errors = [0.0, *(age.error for age in within)]
    room = [
        (errors[i + 1] - errors[i]) * (known[i + 1] - known[i] - 1) if known[i + 1] - known[i] >= 2 else 0.0
        for i in range(len(known) - 1)
    ]
    if not room or max(room) <= 0:
        return None
    widest = room.index(max(room))
    return max(1, round((known[widest] + known[widest + 1]) / 2))
