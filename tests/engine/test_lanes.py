"""Turns at what is scarce. What must hold:

- of a live stream only the newest frame waits, and the one that gave way is told;
- looks are shared out by weight, however many frames each stream brings;
- who was away cannot save turns up; what is in order stays in order.
"""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidpipe.engine.lanes import Lanes


def test_the_newest_wins():
    lanes = Lanes({"a": 1.0})
    assert lanes.put("a", 0) is None
    assert lanes.put("a", 1) == 0
    assert len(lanes) == 1
    assert lanes.take() == 1
    with pytest.raises(IndexError):
        lanes.take()


@given(st.lists(st.floats(0.25, 8), min_size=2, max_size=6))
def test_turns_go_by_weight(weights):
    by_name = {str(i): weight for i, weight in enumerate(weights)}
    lanes = Lanes(by_name)
    taken = Counter()
    turns = 4000
    for name in by_name:
        lanes.put(name, name)
    for _ in range(turns):
        name = lanes.take()
        taken[name] += 1
        lanes.put(name, name)
    for name, weight in by_name.items():
        assert taken[name] == pytest.approx(turns * weight / sum(weights), abs=len(weights) + 1)


def test_who_was_away_takes_no_more_than_its_share():
    lanes = Lanes({"a": 1.0, "b": 1.0})
    for _ in range(100):
        lanes.put("a", "a")
        lanes.take()
    taken = []
    for _ in range(10):
        lanes.put("a", "a")
        lanes.put("b", "b")
        taken.append(lanes.take())
    assert Counter(taken) == {"a": 5, "b": 5}


def test_recordings_wait_in_order_and_have_turns_of_their_own():
    lanes = Lanes({"a": 1.0})
    for number in range(4):
        lanes.append(number)
    taken = []
    for _ in range(8):
        lanes.put("a", "a")
        taken.append(lanes.take())
    assert [item for item in taken if item != "a"] == [0, 1, 2, 3]
    assert taken[:4].count("a") == 2
