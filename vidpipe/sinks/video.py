"""Drawn video: what the cameras saw, what was answered, and which stage answered it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from vidpipe.answer import Answer
from vidpipe.errors import ConfigError, RunError
from vidpipe.frame import Frame, Image
from vidpipe.sinks.overlay import Moment, Overlay
from vidpipe.sources.base import StreamInfo

if TYPE_CHECKING:
    import av

_log = logging.getLogger(__name__)

_TICKS = 90_000  # a second: fine enough for every camera's clock
_ENCODERS = ("libx264", "libopenh264", "mpeg4")
# Slower presets save a quarter of the bytes for half as much time again, which the stages need. B-frames would shift
# the first picture's time, which a file that is written on the go can no longer correct.
_OPTIONS = {"libx264": {"preset": "superfast", "crf": "23", "threads": "1", "bf": "0"}}
_KEY_EVERY_S = 2.0
# A fragment from key picture to key picture, complete in itself: a killed process loses the last one, not the file.
_FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}


@dataclass(frozen=True)
class VideoTap:
    """Draws every frame of every stream into an MP4 file.

    Attributes:
        path: the file; with several streams, `NAME-STREAM.mp4` for `NAME.mp4`.
        many: whether there are several streams.
    """

    path: str
    many: bool = False

    def open(self, info: StreamInfo, *, resumed: bool = False) -> VideoWriter:
        """Begin a file; `resumed`: go on in `NAME.2.mp4`, `NAME.3.mp4`, ..., and leave what is there.

        Raises:
            ConfigError: it cannot be written there.
        """
        path = Path(self.path)
        if self.many:
            path = path.with_stem(f"{path.stem}-{quote(info.name, safe=' ')}")
        return VideoWriter(_next_free(path) if resumed else path, info)


def _next_free(path: Path) -> Path:
    part = 2
    while (free := path.with_stem(f"{path.stem}.{part}")).exists():
        part += 1
    return free


class VideoWriter:
    """One stream's drawn video: H.264 that keeps the stream's own intervals, counted from its first picture.

    A frame without a picture shows the one before, and says so. Before the first one that could be decoded that is
    black; where the size is not known by then either, frames are left out.

    Raises:
        ConfigError: the file cannot be written.
    """

    def __init__(self, path: Path, info: StreamInfo) -> None:
        import av

        self.path = path
        self._info = info
        self._interval_s = 1 / info.fps if info.fps else 0.04
        try:
            path.open("ab").close()  # FFmpeg's own word for a missing folder names neither file nor folder
            self._container = av.open(str(path), "w", options=_FRAGMENTED if path.suffix in (".mp4", ".mov") else {})
        except OSError as error:
            raise ConfigError(f"video {path} cannot be written: {error.strerror}") from None
        except ValueError:
            raise ConfigError(f"video {path}: {path.suffix or 'no suffix'} is no kind of video; take .mp4") from None
        self._stream: av.VideoStream | None = None
        self._overlay: Overlay | None = None
        self._picture: Image | None = None
        self._seq, self._pts, self._picture_seq = -1, 0.0, -1
        self._first_pts: float | None = None
        self._ticks = -1
        if info.width and info.height:
            self._begin(info.width, info.height)

    def write(self, frame: Frame | None, answer: Answer, ledger: Mapping[str, int]) -> None:
        """Draw an answer and append it; see `engine.taps.TapWriter`.

        Raises:
            RunError: the file cannot be written on: the disk is full.
        """
        self._advance(frame)
        if self._overlay is None or self._picture is None:
            return
        moment = Moment(self._info.name, self._seq, self._pts, self._picture_seq)
        self._encode(self._overlay.draw(self._picture, answer, moment, ledger))

    def close(self) -> None:
        """Finish the file."""
        try:
            if self._stream is not None:
                self._container.mux(self._stream.encode())
            self._container.close()
        except OSError as error:
            raise RunError(f"video {self.path} cannot be finished: {error.strerror}") from None

    def _begin(self, width: int, height: int) -> None:
        self._overlay = Overlay(width, height)
        self._picture = np.zeros((height, width, 3), np.uint8)
        self._stream = _add_stream(self._container, *self._overlay.size, 1 / self._interval_s)

    def _advance(self, frame: Frame | None) -> None:
        """Take over a frame's picture, number and time; without one, both are the next that are due."""
        if frame is None:
            self._pts += self._interval_s if self._seq >= 0 else 0.0
            self._seq += 1
            return
        self._seq, self._pts, self._picture_seq = frame.seq, frame.pts, frame.seq
        picture = frame.bgr()
        if self._picture is None:
            self._begin(picture.shape[1], picture.shape[0])
        assert self._picture is not None
        if picture.shape != self._picture.shape:
            import cv2

            picture = cv2.resize(picture, (self._picture.shape[1], self._picture.shape[0]))
        np.copyto(self._picture, picture)

    def _encode(self, drawn: Image) -> None:
        import av
        import cv2

        assert self._stream is not None
        stream = self._stream
        if self._first_pts is None:
            self._first_pts = self._pts
        self._ticks = max(self._ticks + 1, round((self._pts - self._first_pts) * _TICKS))
        planes: Image = cv2.cvtColor(drawn, cv2.COLOR_BGR2YUV_I420)  # a quarter of what FFmpeg takes for it
        frame = av.VideoFrame.from_numpy_buffer(planes, format="yuv420p")
        frame.pts, frame.time_base = self._ticks, Fraction(1, _TICKS)
        try:
            self._container.mux(stream.encode(frame))
        except OSError as error:
            raise RunError(f"video {self.path} cannot be written on: {error.strerror}") from None


def _add_stream(container: av.container.OutputContainer, width: int, height: int, fps: float) -> av.VideoStream:
    """The best encoder that this FFmpeg has, set up."""
    import av

    for encoder in _ENCODERS:
        try:
            av.Codec(encoder, "w")
        except ValueError:
            continue
        if encoder != _ENCODERS[0]:
            _log.warning("%s: FFmpeg has no %s, the video is made by %s", container.name, _ENCODERS[0], encoder)
        stream = container.add_stream(encoder, Fraction(fps).limit_denominator(1001), _OPTIONS.get(encoder, {}))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, _TICKS)
        stream.codec_context.gop_size = max(1, round(_KEY_EVERY_S * fps))
        return stream
    raise ConfigError(f"video {container.name}: FFmpeg has none of the encoders {', '.join(_ENCODERS)}")
