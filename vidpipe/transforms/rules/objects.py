"""The objects that rules know of a stream: which one each box of a result shows, and where it was before.

Identities are a tracker's, but trackers err where rules are hurt most. What has lost its identity, and is found under a
new one where it must be, goes on as the same object; and of two that exchange theirs each stays the object that it was.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vidpipe.transforms.rules.seen import Seen
from vidpipe.transforms.rules.spec import Anchor

KEEP_S = 2.0
"""Media time for which an object that nobody sees may come back under its identity, as trackers have it."""

_TAKE_OVER_S = 1.0  # the same, under a new identity
_NEAR = 0.5  # how far from where it must be, in heights of its box, a new identity may begin to take it over
_LIKE = 1.4  # by which factor the heights of both may differ
_EDGE = 0.01  # of the picture: who is there has left, or has just come
_JUMP = 0.15  # in heights: less than this no two objects have exchanged their identities
_FITS = 1 / 3  # of the way that two would have jumped is left if they have
_KNOWN_S = 1.0  # after which an object counts though one look alone has found it
_LOWEST = 1 - 1e-6  # of the picture: feet of boxes that its lower edge cuts off stand in it still


Box = tuple[float, float, float, float]
"""Left, top, right, bottom, in parts of the picture's width and height."""


@dataclass(slots=True)
class Visit:
    """An object in a zone, for one watch.

    Attributes:
        seq, first: number and media seconds of the result in which it was first seen inside.
        last: when it was last seen inside; None: it is inside as long as it is seen.
        due: how long it has to stay until there is something to tell.
        told: how often that was so.
        id: of the event; "": nothing was told yet.
    """

    seq: int
    first: float
    due: float
    last: float | None = None
    told: int = 0
    id: str = ""


@dataclass(slots=True)
class Crossing:
    """A crossing that does not count yet.

    Attributes:
        net: how often the line was crossed from left to right, less how often the other way.
        at: media seconds of the first time.
        clear_since: since when the object has been clear of the line; None: it is not.
    """

    net: int
    at: float
    clear_since: float | None = None


