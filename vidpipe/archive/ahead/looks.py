"""Which frames of a recording are looked at, and what is said of all others."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from vidpipe.archive.ahead.between import Between, Way, behind, follow, follow_back, without_look
from vidpipe.core.answer import Answer, nothing
from vidpipe.core.frame import Frame
from vidpipe.stages.track.aging import Aging
from vidpipe.stages.track.appearance import colours
from vidpipe.stages.track.change import is_cut
from vidpipe.stages.track.identity import Identities
from vidpipe.stages.track.seen import Means, Seen
from vidpipe.stages.track.track import TrackConfig
from vidpipe.stages.track.tracks import Tracks, ids_of
from vidpipe.statistics.agreement import match

if TYPE_CHECKING:
    import supervision as sv

_SLACK_S = 1e-3  # some containers round to milliseconds
_HELD_BYTES = 256_000_000  # of pictures that wait for whether they are looked at


class Said(NamedTuple):
    """What is said of a frame.

    Attributes:
        look: the answer to it, where it was looked at; else None, and
        detections: are moved there from
        as_of: `seq` of the nearer look; -1 where there is none, and from
        other: of the look on its other side; -1 where there is none.
    """

    seq: int
    look: Answer | None
    detections: sv.Detections
    as_of: int = -1
    other: int = -1


class _Step(NamedTuple):
    """A frame that may be looked at, and that boxes are followed to."""

    frame: Frame
    seen: Seen


@dataclass(slots=True)
class _Look:
    """A look that is there.

    Attributes:
        place: of its step.
        tracks: its boxes, to be followed.
    """

    place: int
    answer: Answer
    tracks: Tracks


class LookAhead:
    """Takes the frames of a recording in order, and says what is said of them as soon as that is known.

    Frames are held back until the next look, which lies as far ahead as the floor allows. Boxes are followed on from
    the look before and back from the one ahead.

    How far that is comes from the looks themselves. Each is held out: what its neighbours, without it, would have said
    of its frame is held against what it found. It is as far from the nearer of them as the middle of a gap that is
    twice as long as the present one, so errors are known before a gap is as wide as they are old. By distance to the
    nearer look they grow as errors grow with age in a stream, so `Aging` decides, as there: every frame is looked at
    until a lower bound proves more.

    Args:
        name: of the stream: looks that come early are drawn for it.
        config: of the stage that tracks: `refresh_s` bounds the time from a frame to the nearer look.
        look: has a frame looked at. An answer that is not of that very frame is no look.
        longest_s: between looks at most, beside what `refresh_s` says.

    Attributes:
        counts: looks by what asked for them.
        aging: errors by the distance to the nearer look; None: nobody has asked for a floor.
    """

    def __init__(
        self, name: str, config: TrackConfig, look: Callable[[Frame], Answer], longest_s: float | None = None
    ) -> None:
        self._name = name
        self._config = config
        self._ask = look
        self._longest_s = 2 * config.refresh_s if longest_s is None else min(longest_s, 2 * config.refresh_s)
        self._identities = Identities(config.activate)
        self._by: Means = "held" if config.motion == "held" else "flow"
        self._frame_s = 0.0
        self.counts: Counter[str] = Counter()
        self.aging: Aging | None = None
        self._begin()

    def _begin(self) -> None:
        """Nothing leads to what comes now from what was before."""
        self._steps: list[_Step] = []
        self._places: list[tuple[int, float]] = []
        self._bytes = 0
        self._newest: Frame | None = None
        self._lost: set[int] = set()  # frames whose look has failed: they are not asked again
        self._look: _Look | None = None
        self._onwards: Way | None = None  # from the look before that one

    def take(self, frame: Frame) -> list[Said]:
        """What is known with this frame, of it and of frames before it."""
        said: list[Said] = []
        newest = self._steps[-1].seen if self._steps else None
        if newest is not None and (_elsewhere(newest, frame) or _is_cut(newest, frame)):
            self.counts["broken off"] += 1
            said = self.end()
        self._measure(frame)
        self._places.append((frame.seq, frame.pts))
        newest = self._steps[-1].seen if self._steps else None
        self._newest = frame
        due = self._is_due(frame)
        if due or newest is None or frame.pts - newest.pts >= self._config.step_s - _SLACK_S:
            self._step_to(frame)
        if due:
            said += self._close("refresh")
        return said

    def _step_to(self, frame: Frame) -> None:
        self._steps.append(_Step(frame, Seen.of(frame, pictured=self._by == "flow")))
        self._bytes += frame.picture.nbytes

    def end(self) -> list[Said]:
        """Nothing leads on from here, so the last frame is looked at: what is known of all frames that are left."""
        if self._newest is not None and self._steps and self._newest.seq > self._steps[-1].seen.seq:
            self._step_to(self._newest)
        said = self._close("end") if len(self._steps) > 1 or (self._steps and self._look is None) else []
        return said + self._rest()

    def _rest(self) -> list[Said]:
        """What is known of all frames behind the newest look, from it alone; nothing leads on from there."""
        said: list[Said] = []
        if self._look is not None and self._places:
            steps = [step.seen for step in self._steps]
            way = follow(self._look.tracks, steps, self._by)
            seq_of = steps[0].seq
            times = [step.pts for step in steps]
            said += [Said(seq, None, behind(way, times, pts, steps[0].size), seq_of) for seq, pts in self._places]
        elif self._places:
            said += [Said(seq, None, nothing()) for seq, _ in self._places]
        self._begin()
        return said

    def _measure(self, frame: Frame) -> None:
        if self._places or self._steps:
            seq, pts = self._places[-1] if self._places else (self._steps[-1].seen.seq, self._steps[-1].seen.pts)
            if frame.seq > seq and frame.pts > pts:
                each_s = (frame.pts - pts) / (frame.seq - seq)
                self._frame_s += (each_s - self._frame_s) * (0.05 if self._frame_s else 1)

    def _is_due(self, frame: Frame) -> bool:
        """Whether the next look is at this frame."""
        if self._look is None:
            return True
        if self._is_far(frame):
            return True
        if self._config.floor is None or not self._frame_s:
            return False
        if self.aging is None:
            self.aging = Aging(self._config.begin_s / self._frame_s)
        return frame.seq - self._steps[0].seen.seq >= self._gap(self.aging)

    def _gap(self, aging: Aging) -> int:
        """Frames from the newest look to the next."""
        due = aging.due(self._name)
        # Where a distance shall be tried the next look is so far from this one, and so from the nearer of the two.
        return due if due < aging.frames else max(1, 2 * due - 2)

    def _is_far(self, frame: Frame) -> bool:
        """Whether the newest look is as far from a frame as it may be at all."""
        before = self._steps[0].seen
        return self._bytes >= _HELD_BYTES or frame.pts - before.pts + _SLACK_S >= self._longest_s

    def _close(self, why: str) -> list[Said]:
        """Look at the newest step, and say what is known of all frames up to it."""
        last = len(self._steps) - 1
        look = self._look_at(last, why)
        if look is None:
            return self._rest() if self._look is None or self._is_far(self._steps[last].frame) else []
        if self._look is None:
            self._look = self._named(look, None)
            return self._advance(last, [self._said(look)])
        said = [*self._fill(self._look, look), self._said(look)]
        self._look = look
        return self._advance(last, said)

    def _advance(self, last: int, said: list[Said]) -> list[Said]:
        seq = self._steps[last].seen.seq
        self._steps = [self._steps[last]]
        self._bytes = self._steps[0].frame.picture.nbytes
        self._places = [each for each in self._places if each[0] > seq]
        assert self._look is not None
        self._look.place = 0
        return said

    def _look_at(self, place: int, why: str) -> _Look | None:
        frame, seen = self._steps[place]
        if frame.seq in self._lost:
            return None
        answer = self._ask(frame)
        self.counts[f"look by {why}"] += 1
        if answer.as_of != frame.seq:
            self._lost.add(frame.seq)
            return None
        numbered = copy.copy(answer.detections)
        numbered.tracker_id = -1 - np.arange(len(numbered))  # until the looks between are known
        return _Look(place, answer, Tracks.of(numbered, Tracks.none(), seen, self._by))

    def _named(self, look: _Look, onwards: Way | None) -> _Look:
        """The look with the identities of what it found."""
        frame, seen = self._steps[look.place]
        known = Tracks.none() if onwards is None else onwards.tracks
        seen_colours = colours(frame, look.answer.detections.xyxy)
        named = self._identities.update(look.answer.detections, seen.pts, known, seen_colours)
        look.tracks = Tracks.of(named, known, seen, self._by).going(self._identities.velocity(ids_of(named)))
        return look

    def _fill(self, one: _Look, other: _Look) -> list[Said]:
        """What is said of the frames between two looks, of which the earlier one has its identities."""
        steps = [step.seen for step in self._steps[one.place : other.place + 1]]
        onwards = follow(one.tracks, steps, self._by)
        self._named(other, onwards)
        back = follow_back(other.tracks, steps, self._by)
        if self.aging is not None and self._onwards is not None:
            self._learn(self.aging, self._onwards, one, back, steps)
        self._onwards = onwards
        between = Between(onwards, back, [step.pts for step in steps], steps[0].size)
        said = []
        begin, end = steps[0].seq, steps[-1].seq
        for seq, pts in self._places:
            if begin < seq < end:
                detections, later = between.at(pts)
                said.append(Said(seq, None, detections, *((end, begin) if later else (begin, end))))
        return said

    def _learn(self, aging: Aging, onwards: Way, middle: _Look, back: Way, steps: Sequence[Seen]) -> None:
        """Hold a look against what the one before it and the one behind it say of its frame."""
        assert self._config.floor is not None
        before, behind = steps[0].seq - onwards.begin, steps[-1].seq - steps[0].seq
        filled = without_look(onwards, back, before / (before + behind), steps[0].size)
        longest = 1 + int(self._longest_s / self._frame_s / 2)  # of two looks of which the nearer is half as far
        matched = match(filled, middle.answer.detections)
        aging.learn(steps[0].pts, min(before, behind), matched, self._config.floor, longest)

    def _said(self, look: _Look) -> Said:
        return Said(look.answer.as_of, look.answer, look.tracks.measured, look.answer.as_of)


def _elsewhere(before: Seen, frame: Frame) -> bool:
    size = frame.width, frame.height
    return before.discontinuity != frame.discontinuity or before.size != size or frame.pts <= before.pts


def _is_cut(before: Seen, frame: Frame) -> bool:
    return before.preview is not None and is_cut(before.preview, frame.preview())
