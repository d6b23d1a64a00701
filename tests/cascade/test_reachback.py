"""Which frames are asked between two looks that differ. What must hold:

- of a class that comes or goes once the moment is found, to as many frames as are wanted, by bisection;
- frames that have no answer are left out, and what is then known is still true.
"""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from vidpipe.cascade.reachback import Correction, Search, read, written

LOOK = 200


def settle(search, found, lost=()):
    asked = []
    while (seq := search.next()) is not None:
        asked.append(seq)
        search.lose(seq) if seq in lost else search.tell(seq, found(seq))
    return asked


@given(st.integers(1, LOOK), st.booleans(), st.integers(1, 9), st.sets(st.integers(1, LOOK - 1)))
def test_the_moment_of_a_change_is_known_as_exactly_as_frames_allow(moment, came, frames, kept):
    found = lambda seq: frozenset({3} if (seq >= moment) == came else ())  # noqa: E731
    search = Search(0, found(0), LOOK, found(LOOK), kept, frames)
    asked = settle(search, found)
    low, high = search.moments()[3]
    assert low < moment <= high
    assert search.appeared(3) == came
    assert not [seq for seq in kept if low < seq < high] or high - low <= frames
    assert len(asked) <= math.ceil(math.log2(len(kept) + 1))
    assert set(asked) <= kept
    assert search.asked == len(asked)


@given(st.sets(st.integers(1, LOOK - 1)), st.sets(st.integers(1, LOOK - 1)), st.data())
def test_what_is_known_of_several_classes_is_true_whatever_they_do_and_whatever_is_lost(kept, lost, data):
    change = st.sets(st.integers(1, LOOK), max_size=4)
    changes = {label: data.draw(change) for label in range(3)}
    found = lambda seq: frozenset(  # noqa: E731
        label for label, at in changes.items() if sum(each <= seq for each in at) % 2
    )
    search = Search(0, found(0), LOOK, found(LOOK), kept)
    asked = settle(search, found, lost)
    assert len(asked) == len(set(asked))
    assert set(search.moments()) == found(0) ^ found(LOOK)
    for label, (low, high) in search.moments().items():
        assert (label in found(low)) != search.appeared(label)
        assert (label in found(high)) == search.appeared(label)
        assert not [seq for seq in kept - lost if low < seq < high]


@given(st.booleans(), st.one_of(st.none(), st.floats(0, 2e9)))
def test_a_correction_is_read_as_it_was_written(came, at):
    correction = Correction("person", came, 12, 0.48, None if at is None else round(at, 6), 1, 25, 13, 4)
    assert read(written(correction)) == correction
