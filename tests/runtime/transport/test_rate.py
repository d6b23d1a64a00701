"""Which rung a link uses; no clock runs: times are numbers, and the link is a queue that is emptied at a rate."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidpipe.runtime.transport.rate import USED, RateControl, Rung

LATE_S = 0.3
TICK_S = 0.1
LADDER = [Rung(1.0), Rung(0.7), Rung(0.5), Rung(0.3), Rung(0.3, 0.5), Rung(0.2, 0.25)]
LOAD = 1e6  # bytes a second on the first rung


class Simulated:
    """A link of a given rate, to which frames come evenly; what waits is bounded, as newer frames replace older ones.

    Attributes:
        ages: at each tick, how long the oldest has waited.
    """

    def __init__(self, ladder=LADDER):
        self.ladder = ladder
        self.control = RateControl(ladder, LATE_S)
        self.now_s = 0.0
        self.queue = 0.0
        self.ages: list[float] = []
        self.rungs: list[int] = []

    def run(self, seconds, rate):
        for _ in range(round(seconds / TICK_S)):
            load = LOAD * self.ladder[self.control.rung].load
            self.queue = min(max(self.queue + (load - rate) * TICK_S, 0.0), 2 * LATE_S * rate)
            age_s = self.queue / rate
            self.ages.append(age_s)
            self.control.go_on(self.now_s, age_s, load, rate)
            self.rungs.append(self.control.rung)
            self.now_s += TICK_S
        return self

    @property
    def rung(self):
        return self.control.rung


def best_for(rate, ladder=LADDER):
    return next((i for i, rung in enumerate(ladder) if rung.load * LOAD <= USED * rate), len(ladder) - 1)


def test_a_fast_link_stays_on_its_own_setting():
    assert set(Simulated().run(60, rate=2 * LOAD).rungs) == {0}


@pytest.mark.parametrize("share", [0.9, 0.6, 0.4, 0.2, 0.06])
def test_a_slow_one_steps_down_at_once_to_what_it_has_room_for(share):
    link = Simulated().run(3, rate=share * LOAD)
    assert link.rung == best_for(share * LOAD)
    assert link.ages[-1] < LATE_S


def test_it_steps_up_a_rung_at_a_time_once_there_is_room():
    link = Simulated().run(5, rate=0.2 * LOAD)
    below = link.rung
    link.run(2.0, rate=2 * LOAD)
    assert link.rung in (below, below - 1)
    link.run(30, rate=2 * LOAD)
    assert link.rung == 0
    steps = [later - earlier for earlier, later in pairwise(link.rungs)]
    assert min(steps[60:]) == -1


def test_steps_up_that_were_one_too_many_come_ever_more_rarely():
    """The rate says that there is no room, and a step that is tried all the same fails: the next one waits longer."""
    link = Simulated().run(600, rate=0.6 * LOAD)
    tried = [i * TICK_S for i in range(1, len(link.rungs)) if link.rungs[i] < link.rungs[i - 1]]
    gaps = [later - earlier for earlier, later in pairwise(tried)]
    assert len(tried) >= 3
    assert gaps[-1] > 3 * gaps[0]
    late = sum(age > LATE_S for age in link.ages[50:]) / len(link.ages[50:])
    assert late < 0.05


def test_a_rung_that_should_be_enough_and_is_not_is_left_all_the_same():
    """The load is not what the sizes of rungs say."""
    control = RateControl(LADDER, LATE_S)
    for tick in range(30):
        control.go_on(tick * 0.5, age_s=1.0, load=LOAD, rate=10 * LOAD)
    assert control.rung == len(LADDER) - 1


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0.01, 5), st.floats(1, 20)), min_size=1, max_size=6))
def test_whatever_the_rate_it_steps_down_only_when_late_and_up_only_when_free(trace):
    link = Simulated()
    for rate, seconds in trace:
        link.run(seconds, rate * LOAD)
    for number, (earlier, later) in enumerate(pairwise([0, *link.rungs])):
        assert 0 <= later < len(LADDER)
        if later > earlier:
            assert link.ages[number] > LATE_S
        if later < earlier:
            assert later == earlier - 1
            assert max(link.ages[max(0, number - 15) : number + 1]) <= LATE_S / 2


@settings(deadline=None)
@given(rate=st.floats(0.06, 3), before=st.floats(0.03, 3))
def test_after_any_change_of_rate_nothing_is_late_for_long(rate, before):
    """Where the last rung fits: all but a few seconds, and the few steps up that fail."""
    link = Simulated().run(10, before * LOAD)
    changed = len(link.ages)
    link.run(60, rate * LOAD)
    late = [age > LATE_S for age in link.ages[changed:]]
    assert sum(late) * TICK_S < 6
    if rate > 1.2:
        assert link.rung == 0
