"""Things that are known: where each is and how fast it goes, by a Kalman filter.

Each edge of a box goes on at a velocity that changes at random, as in SORT (Bewley et al., ICIP 2016). How far a detector
is off, and how fast things can turn, grow with their size in the picture: so variances are in sizes of the thing, the
side of a square as large as its box. The four edges of a thing are measured together and equally well, and none says
anything of another: one covariance of place and velocity is that of each. All things are worked out at once as arrays.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.models.boxes import area
from vidpipe.stages.track.appearance import BANDS

MEASURED = 0.03**2  # variance of an edge that a look has found, sizes squared
_FIRST = 1.2**2  # of the velocity of a thing that was found once, sizes a second squared
_TURNS = 0.3  # variance of the velocity that a second adds
_SURPRISE = 16.0  # times the expected variance that a look may be off: beyond it nothing is known of the velocity
_RENEW = 0.3  # share of a look in what is remembered of a thing's colours


class Things(NamedTuple):
    """A row each, those met first at the top. Time and looks change rows in place.

    Attributes:
        ids: int64 [n], identities.
        state: float64 [n, 2, 4], box and velocity: xyxy in pixels, classes apart, and pixels a second.
        covariance: float64 [n, 2, 2], of place and velocity of each edge, in sizes.
        unseen_s: float64 [n], media seconds since a look has found it.
        colours: float32 [n, 9], a mean of what it looked like (see `appearance`).
    """

    ids: NDArray[np.int64]
    state: NDArray[np.float64]
    covariance: NDArray[np.float64]
    unseen_s: NDArray[np.float64]
    colours: NDArray[np.float32]

    @classmethod
    def new(cls, ids: NDArray[np.int64], boxes: NDArray[np.float64], colours: NDArray[np.float32]) -> Things:
        """Things that a look has found for the first time, as boxes [n, 4] with colours [n, 9]."""
        count = len(ids)
        state = np.stack([boxes, np.zeros((count, 4))], axis=1)
        covariance = np.tile(np.diag([MEASURED, _FIRST]), (count, 1, 1))
        return cls(ids, state, covariance, np.zeros(count), colours)

    @classmethod
    def none(cls) -> Things:
        """Nothing is known."""
        return cls.new(np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros((0, 3 * BANDS), np.float32))

    @property
    def boxes(self) -> NDArray[np.float64]:
        """Where they are, [n, 4]."""
        return self.state[:, 0]

    @property
    def size(self) -> NDArray[np.float64]:
        """Of each, pixels [n]."""
        return size_of(self.boxes)

    def of(self, rows: NDArray[np.bool_]) -> Things:
        """Some of them."""
        return Things._make(column[rows] for column in self)

    def and_new(self, others: Things) -> Things:
        """These, and behind them others."""
        columns: Any = zip(self, others, strict=True)
        return Things._make(np.concatenate(both) for both in columns)

    def go_on(self, seconds: float) -> None:
        """Time passes: everything goes on as it went, and is less sure."""
        self.unseen_s[:] += seconds
        on = np.array([[1.0, seconds], [0.0, 1.0]])
        self.state[:] = on @ self.state
        drift = _TURNS * np.array([[seconds**3 / 3, seconds**2 / 2], [seconds**2 / 2, seconds]])
        self.covariance[:] = on @ self.covariance @ on.T + drift

    def meet(
        self, rows: NDArray[np.intp], boxes: NDArray[np.float64], colours: NDArray[np.float32], clear: NDArray[Any]
    ) -> None:
        """A look has found those rows, as boxes [m, 4] with colours [m, 9].

        Args:
            clear: [m], 0..1, how much of each box nothing hides: colours of others are not remembered.
        """
        self.unseen_s[rows] = 0
        kept, state, covariance = self.colours[rows], self.state[rows], self.covariance[rows]
        surprise = boxes - state[:, 0]
        off = np.square(surprise).mean(axis=1) / np.square(size_of(boxes))
        covariance[off > _SURPRISE * (covariance[:, 0, 0] + MEASURED)] += np.diag([0.0, _FIRST])
        gain = covariance[:, 0] / (covariance[:, :1, 0] + MEASURED)  # of place and of velocity, [m, 2]
        self.colours[rows] = kept + (_RENEW * clear)[:, None].astype(np.float32) * (colours - kept)
        self.state[rows] = state + gain[:, :, None] * surprise[:, None]
        self.covariance[rows] = covariance - gain[:, :, None] * covariance[:, :1]


def size_of(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The side of a square as large as each box [n, 4]; a pixel at least."""
    sides: NDArray[np.float64] = np.sqrt(np.maximum(area(boxes), 1.0))
    return sides
