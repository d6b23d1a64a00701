"""Turns at what is scarce. What must hold:

- of a live stream the newest few frames wait, under overload only the newest is taken, and each other is refused;
- looks are shared out by weight, however many frames each stream brings;
- who was away cannot save turns up; what is in order stays in order.
"""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidpipe.runtime.fair_queue import SIZE, FairQueue


@pytest.fixture
def refused():
    return []


def test_a_burst_is_taken_in_order(refused):
    queue = FairQueue({"a": 1.0}, refused.append)
    for number in range(SIZE):
        queue.put("a", number)
    assert len(queue) == SIZE
    assert [queue.take() for _ in range(SIZE)] == list(range(SIZE))
    assert refused == []
    with pytest.raises(IndexError):
        queue.take()


def test_beyond_that_the_newest_wins(refused):
    queue = FairQueue({"a": 1.0}, refused.append)
    for number in range(10):
        queue.put("a", number)
    assert len(queue) == 1
    assert queue.take() == 9
    assert refused == list(range(9))
    assert len(queue) == 0


@given(st.lists(st.sampled_from(["a", "b", "in order", "take"]), max_size=60))
def test_everything_is_taken_or_refused_once(steps):
    refused, taken = [], []
    queue = FairQueue({"a": 1.0, "b": 2.0}, refused.append)
    for number, step in enumerate(steps):
        if step == "in order":
            queue.append((step, number))
        elif step != "take":
            queue.put(step, (step, number))
        elif len(queue):
            taken.append(queue.take())
    taken += [queue.take() for _ in range(len(queue))]
    assert sorted(taken + refused) == sorted((step, n) for n, step in enumerate(steps) if step != "take")
    for name in ("a", "b", "in order"):
        numbers = [number for stream, number in taken if stream == name]
        assert numbers == sorted(numbers)
    assert all(name != "in order" for name, _ in refused)


@given(st.lists(st.floats(0.25, 8), min_size=2, max_size=6))
def test_turns_go_by_weight(weights):
    by_name = {str(i): weight for i, weight in enumerate(weights)}
    queue = FairQueue(by_name, lambda _: None)
    taken = Counter()
    turns = 4000
    for name in by_name:
        queue.put(name, name)
    for _ in range(turns):
        name = queue.take()
        taken[name] += 1
        queue.put(name, name)
    for name, weight in by_name.items():
        assert taken[name] == pytest.approx(turns * weight / sum(weights), abs=len(weights) + 1)


def test_who_was_away_takes_no_more_than_its_share(refused):
    queue = FairQueue({"a": 1.0, "b": 1.0}, refused.append)
    for _ in range(100):
        queue.put("a", "a")
        queue.take()
    taken = []
    for _ in range(10):
        queue.put("a", "a")
        queue.put("b", "b")
        taken.append(queue.take())
    assert Counter(taken) == {"a": 5, "b": 5}


def test_recordings_wait_in_order_and_have_turns_of_their_own(refused):
    queue = FairQueue({"a": 1.0}, refused.append)
    for number in range(4):
        queue.append(number)
    taken = []
    for _ in range(8):
        queue.put("a", "a")
        taken.append(queue.take())
    assert [item for item in taken if item != "a"] == [0, 1, 2, 3]
    assert taken[:4].count("a") == 2
