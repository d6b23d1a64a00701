"""One open source whose pictures several queries take, and what each of them takes them from.

Pictures are read-only, so nothing is copied; what is made of one (BGR, previews, motion) is made once. Each query has a
frame of its own around the picture, as settings, features and memos are its own, and numbers that count from where it
came in. Who takes pictures of a recording waits for those that are behind; a camera waits for nobody, and each query
has a queue of its own.
"""

from __future__ import annotations

import copy
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence, Set

from vidpipe.core.clock import Clock
from vidpipe.core.errors import contained
from vidpipe.core.frame import Frame, Missing
from vidpipe.core.motion import Motion
from vidpipe.core.picture import SharedYuvPicture, YuvPicture
from vidpipe.core.settings import Knobs
from vidpipe.sources.address import is_camera
from vidpipe.sources.base import Resume, Source, StreamInfo, StreamSpec
from vidpipe.sources.decoding.packets import PacketRing
from vidpipe.sources.health import Health
from vidpipe.sources.queue import NewestQueue
from vidpipe.sources.read_ahead import QUEUE

AHEAD = 4  # pictures of a recording that one query may be ahead of another
_LOOK_S = 0.1  # at whether reading may begin
TOGETHER_S = 2.0  # that a recording waits for other queries whose turn to begin it comes a little later

PICTURE_FIELDS = (
    *("url", "record_url", "transport", "tls_verify", "decoder", "skip_frame", "skip_loop_filter", "max_blind_s"),
    *("mask", "regions", "settings", "start_s", "end_s"),
)
"""What of a stream's settings says which pictures come: queries that have the same there share them."""


def difference(one: StreamSpec, other: StreamSpec) -> str:
    """Which settings keep two queries from sharing the pictures of a stream; "" where none does. Never their values."""
    return ", ".join(f"`{field}`" for field in PICTURE_FIELDS if getattr(one, field) != getattr(other, field))


class Reading:
    """One open source, and who takes its pictures.

    Attributes:
        over: nobody takes them any more, or there are no more.
        seen: all queries that ever took them.
    """

    def __init__(
        self,
        source: Source,
        spec: StreamSpec,
        motion: bool,
        resume: Resume | None,
        expected: Set[str],
        go: threading.Event,
        clock: Clock,
    ) -> None:
        self.source = source
        self.over = False
        self.seen: set[str] = set()
        self.go = go
        self.clock = clock
        self.changed = threading.Condition()
        self.ended = False
        self.error: Exception | None = None
        self._spec = spec
        self._motion = motion
        self._resume = resume
        self._expected = expected if resume is None else frozenset()
        self._items = iter(source)
        self._takers: list[Taker] = []
        self._begun = self._pulling = False

    def why_not(self, spec: StreamSpec, knobs: Knobs, resume: Resume | None, ring: PacketRing | None) -> str | None:
        """Why a query cannot take these pictures; None where it can."""
        if differs := difference(self._spec, spec):
            return f"other queries have another {differs} there"
        if knobs.want_motion and not self._motion:
            return "it asks for vectors of the codec, which its decoder was not opened to tell"
        if not spec.live and (self._begun or self._resume or resume):
            return "it begins at another picture"
        # Packets are kept by one query, with the numbers and times of its frames.
        if ring is not None and spec.live and (is_camera(spec.url) or self._begun):
            return "its packets are kept for clips of this query"
        if spec.record_url is not None and self._begun:
            return "clips of it are recorded from another address"
        return None

    def join(self, query: str, knobs: Knobs, resume: Resume | None) -> Taker:
        """What a query takes its pictures from."""
        with self.changed:
            kind = LiveTaker if self._spec.live else Taker
            joins = kind(self, knobs, resume, from_begin=not self._begun)
            self._takers.append(joins)
            self.seen.add(query)
            self.changed.notify_all()
        return joins

    def wait_for_others(self) -> None:
        """Begin with the first picture once everybody is there who is to see it, or does not come for a while."""
        with self.changed:
            self.changed.wait_for(lambda: self._begun or self.over or self._expected <= self.seen, TOGETHER_S)

    def leave(self, taker: Taker) -> None:
        """Somebody takes no more; the last one closes the source."""
        with self.changed:
            if taker in self._takers:
                self._takers.remove(taker)
            last = self.over = not self._takers
            self.changed.notify_all()
        if last:
            self.source.close()

    def end(self) -> None:
        """Let go of the source's iteration, in the thread that was at it last, where nobody goes on with it."""
        with self.changed:
            if not self.over or self._pulling:
                return
            self._pulling = True
        close = getattr(self._items, "close", None)
        if close is not None:
            close()

    def begin(self) -> None:
        """Have a thread give the pictures of a live source to all, unless one does already."""
        with self.changed:
            if self._begun:
                return
            self._begun = True
        threading.Thread(target=self._pump, name=f"vidpipe-share-{self.source.info.name}", daemon=True).start()

    def may_pull(self) -> bool:
        """Whether the next picture may be read now: nobody is at it, and nobody is too far behind. Under `changed`."""
        return not self._pulling and all(len(taker.waiting) < AHEAD for taker in self._takers)

    def pull(self) -> None:
        """Read the next picture and hand it to all. Called under `changed`, which is free while it reads."""
        self._begun = self._pulling = True
        self.changed.release()
        item: Frame | Missing | None = None
        error: Exception | None = None
        try:
            item = next(self._items, None)
        except BaseException as raised:
            error = raised if isinstance(raised, Exception) else contained(raised)
        finally:
            self.changed.acquire()
        self._pulling = False
        self._hand_out(item, error)

    def _pump(self) -> None:
        error: Exception | None = None
        try:
            for item in self._items:
                with self.changed:
                    self._hand_out(item, None)
        except BaseException as raised:  # whatever it is, who takes the pictures must hear of it
            error = raised if isinstance(raised, Exception) else contained(raised)
        with self.changed:
            self._hand_out(None, error)

    def _hand_out(self, item: Frame | Missing | None, error: Exception | None) -> None:
        if item is None:
            self.ended = self.over = True
            self.error = error
        elif isinstance(item, Frame) and len(self._takers) > 1:
            _make_shared(item)
        for taker in self._takers:
            taker.put(item)
        self.changed.notify_all()


