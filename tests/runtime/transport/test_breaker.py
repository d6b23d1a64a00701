"""Circuit breakers of links. What must hold, whatever happens in whatever order:

- an open one lets nothing through, and has one probe due or under way, within its longest time;
- a half-open one never has more frames under way than have been answered, and one more;
- it closes only after a probe and enough frames were answered;
- links that are lost together come back spread out.
"""

from __future__ import annotations

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from vidpipe.runtime.transport.breaker import Breaker, BreakerState

CLOSED, OPEN, HALF_OPEN = BreakerState

STEPS = st.lists(
    st.tuples(st.sampled_from(["admit", "answered", "withdrawn", "lost", "probe", "fails"]), st.floats(0, 5)),
    max_size=80,
)


@given(STEPS, st.integers(0, 2**16), st.integers(1, 10))
def test_laws_hold_whatever_happens(steps, seed, trial):
    breaker = Breaker(random.Random(seed).random, first_s=0.1, longest_s=4, trial=trial)
    now, under_way, answered, probed, probing = 0.0, 0, 0, False, False
    for what, wait_s in steps:
        now += wait_s
        before = breaker.state
        if what == "admit":
            admitted = breaker.admit()
            assert admitted == (before is CLOSED or (before is HALF_OPEN and under_way <= answered))
            under_way += admitted and before is HALF_OPEN
        elif what == "answered" and (under_way or before is not HALF_OPEN):
            breaker.answered(now)
            if before is HALF_OPEN:
                under_way, answered = under_way - 1, answered + 1
        elif what == "withdrawn" and under_way:
            breaker.withdrawn()
            under_way -= 1
        elif what == "lost":
            breaker.lost(now, "gone")
            probed = probed and before is OPEN
        elif what in ("probe", "fails") and (probing or breaker.take_probe(now)):
            probing = what == "probe" and not probing  # the first one takes it, the next tells what became of it
            if not probing:
                breaker.probe_answered() if what == "probe" else breaker.probe_failed(now, "still gone")
                probed = what == "probe"
        if breaker.state is not HALF_OPEN or before is not HALF_OPEN:
            if before is HALF_OPEN and breaker.state is CLOSED:
                assert probed
                assert answered == trial
            under_way = answered = 0
        if breaker.state is OPEN:
            assert not breaker.admit()
            assert probing or breaker.probe_at <= now + 4
            assert not (probing and breaker.probe_at < math.inf)
        else:
            assert breaker.probe_at == math.inf
            probing = False
        assert (breaker.opened_at is None) == (breaker.state is CLOSED) == (breaker.reason == "")


def test_the_time_away_counts_from_the_first_loss_until_it_is_closed():
    breaker = Breaker(lambda: 1.0, first_s=1, longest_s=8, trial=1)
    breaker.lost(10.0, "gone")
    assert not breaker.take_probe(10.9)
    assert breaker.take_probe(11.0)
    breaker.probe_answered()
    assert breaker.admit()
    assert not breaker.admit()
    breaker.lost(11.5, "gone again")
    assert breaker.away_s(12.0) == 2.0
    assert breaker.probe_at == 13.5  # twice as long, as it was no steady state
    assert breaker.take_probe(13.5)
    breaker.probe_answered()
    assert breaker.admit()
    breaker.answered(13.6)
    assert (breaker.state, breaker.away_s(14.0)) == (CLOSED, 0.0)


def test_what_has_been_steady_begins_anew_with_a_quick_probe():
    breaker = Breaker(lambda: 1.0, first_s=1, longest_s=8, trial=1)
    for lost_at, wait_s in ((0.0, 1.0), (2.0, 2.0), (20.0, 1.0)):
        breaker.lost(lost_at, "gone")
        assert breaker.probe_at == lost_at + wait_s
        assert breaker.take_probe(breaker.probe_at)
        breaker.probe_answered()
        breaker.admit()
        breaker.answered(lost_at + wait_s)


def test_links_that_were_lost_together_come_back_spread_out():
    """64 links of a machine that is away for a minute: in no tenth of a second do more than a quarter come back."""
    back = []
    for seed in range(64):
        breaker = Breaker(random.Random(seed).random)
        breaker.lost(0.0, "gone")
        while not breaker.take_probe(now := breaker.probe_at) or now < 60:
            breaker.probe_failed(now, "gone")
        back.append(now)
    assert max(sum(at <= other < at + 0.1 for other in back) for at in back) <= 16
    assert max(back) < 60 + 10
