"""Output decoders: how the networks of a family want their picture, and how their outputs are read. One file each.

A decoder turns outputs into candidates: boxes in pixels of the input, scores, and the network's own class numbers. What
the pipeline calls them, thresholds and the suppression of doubles are the detector's, the same for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from vidpipe.models.letterbox import LetterboxMode
from vidpipe.models.runtimes import Output, Pixels

Outputs = Sequence[NDArray[Any]]
Size = tuple[int, int]


class Candidates(NamedTuple):
    """What a network found: boxes float32 xyxy [n, 4] in pixels of its input, scores [n], its class numbers [n]."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]


class OutputDecoder(Protocol):
    """Reads the outputs of one network, as its family does.

    Attributes:
        pixels, letterbox: what goes in.
        threshold: least score, where nobody says otherwise.
        suppresses: whether the network itself leaves one box for each object.
        classes: how many the outputs tell apart; None where they do not say.
    """

    pixels: ClassVar[Pixels]
    letterbox: ClassVar[LetterboxMode]
    threshold: ClassVar[float]
    suppresses: bool
    classes: int | None

    def __init__(self, outputs: Sequence[Output], size: Size) -> None: ...

    @staticmethod
    def fits(outputs: Sequence[Output], size: Size) -> bool:
        """Whether outputs of these shapes, of a network with this input (height, width), are of the family."""
        ...

    def read(self, outputs: Outputs, floor: float) -> Candidates:
        """The candidates that score at least `floor` in the outputs for one picture, in any order."""
        ...


def cells(size: Size, strides: Sequence[int] = (8, 16, 32)) -> int:
    """How many cells the grids of a YOLO network have together."""
    return sum((size[0] // stride) * (size[1] // stride) for stride in strides)
