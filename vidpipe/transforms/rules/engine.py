"""From published results of a stream to what its rules say happened: the one way, live and replayed.

Most objects of most results are where they were, as far as rules can tell. So of each it is known how far it may go
until it can be in another zone, or over a line: only those that have gone so far are looked at, all together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vidpipe.transforms.rules.crossings import Crossings
from vidpipe.transforms.rules.gatherings import Gatherings
from vidpipe.transforms.rules.geometry import Geometry
from vidpipe.transforms.rules.objects import KEEP_S, Object, Objects, relative
from vidpipe.transforms.rules.seen import Ages, MissRate, Seen
from vidpipe.transforms.rules.spec import TRACKED, RulesConfig
from vidpipe.transforms.rules.visits import Visits
from vidpipe.transforms.rules.watch import Happening, Watch, watches_of


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
        self._whole = [watch for watch in self._watches if watch.index < 0]
        self._of_zone: dict[str, dict[int, list[Watch]]] = {}  # by anchor, then by zone
        for watch in self._watches:
            of_zone = self._of_zone.setdefault(watch.rule.anchor, {})
            if watch.rule.kind != "line" and watch.index >= 0:
                of_zone.setdefault(watch.index, []).append(watch)
        self._scheduled = [watch for watch in self._watches if watch.schedule is not None]
        self._visits = Visits(self._watches)
        self._crossings = Crossings(self._watches, self._geometry)
        self._gatherings = Gatherings([watch for watch in self._watches if watch.rule.kind not in TRACKED])
        self._objects = Objects()
        self._keep_s = max([KEEP_S, *(watch.rule.grace_s for watch in self._watches if watch.rule.kind in TRACKED)])
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
            if known.move(seen, box, score):
                elsewhere.append(known)
        if elsewhere:
            self._look(seen, elsewhere)
        return objects

    def _look(self, seen: Seen, objects: Sequence[Object]) -> None:
        """Find out where these objects are."""
        self._crossings.go(seen, objects)
        room = np.full(len(objects), np.inf)
        there: list[list[Watch]] = [list(self._whole) for _ in objects]
        for anchor, of_zone in self._of_zone.items():
            points = np.array([known.anchor(anchor) for known in objects])
            np.minimum(room, self._geometry.room(points), out=room)
            for place, zone in zip(*(found.tolist() for found in self._geometry.inside(points).nonzero()), strict=True):
                there[place] += of_zone.get(zone, ())
        for known, watches, own in zip(objects, there, room.tolist(), strict=True):
            known.looked_x, known.looked_feet, known.looked_centre = known.x, known.feet, known.centre
            known.room = own
            counting = [watch for watch in watches if watch.counts(known)]
            if known.id >= 0:
                self._visits.look(seen, known, tuple(watch.number for watch in counting if watch.rule.kind in TRACKED))
            known.counted = tuple(watch.number for watch in counting if watch.rule.kind not in TRACKED)
