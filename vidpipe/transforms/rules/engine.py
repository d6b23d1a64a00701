"""From published results of a stream to what its rules say happened: the one way, live and replayed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from vidpipe.transforms.rules.crossings import Before, Crossings
from vidpipe.transforms.rules.gatherings import Gatherings
from vidpipe.transforms.rules.geometry import Lines, Zones
from vidpipe.transforms.rules.objects import KEEP_S, Known, Objects, anchors
from vidpipe.transforms.rules.schedule import Schedule
from vidpipe.transforms.rules.seen import Ages, MissRate, Seen
from vidpipe.transforms.rules.spec import TRACKED, Anchor, RulesConfig, RuleSpec
from vidpipe.transforms.rules.visits import Visits
from vidpipe.transforms.rules.watch import Happening, Watch

_NO_ROWS = np.zeros(0, np.intp)


class Engine:
    """The rules of one stream.

    It goes by what results files hold, and by no clock: so the same results give the same events. It pickles, with all
    that it remembers.

    Attributes:
        age_s: of the boxes of the newest result, in media seconds; None: nobody knows.
    """

    def __init__(self, config: RulesConfig) -> None:
        self._zones = Zones(list(config.zones.values()))
        self._anchors = sorted({rule.anchor for rule in config.rules if rule.kind != "line"})
        watches = list(_watches(config, self._anchors))
        lines = [watch for watch in watches if watch.rule.kind == "line"]
        visits = [watch for watch in watches if watch.rule.kind in TRACKED and watch not in lines]
        self._crossings = Crossings(lines, Lines(list(config.lines.values())))
        self._visits = Visits(visits)
        self._gatherings = Gatherings([watch for watch in watches if watch.rule.kind not in TRACKED])
        self._objects = Objects()
        self._keep_s = max([KEEP_S, *(watch.rule.grace_s for watch in visits)])
        self._ages, self._misses = Ages(), MissRate()
        self._pts = 0.0
        self.age_s: float | None = None

    def miss_rate(self) -> dict[str, float | None]:
        """Of the stream, by what is known with the newest result."""
        return self._misses.told()

    def see(self, seen: Seen) -> list[Happening]:
        """What happens with the next result of the stream."""
        self.age_s = self._ages.age_s(seen)
        self._misses.learn(seen.audits)
        happened: list[Happening] = []
        if len(self._objects):
            happened += self._end(seen)
        rows, boxes = _NO_ROWS, seen.boxes
        if seen.width and len(boxes):
            boxes = boxes / np.array([seen.width, seen.height] * 2, np.float64)
            rows = self._objects.find(seen, boxes)
            self._move(seen, rows, boxes)
        happened += self._look_into_zones(seen, self._known(seen, rows, boxes[: len(rows)]))
        happened += self._crossings.see(seen, self._objects)
        self._pts = seen.pts
        return happened

    def _end(self, seen: Seen) -> Iterator[Happening]:
        """Objects that nobody has seen for too long end; where time goes back, all of them."""
        objects = self._objects
        over = seen.pts - objects.last > self._keep_s
        if seen.pts < self._pts:
            over[:] = True
        if over.any():
            yield from self._visits.end(seen, objects, over)
            yield from self._crossings.end(seen, objects, over)
            self._visits.keep(~over)
            objects.keep(~over)

    def _move(self, seen: Seen, rows: NDArray[np.intp], boxes: NDArray[np.float64]) -> None:
        tracked = rows >= 0
        if tracked.all():
            own, scores = rows, seen.scores
        else:
            own, boxes, scores = rows[tracked], boxes[tracked], seen.scores[tracked]
        if len(own):
            before = Before(self._objects.box[own], self._objects.last[own])
            self._objects.move(seen, own, boxes, scores)
            if len(self._crossings):
                self._crossings.go(seen, self._objects, own, before)

    def _known(self, seen: Seen, rows: NDArray[np.intp], boxes: NDArray[np.float64]) -> Known:
        scores, heights = seen.scores[: len(rows)], boxes[:, 3] - boxes[:, 1]
        if len(self._objects) and len(rows):
            tracked = rows >= 0
            scores = np.where(tracked, self._objects.score[rows], scores)
            heights = np.where(tracked, self._objects.height[rows], heights)
        return Known(rows, boxes, scores, heights)

    def _look_into_zones(self, seen: Seen, known: Known) -> Iterator[Happening]:
        visits, gatherings, rows = self._visits, self._gatherings, known.rows
        inside = self._inside(known.boxes)
        if len(visits):
            tracked = rows >= 0
            own = inside[:, visits.columns] & visits.counting(seen, known)
            yield from visits.see(seen, self._objects, rows[tracked], own[tracked])
        if len(gatherings):
            yield from gatherings.see(seen, inside[:, gatherings.columns] & gatherings.counting(seen, known))

    def _inside(self, boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which boxes are in which zones, and in the picture, by each anchor: [m, anchors * (zones + 1)]."""
        columns: list[NDArray[np.bool_]] = []
        for anchor in self._anchors:
            columns += [self._zones.inside(anchors(boxes, anchor)), np.ones((len(boxes), 1), bool)]
        return np.concatenate(columns, axis=1) if columns else np.zeros((len(boxes), 0), bool)


def _watches(config: RulesConfig, by_anchor: list[Anchor]) -> Iterator[Watch]:
    """The rules, each at each of its places."""
    zones, lines = list(config.zones), list(config.lines)
    for rule in config.rules:
        active = config.schedules[rule.active] if isinstance(rule.active, str) else rule.active
        schedule = None if active is None else Schedule(active)
        if rule.kind == "line":
            for name in lines if rule.places is None else rule.places:
                yield Watch(rule, name, lines.index(name), schedule)
            continue
        first = by_anchor.index(rule.anchor) * (len(zones) + 1)
        if rule.places is None and rule.kind not in TRACKED:
            yield Watch(rule, "", first + len(zones), schedule)
            continue
        for name in zones if rule.places is None else rule.places:
            yield Watch(rule, name, first + zones.index(name), schedule)
