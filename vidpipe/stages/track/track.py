"""Tracking cache: between looks of a model, known boxes are moved on with the picture (Glimpse, SenSys 2015).

A frame is passed on, to be looked at, when the last look is `refresh_s` old or when something triggers one: change that
no track explains (something new), tracks that can no longer be followed, a cut. All others are answered with moved
boxes. Looks may be under way while later frames are answered; an answer that comes late is brought to the present
through the active cache of the frames since.
"""

from __future__ import annotations

import math
import pickle
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from vidpipe.cascade.stage import Context, Stage
from vidpipe.core.answer import Answer, How, nothing
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knob, StageConfig, share_loosened
from vidpipe.models.base import Score
from vidpipe.stages.track.aging import Aging
from vidpipe.stages.track.appearance import colours
from vidpipe.stages.track.change import Change, is_cut, mean_change
from vidpipe.stages.track.choice import Choice
from vidpipe.stages.track.identity import Identities
from vidpipe.stages.track.mover import Mover
from vidpipe.stages.track.refresh import Refresh
from vidpipe.stages.track.replay import MOST, ActiveCache, Cached, way
from vidpipe.stages.track.seen import By, Seen
from vidpipe.stages.track.tracks import Tracks, ids_of
from vidpipe.statistics.agreement import match

if TYPE_CHECKING:
    import supervision as sv

_SLACK_S = 1e-3  # some containers round to milliseconds
_RATE = 0.05  # of the newest frame in the mean time between frames
_ALWAYS_REPLAYED = 8  # frames; so a recording that is asked a few frames ahead does not depend on a clock


class TrackConfig(StageConfig):
    refresh_s: float = Knob(0.5, ge=0, description="longest media time between detector runs, seconds; 0: every frame")
    agreement: float | None = Knob(
        None,
        gt=0,
        lt=1,
        description="F1 that moved boxes must have against the next run: the time between adapts, up to `refresh_s`",
    )
    floor: float | None = Knob(
        None,
        gt=0,
        lt=1,
        description="F1 that all answers must have against looks: the time between looks adapts, up to `refresh_s`",
    )
    begin_s: float = Knob(0.0, ge=0, description="with `floor`: the time between looks to begin with; 0: every frame")
    motion: By = Knob(
        "flow",
        description="flow: boxes are moved by optical flow; codec: by the motion vectors of H.264 or MPEG-4, and by "
        "flow where there are none; auto: by flow until looks have proven that vectors are as good; held: they stay "
        "where they were found",
    )
    step_s: float = Knob(
        0.1, ge=0, description="media time between two moves; things go on as they went meanwhile. 0: every frame"
    )
    change: float = Knob(
        0.5,
        gt=0,
        le=1,
        description="share of a small area that must change, where no track is, to trigger the detector",
    )
    failing: float = Knob(0.5, gt=0, le=1, description="share of the tracks that must be lost to trigger the detector")
    in_flight: int = Knob(4, ge=1, le=64, description="most detector runs under way; others wait until one is answered")
    activate: Score = Field(
        default=0.0, description="boxes that score less continue a known track, but begin none (ByteTrack)"
    )
    replay_ms: float = Field(default=15.0, gt=0, description="most time to bring a late answer to the present")

    @property
    def wants_motion(self) -> bool:
        """See `StageConfig.wants_motion`."""
        return self.motion in ("codec", "auto")

    def loosened(self) -> Mapping[str, Any]:
        """See `StageConfig.loosened`: a detector runs more often."""
        if self.floor is not None:
            return share_loosened("floor", self.floor)
        if self.agreement is not None:
            return share_loosened("agreement", self.agreement)
        return {"refresh_s": round(0.7 * self.refresh_s, 2)} if self.refresh_s >= 0.05 else {}


@dataclass(slots=True)
class _Look:
    """A frame that was passed on, until its answer is there.

    Attributes:
        tracks: where everything was in it.
        by_change: unexplained change triggered it: if it finds nothing new, that was a false alarm.
        unasked: the boxes that would have been published, had nobody looked; None: nobody wants to know.
        old: how many frames ago their look was.
        vectored: `tracks` as vectors would have moved them, while flow did; None: that was not tried.
    """

    tracks: Tracks
    seen: Seen
    by_change: bool
    unasked: sv.Detections | None
    old: int
    vectored: Tracks | None


