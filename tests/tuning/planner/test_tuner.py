"""The tuner `planned` in front of machines that are made of numbers, by a clock that the test turns. What must hold:

- while there is as much as was planned with, nothing changes, whatever links and tiers do for moments;
- when a tier leaves, a line is slow or CPU is taken, streams are set to what there is room for, few of them, in an
  epoch for all that get the same, with the reason; when it is back, all is as before;
- what comes and goes does not make settings come and go;
- after each change the plan fits into what there is, if any does.
"""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from tests.tuning.budget.profiles import FRONTIER, SAFE_ONE, known, tried, yard
from tests.tuning.planner.test_auto import costs, nodes
from vidpipe.cli.commands.auto import plan_cameras
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.spec import Part, Tier
from vidpipe.pipeline.yaml.load import load
from vidpipe.runtime.driver.status import Status, StreamNow
from vidpipe.runtime.driver.tuner import tuner_of
from vidpipe.testing.clock import HandClock
from vidpipe.tuning.budget.capacity import Reading
from vidpipe.tuning.budget.plan import demand_of, fits
from vidpipe.tuning.planner.supply import tier_of
from vidpipe.tuning.planner.tuner import Planned, PlannedConfig

TICK_S = 0.5
MBPS = "mbps of device-cloud"


def option(f1, *, cloud, mbps=0.0, box=0.1, holds=True, looks_on="cloud"):
    """Looks every so many seconds that its F1 names."""
    takes = {"CPU of box": box, "CPU of rack": cloud, MBPS: mbps}
    return {
        "f1": f1,
        "takes": takes,
        "looks_on": looks_on,
        "holds": holds,
        "says": f"F1 {f1}",
        "stages": {"move": {"refresh_s": round(1 - f1, 3)}},
    }


OPTIONS = [
    option(1.0, cloud=0.8, mbps=4),
    option(0.9, cloud=0.4, mbps=2),
    option(0.8, cloud=0.2, mbps=1),
    option(0.6, cloud=0, box=0.3, looks_on="device"),
]


def config(*streams, mbps=20.0, rack=4.0, options=OPTIONS, **fields):
    limits = {"CPU of box": 4.0, "CPU of rack": rack, MBPS: mbps}
    every = {name: {"options": options} for name in streams}
    return {"limits": limits, "streams": every, "elsewhere": True} | fields


class Field:
    """Streams that a tuner keeps to a plan, with what there is of lines, tiers and CPU.

    Attributes:
        mbps: that the link carries; age_ms: that a picture waits to cross, while more would have to.
        away: parts of the pipeline that nobody reaches.
        losing: share of the pictures that live streams lose.
        changes: (seconds, streams, F1, reason) of each change.
    """

    def __init__(self, pipeline, **config):
        self.tuner = tuner_of(replace(pipeline, tuner=Part(Planned, PlannedConfig(**config))))
        self.reading = Reading(4, 0.0, 0.0)
        self.tuner.machine = lambda: self.reading
        self.clock = HandClock()
        self.f1 = dict.fromkeys(config["streams"], 0.0)
        self.mbps, self.age_ms, self.away, self.losing = 100.0, None, (), 0.0
        self.frames, self.lost, self.changes, self.ended = 0, 0.0, [], set()
        self.began = self.clock.utc()
        self.go(TICK_S)
        self.changes.clear()

    @property
    def at(self):
        return self.clock.utc() - self.began

    def crossing(self):
        return demand_of(self.tuner.in_force).get(MBPS, 0.0)

    def go(self, seconds):
        """Let time pass; the changes that come of it."""
        before = len(self.changes)
        for _ in range(round(seconds / TICK_S)):
            self.clock.turn(TICK_S)
            self.frames += 10
            self.lost += 10 * self.losing
            for change in self.tuner.tune(self.status()):
                f1 = round(1 - change.stages["move"]["refresh_s"], 3)
                self.f1 |= dict.fromkeys(change.streams, f1)
                self.changes.append((self.at, sorted(change.streams), f1, change.reason))
        return self.changes[before:]

    def status(self):
        late = self.crossing() > self.mbps
        age_ms = self.age_ms if self.age_ms is not None else 3000.0 if late else 20.0
        links = {"device-cloud": {"frames": 1, "bytes": 1, "mbps": self.mbps, "waiting": 0, "age_ms": age_ms}}
        streams = {
            name: StreamNow(
                "ended" if name in self.ended else "overloaded" if self.losing else "live",
                *(self.frames, 0.0, {}, {}, 0, {}, "sure", 0.0, {}, {}, {}, int(self.lost)),
                away=dict.fromkeys(self.away, 0.0),
            )
            for name in self.f1
        }
        return Status("running", self.clock.utc(), streams, {}, links, (), 0, 0, False)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return yard(tmp_path_factory.mktemp("yard"), *"abcd")


@pytest.fixture
def field(pipeline):
    return lambda **options: Field(pipeline, **config(*"abcd", **options))


def test_while_there_is_enough_nothing_changes_whatever_comes_for_a_moment(field):
    four = field()
    assert set(four.f1.values()) == {1.0}
    for _ in range(20):
        four.away, four.age_ms = ("cloud",), 5000.0
        four.go(TICK_S)
        four.away, four.age_ms = (), None
        assert four.go(5) == []


