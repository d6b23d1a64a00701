"""Cheap keys: pictures of a few hundred numbers, free of their mean and of length 1, so that light matters less."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.frame import Image

FRAME = (24, 18)  # width and height of a frame's thumbnail
CROP = (8, 16)  # of an object's, in colour
_LEAST_STD = 1.0  # grey levels: what varies less is noise made long


def of_preview(preview: Image) -> NDArray[np.float32] | None:
    """float32 [432] of a grey preview; None where there is nothing to see."""
    return _thumbnail(preview, FRAME)


def of_crop(crop: Image) -> NDArray[np.float32] | None:
    """float32 [384] of a BGR crop; None where there is nothing to see."""
    return _thumbnail(crop, CROP)


def unit(vector: NDArray[Any]) -> NDArray[np.float32] | None:
    """A vector at length 1; None for one that has no direction."""
    flat = np.asarray(vector, np.float32).ravel()
    length = float(np.linalg.norm(flat))
    return flat / length if 0 < length < np.inf else None


def probe() -> Image:
    """The fixed picture that networks are known by: uint8 [96, 96, 3] of even noise in blocks."""
    blocks = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
    return np.repeat(np.repeat(blocks, 8, axis=0), 8, axis=1)


def _thumbnail(picture: Image, size: tuple[int, int]) -> NDArray[np.float32] | None:
    import cv2

    if not picture.size:
        return None
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.float32).ravel()
    small -= small.mean()
    return unit(small) if small.std() >= _LEAST_STD else None
