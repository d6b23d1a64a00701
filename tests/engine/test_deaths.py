"""Which picture a device dies on. What must hold: the third death near one place gives up one picture, and no other."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from vidpipe.engine.host import Position
from vidpipe.engine.ray.device import Device
from vidpipe.engine.records import Batch
from vidpipe.sources.base import Resume


def _at(**streams):
    """Positions behind these numbers of pictures."""
    return {name: Position(Resume(seq - 1, 0.0, None)) if seq else Position() for name, seq in streams.items()}


def test_one_death_changes_nothing():
    positions = Device(None, ["a"]).died(_at(a=40))
    assert (positions["a"].careful, positions["a"].poison) == (False, frozenset())


def test_deaths_far_apart_have_nothing_to_do_with_each_other():
    device = Device(None, ["a"])
    assert not any(device.died(_at(a=seq))["a"].careful for seq in (10, 500, 1000))


def test_recordings_whose_turn_has_not_come_say_nothing_of_where_it_died():
    device = Device(None, ["a", "b"])
    assert not any(device.died(_at(a=seq, b=0), ["b"])["a"].careful for seq in (10, 500, 1000))
    assert not device.died(_at(a=1001, b=0), ["b"])["b"].careful


def test_only_the_picture_that_was_asked_is_given_up():
    device = Device(None, ["a", "b"])
    device.died(_at(a=10, b=0))
    assert device.died(_at(a=12, b=300))["a"].careful
    device.took(Batch(asked=("b", 300)))
    device.took(Batch(asked=("a", 14)))
    positions = device.died(_at(a=14, b=301))
    assert positions["a"].poison == {14}
    assert positions["b"].poison == frozenset()
    assert positions["a"].careful  # another one may stand right behind


def test_a_picture_that_was_answered_is_not_to_blame():
    device = Device(None, ["a"])
    device.died(_at(a=10))
    device.died(_at(a=10))
    device.took(Batch(asked=("a", 10)))
    assert device.died(_at(a=11))["a"].poison == frozenset()


@given(st.sets(st.integers(0, 120), max_size=4), st.integers(0, 2**16))
def test_a_device_that_dies_on_some_pictures_gives_up_these_alone(deadly, seed):
    """Whatever part of its answers gets lost with it: it comes to the end, and no other picture is given up."""
    draw = random.Random(seed)
    device, at, deaths = Device(None, ["a"]), 0, 0
    poison, careful = frozenset(), False
    while killers := [seq for seq in sorted(deadly - poison) if seq >= at]:
        deaths += 1
        assert deaths <= 20 * (1 + len(deadly))
        if careful:
            at = killers[0]
            device.took(Batch(asked=("a", at)))
        else:
            at = draw.randint(at, killers[0])
        position = device.died(_at(a=at))["a"]
        poison, careful = position.poison, position.careful
    assert poison <= deadly
