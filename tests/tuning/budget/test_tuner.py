"""The tuner `budget` in front of a machine that is made of numbers, by a clock that the test turns. What must hold:

- while there is enough, nothing changes;
- where less is there, it is shared anew within two seconds, so that all together lose as little as can be;
- when more is there again, all is as before; who comes and goes does not make settings come and go;
- others who take all that is left over do not squeeze the run;
- what was expected of costs is corrected by what they are.
"""

from __future__ import annotations

import pytest

from tests.tuning.budget.profiles import FRONTIER, known, yard
from vidpipe.runtime.driver.status import Status, StreamNow
from vidpipe.runtime.driver.tuner import tuner_of
from vidpipe.testing.clock import HandClock
from vidpipe.tuning.budget.apply import apply_budget
from vidpipe.tuning.budget.capacity import Reading
from vidpipe.tuning.budget.limits import parse
from vidpipe.tuning.floor.configuration import roles_of
from vidpipe.tuning.floor.profile import point, with_settings

COST = {each.configuration.between_s: each.cpu_ms * 20 / 1000 for each in FRONTIER}
TICK_S = 0.5
SHOWS_S = 5.0  # for which a stream counts as overloaded once it has lost pictures


class Machine:
    """Two cores, a run of live streams on it, and others.

    Attributes:
        others: cores that others take.
        greedy: they take half of the machine, and what the run leaves of the other half.
        dearer: times as much as expected that the run takes.
        between_s: what is in force, by stream.
        changes: (seconds, stream, seconds between looks, reason) of each change.
        took: CPU seconds a second that the run took in the newest tick.
        told: what the machine says in place of that; None: that.
    """

    def __init__(self, pipeline, cores=2.0):
        self.tuner = tuner_of(pipeline)
        self.tuner.machine = self.read
        self.cores, self.others, self.dearer = cores, 0.0, 1.0
        self.greedy, self.told = False, None
        self.clock = HandClock()
        self.between_s = {
            name: each.configs["move"].refresh_s if each.configs else 0.0 for name, each in pipeline.streams.items()
        }
        self.ended, self.changes = set(), []
        self.ours_s = self.idle_s = self.took = 0.0
        self.lost_at, self.began = -100.0, self.clock.utc()
        self.frames, self.lost = 0, 0.0

    @property
    def at(self):
        return self.clock.utc() - self.began

    def wants(self):
        return self.dearer * sum(COST[each] for name, each in self.between_s.items() if name not in self.ended)

    def read(self):
        return self.told or Reading(int(self.cores), self.ours_s, self.idle_s)

    def go(self, seconds):
        """Let time pass; the seconds until the first change, None where there is none."""
        begun, before = self.at, len(self.changes)
        for _ in range(round(seconds / TICK_S)):
            self.clock.turn(TICK_S)
            wants = self.wants()
            others = max(self.cores / 2, self.cores - wants) if self.greedy else self.others
            self.took = min(wants, self.cores - others)
            self.ours_s += self.took * TICK_S
            self.idle_s += max(0.0, self.cores - self.took - others) * TICK_S
            if self.took < 0.98 * wants:
                self.lost_at = self.at
            self.frames += 10
            self.lost += 10 * (1 - self.took / wants) if wants else 0.0
            for change in self.tuner.tune(self.status()):
                (stream,) = change.streams
                self.between_s[stream] = change.stages["move"]["refresh_s"]
                self.changes.append((self.at, stream, self.between_s[stream], change.reason))
        return self.changes[before][0] - begun if len(self.changes) > before else None

    def status(self):
        short = self.at - self.lost_at < SHOWS_S
        streams = {
            name: StreamNow(
                "stopped" if name in self.ended else "overloaded" if short else "live",
                *(self.frames, 0.0, {}, {}, 0, {}, "sure", 0.0, {}, {}, {}, int(self.lost)),
            )
            for name in self.between_s
        }
        return Status("running", self.clock.utc(), streams, {}, {}, (), 0, 0, False)


@pytest.fixture
def machine(tmp_path):
    def begun(budget="cpu=1.6", streams="ab", **specs):
        pipeline = yard(tmp_path, *streams, **specs)
        known(pipeline, tmp_path, **dict.fromkeys(streams, FRONTIER))
        config = pipeline.tuner.config if pipeline.tuner else parse(budget)
        return Machine(apply_budget(pipeline, config, tmp_path)[0])

    return begun