@dataclass(slots=True, eq=False)
class Object:
    """One object. Places are in parts of the picture's width and height.

    Attributes:
        id: identity under which it was first seen; negative: a box that has none.
        number: of its own in this stream, never given again.
        first, last: media seconds when it was first and last seen.
        as_of: of the look that found it first.
        box: where it was last seen, xyxy.
        x, feet, centre: of the box: its middle, lower edge, and the middle of its height.
        was: the same three and `last`, of the time before.
        score, height: the best score so far, and the greatest height.
        confirmed: two looks have found it, or it has been there for a while.
        zones: that it is in, by its feet and by its centre; None: that is to be looked at anew.
        spot: x, feet and centre where its zones were looked up last.
        room, calm: squares of how far it may go from there, at least, in parts of width and height, until it has
            crossed a line; until it has crossed a line or the border of a zone.
        visits, crossings: by watch.
        inside: the watches of visits where it is.
        counted: the watches of gatherings where it counts.
        due: when one of its visits has something to tell at the earliest.
    """

    id: int
    number: int
    name: str
    first: float
    last: float
    as_of: int
    box: Sequence[float]
    x: float
    feet: float
    centre: float
    was: tuple[float, float, float, float]
    score: float = -1.0
    height: float = 0.0
    confirmed: bool = False
    zones: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    spot: tuple[float, float, float] = (0.0, 0.0, 0.0)
    room: float = math.inf
    calm: float = 0.0
    visits: dict[int, Visit] = field(default_factory=dict)
    crossings: dict[int, Crossing] = field(default_factory=dict)
    inside: tuple[int, ...] = ()
    counted: tuple[int, ...] = ()
    due: float = math.inf

    def go_on(self, numbers: Mapping[int, int]) -> None:
        """Keep what it knows of these watches, by their numbers from now on; where it is, is to be looked at anew."""
        self.visits = {numbers[number]: visit for number, visit in self.visits.items() if number in numbers}
        self.crossings = {numbers[number]: each for number, each in self.crossings.items() if number in numbers}
        self.inside = tuple(numbers[number] for number in self.inside if number in numbers)
        self.counted = ()
        self.zones = None

    def told(self) -> dict[str, Any]:
        """What an event says of it."""
        box = [round(edge, 4) for edge in self.box]
        track = self.id if self.id >= 0 else None
        return {"class": self.name, "track_id": track, "box": box, "score": self.score}

    def anchor(self, name: Anchor) -> tuple[float, float]:
        """The point of the box that counts."""
        return self.x, self.feet if name == "feet" else self.centre

    def move(self, seen: Seen, box: Box, x: float, centre: float, score: float) -> float:
        """See it where it is now; how far that is from its spot, squared.

        Args:
            x, centre: of the box, the middle of its width and of its height.
        """
        now = seen.pts
        _, top, _, bottom = box
        if now > self.last:
            self.was = self.x, self.feet, self.centre, self.last
        self.box, self.last, self.x, self.feet, self.centre = box, now, x, bottom, centre
        if not self.confirmed:
            self.confirmed = self.as_of != seen.as_of or now - self.first >= _KNOWN_S
        if score > self.score or bottom - top > self.height:
            self.score, self.height = max(score, self.score), max(bottom - top, self.height)
            self.zones = None
        spot_x, spot_feet, spot_centre = self.spot
        across, by_feet, by_centre = x - spot_x, bottom - spot_feet, centre - spot_centre
        by_feet, by_centre = by_feet * by_feet, by_centre * by_centre
        return across * across + (by_feet if by_feet > by_centre else by_centre)

    def off(self, now: float, box: Sequence[float], aspect: float) -> float:
        """How far a box is from where the object must be by now, in parts of the picture's height."""
        x, _, centre, before = self.was
        went = (now - self.last) / (self.last - before) if self.last > before else 0.0
        dx = (box[0] + box[2]) / 2 - self.x - (self.x - x) * went
        dy = (box[1] + box[3]) / 2 - self.centre - (self.centre - centre) * went
        return math.hypot(dx * aspect, dy)


