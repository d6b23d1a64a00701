"""What the quality of coded pictures costs on a link, as it was measured: bytes, and what a detector still sees.

Means over 13 clips of `python -m benchmarks links quality`; docs/benchmarks.md has all of it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from vidpipe.pipeline.spec import LinkSpec


class _Measured(NamedTuple):
    """By quality: bytes of a picture against JPEG of quality 85, and F1 against what is seen in the picture itself."""

    quality: tuple[int, ...]
    share: tuple[float, ...]
    f1: tuple[float, ...]


_CODECS = {
    "jpeg": _Measured(
        (10, 20, 35, 50, 75, 85, 95),
        (0.2, 0.32, 0.44, 0.53, 0.76, 1.0, 1.75),
        (0.65, 0.778, 0.83, 0.876, 0.922, 0.956, 0.972),
    ),
    "webp": _Measured(
        (20, 35, 50, 75, 85, 95), (0.24, 0.31, 0.38, 0.5, 0.72, 1.28), (0.84, 0.873, 0.906, 0.922, 0.946, 0.963)
    ),
}


def coded_size(codec: str, quality: int) -> float:
    """Bytes of a picture against those as JPEG of quality 85."""
    known = _CODECS[codec]
    return float(np.interp(quality, known.quality, known.share))


def f1_through(spec: LinkSpec) -> float:
    """F1 of a detector that looks at pictures behind a link, against itself at the same pictures before it; 0..1.

    A width that is smaller than the input of the detector costs more, which is not known here.
    """
    if spec.codec == "raw":
        return 1.0
    known = _CODECS[spec.codec]
    return float(np.interp(spec.quality, known.quality, known.f1))
