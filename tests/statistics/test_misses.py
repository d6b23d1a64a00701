"""Audits tell how much a filter misses, with an interval that can be believed."""

from __future__ import annotations

import numpy as np
import pytest

from vidpipe.statistics.misses import Misses


def test_nothing_is_known_without_audits():
    assert Misses(withheld=100, passed=10, looked=10, shown=10).rate() == (0.0, 0.0, 1.0)


@pytest.mark.parametrize("audited", range(1, 40))
def test_without_a_miss_the_lower_end_is_zero(audited):
    """Wilson's lower end of nothing in eleven came out as 1e-17, and that was all that there was of targets."""
    assert Misses(withheld=50 * audited, audited=audited).rate()[:2] == (0.0, 0.0)


def test_a_rate_by_hand():
    """Of 1,000 withheld frames 2 of 100 audited ones were wrong: 20 in all, beside 80 with a target passed on.

    A tracker in between had every third of these looked at.
    """
    misses = Misses(withheld=1000, audited=100, missed=2, passed=90, looked=27, shown=24)
    assert misses.rate().rate == pytest.approx(0.2)
    assert misses.in_vain().rate == pytest.approx(10 / 1010)


@pytest.mark.parametrize("missed", [0.02, 0.05, 0.2])
def test_the_interval_covers_the_true_rate(missed):
    """In at least 93 of 100 repetitions: a day of 2 frames a second, 6 % with a target, 2 % of answers audited."""
    rng = np.random.default_rng(3)
    frames, repeats, covered = 172_800, 400, 0
    for _ in range(repeats):
        with_target = rng.binomial(frames, 0.06)
        withheld_wrongly = rng.binomial(with_target, missed)
        empty = rng.binomial(frames - with_target, 0.9)
        audited_wrong, audited = rng.binomial(withheld_wrongly, 0.02), rng.binomial(empty, 0.02)
        counts = Misses(
            withheld=withheld_wrongly + empty,
            audited=audited_wrong + audited,
            missed=audited_wrong,
            passed=frames - withheld_wrongly - empty,
            looked=frames - withheld_wrongly - empty,
            shown=with_target - withheld_wrongly,
        )
        low, high = counts.rate()[1:]
        covered += low <= withheld_wrongly / with_target <= high
    assert covered >= 0.93 * repeats
