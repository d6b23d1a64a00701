"""What is followed: the boxes of an answer, moved on from frame to frame."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.answer import nothing
from vidpipe.models.boxes import area, shifted
from vidpipe.stages.track import codec, flow
from vidpipe.stages.track.flow import Grey, Moved, Points, good_points, no_points
from vidpipe.stages.track.seen import Means, Seen

if TYPE_CHECKING:
    import supervision as sv

_HALF_LIFE_S = 4.0  # after which a box that is followed perfectly is believed half as much
_TRUST_S = 1.0  # the same for one of which nothing is left to follow
_LOST_S = 1.5  # without anything to follow a box ends
_UNITED = 0.7  # share of the vectors inside a box that must agree, of late, for them to be one thing's
_RENEW = 0.5  # what the newest step weighs in that
_EDGE = 0.012  # of the picture's size, within which a box touches its edge
_VISIBLE = 0.4  # share of a box that must be in the picture: at less it has left


@dataclass(frozen=True, slots=True)
class Tracks:
    """Boxes under way, a row each; a step makes new ones.

    Attributes:
        measured: the answer's detections, with identities: what else is known of each row.
        boxes: float32 [n, 4], where they are now, xyxy in pixels of the source.
        velocity: float32 [n, 2], pixels a second.
        points: what is followed in each.
        belief: float32 [n], 1 when measured; falls with age and with what cannot be followed any longer.
        blind_s: float32 [n], media seconds since there was something to follow.
        unity: float32 [n], how far the codec's vectors inside have agreed of late, 0..1; 1: nothing speaks against it.
    """

    measured: sv.Detections
    boxes: NDArray[np.float32]
    velocity: NDArray[np.float32]
    points: Points
    belief: NDArray[np.float32]
    blind_s: NDArray[np.float32]

    unity: NDArray[np.float32]

    @classmethod
    def of(cls, detections: sv.Detections, known: Tracks, seen: Seen, by: Means) -> Tracks:
        """The boxes of an answer, with identities, as of the frame that it was given for.

        Args:
            known: what was followed to there: the same things go on as they went.
            by: what moves them on from there.
        """
        boxes = np.asarray(detections.xyxy, np.float32)
        count = len(boxes)
        velocity, unity = np.zeros((count, 2), np.float32), np.ones(count, np.float32)
        rows, own = (ids_of(detections)[:, None] == known.ids).nonzero()
        velocity[rows], unity[rows] = known.velocity[own], known.unity[own]
        belief, blind_s = np.ones(count, np.float32), np.zeros(count, np.float32)
        tracks = cls(detections, boxes, velocity, no_points(count), belief, blind_s, unity)
        if seen.grey is None or by == "codec":
            return tracks
        return replace(tracks, points=good_points(seen.grey, boxes, tracks._flows(by)))

    def going(self, velocity: NDArray[np.float32]) -> Tracks:
        """The same things, going at these velocities, pixels a second [n, 2]; at their own where it is NaN."""
        return replace(self, velocity=np.where(np.isnan(velocity), self.velocity, velocity))

    @classmethod
    def none(cls) -> Tracks:
        """Nothing to follow."""
        nobody = np.zeros((0, 2), np.float32)
        return cls(nothing(), np.zeros((0, 4), np.float32), nobody, no_points(0), *[nobody[:, 0]] * 3)

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def ids(self) -> NDArray[np.int64]:
        """Identity of each."""
        return ids_of(self.measured)

    @property
    def disunited(self) -> NDArray[np.bool_]:
        """In which of them the codec's vectors disagree, [n]."""
        return self.unity < _UNITED

    def flowed(self, by: Means) -> int:
        """How many of them flow has moved in a step."""
        return len(self) if by == "flow" else int(np.count_nonzero(self.points.alive.any(axis=1) & self._flows(by)))

    def _flows(self, by: Means) -> NDArray[np.bool_]:
        """Which of them are moved by flow, [n]."""
        return self.disunited if by == "both" else np.full(len(self), by == "flow")

    def step(self, before: Seen, after: Seen, by: Means) -> Tracks:
        """The same things in a later frame; those that left it, or of which nothing is left to follow, have ended.

        Args:
            by: what moves them, as far as both frames have kept what that takes; else the other.
        """
        if not len(self):
            return self
        seconds = after.pts - before.pts
        moved, unity = self._moved(before, after, np.float32(seconds), by)
        decay = 0.5 ** (seconds / _HALF_LIFE_S + (1 - moved.trust) * (seconds / _TRUST_S))
        blind_s = np.where(moved.trust > 0, 0, self.blind_s + seconds).astype(np.float32)
        tracks = replace(
            self,
            boxes=self._entering(moved.boxes, moved.velocity, after.size),
            velocity=moved.velocity / np.float32(seconds) if seconds > 0 else self.velocity,
            points=moved.points,
            belief=(self.belief * decay).astype(np.float32),
            blind_s=blind_s,
            unity=unity,
        )
        stays = (blind_s <= _LOST_S) & (_visible(tracks.boxes, after.size) >= _VISIBLE)
        left: Tracks = tracks if stays.all() else tracks.of_rows(np.flatnonzero(stays))
        if after.grey is not None and by != "codec":
            left._renew_points(after.grey, left._flows(by))
        return left

    def _moved(self, before: Seen, after: Seen, seconds: np.float32, by: Means) -> tuple[Moved, NDArray[np.float32]]:
        """Where they are in a later frame, and how far the vectors inside agree then."""
        on = self.velocity * seconds
        follow = before.grey is not None and after.grey is not None
        if after.motion is None or seconds <= 0 or (by == "flow" and follow):
            return self._followed(before, after, on, self.points), self.unity
        told = codec.move(after.motion, self.boxes, on, float(seconds), self.blind_s)
        unity = self.unity
        if after.motion.known.any():
            unity = unity + _RENEW * (told.trust - unity)
        flows = self._flows(by)
        if not follow or not flows.any():
            return told, unity
        followed = self._followed(before, after, on, self.points.only(flows))
        return followed.where(followed.trust > 0, told), unity

    def _followed(self, before: Seen, after: Seen, on: NDArray[np.float32], points: Points) -> Moved:
        """Moved as their points go; what has none, or all where there are no pictures, goes on: by `on` [n, 2]."""
        if before.grey is not None and after.grey is not None:
            return flow.move(before.grey, after.grey, self.boxes, on, points)
        return Moved(shifted(self.boxes, on), on, no_points(len(self)), np.zeros(len(self), np.float32))

    def coasted(self, seconds: float, size: tuple[int, int]) -> Tracks:
        """The same things so much later, if all go on as they went: nothing is followed."""
        if seconds <= 0 or not len(self):
            return self
        boxes = shifted(self.boxes, self.velocity * np.float32(seconds))
        return replace(self, boxes=self._entering(boxes, self.velocity, size))

    def of_rows(self, rows: NDArray[np.intp]) -> Tracks:
        """Some of them."""
        return Tracks(
            self.measured[rows],  # type: ignore[arg-type]
            self.boxes[rows],
            self.velocity[rows],
            self.points.of(rows),
            self.belief[rows],
            self.blind_s[rows],
            self.unity[rows],
        )

    def detections(self, size: tuple[int, int]) -> sv.Detections:
        """What is published: where the boxes are now, within the picture, scores fallen with belief."""
        moved = copy.copy(self.measured)  # its other columns are shared, and nobody writes to them
        moved.xyxy = np.clip(self.boxes, 0, np.array([*size, *size], np.float32))
        if moved.confidence is not None:
            moved.confidence = moved.confidence * self.belief
        return moved

    @property
    def failing(self) -> NDArray[np.bool_]:
        """Which of them hardly anything is left of to follow, [n]."""
        return self.blind_s > 0

    def _entering(
        self, boxes: NDArray[np.float32], velocity: NDArray[np.float32], size: tuple[int, int]
    ) -> NDArray[np.float32]:
        """Boxes of things that were cut off by an edge of the picture and move inwards: they still begin at the edge.

        How large they are nobody has seen; what can be seen of them grows.
        """
        sides = np.array(size, np.float32)
        measured = np.asarray(self.measured.xyxy)
        inwards_low = (measured[:, :2] <= _EDGE * sides) & (velocity > 0)
        inwards_high = (measured[:, 2:] >= (1 - _EDGE) * sides) & (velocity < 0)
        if inwards_low.any() or inwards_high.any():
            boxes[:, :2][inwards_low] = np.minimum(boxes[:, :2], 0)[inwards_low]
            boxes[:, 2:][inwards_high] = np.maximum(boxes[:, 2:], sides)[inwards_high]
        return boxes

    def _renew_points(self, grey: Grey, flows: NDArray[np.bool_]) -> None:
        """New points in boxes that flow moves, where half of the old ones are gone: it has moved with the others."""
        few = np.flatnonzero(flows & (self.points.alive.sum(axis=1) * 2 <= self.points.found))
        if len(few):
            new = good_points(grey, self.boxes[few])
            self.points.xy[few], self.points.alive[few], self.points.found[few] = new.xy, new.alive, new.found


def ids_of(detections: sv.Detections) -> NDArray[np.int64]:
    """Identity of each, [n]."""
    ids = detections.tracker_id
    return np.zeros(0, np.int64) if ids is None else np.asarray(ids, np.int64)


def _visible(boxes: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.floating]:
    """The share of each box that lies in the picture."""
    if (boxes[:, :2] >= 0).all() and (boxes[:, 2:] <= size).all():  # as nearly always, for a third of the cost
        return np.ones(len(boxes), np.float32)
    inside = np.clip(boxes, 0, np.array([*size, *size], np.float32))
    whole = area(boxes)
    share: NDArray[np.floating] = np.divide(area(inside), whole, out=np.zeros_like(whole), where=whole > 0)
    return share
