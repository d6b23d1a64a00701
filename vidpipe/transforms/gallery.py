"""Who is who by looks alone: each identity has the mean of its vectors, and the nearest mean names a new vector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LEAST_WEIGHT = 0.05  # of a new vector in its identity's mean: slow enough to be steady, and it follows


class Gallery:
    """Identities by their mean vector; what is near none of them is a new one.

    One vector an identity, the first, would make for identities that flicker: single crops scatter, means do not.

    Args:
        length: of the vectors.
        alike: cosine distance up to which a vector has the identity of the nearest mean.
        most: identities; the one not seen for longest is forgotten for a new one.

    Attributes:
        count: identities so far; numbers count up from 1, and none is used again.
    """

    def __init__(self, length: int, alike: float, most: int) -> None:
        self.count = 0
        self._alike = alike
        self._means = np.zeros((most, length), np.float32)
        self._identities = np.full(most, -1)
        self._vectors = np.zeros(most, int)
        self._used_at = np.zeros(most, int)
        self._size = 0
        self._now = 0

    def __len__(self) -> int:
        return self._size

    def nearest(self, vector: NDArray[np.float32]) -> int:
        """The identity whose mean is nearest to this vector [length], however far; -1 where there is none."""
        return int(self._identities[np.argmax(self._means[: self._size] @ vector)]) if self._size else -1

    def identify(self, vector: NDArray[np.float32], known: int = -1) -> int:
        """The identity of a vector [length] of length 1, which then moves its mean; -1 of one that is zero.

        Args:
            known: the identity that it should have, if that is near enough, though another may be nearer.
        """
        if not vector.any():
            return -1
        products = self._means[: self._size] @ vector
        near = np.flatnonzero(products >= 1 - self._alike)
        if not len(near):
            row = self._begin()
        elif known in self._identities[near]:
            row = int(near[np.argmax(self._identities[near] == known)])
        else:
            row = int(near[np.argmax(products[near])])
        self._now += 1
        self._used_at[row] = self._now
        self._vectors[row] += 1
        weight = max(1 / self._vectors[row], _LEAST_WEIGHT)
        mean = (1 - weight) * self._means[row] + weight * vector
        self._means[row] = mean / np.linalg.norm(mean)
        return int(self._identities[row])

    def _begin(self) -> int:
        """The row of a new identity."""
        self.count += 1
        if self._size < len(self._means):
            row = self._size
            self._size += 1
        else:
            row = int(np.argmin(self._used_at))
        self._identities[row] = self.count
        self._vectors[row] = 0
        return row
