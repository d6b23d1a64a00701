"""A source that does what it is told: for tests of stages, engines and sinks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from threading import Event

from vidpipe.answer import How
from vidpipe.frame import Frame, Image, Missing
from vidpipe.picture import BgrPicture
from vidpipe.sources.base import Resume, StreamInfo

Step = Image | tuple[float, Image] | Missing | Exception


class ScriptedSource:
    """A `Source` that plays a list.

    Args:
        steps: one for each picture: uint8 [h, w, 3] BGR, shown `1 / fps` after the one before; `(pts, picture)`; or a
            `Missing`, whose stream and seq are filled in, and its pts where that is not above 0. An exception between
            them is raised there.
        name: of the stream.
        fps: of pictures without a pts of their own.
        live: what `info` says.
        resume: go on behind this picture: the steps up to it are passed over, as a file is sought after a restart.
    """

    def __init__(
        self,
        steps: Iterable[Step],
        name: str = "cam",
        fps: float = 25.0,
        live: bool = False,
        resume: Resume | None = None,
    ) -> None:
        self.steps = list(steps)
        self._resume = resume
        self._closed = Event()
        pictures = [picture for picture in map(_picture, self.steps) if picture is not None]
        height, width = pictures[0].shape[:2] if pictures else (0, 0)
        self._info = StreamInfo(
            name, width, height, fps, sum(not isinstance(step, Exception) for step in self.steps), live, "scripted"
        )

    @property
    def notes(self) -> tuple[str, ...]:
        return ()

    @property
    def broken_off(self) -> str:
        return ""

    @property
    def health(self) -> None:
        return None

    @property
    def info(self) -> StreamInfo:
        return self._info

    def __iter__(self) -> Iterator[Frame | Missing]:
        fps = self._info.fps or 25.0
        seq, pts = -1, -1 / fps
        for step in self.steps:
            if self._closed.is_set():
                return
            passed_over = self._resume is not None and seq < self._resume.seq
            if isinstance(step, Exception):
                if passed_over:
                    continue
                raise step
            seq, pts = seq + 1, _pts(step, pts + 1 / fps)
            if self._resume is None or seq > self._resume.seq:
                yield self._given(step, seq, pts)

    def close(self) -> None:
        """End the iteration, from any thread."""
        self._closed.set()

    def _given(self, step: Image | tuple[float, Image] | Missing, seq: int, pts: float) -> Frame | Missing:
        picture = _picture(step)
        if picture is None:
            assert isinstance(step, Missing)
            return Missing(self._info.name, seq, pts, How(step.how), step.reason)
        return Frame(self._info.name, seq, pts, BgrPicture(picture), picture.shape[1], picture.shape[0])


def _picture(step: Step) -> Image | None:
    if isinstance(step, Missing | Exception):
        return None
    return step[1] if isinstance(step, tuple) else step


def _pts(step: Image | tuple[float, Image] | Missing, due: float) -> float:
    if isinstance(step, tuple):
        return step[0]
    return step.pts if isinstance(step, Missing) and step.pts > 0 else due
