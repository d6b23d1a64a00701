"""What waits for a thread: a newer thing takes the place of an older one of its name, and each name has its turn."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from vidpipe.core.newest import Newest


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers())))
def test_law_of_each_name_the_newest_is_taken_in_the_order_in_which_names_came(put):
    waiting = Newest()
    for name, number in put:
        waiting.put(name, (name, number))
    newest = dict(put)
    names = dict.fromkeys(name for name, _ in put)
    assert [waiting.take() for _ in range(len(waiting))] == [(name, newest[name]) for name in names]


def test_who_waits_is_let_go():
    waiting = Newest()
    taken = []
    taker = threading.Thread(target=lambda: taken.append(waiting.take()))
    taker.start()
    waiting.close()
    taker.join(10)
    assert taken == [None]
    waiting.put("late", 1)
    assert len(waiting) == 0
