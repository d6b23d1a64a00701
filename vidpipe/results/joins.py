"""Which events join the alarm of another camera, as they are of one person who has gone from there to here.

The windows of ReXCam (Jain et al., SEC 2020) with the bounds that `across.graph` gives them, used the other way round:
a follow-up looks wherever somebody may be, an event joins only where it is known to be likely. What is in doubt is an
alarm of its own: a way that too few have taken, somebody who looks like two alarms, a camera whose results are late.

It goes by what is published, and by no clock, so a replay says the same. Of other cameras only that counts which is
`LATE_S` older than the event: so it does not matter whose results come first, and no event waits for any.
"""

from __future__ import annotations

import math
from bisect import insort
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.event import LASTING, Event, Look, Phase
from vidpipe.core.rounding import round_seconds
from vidpipe.core.ways import CLEARLY, Way
from vidpipe.results.records import Result

LATE_S = 2.0
"""How much later than those of another camera the results of one may come, and all is as if they had come at once."""

_MOST_ALARMS = 1000  # that something may still join
_MOST_TIMES = 512  # of results, and at which a track was seen: much more than `LATE_S`


class Sighted(NamedTuple):
    """What matters of a published result.

    Attributes:
        time: UTC seconds; media seconds where the recording does not say.
        ids: of its boxes.
    """

    stream: str
    seq: int
    time: float
    ids: Sequence[int]


def sighted(results: Iterable[Result]) -> Iterator[Sighted]:
    """What matters of results, with times as results files have them."""
    for result in results:
        ids = result.detections.tracker_id
        at = result.pts if result.captured_at is None else result.captured_at
        yield Sighted(result.stream, result.seq, round_seconds(at), () if ids is None else ids.tolist())


class _Track(NamedTuple):
    """A track by its stream, its number, and when it began: numbers come again where a stream begins anew."""

    stream: str
    number: int
    first: float


class _Sighting(NamedTuple):
    """An event of an alarm: when it came, by a clock that is right, its track, and what that looks like."""

    at: float
    track: _Track
    vector: NDArray[np.float64]


@dataclass(slots=True)
class _Alarm:
    """An alarm.

    Attributes:
        id: of the event that it began with, behind its `stream`.
        sightings: of that event and of those that joined it, in order of time.
        over: when its first track was told of again: who goes on from there joins that newer alarm.
    """

    id: str
    stream: str
    sightings: list[_Sighting]
    over: float = math.inf

    def until(self, at: float, stream: str, own: float) -> list[_Sighting]:
        """Sightings up to `at`; those of one stream, whose results come in order, up to `own`. None once it is over."""
        if self.over <= (own if self.stream == stream else at):
            return []
        return [each for each in self.sightings if each.at <= (own if each.track.stream == stream else at)]


