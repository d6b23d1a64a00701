"""From published results of a stream to what its rules say happened: the one way, live and replayed.

Plain numbers of one object after another, not arrays of all: most objects of most results are where they were, as far
as rules can tell, and what does not change costs nothing but to see that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from vidpipe.transforms.rules.crossings import Crossings
from vidpipe.transforms.rules.degradations import Degradations
from vidpipe.transforms.rules.gatherings import Gatherings
from vidpipe.transforms.rules.geometry import Geometry
from vidpipe.transforms.rules.lessons import Lessons
from vidpipe.transforms.rules.looks import LOOKS, Looks
from vidpipe.transforms.rules.objects import KEEP_S, Object, Objects
from vidpipe.transforms.rules.seen import Ages, MissRate, Seen
from vidpipe.transforms.rules.spec import TRACKED, Anchor, RulesConfig
from vidpipe.transforms.rules.visits import Visits
from vidpipe.transforms.rules.watch import Happening, Watch, watches_of

_NOWHERE: tuple[tuple[int, ...], float, float] = (), math.inf, math.inf  # for an anchor that no rule goes by


class Engine:
    """The rules of one stream.

    It goes by what results files hold, and by no clock: so the same results give the same events. It pickles, with all
    that it remembers.

    Attributes:
        config: the rules in force.
        newest: result that was seen; None: none yet.
        age_s: of the boxes of the newest result, in media seconds; None: nobody knows.
        stream: its name, on which chance depends.
        recorded: media seconds of the newest result that holds features, by their names.
        looks: of tracks, where a rule joins.
    """

    def __init__(self, config: RulesConfig) -> None:
        self._objects = Objects()
        self._ages, self._misses = Ages(), MissRate()
        self.newest: Seen | None = None
        self.age_s: float | None = None
        self.stream = ""
        self.recorded: dict[str, float] = {}
        self.looks = Looks()
        self._set(config)

    def _set(self, config: RulesConfig) -> None:
        """Lay out the watches of these rules, with nothing known at any of them."""
        self.config = config
        self._watches = list(watches_of(config))
        self._geometry = Geometry(list(config.zones.values()), list(config.lines.values()))
        self._whole = [watch for watch in self._watches if watch.index < 0]
        self._of_zone: dict[Anchor, dict[int, list[Watch]]] = {"feet": {}, "centre": {}}
        for watch in self._watches:
            if watch.rule.kind != "line" and watch.index >= 0:
                self._of_zone[watch.rule.anchor].setdefault(watch.index, []).append(watch)
        self._by_feet, self._by_centre = (
            any(watch.rule.anchor == anchor for watch in self._watches) for anchor in ("feet", "centre")
        )
        self._scheduled = [watch for watch in self._watches if watch.schedule is not None]
        self._visits = Visits(self._watches)
        self._crossings = Crossings(self._watches, self._geometry)
        others = [watch for watch in self._watches if watch.rule.kind not in TRACKED]
        self._gatherings = Gatherings([watch for watch in others if watch.rule.kind not in ("degraded", "learnt")])
        self._degradations = Degradations([watch for watch in others if watch.rule.kind == "degraded"])
        self._lessons = Lessons([watch for watch in others if watch.rule.kind == "learnt"])
        self._keep_s = max([KEEP_S, *(watch.rule.grace_s for watch in self._watches if watch.rule.kind in TRACKED)])

    def go_by(self, config: RulesConfig, seen: Seen) -> list[Happening]:
        """Go by these rules from the next result on, and say what ends with the old ones; nothing where they are the
        same.

        What a watch that is in both knows goes on: visits, what is so at it, crossings and their counts. At a watch
        that is not, what was told and goes on has ended; it was last so when it was last seen so.

        Args:
            seen: the next result, at which that is told.
        """
        if config is self.config:
            return []
        if config == self.config:  # the same, from another process
            self.config = config
            return []
        before, crossings, gatherings = self._watches, self._crossings, self._gatherings
        degradations, lessons = self._degradations, self._lessons
        fresh = {watch.version: watch for watch in watches_of(config)}
        places = {(watch.rule.id, watch.place) for watch in fresh.values()}
        over = {
            watch.number: "rule changed" if (watch.rule.id, watch.place) in places else "rule removed"
            for watch in before
            if watch.version not in fresh
        }
        happened = self._close(seen, over)
        self._set(config)
        numbers = {watch.number: fresh[watch.version].number for watch in before if watch.version in fresh}
        for watch in before:
            if watch.number in numbers:
                self._watches[numbers[watch.number]].awake = watch.awake
        self._crossings.go_on(crossings, numbers)
        self._gatherings.go_on(gatherings, numbers)
        self._degradations.go_on(degradations, numbers)
        self._lessons.go_on(lessons, numbers)
        for known in self._objects:
            known.go_on(numbers)
            self._place(known)
        if not self._watches:
            self._objects.forget()  # nobody looks at boxes any more
        return happened

    def end(self, reason: str) -> list[Happening]:
        """The stream has ended behind the newest result, and with it what goes on."""
        assert self.newest is not None
        return self._close(self.newest, {watch.number: reason for watch in self._watches})

    def _close(self, seen: Seen, over: Mapping[int, str]) -> list[Happening]:
        """End what was told and goes on, at these watches, each with the reason for it."""
        happened = [each for known in self._objects for each in self._visits.close(seen, known, over)]
        happened += [*self._gatherings.close(seen, over), *self._degradations.close(seen, over)]
        return [*happened, *self._lessons.close(seen, over)]

    @property
    def learnt_counts(self) -> Mapping[str, int]:
        """Of rules of kind learnt, as of `Lessons`."""
        return dict(self._lessons.counts)

    def miss_rate(self) -> dict[str, float | None]:
        """Of the stream, by what is known with the newest result."""
        return self._misses.told()

    def see(self, seen: Seen) -> list[Happening]:
        """What happens with the next result of the stream."""
        self.newest = seen
        for name in seen.features:
            if not name.startswith(LOOKS):  # else they are of one track, and told with its event
                self.recorded[name] = seen.pts
        self.age_s = self._ages.age_s(seen)
        if seen.audits:
            self._misses.learn(seen.audits)
        if not self._watches:
            return []
        happened: list[Happening] = []
        for known in self._objects.end(seen.pts, self._keep_s):
            happened += self._visits.end(seen, known)
            happened += self._crossings.end(seen, known)
        for known in self._objects:
            if seen.pts >= known.due:
                happened += self._visits.expire(seen, known)
        self._wake(seen)
        objects = self._see_objects(seen) if seen.boxes else []
        for known in self._objects:
            if seen.pts >= known.due:
                happened += self._visits.tell(seen, known)
        happened += self._crossings.tell(seen, objects)
        happened += self._gatherings.see(seen, objects)
        happened += self._degradations.see(seen)
        happened += self._lessons.see(seen, self.age_s, self.stream)
        return happened

    def _wake(self, seen: Seen) -> None:
        """Have watches hold by the time of day."""
        for watch in self._scheduled:
            assert watch.schedule is not None
            if watch.awake != (awake := watch.schedule.holds(seen.at)):
                watch.awake = awake
                for known in self._objects:
                    known.zones = None

    def _see_objects(self, seen: Seen) -> list[Object]:
        """What is in the picture, each where it is now."""
        objects, stirred = self._objects.see(seen)
        for known, went in stirred:
            crosses = went >= known.room
            zones = self._place(known)
            if known.zones != zones:
                known.zones = zones
                self._look(seen, known)
            if crosses:
                self._crossings.go(seen, known)
        return objects

    def _place(self, known: Object) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Look up how far an object may go from where it is; the zones that it is in, by its feet and by its centre."""
        x, feet, centre = known.spot = known.x, known.feet, known.centre
        zones, known.room, known.calm = self._geometry.at(x, feet) if self._by_feet else _NOWHERE
        if not self._by_centre:
            return zones, ()
        by_centre, room, calm = self._geometry.at(x, centre)
        known.room, known.calm = min(known.room, room), min(known.calm, calm)
        return zones, by_centre

    def _look(self, seen: Seen, known: Object) -> None:
        """See which watches an object is for, where it is now."""
        assert known.zones is not None
        counting = [watch for watch in self._whole if watch.counts(known)]
        for of_zone, zones in zip(self._of_zone.values(), known.zones, strict=True):
            for zone in zones:
                counting += [watch for watch in of_zone.get(zone, ()) if watch.counts(known)]
        if known.id >= 0:
            self._visits.look(seen, known, tuple(watch.number for watch in counting if watch.rule.kind in TRACKED))
        known.counted = tuple(watch.number for watch in counting if watch.rule.kind not in TRACKED)
