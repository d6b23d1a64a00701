"""Parts of a stream's picture: what of it may be seen (masks, regions of interest), and which points lie in a part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import av
import numpy as np
from numpy.typing import NDArray

from vidpipe.core.frame import Image
from vidpipe.core.picture import YuvPicture
from vidpipe.sources.base import Polygon, StreamSpec

if TYPE_CHECKING:
    import supervision as sv

_BLACK, _GREY = 16, 128


class View:
    """Blanks what a stream hides, and tells which boxes lie there.

    A pixel is hidden if its centre lies in a mask, or if there are regions and it lies in none. The geometry is worked
    out once per size of picture.

    Args:
        mask, regions: polygons in parts of width and height, of the upright picture.
    """

    def __init__(self, mask: Sequence[Polygon], regions: Sequence[Polygon]) -> None:
        self._mask = mask
        self._regions = regions
        self._stencils: dict[tuple[int, int], _Stencil] = {}

    @classmethod
    def of(cls, spec: StreamSpec) -> View | None:
        """The view of a stream, or None where it hides nothing."""
        return cls(spec.mask, spec.regions) if spec.mask or spec.regions else None

    @property
    def polygons(self) -> tuple[Sequence[Polygon], Sequence[Polygon]]:
        """`mask` and `regions`, as it was made of them."""
        return self._mask, self._regions

    def hidden(self, width: int, height: int) -> NDArray[np.bool_]:
        """Bool [height, width]: which pixels are hidden."""
        return self._stencil(width, height).hidden

    def visible(self, width: int, height: int) -> float:
        """The share of the picture that is left, 0..1."""
        return self._stencil(width, height).visible

    def apply(self, frame: av.VideoFrame) -> tuple[av.VideoFrame, NDArray[np.bool_], float]:
        """A picture without what is hidden; which pixels that are, and the share that is left."""
        size = (frame.width, frame.height)
        return self.blank(frame), self.hidden(*size), self.visible(*size)

    def blank(self, frame: av.VideoFrame) -> av.VideoFrame:
        """A copy of an 8-bit 4:2:0 picture with what is hidden in black; the decoder's own is left alone."""
        planes = YuvPicture(frame).planes()
        stencil = self._stencil(planes.width, planes.height)
        np.bitwise_and(planes.pixels, stencil.keep, out=planes.pixels)
        np.bitwise_or(planes.pixels, stencil.black, out=planes.pixels)
        return YuvPicture.from_planes(planes).frame

    def hides(self, xyxy: NDArray[np.floating], width: int, height: int) -> NDArray[np.bool_]:
        """Bool [n]: whether the centre of each box lies in a hidden part; a centre outside counts as at the edge.

        Args:
            xyxy: [n, 4] in pixels of the picture.
            width, height: of the picture in pixels.
        """
        return at(self.hidden(width, height), (xyxy[:, :2] + xyxy[:, 2:]) / 2)

    def without_hidden(self, boxes: sv.Detections, width: int, height: int) -> sv.Detections:
        """Boxes without those that are hidden, since models see what straddles the border of a hidden part.

        Args:
            width, height: of the picture in pixels.
        """
        if not len(boxes):
            return boxes
        hidden = self.hides(boxes.xyxy.astype(np.float32), width, height)
        return cast("sv.Detections", boxes[~hidden]) if hidden.any() else boxes

    def _stencil(self, width: int, height: int) -> _Stencil:
        stencil = self._stencils.get((width, height))
        if stencil is None:
            stencil = self._stencils[width, height] = _cut(self._hidden(width, height))
        return stencil

    def _hidden(self, width: int, height: int) -> NDArray[np.bool_]:
        hidden = np.full((height, width), bool(self._regions))
        for region in self._regions:
            hidden &= ~inside(region, width, height)
        for mask in self._mask:
            hidden |= inside(mask, width, height)
        return hidden


def inside(polygon: Polygon, width: int, height: int) -> NDArray[np.bool_]:
    """Bool [height, width]: pixels whose centre lies in the polygon, by the even-odd rule."""
    pixels = np.zeros((height, width), bool)
    x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
    corners = [(px * width, py * height) for px, py in polygon]
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        rows = (y0 <= y) != (y1 <= y)
        if rows.any():
            crossing = x0 + (y[rows] - y0) * (x1 - x0) / (y1 - y0)
            pixels[rows] ^= x < crossing[:, None]
    return pixels


def at(pixels: NDArray[np.bool_], points: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Bool [n]: what holds for the pixel under each point; a point outside the picture counts as at its edge.

    Args:
        pixels: [height, width].
        points: x, y in pixels, [n, 2].
    """
    height, width = pixels.shape
    x, y = np.clip(points.astype(np.intp), 0, (width - 1, height - 1)).T
    under: NDArray[np.bool_] = pixels[y, x]
    return under


class _Stencil(NamedTuple):
    """For one size of picture: `pixels & keep | black` blanks packed planes, faster than any indexing."""

    hidden: NDArray[np.bool_]
    visible: float
    keep: Image
    black: Image


def _cut(hidden: NDArray[np.bool_]) -> _Stencil:
    hidden.setflags(write=False)
    height, width = hidden.shape
    padded = np.pad(hidden, ((0, height % 2), (0, width % 2)))
    chroma = padded.reshape((height + 1) // 2, 2, (width + 1) // 2, 2).any(axis=(1, 3)).ravel()
    packed = np.concatenate([hidden.ravel(), chroma, chroma])
    black = np.full(packed.size, _GREY, np.uint8)
    black[: hidden.size] = _BLACK
    return _Stencil(
        hidden=hidden,
        visible=1.0 - float(hidden.mean()),
        keep=np.where(packed, 0, 255).astype(np.uint8),
        black=np.where(packed, black, 0).astype(np.uint8),
    )