class Joins:
    """The alarms of one run that further events may join. For one thread."""

    def __init__(self) -> None:
        self._alarms: deque[_Alarm] = deque(maxlen=_MOST_ALARMS)
        self._seen: dict[tuple[str, int], deque[float]] = {}  # when the tracks of alarms were seen
        self._times: dict[str, deque[float]] = {}  # of the newest results of each stream
        self._joined: dict[tuple[str, str], str] = {}  # events that have not ended, and the alarm that they joined

    def join(self, results: Iterable[Sighted], events: Sequence[Event]) -> list[Event]:
        """The events, in their order, those with `joins` in their data that join an alarm.

        Args:
            results: what was published, in order; `events` came with them, or behind the last one of their stream.
        """
        looked: defaultdict[tuple[str, int], list[tuple[Event, Look]]] = defaultdict(list)
        for event in events:
            if event.look is not None:
                looked[event.stream, event.seq].append((event, event.look))
        joined: dict[tuple[str, str], str | None] = {}
        for stream, seq, time, ids in results:
            self._times.setdefault(stream, deque(maxlen=_MOST_TIMES)).append(time)
            for number in ids if self._seen else ():
                if (times := self._seen.get((stream, number))) is not None:
                    times.append(time)
            for event, look in looked.pop((stream, seq), ()):
                joined[stream, event.id] = self._alarm_of(event, look)
        for event, look in (each for rest in looked.values() for each in rest):
            joined[event.stream, event.id] = self._alarm_of(event, look)
        return [self._told(event, joined) for event in events]

    def _told(self, event: Event, joined: Mapping[tuple[str, str], str | None]) -> Event:
        """An event with the alarm that it has joined, in this phase or an earlier one."""
        key = event.stream, event.id
        alarm = joined.get(key) or self._joined.get(key)
        if event.phase is Phase.END:
            self._joined.pop(key, None)
        elif alarm is not None and event.kind in LASTING:
            self._joined[key] = alarm
        return event if alarm is None else replace(event, data={**event.data, "joins": alarm})

    def _alarm_of(self, event: Event, look: Look) -> str | None:
        """The alarm that an event joins; None: it is one of its own, which others may join."""
        ahead = look.ways.ahead_s.get(event.stream, 0.0)
        at = (event.pts if event.at is None else event.at) - ahead
        track = _Track(event.stream, event.data["track_id"], look.first)
        sighting = _Sighting(at, track, np.array(look.vector))
        own = next((each for each in reversed(self._alarms) if track in (one.track for one in each.sightings)), None)
        if own is None:
            found = self._candidates(sighting, look)
        elif own.stream == event.stream:
            own.over, found = at, []
        else:
            found = [own]
        if len(found) != 1:
            self._alarms.append(_Alarm(f"{event.stream}/{event.id}", event.stream, [sighting]))
        else:
            insort(found[0].sightings, sighting, key=lambda each: (each.at, each.track))
        self._watch(track, at + ahead)
        return found[0].id if len(found) == 1 else None

    def _watch(self, track: _Track, now: float) -> None:
        """Note from now on when a track is seen."""
        times = self._seen.setdefault((track.stream, track.number), deque(maxlen=_MOST_TIMES))
        if not times or times[-1] < now:
            times.append(now)
        if len(self._seen) > 2 * _MOST_ALARMS:
            known = {(one.track.stream, one.track.number) for alarm in self._alarms for one in alarm.sightings}
            self._seen = {key: times for key, times in self._seen.items() if key in known}

    def _candidates(self, sighting: _Sighting, look: Look) -> list[_Alarm]:
        """The alarm whose subject this is; several where it may be any of them."""
        stream = sighting.track.stream
        found = []
        for alarm in self._alarms:
            known = alarm.until(sighting.at - LATE_S, stream, sighting.at)
            if not known or known[-1].track.stream == stream:
                continue
            if any(len(each.vector) != len(sighting.vector) for each in known):  # of another model
                continue
            way = look.ways.between(known[-1].track.stream, stream)
            if way is None or not self._came_by(way, known[-1].track, sighting, look):
                continue
            mean = np.mean([each.vector for each in known], axis=0)
            cosine = float(mean @ sighting.vector / (np.linalg.norm(mean) * np.linalg.norm(sighting.vector)))
            if cosine >= look.ways.likeness:
                found.append((cosine, alarm))
        best = max((cosine for cosine, _ in found), default=0.0)
        return [alarm for cosine, alarm in found if cosine > best - CLEARLY]

    def _came_by(self, way: Way, left: _Track, sighting: _Sighting, look: Look) -> bool:
        """Whether who left that track can be who was seen here, by the time that the way takes."""
        there_s = look.ways.ahead_s.get(left.stream, 0.0)
        until = sighting.at - LATE_S + there_s
        newest = _newest(self._times.get(left.stream, ()), until)
        last = _newest(self._seen.get((left.stream, left.number), ()), until)
        if last >= newest:  # as far as is known it is still there
            return False
        took_s = look.first - look.ways.ahead_s.get(sighting.track.stream, 0.0) - (last - there_s)
        return way.earliest_s <= took_s <= way.latest_s


def _newest(times: Iterable[float], until: float) -> float:
    """The newest of some times; -infinity: there is none up to then."""
    return max((time for time in times if time <= until), default=-math.inf)