def test_without_a_tier_streams_look_on_another_and_with_it_again_all_is_as_before(field):
    four = field()
    four.away = ("cloud",)
    ((at, streams, f1, reason),) = four.go(6)
    assert at <= 4
    assert (streams, f1) == (["a", "b", "c", "d"], 0.6)
    assert reason == "tier cloud is away: F1 0.6"
    four.away = ()
    assert four.go(4) == []
    ((_, streams, f1, reason),) = four.go(10)
    assert (streams, f1) == (["a", "b", "c", "d"], 1.0)
    assert reason.startswith("tier cloud is back")


def test_a_tier_that_comes_and_goes_is_counted_on_less_and_less(field):
    four = field()
    for second in range(600):
        four.away = ("cloud",) if second % 20 < 6 else ()
        four.go(1)
    assert len(four.changes) <= 12  # of 60, if each was followed


def test_a_slow_line_moves_no_more_streams_than_have_to_give_way(field):
    four = field()
    four.mbps = 14.0  # of 16 that cross
    changes = four.go(10)
    assert all("link device-cloud carries 14 mbps" in reason for *_, reason in changes)
    assert four.crossing() <= 0.9 * 14
    assert sorted(four.f1.values()) == [0.9, 0.9, 1.0, 1.0]  # 12: with one moved it would be 14
    assert four.go(4) == []


def test_a_line_that_is_as_fast_again_is_used_again(field):
    four = field()
    four.mbps = 6.0
    four.go(10)
    assert four.crossing() <= 0.9 * 6
    four.mbps = 100.0
    four.go(60)
    assert set(four.f1.values()) == {1.0}
    assert four.go(60) == []


def test_where_pictures_are_lost_all_machines_are_planned_with_less(field):
    four = field()
    four.go(20)
    four.losing = 0.3
    four.go(5)
    four.losing = 0.0
    taken = demand_of(four.tuner.in_force)
    assert taken["CPU of rack"] <= 0.7 * 3.2
    assert "live streams lose pictures" in four.changes[0][3]
    count = len(four.changes)
    four.go(3)
    assert len(four.changes) == count


def test_floors_are_kept_as_long_as_there_is_room_for_them(field):
    options = [*OPTIONS[:2], OPTIONS[2] | {"holds": False}, OPTIONS[3] | {"holds": False}]
    four = field(options=options)
    four.mbps = 9.0
    four.go(20)
    assert set(four.f1.values()) == {0.9}
    four.mbps = 5.0
    four.go(20)
    assert min(four.f1.values()) < 0.9
    assert four.crossing() <= 0.9 * 5


def test_what_a_stream_leaves_that_ends_the_others_get(field):
    options = [OPTIONS[1], OPTIONS[0], *OPTIONS[2:]]
    four = field(options=options, mbps=8.0)
    assert set(four.f1.values()) == {0.9}
    four.ended = {"a", "b"}
    ((_, streams, f1, reason),) = four.go(2)
    assert (streams, f1) == (["c", "d"], 1.0)
    assert reason.startswith("a stream has ended")


@pytest.mark.long
@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from((2.0, 6.0, 14.0, 100.0)), st.booleans(), st.sampled_from((0.0, 0.3))),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_changes_the_plan_fits_into_what_there_is(pipeline, times):
    four = Field(pipeline, **config(*"abcd"))
    for mbps, away, losing in times:
        four.mbps, four.away, four.losing = mbps, ("cloud",) * away, losing
        four.go(15)
        limits = four.tuner.limits()
        plan = four.tuner.in_force
        cheapest = dict.fromkeys(plan, OPTIONS[3])
        can = all(sum(each["takes"][name] for each in cheapest.values()) <= limit for name, limit in limits.items())
        assert fits(plan, limits) or not can
        assert not away or all(each.what.looks_on is Tier.DEVICE for each in plan.values())
        assert {name: each.accuracy for name, each in plan.items()} == four.f1  # what it says is what it has set


def test_parts_are_of_a_tier_whatever_their_site():
    named = {"edge": Tier.EDGE, "edge-2": Tier.EDGE, "north/device": Tier.DEVICE, "cloud": Tier.CLOUD, "server": None}
    assert {name: tier_of(name) for name in named} == named


def test_what_auto_writes_loads_and_is_kept_to(tmp_path):
    frontier = (*FRONTIER[:3], tried(0.0, 12.0, 0.85, little=True), SAFE_ONE)
    plain = yard(tmp_path, "a", "b", a={"floor": 0.9})
    known(plain, tmp_path, a=frontier, b=frontier)
    out = tmp_path / "made.yaml"
    console = Console(file=io.StringIO())
    told = plan_cameras(plain, None, tmp_path, costs("a", "b"), nodes(0.4, 4, 1000), out, console)
    made = load(tmp_path / "yard.yaml", config=out, sources={name: f"live+file:{name}.mp4" for name in "ab"})
    tuner = tuner_of(made)
    assert tuner.config.elsewhere
    assert {name: each.accuracy for name, each in tuner.in_force.items()} == {
        name: pytest.approx(each["f1"], abs=1e-4) for name, each in told["streams"].items()
    }
    assert fits(tuner.in_force, tuner.config.limits)
    assert [each.holds for each in tuner.config.streams["a"].options].count(False)
    assert all(each.holds for each in tuner.config.streams["b"].options)


def test_a_plan_of_other_streams_is_told(pipeline):
    with pytest.raises(ConfigError, match="tuner: there is no stream 'e'"):
        Field(pipeline, **config("e"))
