"""Which streams are alike: k-means on how accurate each value of each knob was in their profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float64]


def alike(profiles: Mapping[str, Sequence[float]], within: float) -> list[list[str]]:
    """Streams in as few groups as it takes; who is nearest to the centre of a group comes first in it.

    Args:
        profiles: accuracies of the same values of the same knobs, by stream.
        within: how far any value may differ between two of a group. (A mean over values would hide one knob among many,
            and the distance from the centre a single stream among many.)
    """
    if not profiles:
        return []
    names, vectors = list(profiles), np.array(list(profiles.values()), np.float64)
    for count in range(1, len(names)):
        groups = _clustered(vectors, count)
        if groups and all(np.ptp(vectors[rows], axis=0).max(initial=0) <= within for rows in groups):
            return [[names[row] for row in _by_distance(vectors, rows)] for rows in groups]
    return [[name] for name in names]


def _clustered(vectors: Vectors, count: int) -> list[NDArray[np.intp]]:
    """The rows of each group; nothing where one of the groups would be empty."""
    from scipy.cluster.vq import ClusterError, kmeans2

    with suppress(ClusterError):
        _, labels = kmeans2(vectors, _far_apart(vectors, count), minit="matrix", missing="raise")
        return [np.flatnonzero(labels == label) for label in range(count)]
    return []


def _far_apart(vectors: Vectors, count: int) -> Vectors:
    """Points to begin at, each as far as can be from those before it: so the result does not depend on chance."""
    chosen = [0]
    while len(chosen) < count:
        apart = np.abs(vectors[:, None] - vectors[chosen]).max(axis=2).min(axis=1)
        chosen.append(int(apart.argmax()))
    return vectors[chosen]


def _by_distance(vectors: Vectors, rows: NDArray[np.intp]) -> list[int]:
    """Rows of a group, who is nearest to its centre first."""
    far = np.abs(vectors[rows] - vectors[rows].mean(axis=0)).max(axis=1, initial=0)
    order: list[int] = rows[np.argsort(far, kind="stable")].tolist()
    return order
