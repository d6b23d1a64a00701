"""A source of the user's own as a stream: its pictures become frames, waited for or at their own pace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from vidpipe.core.answer import How
from vidpipe.core.clock import Clock
from vidpipe.core.errors import SourceError
from vidpipe.core.frame import Frame, Missing
from vidpipe.core.picture import BgrPicture
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import Resume, StreamInfo, StreamSpec
from vidpipe.sources.health import Health, State
from vidpipe.sources.own import Shot, own_class
from vidpipe.sources.read_ahead import ReadAhead
from vidpipe.sources.view import View


class _Own:
    """Makes frames of a user's pictures."""

    def __init__(
        self, name: str, spec: StreamSpec, knobs: Knobs, resume: Resume | None, view: View | None, clock: Clock
    ) -> None:
        self._source = own_class(spec.url)()
        self._source.name = name
        self._source.config = self._source.Config.model_validate(dict(spec.settings))
        self._name, self._knobs, self._resume, self._view = name, knobs, resume, view
        self.clock = clock

    def items(self) -> Iterator[Frame | Missing]:
        """The stream's pictures, behind those that were answered before a restart."""
        first = self._resume.seq + 1 if self._resume else 0
        for seq, shot in enumerate(self._source.pictures()):
            if seq >= first:
                yield self._item(seq, Shot(*shot))

    def _item(self, seq: int, shot: Shot) -> Frame | Missing:
        if shot.pixels is None:
            return Missing(self._name, seq, shot.pts, How.DROPPED, "lacking", shot.captured_at)
        pixels = np.asarray(shot.pixels)
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
            got = f"{pixels.dtype} {list(pixels.shape)}"
            raise SourceError(f"stream {self._name}: picture {seq} is {got}: a picture is uint8 [height, width, 3]")
        height, width = pixels.shape[:2]
        hidden = self._view.hidden(width, height) if self._view else None
        if hidden is not None:
            pixels = np.where(hidden[..., None], np.uint8(0), pixels)
        return Frame(
            self._name,
            seq,
            shot.pts,
            BgrPicture(pixels),
            width,
            height,
            captured_at=shot.captured_at,
            since=self.clock.monotonic(),
            hidden=hidden,
            visible=self._view.visible(width, height) if self._view else 1.0,
            knobs=self._knobs,
        )

    def close(self) -> None:
        self._source.close()


class OwnRecording:
    """A user's source that waits for answers."""

    broken_off = ""
    notes: Sequence[str] = ()
    health: Health | None = None

    def __init__(self, own: _Own, info: StreamInfo) -> None:
        self.info = info
        self._own = own

    def __iter__(self) -> Iterator[Frame | Missing]:
        return self._own.items()

    def close(self) -> None:
        """See `PictureSource.close`."""
        self._own.close()


class OwnCamera(ReadAhead):
    """A user's source that waits for nobody."""

    broken_off = ""
    notes: Sequence[str] = ()

    def __init__(self, own: _Own, info: StreamInfo) -> None:
        super().__init__(info.name, own.clock, join_s=1.0)
        self.info = info
        self._own = own
        self._came = 0
        self._last_at: float | None = None

    @property
    def health(self) -> Health:
        state = State.STOPPED if self._stop.is_set() else State.LIVE if self._came else State.WARMING
        return Health(state, last_frame_at=self._last_at, received=self._came, decoded=self._came)

    def close(self) -> None:
        """See `ReadAhead.close`."""
        super().close()
        self._own.close()

    def _read(self) -> None:
        for item in self._own.items():
            if self._stop.is_set():
                return
            self._came, self._last_at = self._came + 1, self._clock.utc()
            if item.captured_at is None:
                item.captured_at = self._last_at
            self._queue.put(item)


def open_own(
    name: str,
    spec: StreamSpec,
    info: StreamInfo,
    *,
    knobs: Knobs,
    resume: Resume | None,
    view: View | None,
    clock: Clock,
) -> OwnRecording | OwnCamera:
    """Open a source of the user's own; raises SourceError where it does not open."""
    try:
        own = _Own(name, spec, knobs, resume, view, clock)
    except Exception as error:
        raise SourceError(f"stream {name}: {type(error).__name__}: {error}".splitlines()[0]) from error
    return OwnCamera(own, info) if info.live else OwnRecording(own, info)
