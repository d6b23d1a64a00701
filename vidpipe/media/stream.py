"""Pictures and clips of one stream: what its frames, answers and events ask for."""

from __future__ import annotations

import logging
import math
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from vidpipe.core.answer import Answer
from vidpipe.core.clock import REAL, Clock
from vidpipe.core.event import Event, Phase
from vidpipe.core.frame import Frame, Missing
from vidpipe.media import mux
from vidpipe.media.best import Best, BestPictures, drawn
from vidpipe.media.clips import Clip, Clips
from vidpipe.media.spec import MediaSpec
from vidpipe.media.writer import DroppedError, MediaWriter
from vidpipe.sources.decoding.packets import Packets

log = logging.getLogger(__name__)

_LATE_S = 0.7  # by which a picture may come late before a clip is cut without it
_CLOSE_S = 5.0  # for what is still to be written at the end of a stream
_KNOWN = 4096  # events whose picture is remembered
_ROUNDING_S = 1e-3


class _Shown(NamedTuple):
    """The picture of an event."""

    path: Path
    quality: float


class StreamMedia:
    """Makes pictures and clips of a stream's events, and says in these where they will be.

    For the thread of the stream; the one that writes looks at clips whose time has come though no picture comes.

    Args:
        packets: where its encoded pictures can be had again; None: no clips are made of it.
        live: pictures come at their own pace, so that nothing waits for a disk.
    """

    def __init__(
        self,
        stream: str,
        spec: MediaSpec,
        writer: MediaWriter,
        packets: Packets | None,
        *,
        live: bool,
        clock: Clock = REAL,
    ) -> None:
        self._stream = stream
        self._spec = spec
        self._writer = writer
        self._packets = packets
        self._live = live
        self._clock = clock
        self._best = None if spec.pictures == "none" else BestPictures(spec.pictures, boxes=spec.boxes)
        self._shown: OrderedDict[str, _Shown] = OrderedDict()  # by event
        self._clips = Clips(spec, self._place_of_clip) if packets is not None else None
        self._ready: list[Clip] = []  # all of them has been shown; they wait for their last packets
        self._cutting: list[Clip] = []
        self._pts, self._since = 0.0, 0.0  # of the newest picture
        self._lock = threading.Lock()
        writer.watch(self._look)

    def see(self, item: Frame | Missing, answer: Answer, events: Sequence[Event]) -> Sequence[Event]:
        """Take the next published answer, with its frame and what happened at it; the events with their paths."""
        try:
            return self._see(item, answer, events)
        except Exception as error:  # a stream must not end for a picture of it
            log.warning("stream %s: no picture or clip: %s: %s", self._stream, type(error).__name__, error)
            log.debug("media of %s", self._stream, exc_info=error)
            return events

    def close(self) -> None:
        """Cut what is open, and wait until it is written, for a while."""
        self._writer.unwatch(self._look)
        with self._lock:
            if self._clips is not None:
                self._ready += self._clips.take_all(self._pts)
            ready, self._ready = self._ready, []
            self._cutting += ready
        for clip in ready:
            self._cut_later(clip)
        self._writer.await_all(self._stream, _CLOSE_S)
        if self._packets is not None:
            self._packets.close()

    def _see(self, item: Frame | Missing, answer: Answer, events: Sequence[Event]) -> Sequence[Event]:
        frame = item if isinstance(item, Frame) else None
        if self._best is not None and frame is not None:
            self._best.look(frame, answer)
        told = [self._with_media(event, frame, answer) for event in events] if events else events
        with self._lock:
            self._pts, self._since = item.pts, item.since
        if self._clips is not None:
            self._hand_over(item.pts)
        return told

    def _with_media(self, event: Event, frame: Frame | None, answer: Answer) -> Event:
        if not self._spec.wants(event.kind):
            return event
        told: dict[str, Any] = {}
        if self._best is not None and (picture := self._picture(self._best, event, frame, answer)) is not None:
            told["snapshot"] = str(picture)
        if self._clips is not None and (clip := self._clip(self._clips, event)) is not None:
            told["clip"] = str(clip)
        return replace(event, data={**event.data, **told}) if told else event

    def _picture(self, best: BestPictures, event: Event, frame: Frame | None, answer: Answer) -> Path | None:
        """Where the event's picture will be; None where there is none."""
        before = self._shown.get(event.id)
        if event.phase is Phase.UPDATE and before is not None:
            return before.path
        track = event.data.get("track_id")
        found: Best | None
        if track is not None:
            found = best.of(track)
        elif before is not None:
            return before.path  # of what is no single object the frame at which it began
        else:
            found = Best(drawn(frame, answer, boxes=self._spec.boxes), frame.seq, 0.0) if frame is not None else None
        if before is not None and (found is None or found.quality <= before.quality):
            return before.path
        self._writer.counts.made(self._stream, "pictures")
        if found is None:
            self._writer.counts.dropped(self._stream, "pictures", "no frame shows it")
            return None
        path = before.path if before is not None else self._place(event, event.pts, ".jpg")
        self._shown[event.id] = _Shown(path, found.quality)
        if len(self._shown) > _KNOWN:
            self._shown.popitem(last=False)
        write = partial(self._writer.write, self._stream, path, partial(_put, content=found.jpeg))
        self._writer.put(self._stream, "pictures", write, wait=not self._live)
        return path

    def _clip(self, clips: Clips, event: Event) -> Path | None:
        """Where the event's clip will be; None where there will be none."""
        assert self._packets is not None
        coding = self._packets.coding
        with self._lock:
            if coding is not None and not coding.container:
                self._writer.counts.made(self._stream, "clips")
                why = f"{coding.codec} goes into neither MP4 nor Matroska here"
                if self._writer.counts.dropped(self._stream, "clips", why):
                    log.warning("stream %s: no clips are made: %s", self._stream, why)
                return None
            path, new = clips.see(event)
            self._mind_need(clips)
        if new:
            self._writer.counts.made(self._stream, "clips")
            self._writer.wake()
        return path

    def _place_of_clip(self, event: Event, begin: float) -> Path:
        coding = self._packets.coding if self._packets is not None else None
        return self._place(event, begin, coding.suffix if coding is not None else ".mp4")

    def _place(self, event: Event, pts: float, suffix: str) -> Path:
        track = event.data.get("track_id")
        at = None if event.at is None else event.at - event.pts + pts
        what = event.rule if track is None else f"{event.rule}-{track}"
        return self._writer.folder.place(self._stream, at, pts, what, suffix)

    def _look(self) -> bool:
        """Cut clips whose time has come by the clock, as where a camera has gone; whether any is open."""
        if self._clips is None or not self._live:
            return False
        with self._lock:
            since, pts = self._since, self._pts
        if since:
            self._hand_over(pts + self._clock.monotonic() - since - _LATE_S)
        with self._lock:
            return bool(self._ready) or self._clips.needed < math.inf

    def _hand_over(self, now: float) -> None:
        """Have clips cut of which all has been shown by these media seconds."""
        assert self._clips is not None
        assert self._packets is not None
        with self._lock:
            self._ready += self._clips.take_due(now)
            if not self._ready:
                return
            newest, by_now = self._packets.newest, self._by_now()
            whole = [clip for clip in self._ready if newest >= clip.end or by_now >= clip.end]
            self._ready = [clip for clip in self._ready if clip not in whole]
            self._cutting += whole
            self._mind_need(self._clips)
        for clip in whole:
            self._cut_later(clip)

    def _by_now(self) -> float:
        """Media seconds of which the last packets will not come any more."""
        if not self._live or not self._since:
            return math.inf
        return self._pts + self._clock.monotonic() - self._since - _LATE_S

    def _mind_need(self, clips: Clips) -> None:
        assert self._packets is not None
        self._packets.keep_from(min([clips.needed, *(clip.begin for clip in (*self._ready, *self._cutting))]))

    def _cut_later(self, clip: Clip) -> None:
        # In the thread that writes, `put` must never wait; a recording's clips are handed over by its own thread.
        if not self._writer.put(self._stream, "clips", partial(self._cut, clip), wait=not self._live):
            self._let_go(clip)

    def _let_go(self, clip: Clip) -> None:
        """A clip has been written, or never will be: its packets are not needed."""
        assert self._clips is not None
        self._writer.folder.let_go(clip.path)
        with self._lock:
            self._cutting.remove(clip)
            self._mind_need(self._clips)

    def _cut(self, clip: Clip) -> None:
        assert self._packets is not None
        try:
            kept = self._packets.between(clip.begin, clip.end)
            if not kept:
                raise DroppedError(self._packets.lacking)
            first = kept[0].pts or 0.0
            for number, part in enumerate(mux.parts(kept), 1):
                begin = part[0].pts or 0.0
                told: dict[str, Any] = {"stream": self._stream, "pts": round(begin, 6), "events": clip.events}
                if clip.at is not None:
                    told["utc"] = round(clip.at + begin, 3)
                if self._packets.note:
                    told["times"] = self._packets.note
                path = clip.path if number == 1 else clip.path.with_stem(f"{clip.path.stem}.{number}")
                path = path.with_name(path.name.removesuffix(path.suffix) + part[0].coding.suffix)
                write = partial(mux.write, packets=part, told=told, at=told.get("utc"))
                self._writer.write(self._stream, path, write)
            if first > max(clip.begin, 0.0) + _ROUNDING_S:
                self._writer.counts.short(self._stream)
        finally:
            self._let_go(clip)


def _put(path: Path, content: bytes) -> None:
    path.write_bytes(content)
