"""How likely a model agrees on a frame, by the frames most like it: the kNN pre-model of Taylor et al. (LCTES 2018)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

K = 5
WINDOW = 512


class Neighbours:
    """Frames with their features and, by model, whether its answer agreed."""

    def __init__(self) -> None:
        self._features: deque[NDArray[np.float64]] = deque(maxlen=WINDOW)
        self._agreed: deque[Mapping[int, bool]] = deque(maxlen=WINDOW)

    def add(self, features: NDArray[np.float64], agreed: Mapping[int, bool]) -> None:
        self._features.append(features)
        self._agreed.append(dict(agreed))

    def score(self, features: NDArray[np.float64], model: int) -> float:
        """The share of the nearest frames on which that model agreed, 0..1, nearer ones counting more; 0 of too few.

        Distances are Euclidean over features in units of their own spread.
        """
        known = [index for index, agreed in enumerate(self._agreed) if model in agreed]
        if len(known) < K:
            return 0.0
        table = np.array([self._features[index] for index in known])
        spread = table.std(axis=0)
        distance = np.linalg.norm((table - features) / np.where(spread > 0, spread, 1), axis=1)
        nearest = np.argsort(distance, kind="stable")[:K]
        weights = 1 / (distance[nearest] + 1e-3)
        agreed = np.array([self._agreed[known[index]][model] for index in nearest], float)
        return float((weights * agreed).sum() / weights.sum())

    def snapshot(self) -> Any:
        return tuple(self._features), tuple(self._agreed)

    def restore(self, state: Any) -> None:
        features, agreed = state
        self._features.extend(features)
        self._agreed.extend(agreed)