class Track(Stage[TrackConfig]):
    """Answers `tracked` with moved boxes, and gives the boxes of each look their identities in `tracker_id`."""

    can_be_last = False
    learns_checked = True
    Config = TrackConfig

    def open(self, context: Context) -> None:
        self._identities = Identities(self.config.activate)
        self._refresh = Refresh(self.config.refresh_s)
        self._choice = Choice()
        self._aging: dict[str, Aging] = {}  # by who looks: boxes of another model go wrong at another pace
        self._looks_on = ""  # who gave two looks in a row last: a single one, as of an audit, changes nothing
        self._aging_of: tuple[Any, ...] = ()  # the settings that it was begun under
        self._frame_s = 0.0  # between frames, on average
        self._at: Seen | None = None  # where the tracks stand: the last frame that flow was followed to
        self._step_ms = 1.0
        self._counts: Counter[str] = Counter()
        self._reset()

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        (frame,) = frames
        self._advance(frame)
        trigger = self._trigger(frame)
        # While nothing is known there is nothing to answer with.
        if self._as_of < 0 or (trigger and len(self._looks) < self.config.in_flight):
            self._counts[f"look by {trigger or 'ignorance'}"] += 1
            self._await(frame, by_change=trigger == "change")
            return [None]
        return [self._tracked(frame)]

    def learn(self, frame: Frame, answer: Answer) -> Answer | None:
        if frame.seq > self._seq:  # went past this stage, to be checked
            self._advance(frame)
        look = self._looks.pop(frame.seq, None)
        if answer.as_of != frame.seq or frame.seq <= self._as_of:
            return None
        if look is None:
            if frame.seq != self._seq:  # asked before a cut or a restart
                return None
            look = self._look(frame, by_change=False)
        return replace(answer, detections=self._take_up(look, answer, frame))

    def forget(self, frame: Frame) -> None:
        self._looks.pop(frame.seq, None)

    def fallback(self, frame: Frame) -> Answer | None:
        if frame.seq > self._seq:
            self._advance(frame)
        if frame.seq != self._seq:
            return None
        if frame.seq not in self._looks:  # an audit: its answer will be late as well
            self._await(frame, by_change=False)
        return self._tracked(frame) if self._as_of >= 0 else None

    def snapshot(self) -> Any:
        # As bytes: what is under way changes before anybody sends it. Pictures stay behind, and with them what is
        # followed: after a restart the first frame is looked at, and its boxes get the identities that they had.
        return pickle.dumps((self._identities, self._change.usual, self._refresh, self._choice))

    def restore(self, state: Any) -> None:
        self._identities, self._change.usual, self._refresh, self._choice = pickle.loads(state)

    @property
    def counts(self) -> Counter[str]:
        """Looks by what asked for them, how often all tracks were dropped, and frames that lack the codec's vectors.

        With `motion: auto` also steps of boxes by what moved them, and looks at which flow and vectors were compared.
        """
        return self._counts

    def _reset(self) -> None:
        """Nothing is known: at the beginning, and where the stream breaks off."""
        self._tracks = Tracks.none()
        self._mover = Mover()
        self._published: tuple[Tracks | None, sv.Detections] = (None, nothing())  # boxes as they were published last
        self._vectored: Tracks | None = None  # the tracks since the last look as vectors move them, while flow does
        self._at = None
        self._seq, self._pts = -1, -math.inf
        self._as_of = -1
        self._looked_seq = -1
        self._looked_at = -math.inf
        self._looked_by = ""
        self._looks: dict[int, _Look] = {}
        self._cache = ActiveCache()
        self._change = Change()

    def _advance(self, frame: Frame) -> None:
        """Go on to this frame: by the vectors of its codec, or by a step of flow if it is time for one."""
        at = self._at
        self._mover.meet(frame, self.config.motion)
        if at is not None and (frame.pts < self._pts or _goes_elsewhere(at, frame) or self._is_cut(at, frame)):
            self._reset()
            self._counts["broken off"] += 1
            self._mover.meet(frame, self.config.motion)
        if self._mover.lacks_vectors:
            self._counts["without vectors"] += 1
            self._vectored = None
        if frame.seq > self._seq >= 0:
            each_s = (frame.pts - self._pts) / (frame.seq - self._seq)
            self._frame_s += (each_s - self._frame_s) * (_RATE if self._frame_s else 1)
            self._mover.gather(frame, frame.pts - self._pts)
        self._seq, self._pts = frame.seq, frame.pts
        if self._at is None or self._is_time_to_step(frame.pts - self._at.pts):
            self._step_to(frame)

    def _is_time_to_step(self, seconds: float) -> bool:
        """Whether boxes are moved so long after the last step, if anything happens between looks at all."""
        if self._mover.is_far(self._tracks.velocity):
            return True
        return (self._watches or self._mover.has_vectors) and seconds >= self.config.step_s - _SLACK_S

    @property
    def _watches(self) -> bool:
        """Whether pictures between looks are worth a glance: something is followed, or change asks for looks."""
        return self._mover.by == "flow" or self.config.change < 1

    def _is_cut(self, at: Seen, frame: Frame) -> bool:
        """Whether nothing can be followed to this picture; where nothing is followed the next look is soon enough."""
        return self._watches and at.preview is not None and is_cut(at.preview, frame.preview())

    def _step_to(self, frame: Frame) -> Seen:
        """Follow everything to this frame, and remember it."""
        at = self._at
        if at is not None and at.seq == frame.seq:
            return at
        pictured = self._mover.needs_picture(self._tracks)
        now = Seen.of(frame, self._mover.take(), pictured=pictured, watched=self._watches)
        change = 0.0
        if at is not None:
            self._tracks = self._step(self._tracks, at, now)
            if self._vectored is not None:
                self._vectored = self._vectored.step(at, now, "codec")
            if self.config.motion == "auto":
                flowed = self._tracks.flowed(self._mover.by)
                self._counts.update({"boxes by flow": flowed, "boxes by vectors": len(self._tracks) - flowed})
            if self._looks and at.preview is not None and now.preview is not None:
                change = mean_change(at.preview, now.preview)
        self._at = now
        self._cache.add(Cached(now, change), keep=self._looks)
        self._cache.forget_before(min(self._looks, default=now.seq))
        return now

    def _step(self, tracks: Tracks, before: Seen, now: Seen) -> Tracks:
        if self.config.motion == "held":
            return tracks
        began = time.perf_counter()
        moved = tracks.step(before, now, self._mover.by)
        self._step_ms += 0.1 * (1000 * (time.perf_counter() - began) - self._step_ms)
        return moved

    def _trigger(self, frame: Frame) -> str:
        """Why this frame should be looked at; "" if nothing says so."""
        tracks, config, at = self._tracks, self.config, self._at
        if self._is_due(frame):
            return "refresh"
        if at is None or at.seq != frame.seq or at.preview is None:  # nothing was followed to here, or nobody watches
            return ""
        followed = tracks.points.found > 0
        if followed.any() and np.count_nonzero(tracks.failing & followed) > config.failing * len(tracks):
            return "failing"
        boxes = at.in_preview(tracks.boxes)
        return "change" if config.change < 1 and self._change.unexplained(at.preview, boxes) > config.change else ""

    def _is_due(self, frame: Frame) -> bool:
        """Whether the last look is as old as it may become."""
        config, passed_s = self.config, frame.pts - self._looked_at + _SLACK_S
        if passed_s >= config.refresh_s:
            return True
        if config.floor is not None:
            aging = self._aging_under(config)
            return aging is None or frame.seq - self._looked_seq >= aging.due(self.id)
        # Where nothing is followed nothing can go astray.
        return config.agreement is not None and bool(len(self._tracks)) and passed_s >= self._refresh.seconds

    def _aging_under(self, config: TrackConfig) -> Aging | None:
        """What is known of how errors grow under these settings; None before there is a second frame."""
        under = (config.floor, config.begin_s, config.motion, config.step_s)
        if self._frame_s and under != self._aging_of:
            self._aging, self._aging_of = {}, under
        if self._looks_on not in self._aging and self._frame_s:
            self._aging[self._looks_on] = Aging(config.begin_s / self._frame_s)
        return self._aging.get(self._looks_on)

    def _await(self, frame: Frame, *, by_change: bool) -> None:
        self._looks[frame.seq] = self._look(frame, by_change=by_change)
        self._looked_at, self._looked_seq = frame.pts, frame.seq

    def _look(self, frame: Frame, *, by_change: bool) -> _Look:
        learns = self._as_of >= 0 and (self.config.floor is not None or self.config.agreement is not None)
        unasked = self._moved(frame) if learns else None
        at, vectored, old = self._step_to(frame), self._vectored, frame.seq - self._as_of
        self._mover.choose(self._choice, old, len(self._tracks))
        self._vectored = None
        if self._mover.needs_picture(self._tracks):
            self._at = at = at.pictured(frame)  # boxes may have come by vectors, and go on by flow
        return _Look(self._tracks, at, by_change, unasked, old, vectored)

    def _moved(self, frame: Frame) -> sv.Detections:
        """The known boxes, as they are published for a frame that nobody looks at."""
        size = (frame.width, frame.height)
        tracks = self._tracks
        if self.config.motion != "held" and self._at is not None:
            tracks = tracks.coasted(frame.pts - self._at.pts, size)
        if self._published[0] is not tracks:  # what stays where it is, is made once
            self._published = tracks, tracks.detections(size)
        return self._published[1]

    def _tracked(self, frame: Frame) -> Answer:
        moved = self._moved(frame)
        became = "held" if self.config.motion == "held" else "moved on"
        reason = f"{len(moved)} boxes {became} from frame {self._as_of}"
        return Answer(moved, How.TRACKED, self.id, self._as_of, reason)

    def _take_up(self, look: _Look, answer: Answer, frame: Frame) -> sv.Detections:
        """Go on from a look's boxes, brought to the present; they are returned with identities."""
        at, known, found = look.seen, look.tracks, answer.detections
        # Boxes of one model held against another's would tell of the models, not of how far flow can be trusted.
        comparable = answer.by == self._looked_by
        self._looks_on = answer.by if comparable else self._looks_on
        agreed = comparable and self._agrees(look, found)
        if comparable and look.vectored is not None:
            self._choice.learn(look.old, known, look.vectored, found)
            self._counts["looks at both"] += 1
        self._looked_by = answer.by
        named = self._identities.update(found, at.pts, known, colours(frame, found.xyxy))
        velocity = self._identities.velocity(ids_of(named))  # from look to look; flow may go with the wrong thing
        tracks = Tracks.of(named, known, at, self._mover.by).going(velocity)
        vectored = None
        if self._mover.tries:
            vectored = Tracks.of(named, known if look.vectored is None else look.vectored, at, "codec").going(velocity)
        if at.preview is not None:
            boxes = at.in_preview(tracks.boxes)
            if look.by_change and (agreed or not _has_new(named, known)):
                self._change.false_alarm(at.preview, boxes)
            self._change.look(at.preview, boxes)
        self._as_of = at.seq
        self._looked_seq = max(self._looked_seq, at.seq)
        self._looked_at = max(self._looked_at, at.pts)  # an audit is as good as a look, and saves the next one
        self._tracks, self._vectored = self._to_present(tracks, vectored, at)
        return named

    def _agrees(self, look: _Look, found: sv.Detections) -> bool:
        """Whether the boxes that were known are as good as is wanted, so that no look was needed; learns from it."""
        config = self.config
        if look.unasked is None:
            return False
        matched = match(look.unasked, found)
        if config.floor is not None and (aging := self._aging_under(config)) is not None:
            longest = max(1, round(config.refresh_s / self._frame_s))
            aging.learn(look.seen.pts, look.old, matched, config.floor, longest)
        agreed = matched.f1
        if config.agreement is None or agreed is None:
            return False
        self._refresh.learn(agreed, config.agreement, config.refresh_s)
        return agreed >= config.agreement

    def _to_present(self, tracks: Tracks, vectored: Tracks | None, at: Seen) -> tuple[Tracks, Tracks | None]:
        """Track on through the active cache, and correct on the way what other looks will be held against."""
        most = max(_ALWAYS_REPLAYED, int(self.config.replay_ms / max(self._step_ms, 0.05)))
        if self._mover.has_vectors:
            most = MOST  # vectors tell of one step each, and cost little
        for cached in way(self._cache.since(at.seq), most, always=self._looks):
            now = cached.seen
            tracks = self._step(tracks, at, now)
            if vectored is not None:  # before the trial began nobody has kept what both ways take
                both = now.motion is not None and now.grey is not None
                vectored = vectored.step(at, now, "codec") if both else None
            at = now
            if at.seq in self._looks:
                look = self._looks[at.seq]
                look.tracks, look.vectored = tracks, vectored
        return tracks, vectored


def _has_new(named: sv.Detections, known: Tracks) -> bool:
    return not set(ids_of(named).tolist()) <= set(known.ids.tolist())


def _goes_elsewhere(before: Seen, frame: Frame) -> bool:
    """Whether a picture does not go on from an earlier one: a camera was away, or sends another size."""
    return before.discontinuity != frame.discontinuity or before.size != (frame.width, frame.height)
