"""From published results of a stream to what its rules say happened: the one way, live and replayed.

Most objects of most results are where they were, as far as rules can tell. So of each it is known how far it may go
until it can be in another zone, or over a line: only those that have gone so far are looked at, all together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from vidpipe.transforms.rules.crossings import Crossings
from vidpipe.transforms.rules.gatherings import Gatherings
from vidpipe.transforms.rules.geometry import Geometry
from vidpipe.transforms.rules.objects import KEEP_S, Object, Objects, relative
from vidpipe.transforms.rules.seen import Ages, MissRate, Seen
from vidpipe.transforms.rules.spec import RulesConfig
from vidpipe.transforms.rules.visits import Visits
from vidpipe.transforms.rules.watch import Happening, Watch, watches_of

_ANCHORS = ("feet", "centre")
_AXES = 0.7  # of the room around a point, so far it may go along both axes at once


class Engine:
    """The rules of one stream.

    It goes by what results files hold, and by no clock: so the same results give the same events. It pickles, with all
    that it remembers.

    Attributes:
        age_s: of the boxes of the newest result, in media seconds; None: nobody knows.
    """

    def __init__(self, config: RulesConfig) -> None:
        self._watches = list(watches_of(config))
        self._geometry = Geometry(list(config.zones.values()), list(config.lines.values()))
        self._anchors = [name for name in _ANCHORS if any(watch.rule.anchor == name for watch in self._watches)]
        self._of_visits = [watch for watch in self._watches if watch.rule.kind in ("zone", "dwell")]
        self._of_gatherings = [w for w in self._watches if w.rule.kind in ("occupancy", "presence", "absence")]
        self._scheduled = [watch for watch in self._watches if watch.schedule is not None]
        self._visits = Visits(self._watches)
        self._crossings = Crossings(self._watches, self._geometry)
        self._gatherings = Gatherings(self._of_gatherings)
        self._objects = Objects()
        self._keep_s = max([KEEP_S, *(watch.rule.grace_s for watch in self._of_visits)])
        self._ages, self._misses = Ages(), MissRate()
        self.age_s: float | None = None

    def miss_rate(self) -> dict[str, float | None]:
        """Of the stream, by what is known with the newest result."""
        return self._misses.told()

    def see(self, seen: Seen) -> list[Happening]:
        """What happens with the next result of the stream."""
        self.age_s = self._ages.age_s(seen)
        if seen.audits:
            self._misses.learn(seen.audits)
        happened: list[Happening] = []
        for known in self._objects.end(seen.pts, self._keep_s):
            happened += self._visits.end(seen, known)
            happened += self._crossings.end(seen, known)
        self._wake(seen)
        objects = self._see_objects(seen) if seen.boxes else []
        for known in self._objects:
            if seen.pts >= known.due:
                happened += self._visits.tell(seen, known)
        happened += self._crossings.tell(seen, objects)
        happened += self._gatherings.see(seen, objects)
        return happened

    def _wake(self, seen: Seen) -> None:
        """Have watches hold by the time of day."""
        for watch in self._scheduled:
            assert watch.schedule is not None
            if watch.awake != (awake := watch.schedule.holds(seen.at)):
                watch.awake = awake
                for known in self._objects:
                    known.room = -1.0

    def _see_objects(self, seen: Seen) -> list[Object]:
        """What is in the picture, each where it is now."""
        boxes = [relative(box, seen.width, seen.height) for box in seen.boxes]
        objects = self._objects.find(seen, boxes)
        elsewhere: list[Object] = []
        for known, box, score in zip(objects, boxes, seen.scores, strict=True):
            if known.move(seen, box, score) or not known.is_where_it_was():
                elsewhere.append(known)
        if elsewhere:
            self._look(seen, elsewhere)
        return objects

    def _look(self, seen: Seen, objects: Sequence[Object]) -> None:
        """Find out where these objects are."""
        self._crossings.go(seen, objects)
        count = len(objects)
        inside: dict[str, list[list[bool]]] = {}
        room = np.full(count, np.inf)
        for anchor in self._anchors:
            points = np.array([known.anchor(anchor) for known in objects])
            inside[anchor] = self._geometry.inside(points).tolist()
            np.minimum(room, self._geometry.room(points), out=room)
        for place, (known, own) in enumerate(zip(objects, room.tolist(), strict=True)):
            known.looked_at, known.room = (known.x, known.feet, known.centre), _AXES * own
            if self._of_visits and known.id >= 0:
                self._visits.look(seen, known, tuple(_where(self._of_visits, known, inside, place)))
            if self._of_gatherings:
                known.counted = tuple(_where(self._of_gatherings, known, inside, place))


def _where(
    watches: Iterable[Watch], known: Object, inside: dict[str, list[list[bool]]], place: int
) -> Iterator[int]:
    """The watches that count an object which is inside these zones."""
    for watch in watches:
        if (watch.index < 0 or inside[watch.rule.anchor][place][watch.index]) and watch.counts(known):
            yield watch.number
