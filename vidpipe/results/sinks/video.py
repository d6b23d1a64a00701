"""Drawn video: what the cameras saw, what was answered, and which stage answered it."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np

from vidpipe.core.answer import Answer
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.core.files import check_writable, claim
from vidpipe.core.frame import Frame, Image, Missing
from vidpipe.results.sinks.overlay import Moment, Overlay
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
class VideoFrameSink:
    """Draws every frame of every stream into an MP4 file.

    Attributes:
        path: the file; with several streams, `NAME-STREAM.mp4` for `NAME.mp4`.
        many: whether there are several streams.
    """

    path: str
    many: bool = False

    def file_of(self, stream: str) -> Path:
        """Where a stream's video goes."""
        path = Path(self.path)
        return path.with_stem(f"{path.stem}-{quote(stream, safe=' ')}") if self.many else path

    def open(self, info: StreamInfo, *, resumed: bool = False) -> VideoWriter:
        """A writer; `resumed`: go on in `NAME.2.mp4`, `NAME.3.mp4`, ..., and leave what is there.

        Raises:
            ConfigError: it cannot be written there, or another run does so.
        """
        path = self.file_of(info.name)
        return VideoWriter(_next_free(path) if resumed else path, info)


def _next_free(path: Path) -> Path:
    part = 2
    while (free := path.with_stem(f"{path.stem}.{part}")).exists():
        part += 1
    return free


class VideoWriter:
    """One stream's drawn video: H.264 that keeps the stream's own intervals, counted from its first picture.

    A frame without a picture shows the one before, and says so. Before the first one that could be decoded that is
    black; where the size is not known by then either, frames are left out. The file is made, and one that is there
    replaced, with the first picture that is drawn.

    Raises:
        ConfigError: the file cannot be written, or another run writes it.
    """

    def __init__(self, path: Path, info: StreamInfo) -> None:
        self.path = path
        self._info = info
        self._interval_s = 1 / info.fps if info.fps else 0.04
        if not _is_video(path):
            raise ConfigError(f"video {path}: {path.suffix or 'no suffix'} is no kind of video; take .mp4")
        check_writable(path, "video")
        self._claim = claim(path, "video", make=False) if path.is_file() else None
        self._container: av.container.OutputContainer | None = None
        self._stream: av.VideoStream | None = None
        self._overlay: Overlay | None = None
        self._picture: Image | None = None
        self._picture_seq = -1
        self._first_pts: float | None = None
        self._ticks = -1

    def write(self, item: Frame | Missing, answer: Answer, ledger: Mapping[str, int]) -> None:
        """Draw an answer and append it; see `results.frame_sink.FrameSinkWriter`.

        Raises:
            RunError: the file cannot be written on: the disk is full.
        """
        try:
            self._show(item)
            if self._overlay is None or self._picture is None:
                return
            moment = Moment(self._info.name, item.seq, item.pts, self._picture_seq)
            self._encode(self._overlay.draw(self._picture, answer, moment, ledger), item.pts)
        except OSError as error:
            raise RunError(f"video {self.path} cannot be written on: {error.strerror}") from None

    def close(self) -> None:
        """Finish the file."""
        try:
            if self._container is not None:
                if self._stream is not None:
                    self._container.mux(self._stream.encode())
                self._container.close()
        except OSError as error:
            raise RunError(f"video {self.path} cannot be finished: {error.strerror}") from None
        finally:
            self._let_go()

    def _let_go(self) -> None:
        if self._claim is not None:
            os.close(self._claim)
            self._claim = None

    def _begin(self, width: int, height: int) -> None:
        import av

        if self._claim is not None and os.fstat(self._claim).st_nlink > 1:
            self._let_go()  # in place, what it replaces would be gone under the file's other names too
            Path(os.path.realpath(self.path)).unlink()
        if self._claim is None and (self.path.is_file() or not self.path.exists()):
            self._claim = claim(self.path, "video", make=True)
        options = _FRAGMENTED if self.path.suffix in (".mp4", ".mov") else {}
        self._container = av.open(str(self.path), "w", options=options)
        self._overlay = Overlay(width, height)
        self._picture = np.zeros((height, width, 3), np.uint8)
        self._stream = _add_stream(self._container, *self._overlay.size, 1 / self._interval_s)

    def _show(self, item: Frame | Missing) -> None:
        """Take over a frame's picture; where there is none, the one before is shown on."""
        if self._picture is None and self._info.width and self._info.height:
            self._begin(self._info.width, self._info.height)
        if isinstance(item, Missing):
            return
        self._picture_seq = item.seq
        picture = item.bgr()
        if self._picture is None:
            self._begin(picture.shape[1], picture.shape[0])
        assert self._picture is not None
        if picture.shape != self._picture.shape:
            import cv2

            picture = cv2.resize(picture, (self._picture.shape[1], self._picture.shape[0]))
        np.copyto(self._picture, picture)

    def _encode(self, drawn: Image, pts: float) -> None:
        import av
        import cv2

        assert self._stream is not None
        assert self._container is not None
        if self._first_pts is None:
            self._first_pts = pts
        self._ticks = max(self._ticks + 1, round((pts - self._first_pts) * _TICKS))
        planes: Image = cv2.cvtColor(drawn, cv2.COLOR_BGR2YUV_I420)  # a quarter of what FFmpeg takes for it
        frame = av.VideoFrame.from_numpy_buffer(planes, format="yuv420p")
        frame.pts, frame.time_base = self._ticks, Fraction(1, _TICKS)
        self._container.mux(self._stream.encode(frame))


def _is_video(path: Path) -> bool:
    """Whether FFmpeg makes a video of such a name."""
    import av

    nowhere = BytesIO()
    nowhere.name = path.name  # what PyAV guesses the format by
    try:
        av.open(nowhere, "w").close()
    except ValueError:
        return False
    return True


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