class Taker:
    """A `Source` with the pictures of a recording that others read too."""

    def __init__(self, reading: Reading, knobs: Knobs, resume: Resume | None, *, from_begin: bool) -> None:
        self.waiting: deque[Frame | Missing] = deque()
        self._reading = reading
        self._knobs = knobs
        self._motion = knobs.want_motion
        self._closed = False
        self._resume = resume
        self._renumbers = not from_begin
        self._shift: tuple[int, float] | None = None

    @property
    def source(self) -> Source:
        """Where the pictures come from."""
        return self._reading.source

    @property
    def info(self) -> StreamInfo:
        return self.source.info

    @property
    def notes(self) -> Sequence[str]:
        return self.source.notes

    @property
    def broken_off(self) -> str:
        return self.source.broken_off

    @property
    def health(self) -> Health | None:
        return self.source.health

    def put(self, item: Frame | Missing | None) -> None:
        """Take the next picture; None: there are no more. Under the reading's `changed`."""
        if item is not None:
            self.waiting.append(self._own(item))

    def __iter__(self) -> Iterator[Frame | Missing]:
        reading = self._reading
        try:
            while not reading.go.wait(_LOOK_S) and not self._closed:
                pass
            reading.wait_for_others()
            while (item := self._next()) is not None:
                yield item
        finally:
            self.close()
            reading.end()

    def close(self) -> None:
        """End the iteration; others go on."""
        with self._reading.changed:
            closes, self._closed = not self._closed, True
            self.waiting.clear()
        if closes:
            self._reading.leave(self)

    def _next(self) -> Frame | Missing | None:
        reading = self._reading
        with reading.changed:
            while not self._closed:
                if self.waiting:
                    reading.changed.notify_all()
                    return self.waiting.popleft()
                if reading.ended:
                    break
                if reading.may_pull():
                    reading.pull()
                else:
                    reading.changed.wait()
        if reading.error is not None and not self._closed:
            raise reading.error
        return None

    def _own(self, item: Frame | Missing) -> Frame | Missing:
        """The query's own frame around the same picture."""
        own = copy.copy(item)
        if isinstance(own, Frame):
            own.knobs = self._knobs
            if not self._motion:
                own.forget_motion()
        if self._renumbers:
            if self._shift is None:
                self._shift = self._first_shift(item)
            own.seq, own.pts = item.seq - self._shift[0], item.pts - self._shift[1]
        return own

    def _first_shift(self, first: Frame | Missing) -> tuple[int, float]:
        """What numbers and times of the reading differ by from those of a query that came later."""
        if (before := self._resume) is None:
            return first.seq, first.pts
        passed_s = 0.0
        if first.captured_at is not None and before.captured_at is not None:
            passed_s = max(0.0, first.captured_at - before.captured_at)
        return first.seq - before.seq - 1, first.pts - before.pts - passed_s


class LiveTaker(Taker):
    """The same of a camera: a `LiveSource`, of which the newest pictures wait."""

    def __init__(self, reading: Reading, knobs: Knobs, resume: Resume | None, *, from_begin: bool) -> None:
        super().__init__(reading, knobs, resume, from_begin=from_begin)
        self._queue = NewestQueue(QUEUE, reading.clock)

    def put(self, item: Frame | Missing | None) -> None:
        if item is None:
            self._queue.end(self._reading.error)
        else:
            self._queue.put(self._own(item))

    def nudge(self) -> None:
        """See `LiveSource.nudge`."""
        self._queue.nudge()

    def __iter__(self) -> Iterator[Frame | Missing]:
        return (item for item in self.arrivals(lambda: float("inf")) if item is not None)

    def arrivals(self, until: Callable[[], float]) -> Iterator[Frame | Missing | None]:
        """See `LiveSource.arrivals`."""
        try:
            while not self._reading.go.wait(_LOOK_S) and not self._closed:
                pass
            if not self._closed:
                self._reading.begin()
            yield from self._queue.arrivals(until)
        finally:
            self.close()

    def close(self) -> None:
        super().close()
        self._queue.close()


def origin(source: Source) -> Source:
    """The source itself, where this one is a query's share of it."""
    return source.source if isinstance(source, Taker) else source


def _make_shared(frame: Frame) -> None:
    """Have what is made of the picture be made once, for all frames around it."""
    if type(frame.picture) is YuvPicture:
        frame.picture = SharedYuvPicture(frame.picture.frame)
    frame.share_views(_once)


def _once(make: Callable[[], Motion]) -> Callable[[], Motion]:
    """What gives the same each time, and makes it at the first one; for several threads."""
    lock = threading.Lock()
    made: list[Motion] = []

    def given() -> Motion:
        with lock:
            if not made:
                made.append(make())
            return made[0]

    return given
