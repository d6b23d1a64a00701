"""Turns at what is scarce. What must hold:

- of a live stream the newest few frames wait, under overload only the newest is taken, and each other is refused;
- looks are shared out by weight, however many frames each stream brings;
- who was away cannot save turns up; what is in order stays in order.
"""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidpipe.engine.lanes import SIZE, Lanes


@pytest.fixture
def refused():
    return []


def test_a_burst_is_taken_in_order(refused):
    lanes = Lanes({"a": 1.0}, refused.append)
    for number in range(SIZE):
        lanes.put("a", number)
    assert len(lanes) == SIZE
    assert [lanes.take() for _ in range(SIZE)] == list(range(SIZE))
    assert refused == []
    with pytest.raises(IndexError):
        lanes.take()


def test_beyond_that_the_newest_wins(refused):
    lanes = Lanes({"a": 1.0}, refused.append)
    for number in range(10):
        lanes.put("a", number)
    assert len(lanes) == 1
    assert lanes.take() == 9
    assert refused == list(range(9))
    assert len(lanes) == 0


@given(st.lists(st.sampled_from(["a", "b", "in order", "take"]), max_size=60))
def test_everything_is_taken_or_refused_once(steps):
    refused, taken = [], []
    lanes = Lanes({"a": 1.0, "b": 2.0}, refused.append)
    for number, step in enumerate(steps):
        if step == "in order":
            lanes.append((step, number))
        elif step != "take":
            lanes.put(step, (step, number))
        elif len(lanes):
            taken.append(lanes.take())
    taken += [lanes.take() for _ in range(len(lanes))]
    assert sorted(taken + refused) == sorted((step, n) for n, step in enumerate(steps) if step != "take")
    for name in ("a", "b", "in order"):
        numbers = [number for stream, number in taken if stream == name]
        assert numbers == sorted(numbers)
    assert all(name != "in order" for name, _ in refused)


@given(st.lists(st.floats(0.25, 8), min_size=2, max_size=6))
def test_turns_go_by_weight(weights):
    by_name = {str(i): weight for i, weight in enumerate(weights)}
    lanes = Lanes(by_name, lambda _: None)
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


def test_who_was_away_takes_no_more_than_its_share(refused):
    lanes = Lanes({"a": 1.0, "b": 1.0}, refused.append)
    for _ in range(100):
        lanes.put("a", "a")
        lanes.take()
    taken = []
    for _ in range(10):
        lanes.put("a", "a")
        lanes.put("b", "b")
        taken.append(lanes.take())
    assert Counter(taken) == {"a": 5, "b": 5}


def test_recordings_wait_in_order_and_have_turns_of_their_own(refused):
    lanes = Lanes({"a": 1.0}, refused.append)
    for number in range(4):
        lanes.append(number)
    taken = []
    for _ in range(8):
        lanes.put("a", "a")
        taken.append(lanes.take())
    assert [item for item in taken if item != "a"] == [0, 1, 2, 3]
    assert taken[:4].count("a") == 2
