"""Which events of a stream go into which clip: decided from events and media time alone."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from vidpipe.core.event import LASTING, Event, Phase
from vidpipe.media.spec import MediaSpec

_KNOWN = 4096  # events whose clip is remembered, for what they tell later

"""Kinds of rules that end; of others that is known once one has gone on or ended."""


@dataclass(eq=False, slots=True)
class Clip:
    """A clip that is to be cut.

    Attributes:
        path: where it will be.
        begin, end: media seconds that it shall show, roll included; `end` moves while its events go on.
        limit: beyond which it does not go.
        at: UTC seconds of media time 0, if that is known.
        events: ids of all that are in it.
        going_on: ids of those that have not ended.
    """

    path: Path
    begin: float
    end: float
    limit: float
    at: float | None
    events: list[str] = field(default_factory=list)
    going_on: set[str] = field(default_factory=set)

    @property
    def due(self) -> float:
        """Media seconds at which all of it has been shown."""
        return self.limit if self.going_on else self.end


class Clips:
    """The clips of one stream that are open. For one thread.

    Events that overlap, roll included, share a clip, as long as it does not grow beyond `max_s`: what begins from then
    on has another. What goes on has no more than that.

    Args:
        place: gives a clip of an event that begins at those media seconds its path.
    """

    def __init__(self, spec: MediaSpec, place: Callable[[Event, float], Path]) -> None:
        self._spec = spec
        self._place = place
        self._open: list[Clip] = []
        self._of: OrderedDict[str, Clip] = OrderedDict()  # by event
        self._lasting = set(LASTING)

    @property
    def needed(self) -> float:
        """Media seconds from which on pictures are needed; infinite: none are."""
        return min((clip.begin for clip in self._open), default=math.inf)

    def see(self, event: Event) -> tuple[Path, bool]:
        """Take a phase of an event: where its clip will be, and whether that is another clip than there was."""
        if event.phase is not Phase.BEGIN:
            self._lasting.add(event.kind)
        clip, new = self._of.get(event.id), False
        if clip is None:
            clip = self._joined(event)
            if clip is None:
                clip, new = self._begun(event), True
            clip.events.append(event.id)
            self._of[event.id] = clip
            if len(self._of) > _KNOWN:
                self._of.popitem(last=False)
        if clip in self._open:
            self._go_on(clip, event)
        return clip.path, new

    def take_due(self, now: float) -> list[Clip]:
        """Those of which all has been shown by these media seconds; they are no longer open."""
        due = [clip for clip in self._open if clip.due <= now]
        self._open = [clip for clip in self._open if clip.due > now]
        for clip in due:
            clip.end = clip.due
        return due

    def take_all(self, now: float) -> list[Clip]:
        """All that are open: no more is shown than there is by these media seconds."""
        left, self._open = self._open, []
        for clip in left:
            clip.end = min(clip.due, max(clip.end, now) if clip.going_on else clip.end)
        return left

    def _go_on(self, clip: Clip, event: Event) -> None:
        ended = event.phase is Phase.END
        last = _seconds(event, "ended_pts") if ended else event.pts
        clip.end = min(clip.limit, max(clip.end, last + self._spec.post_s))
        if ended:
            clip.going_on.discard(event.id)
        elif event.kind in self._lasting:
            clip.going_on.add(event.id)

    def _joined(self, event: Event) -> Clip | None:
        """The open clip that an event goes into; None where there is none that has room for it."""
        if not self._open:
            return None
        clip = self._open[-1]
        begin = min(clip.begin, self._begin_of(event))
        limit = begin + self._spec.max_s
        if max(clip.end, event.pts + self._spec.post_s) > limit:
            return None
        clip.begin, clip.limit = begin, limit
        return clip

    def _begun(self, event: Event) -> Clip:
        begin = self._begin_of(event)
        at = None if event.at is None else event.at - event.pts
        path = self._place(event, max(begin, 0.0))
        clip = Clip(path, begin, event.pts, begin + self._spec.max_s, at)
        self._open.append(clip)
        return clip

    def _begin_of(self, event: Event) -> float:
        """Where a clip of its own would begin: so that it shows when the event was told, however late that was."""
        told_late = event.pts + self._spec.post_s - self._spec.max_s
        return max(_seconds(event, "started_pts") - self._spec.pre_s, told_late)


def _seconds(event: Event, field: str) -> float:
    """Media seconds that an event names; those at which it was told where it names none."""
    value = event.data.get(field)
    return float(value) if isinstance(value, int | float) else event.pts
