"""Who is who by looks alone: vectors of known identities, the nearest of which names a new vector."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from vidpipe.cache.index import Index


class Gallery:
    """One vector for each identity; what is near none of them is a new one.

    Args:
        length: of the vectors.
        alike: cosine distance up to which a vector has the identity of the nearest.
        most: identities; the one not seen for longest is forgotten for a new one.

    Attributes:
        count: identities so far; numbers count up from 1, and none is used again.
    """

    def __init__(self, length: int, alike: float, most: int) -> None:
        self.count = 0
        self._alike = alike
        self._most = most
        self._index = Index(length)
        self._seen: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def nearest(self, vector: NDArray[np.float32]) -> int:
        """The identity whose vector is nearest to this one [length], however far; -1 where there is none."""
        near = self._index.search(vector, 1)
        return near[0][0] if near else -1

    def identify(self, vector: NDArray[np.float32]) -> int:
        """The identity of a vector [length] of length 1; -1 of one that is zero."""
        if not vector.any():
            return -1
        near = self._index.search(vector, 1)
        if near and near[0][1] <= self._alike:
            identity = near[0][0]
            self._seen.move_to_end(identity)
            return identity
        self.count += 1
        self._seen[self.count] = None
        self._index.add(self.count, vector)
        if len(self._seen) > self._most:
            self._index.remove([self._seen.popitem(last=False)[0]])
        return self.count