class Objects:
    """The objects of a stream by class and identity."""

    def __init__(self) -> None:
        self.by_key: dict[tuple[str, int], Object] = {}
        self._next = 0

    def __iter__(self) -> Iterator[Object]:
        return iter(self.by_key.values())

    def end(self, now: float, keep_s: float) -> list[Object]:
        """Forget the objects that nobody has seen for so long; where time goes back, all of them."""
        over = [key for key, known in self.by_key.items() if not 0 <= now - known.last <= keep_s]
        return [self.by_key.pop(key) for key in over]

    def forget(self) -> None:
        """Know no object any more."""
        self.by_key.clear()

    def see(self, seen: Seen) -> tuple[list[Object], list[tuple[Object, float]]]:
        """Find the object that each box shows, and see it where it is now; where nothing is known of one, or a box has
        no identity, that is a new one.

        Returns:
            The object of each box; and those of which something may have changed, each with how far it is from its
            spot, squared.
        """
        width, height = seen.width, seen.height
        aspect = width / height
        known_by = self.by_key.get
        keys = list(zip(seen.classes, seen.ids, strict=True))
        found: list[Object | None] = []
        stirred: list[tuple[Object, float]] = []
        jumped: list[int] = []
        left_over: dict[int, Box] = {}  # boxes of objects that are new, or may be others, by place
        place = -1
        for key, (left, top, right, bottom), score in zip(keys, seen.boxes, seen.scores, strict=True):
            place += 1
            box = left, top, right, bottom = left / width, top / height, right / width, bottom / height
            if left < 0 or top < 0 or right > 1 or bottom > _LOWEST:  # it ends within the picture
                box = left, top, right, bottom = max(left, 0.0), max(top, 0.0), min(right, 1.0), min(bottom, _LOWEST)
            known = known_by(key)
            found.append(known)
            if known is None:
                left_over[place] = box
                continue
            x, centre = (left + right) / 2, (top + bottom) / 2
            least = _JUMP * (bottom - top)
            if not (-least < (x - known.x) * aspect < least and -least < centre - known.centre < least):
                left_over[place] = box
                jumped.append(place)
                continue
            went = known.move(seen, box, x, centre, score)
            if went >= known.calm or known.zones is None:
                stirred.append((known, went))
        if left_over:
            if len(jumped) > 1:
                self._unswap(seen, keys, found, left_over, jumped)
            self._find_others(seen, keys, found, left_over)
            for place, box in left_over.items():
                known = found[place]
                assert known is not None
                x, centre = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
                stirred.append((known, known.move(seen, box, x, centre, seen.scores[place])))
        return found, stirred  # type: ignore[return-value]

    def _find_others(
        self, seen: Seen, keys: Sequence[tuple[str, int]], found: list[Object | None], boxes: Mapping[int, Box]
    ) -> None:
        """The objects of boxes that show none that was known under their keys."""
        there = {known.number for known in found if known is not None}
        for place, box in boxes.items():
            if found[place] is None:
                key = keys[place]
                known = (self._taken_over(seen, key, box, there) if key[1] >= 0 else None) or self._new(seen, key, box)
                there.add(known.number)
                if key[1] >= 0:
                    self.by_key[key] = known
                found[place] = known

    def _new(self, seen: Seen, key: tuple[str, int], box: Sequence[float]) -> Object:
        self._next += key[1] >= 0
        left, top, right, bottom = box
        middle = (left + right) / 2, bottom, (top + bottom) / 2
        return Object(key[1], self._next, key[0], seen.pts, seen.pts, seen.as_of, box, *middle, (*middle, seen.pts))

    def _taken_over(self, seen: Seen, key: tuple[str, int], box: Sequence[float], there: set[int]) -> Object | None:
        """The lost object that this box goes on with under a new identity, now its own; None: there is none."""
        height = box[3] - box[1]
        best, least = None, _NEAR * height
        for old, known in self.by_key.items():
            if old[0] != key[0] or known.number in there or not 0 < seen.pts - known.last <= _TAKE_OVER_S:
                continue
            was = known.box[3] - known.box[1]
            if was > _LIKE * height or height > _LIKE * was or _is_at_edge(box) or _is_at_edge(known.box):
                continue
            off = known.off(seen.pts, box, seen.width / seen.height)
            if off < least:
                best, least = old, off
        return None if best is None else self.by_key.pop(best)

    def _unswap(
        self,
        seen: Seen,
        keys: Sequence[tuple[str, int]],
        found: list[Object | None],
        boxes: Mapping[int, Box],
        jumped: list[int],
    ) -> None:
        """Where two objects have exchanged their identities, exchange them back."""
        aspect = seen.width / seen.height
        while len(jumped) > 1:
            one = jumped.pop()
            for other in jumped:
                a, b = found[one], found[other]
                if a is None or b is None or a is b or a.name != b.name:
                    continue
                jump = a.off(seen.pts, boxes[one], aspect) + b.off(seen.pts, boxes[other], aspect)
                if jump < _JUMP * (boxes[one][3] - boxes[one][1] + boxes[other][3] - boxes[other][1]):
                    continue
                if a.off(seen.pts, boxes[other], aspect) + b.off(seen.pts, boxes[one], aspect) < _FITS * jump:
                    found[one], found[other] = b, a
                    self.by_key[keys[one]], self.by_key[keys[other]] = b, a
                    jumped.remove(other)
                    break


def _is_at_edge(box: Sequence[float]) -> bool:
    return min(box) <= _EDGE or max(box) >= 1 - _EDGE
