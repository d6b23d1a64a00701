"""Things that are known: where each is and how fast it goes, by a Kalman filter.

A box goes on at a velocity that changes at random, as in SORT (Bewley et al., ICIP 2016). How far a detector is off,
and how fast things turn, grow with their size in the picture: so variances are in sizes of the thing, the side of a
square as large as its box. Its edges are measured together and equally well: one covariance of place and velocity is
that of each. They keep their distance, so that what is lost does not shrink to nothing. All things are worked out at
once as arrays.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.models.boxes import area
from vidpipe.stages.track.appearance import BANDS

MEASURED = 0.1**2  # variance of an edge that a look has found: detectors are off, and arms and legs are anywhere
_FIRST = 1.2**2  # of the velocity of a thing that was found once, sizes a second
_TURNS = 0.1  # variance of the velocity that a second adds
_RENEW_S = 1.0  # in which half of what is remembered of colours is renewed: most things hide each other for less


class Things(NamedTuple):
    """A row each, those met first at the top. Time and looks change rows in place.

    Attributes:
        ids: int64 [n], identities.
        state: float64 [n, 2, 4], box and velocity: xyxy in pixels, classes apart, and pixels a second, the same for
            opposite edges.
        covariance: float64 [n, 2, 2], of place and velocity of each edge, in sizes.
        looks: float64 [n], how often a look has found it, in parts where it was hidden in part.
        unseen_s: float64 [n], media seconds since one did.
        colours: float32 [n, 9], a mean of what it looked like (see `appearance`).
    """

    ids: NDArray[np.int64]
    state: NDArray[np.float64]
    covariance: NDArray[np.float64]
    looks: NDArray[np.float64]
    unseen_s: NDArray[np.float64]
    colours: NDArray[np.float32]

    @classmethod
    def new(
        cls,
        ids: NDArray[np.int64],
        boxes: NDArray[np.float64],
        colours: NDArray[np.float32],
        clear: NDArray[np.float64],
    ) -> Things:
        """Things that a look has found for the first time, boxes [n, 4] with colours [n, 9]; `clear` as of `meet`."""
        count = len(ids)
        state = np.stack([boxes, np.zeros((count, 4))], axis=1)
        covariance = np.tile(np.diag([MEASURED, _FIRST]), (count, 1, 1))
        return cls(ids, state, covariance, clear, np.zeros(count), colours)

    @classmethod
    def none(cls) -> Things:
        """Nothing is known."""
        return cls.new(np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros((0, 3 * BANDS), np.float32), np.zeros(0))

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
        self,
        rows: NDArray[np.intp],
        boxes: NDArray[np.float64],
        colours: NDArray[np.float32],
        clear: NDArray[np.float64],
    ) -> None:
        """A look has found those rows, as boxes [m, 4] with colours [m, 9].

        Args:
            clear: [m], 0..1, how much of each box nothing hides: colours of others are not remembered.
        """
        kept, state, covariance = self.colours[rows], self.state[rows], self.covariance[rows]
        self.looks[rows] += clear
        renewed = clear * np.maximum(1 - 0.5 ** (self.unseen_s[rows] / _RENEW_S), 1 / np.maximum(self.looks[rows], 1.0))
        self.colours[rows] = kept + renewed[:, None].astype(np.float32) * (colours - kept)
        self.unseen_s[rows] = 0
        surprise = boxes - state[:, 0]
        gain = covariance[:, 0] / (covariance[:, :1, 0] + MEASURED)  # of place and of velocity, [m, 2]
        state = state + gain[:, :, None] * surprise[:, None]
        state[:, 1] = np.tile((state[:, 1, :2] + state[:, 1, 2:]) / 2, 2)
        self.state[rows] = state
        self.covariance[rows] = covariance - gain[:, :, None] * covariance[:, :1]


def size_of(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The side of a square as large as each box [n, 4]; a pixel at least."""
    sides: NDArray[np.float64] = np.sqrt(np.maximum(area(boxes), 1.0))
    return sides
