"""Things that are known: where each is and how fast it goes, by a Kalman filter.

The filter is that of ByteTrack (Zhang et al., ECCV 2022) as the library `trackers` has it: each coordinate of a box
goes on at a constant velocity. The four coordinates of a thing are measured together and equally well, and none says
anything of another: one covariance of place and velocity is that of each. All things are worked out at once as arrays.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.stages.track.appearance import BANDS

_RATE = 10.0  # the filter's unit of time, a second of it: its noise is tuned for frames, and this is their usual order
_MEASURED = 0.1  # variance of a box that a look has found, pixels squared
_DRIFT = 0.01  # variance of the velocity that a unit of time adds
_JITTER = 0.04  # units within which a step counts as one: clocks of cameras are no better
_RENEW = 0.3  # share of a look in what is remembered of a thing's colours


class Things(NamedTuple):
    """A row each, those met first at the top. Time and looks change rows in place.

    Attributes:
        ids: int64 [n], identities.
        state: float64 [n, 2, 4], box and velocity: xyxy in pixels, classes apart, and pixels a unit of time.
        covariance: float64 [n, 2, 2], of place and velocity of each coordinate.
        streak: int64 [n], looks in a row that have found it.
        unseen_s: float64 [n], media seconds since one did.
        colours: float32 [n, 9], a mean of what it looked like (see `appearance`).
    """

    ids: NDArray[np.int64]
    state: NDArray[np.float64]
    covariance: NDArray[np.float64]
    streak: NDArray[np.int64]
    unseen_s: NDArray[np.float64]
    colours: NDArray[np.float32]

    @classmethod
    def new(cls, ids: NDArray[np.int64], boxes: NDArray[np.float64], colours: NDArray[np.float32]) -> Things:
        """Things that a look has found for the first time, as boxes [n, 4] with colours [n, 9]."""
        count = len(ids)
        state = np.stack([boxes, np.zeros((count, 4))], axis=1)
        covariance = np.tile(np.eye(2), (count, 1, 1))
        return cls(ids, state, covariance, np.ones(count, np.int64), np.zeros(count), colours)

    @classmethod
    def none(cls) -> Things:
        """Nothing is known."""
        return cls.new(np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros((0, 3 * BANDS), np.float32))

    @property
    def boxes(self) -> NDArray[np.float64]:
        """Where they are, [n, 4]."""
        return self.state[:, 0]

    @property
    def young(self) -> NDArray[np.bool_]:
        """Of which the filter knows no velocity yet, [n]."""
        return self.streak <= 1

    def of(self, rows: NDArray[np.bool_]) -> Things:
        """Some of them."""
        return Things._make(column[rows] for column in self)

    def and_new(self, others: Things) -> Things:
        """These, and behind them others."""
        columns: Any = zip(self, others, strict=True)
        return Things._make(np.concatenate(both) for both in columns)

    def expected(self, seconds: float) -> NDArray[np.float64]:
        """Where they will be, [n, 4]."""
        return self.state[:, 0] + self.state[:, 1] * (seconds * _RATE)

    def lead(self, rows: NDArray[np.bool_], goals: NDArray[np.float64], seconds: float) -> None:
        """Give some the velocity that leads to these boxes [n, 4] in that time."""
        self.state[rows, 1] = (goals[rows] - self.boxes[rows]) / (seconds * _RATE)

    def go_on(self, seconds: float) -> None:
        """Time passes: everything goes on as it went, and is less sure."""
        step = seconds * _RATE
        self.streak[self.unseen_s > 0] = 0
        self.unseen_s[:] += seconds
        on = np.array([[1.0, step], [0.0, 1.0]])
        self.state[:] = on @ self.state
        self.covariance[:] = on @ self.covariance @ on.T + _drift(step)

    def meet(self, rows: NDArray[np.intp], boxes: NDArray[np.float64], colours: NDArray[np.float32]) -> None:
        """A look has found those rows, as boxes [m, 4] with colours [m, 9]."""
        self.streak[rows] += 1
        self.unseen_s[rows] = 0
        kept, state, covariance = self.colours[rows], self.state[rows], self.covariance[rows]
        gain = covariance[:, 0] / (covariance[:, :1, 0] + _MEASURED)  # of place and of velocity, [m, 2]
        surprise = boxes - state[:, 0]
        self.colours[rows] = kept + _RENEW * (colours - kept)
        self.state[rows] = state + gain[:, :, None] * surprise[:, None]
        self.covariance[rows] = covariance - gain[:, :, None] * covariance[:, :1]


def _drift(step: float) -> NDArray[np.float64]:
    """What a step adds to a covariance [2, 2]: velocities change by white noise, which is constant within the step.

    For a step of one unit ByteTrack has another variance of the place, tuned by hand: it does not follow from that.
    """
    if abs(step - 1) <= _JITTER:
        return _DRIFT * np.eye(2)
    return _DRIFT * np.array([[step**4 / 4, step**3 / 2], [step**3 / 2, step**2]])
