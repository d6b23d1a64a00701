"""What stages and transforms have computed of a frame anyway, as the few numbers that results can hold."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.answer import Answer
from vidpipe.core.frame import Frame

if TYPE_CHECKING:
    import supervision as sv

EMBEDDING = "embedding"
"""Name of the features that are made of what a transform `describe` says of boxes."""

EVERY_S = 0.5
"""Media seconds from one result that holds features to the next: about as often as a classifier looks."""

_MOST = 64  # numbers of one vector; what is longer is projected
_DECIMALS = 3
_LARGEST = 1e6


def computed(frame: Frame | None, answer: Answer, name: str) -> list[float] | None:
    """The features of that name, rounded as results have them; None where nobody has computed any.

    Args:
        name: id of a stage that leaves an array in `Frame.computed`, or `embedding`.
    """
    if name == EMBEDDING:
        return _of_boxes(answer.detections)
    if frame is None or name not in frame.computed:
        return None
    return _rounded(_short(np.asarray(frame.computed[name], np.float64).ravel()))


def _of_boxes(boxes: sv.Detections) -> list[float] | None:
    """The mean and the greatest of all vectors of boxes; [] where no box is described, None where nobody describes."""
    if not len(boxes):
        return []
    vectors: Any = boxes.data.get(EMBEDDING)
    if vectors is None:
        return None
    # A box that nobody describes, as of its class, has zeros.
    described = [vector for vector in np.asarray(vectors, np.float64) if vector.any()]
    if not described:
        return []
    short = np.array([_short(vector) for vector in described])
    return _rounded(np.concatenate([short.mean(axis=0), short.max(axis=0)]))


def _short(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """A vector of 64 numbers at most: distances between vectors hardly change under a random projection (Johnson and
    Lindenstrauss 1984), and what a linear classifier cannot tell from so few numbers, few examples do not teach.
    """
    if len(vector) <= _MOST:
        return vector
    return np.asarray(vector @ _directions(len(vector)))


@cache
def _directions(length: int) -> NDArray[np.float64]:
    """The same on every machine: signs, scaled so that lengths stay (Achlioptas 2003)."""
    signs = np.random.default_rng(length).integers(0, 2, (length, _MOST)) * 2.0 - 1.0
    return np.asarray(signs / np.sqrt(_MOST))


def _rounded(vector: NDArray[np.float64]) -> list[float]:
    numbers: list[float] = np.round(np.nan_to_num(np.clip(vector, -_LARGEST, _LARGEST)), _DECIMALS).tolist()
    return numbers
