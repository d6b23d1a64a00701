"""The kinds of pixels behind a frame: what the decoder gave, what crossed a link, what a program made.

A decoded picture is 8-bit YUV 4:2:0, upright and with hidden parts blanked, before a stage sees it; so luma, preview
and BGR come out bit for bit the same on both sides of a link that passes the planes on (the BGR of a picture with an
odd number of rows or columns within two levels: FFmpeg reads beyond its edge).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.frame import Image

if TYPE_CHECKING:
    import av
    from av.video.plane import VideoPlane


class Planes(NamedTuple):
    """Packed 4:2:0 planes, with what conversion to BGR has to know.

    Attributes:
        pixels: uint8 [rows * columns * 3 / 2] (chroma rounded up): luma, then U, then V.
        width, height: of the luma plane in pixels.
        format: "yuv420p", or "yuvj420p" for full range.
        colorspace, color_range: as FFmpeg numbers them.
    """

    pixels: Image
    width: int
    height: int
    format: str
    colorspace: int
    color_range: int


def packed_size(width: int, height: int) -> int:
    """Bytes of packed 4:2:0 planes."""
    return width * height + 2 * ((width + 1) // 2) * ((height + 1) // 2)


class YuvPicture:
    """A picture as 8-bit YUV 4:2:0 planes in an `av.VideoFrame`."""

    __slots__ = ("frame",)

    def __init__(self, frame: av.VideoFrame) -> None:
        self.frame = frame

    def luma(self) -> Image:
        return _tight(self.frame.planes[0])

    def bgr(self) -> Image:
        from av.video.reformatter import VideoReformatter

        # Without `threads=1` FFmpeg starts a pool of threads for each picture: 2.6 ms instead of 0.14 at 768x432. A
        # reformatter of its own, as that of a frame is not to be shared by threads, and frames are.
        converted = VideoReformatter().reformat(self.frame, format="bgr24", threads=1)
        return np.asarray(converted.to_ndarray(), np.uint8)

    def yuv(self, x: NDArray[np.intp], y: NDArray[np.intp]) -> Image:
        luma, u, v = map(_tight, self.frame.planes)
        return np.stack([luma[y, x], u[y // 2, x // 2], v[y // 2, x // 2]], axis=-1)

    @property
    def nbytes(self) -> int:
        """Size of the packed planes."""
        return packed_size(self.frame.width, self.frame.height)

    def planes(self, memory: Image | None = None, place: tuple[int, int, int, int] | None = None) -> Planes:
        """The planes without the decoder's padding: one copy.

        Args:
            memory: what to copy to, uint8 [nbytes]; by default new memory.
            place: the part that is wanted, xyxy in pixels; it begins at even ones. None: all.
        """
        frame = self.frame
        x0, y0, x1, y1 = place or (0, 0, frame.width, frame.height)
        pixels = np.empty(packed_size(x1 - x0, y1 - y0), np.uint8) if memory is None else memory
        start = 0
        for number, plane in enumerate(map(_tight, frame.planes)):
            half = 2 if number else 1
            part = plane[y0 // half : -(-y1 // half), x0 // half : -(-x1 // half)]
            pixels[start : start + part.size].reshape(part.shape)[:] = part
            start += part.size
        return Planes(pixels, x1 - x0, y1 - y0, frame.format.name, int(frame.colorspace), int(frame.color_range))

    @classmethod
    def from_planes(cls, planes: Planes) -> YuvPicture:
        """The picture again; keeps `planes.pixels` where the size lets PyAV (no copy)."""
        import av

        width, height = planes.width, planes.height
        if width % 2 or height % 4:  # PyAV takes the height for a multiple of 4, and cuts others off
            frame = av.VideoFrame(width, height, planes.format)
            _fill(frame, planes.pixels)
        else:
            frame = av.VideoFrame.from_numpy_buffer(planes.pixels.reshape(-1, width), format=planes.format)
        frame.colorspace = planes.colorspace
        frame.color_range = planes.color_range
        return cls(frame)


class SharedYuvPicture(YuvPicture):
    """The same for several threads that ask for its BGR: it is converted once, and kept with the picture."""

    __slots__ = ("_bgr", "_lock")

    def __init__(self, frame: av.VideoFrame) -> None:
        super().__init__(frame)
        self._lock = threading.Lock()
        self._bgr: Image | None = None

    def bgr(self) -> Image:
        with self._lock:
            if self._bgr is None:
                self._bgr = super().bgr()
                self._bgr.setflags(write=False)
            return self._bgr


class BgrPicture:
    """A picture as a BGR array: what a lossy link delivers, or a test makes.

    Args:
        pixels: uint8 [h, w, 3].
    """

    __slots__ = ("_luma", "pixels")

    def __init__(self, pixels: Image) -> None:
        self.pixels = pixels.view()
        self.pixels.setflags(write=False)
        self._luma: Image | None = None

    def luma(self) -> Image:
        if self._luma is None:
            import cv2

            self._luma = np.asarray(cv2.cvtColor(self.pixels, cv2.COLOR_BGR2GRAY), np.uint8)
            self._luma.setflags(write=False)
        return self._luma

    def bgr(self) -> Image:
        return self.pixels

    def yuv(self, x: NDArray[np.intp], y: NDArray[np.intp]) -> Image:
        import cv2

        points = self.pixels[y, x]
        converted = cv2.cvtColor(points.reshape(-1, 1, 3), cv2.COLOR_BGR2YCrCb)
        return np.asarray(converted[..., [0, 2, 1]], np.uint8).reshape(points.shape)

    @property
    def nbytes(self) -> int:
        return int(self.pixels.nbytes)


def _tight(plane: VideoPlane) -> Image:
    """A plane's own pixels [h, w], without copying; not to be written to."""
    rows = np.frombuffer(memoryview(plane).toreadonly(), np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]


def _fill(frame: av.VideoFrame, pixels: Image) -> None:
    start = 0
    for plane in frame.planes:
        rows = np.zeros((plane.height, plane.line_size), np.uint8)
        size = plane.width * plane.height
        rows[:, : plane.width] = pixels[start : start + size].reshape(plane.height, plane.width)
        plane.update(rows.tobytes())
        start += size
