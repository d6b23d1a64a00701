"""How long a look lasts: laws of the time between looks, on streams whose errors by age are known."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidpipe.stages.track.aging import Aging
from vidpipe.statistics.agreement import Matched

FPS, BOXES, LONGEST = 25.0, 4, 50.0


def linear(age):
    return 0.01 * age


def convex(age):
    """Boxes stay right for a while, and are lost then."""
    return 0.0006 * age**2


def concave(age):
    """Wrong soon, and hardly worse later."""
    return 0.05 * math.sqrt(age)


class Stream:
    """Frames whose boxes are right or wrong with their age, and what looks say of them.

    Errors are alike for two seconds: what is hard to follow now is so in a moment.

    Attributes:
        errors: of each published frame; 0 of those that are looked at.
        looks: the frames that are looked at.
    """

    def __init__(self, error, floor, seed=0, name="cam"):
        self.error, self.floor, self.name = error, floor, name
        self.rng = np.random.default_rng(seed)
        self.hard = np.repeat(self.rng.gamma(4, 0.25, 1000), 50)
        self.aging = Aging()
        self.looks, self.errors = [0], [0.0]
        self.boxes = BOXES

    def go(self, seconds, longest=LONGEST):
        end = len(self.errors) + round(seconds * FPS)
        while len(self.errors) < end:
            ages = np.arange(1, max(1, math.ceil(self.aging.due(self.name))) + 1)
            at = self.looks[-1] + ages
            chance = np.minimum(1, [self.error(age) for age in ages] * self.hard[at])
            wrong = self.rng.binomial(self.boxes, chance)
            self.errors += [*(wrong[:-1] / max(1, self.boxes)), 0.0]
            self.looks.append(int(at[-1]))
            matched = Matched(self.boxes - int(wrong[-1]), 2 * self.boxes)
            self.aging.learn(at[-1] / FPS, len(ages), matched, self.floor, longest)
        return self

    def mean_error(self, since_s):
        return float(np.mean(self.errors[round(since_s * FPS) :]))

    def apart(self, since_s):
        """Frames between looks, on average."""
        looks = [frame for frame in self.looks if frame >= since_s * FPS]
        return (len(self.errors) - since_s * FPS) / len(looks)


def longest_within(error, floor):
    """Frames between looks that nobody can beat who has to hold the floor, and knows all."""
    able = [n for n in range(1, int(LONGEST) + 1) if np.mean([error(age) for age in range(n)]) <= 1 - floor]
    return max(able)


def test_it_begins_with_every_frame():
    assert Aging().frames == Aging().due("cam") == 1
    assert Aging(0.3).frames == 1
    assert Aging(2.0004).frames == 2  # the time between frames is a mean


@given(st.integers(1, 6), st.integers(1, 200), st.floats(0.5, 0.99), st.floats(1, 100))
@settings(max_examples=8, deadline=None)
def test_looks_that_agree_loosen_it_up_to_the_longest_and_never_beyond(boxes, longest, floor, begin):
    aging = Aging(begin)
    frame = 0
    for _ in range(300):
        frame += (age := max(1, math.ceil(aging.due("cam"))))
        aging.learn(frame / FPS, age, Matched(boxes, 2 * boxes), floor, longest)
        assert 1 <= aging.frames <= longest
    if floor <= 0.9 and boxes > 2 and longest < 60:
        assert aging.frames == longest


@given(st.floats(4, 60), st.floats(0.8, 0.95))
@settings(max_examples=8, deadline=None)
def test_errors_over_the_floor_tighten_it(begin, floor):
    """Within ten looks that lie apart, and down to every frame where boxes are wrong at once."""
    aging, frame = Aging(begin), 0
    for _ in range(10):
        frame += math.ceil(begin)
        aging.learn(frame, math.ceil(begin), Matched(0, 20), floor, 100)
    assert aging.frames < begin
    for _ in range(60):
        frame += (age := max(1, math.ceil(aging.due("cam"))))
        aging.learn(frame, age, Matched(0, 20), floor, 100)
    assert aging.frames == 1


@cache
def streams(error, floor):
    return [Stream(error, floor, seed).go(150) for seed in range(20)]


@pytest.mark.parametrize(("error", "floor"), [(linear, 0.9), (convex, 0.9), (concave, 0.9)])
def test_it_holds_the_floor_for_not_much_more_than_it_must(error, floor):
    """Nineteen streams in twenty hold it over all their frames; and they look not twice as often as is needed."""
    held = [stream.mean_error(0) <= 1 - floor for stream in streams(error, floor)]
    assert np.mean(held) >= 0.95
    apart = 1 / np.mean([1 / stream.apart(50) for stream in streams(error, floor)])
    assert apart >= 0.5 * longest_within(error, floor)


@pytest.mark.parametrize("seed", range(3))
def test_a_breach_is_answered_within_seconds(seed):
    """Things begin to move twenty times as fast as before."""
    stream = Stream(lambda age: 0.002 * age, 0.9, seed).go(60)
    before = stream.aging.frames
    stream.error = lambda age: 0.04 * age
    at = len(stream.errors) / FPS
    stream.go(16)
    assert stream.aging.frames < before / 2
    stream.go(60)
    assert stream.mean_error(at + 16) <= 0.1


@given(st.integers(0, 40), st.floats(0.5, 0.95))
@settings(max_examples=5, deadline=None)
def test_looks_that_find_nothing_where_nothing_was_known_change_nothing(seconds, floor):
    stream = Stream(linear, floor, 3).go(20)
    before = stream.aging.frames
    stream.boxes = 0
    stream.go(seconds)
    assert stream.aging.frames == before


def test_the_same_looks_come_at_the_same_frames():
    assert Stream(linear, 0.9, 5).go(60).looks == Stream(linear, 0.9, 5).go(60).looks


def test_now_and_then_a_look_comes_early_at_an_age_that_nobody_has_seen_for_long():
    stream = Stream(lambda _: 0.0, 0.9).go(120)
    apart = np.diff([frame for frame in stream.looks if frame > 60 * FPS])
    early = apart[apart < LONGEST]
    assert 0 < len(early) < 0.1 * len(apart)
    assert len(set(Stream(lambda _: 0.0, 0.9).go(1200).looks) & set(stream.looks)) == len(stream.looks)


@pytest.mark.parametrize("seed", range(2))
def test_frames_that_come_unevenly_are_counted_as_they_come(seed):
    """Twice as many frames a second for a while: looks at one age that are near in time stay one sample."""
    rng = np.random.default_rng(seed)
    aging, pts = Aging(), 0.0
    for _ in range(400):
        age = max(1, math.ceil(aging.due("cam")))
        pts += age * rng.choice([0.02, 0.04, 0.3])
        aging.learn(pts, age, Matched(4, 8), 0.9, 25)
    assert aging.frames == 25


def test_a_recording_that_begins_again_is_learnt_from_as_before():
    aging = Aging()
    for _ in range(3):
        for look in range(100):
            aging.learn(look / 2, max(1, math.ceil(aging.frames)), Matched(4, 8), 0.9, 25)
    assert aging.frames == 25