def test_while_there_is_enough_nothing_changes(machine):
    pair = machine()
    pair.others = 0.3
    assert pair.go(120) is None
    assert pair.between_s == {"a": 0.0, "b": 0.0}


def test_where_less_is_there_it_is_shared_anew_so_that_least_is_lost(machine):
    pair = machine()
    pair.go(30)
    pair.others = 1.0
    assert pair.go(10) <= 2.0
    assert pair.took == pair.wants() <= 1.0
    assert pair.between_s == {"a": 0.2, "b": 0.2}  # the most that 0.9 of a core buys
    assert "live streams lose pictures, and 1 of 2 cores are left for the run: the last stage" in pair.changes[0][3]


def test_who_counts_more_loses_less_and_floors_go_last(machine):
    pair = machine(b={"weight": 5})
    pair.go(30)
    pair.others = 1.3
    pair.go(10)
    assert pair.between_s == {"a": 0.5, "b": 0.2}
    floored = machine(a={"floor": 0.88})
    floored.go(30)
    floored.others = 1.4
    floored.go(10)
    assert floored.between_s == {"a": 0.2, "b": 1.0}
    floored.others = 1.75
    floored.go(20)
    assert floored.wants() <= 0.25


def test_when_more_is_there_again_all_is_as_before(machine):
    pair = machine()
    pair.go(30)
    pair.others = 1.0
    pair.go(30)
    pair.others = 0.0
    assert 5.0 <= pair.go(60) <= 8.0
    assert pair.between_s == {"a": 0.0, "b": 0.0}
    count = len(pair.changes)
    pair.go(120)
    assert len(pair.changes) == count == 4  # each stream there and back


def test_who_comes_and_goes_does_not_make_settings_come_and_go(machine):
    pair = machine()
    for _ in range(30):
        pair.others = 1.0 - pair.others
        pair.go(10)
    assert len(pair.changes) <= 16  # of 60, if each stream followed each time


def test_others_who_take_what_is_left_over_do_not_squeeze_the_run(machine):
    pair = machine()
    pair.go(30)
    pair.greedy = True
    pair.go(10)
    settled = dict(pair.between_s)
    pair.go(120)
    assert pair.between_s == settled
    assert 0.7 <= pair.took <= 1.0


def test_what_a_stream_leaves_that_ends_the_others_get(machine):
    three = machine("cpu=1.2", "abc")
    assert three.go(20) is None
    three.ended.add("a")
    assert three.go(5) <= 1.0
    assert sorted(three.between_s[name] for name in "bc") == [0.0, 0.2]
    assert three.wants() == pytest.approx(1.2)


def test_a_run_that_takes_more_than_expected_is_brought_back_to_its_budget(machine):
    pair = machine("cpu=0.85")
    pair.dearer = 1.6
    pair.go(90)
    assert pair.took <= 1.1 * 0.85
    assert "as much as expected" in pair.changes[0][3]
    count = len(pair.changes)
    pair.go(300)
    assert len(pair.changes) - count <= 4


def test_on_other_machines_lost_pictures_alone_tell(machine):
    """What this one has left says nothing: it may have fewer cores than the run takes."""
    pair = machine(more="tuner: {type: budget, cpu: 1.6, elsewhere: true}")
    pair.told = Reading(1, 0.0, 0.0)
    assert pair.go(60) is None
    pair.others = 1.0
    assert pair.go(10) <= 2.0
    assert pair.wants() <= 0.9 * 1.6
    pair.go(30)
    assert pair.took == pair.wants() <= 1.0


def test_a_pipeline_that_was_set_otherwise_is_set_at_the_first_call(tmp_path):
    pipeline = yard(tmp_path, "a", "b", more=f"tuner: {{type: budget, cpu: 0.8, profiles: '{tmp_path}'}}")
    known(pipeline, tmp_path, a=FRONTIER, b=FRONTIER)
    pair = Machine(with_settings(roles_of(pipeline), {"a": (FRONTIER[2].configuration, None)}))
    assert pair.go(1) == pytest.approx(TICK_S)
    assert [change[1:3] for change in pair.changes] == [("b", 0.2)]
    assert pair.changes[0][3] == f"the budget: {point(FRONTIER[2]).says}"
