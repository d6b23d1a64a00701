"""How old an answer may be. What must hold:

- one that rests on a picture from at most so long ago is published as it is, an older one says that nothing is known;
- that is so whatever the rate of pictures, after gaps, after a restart, and where the stream's clock was set back.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import answer, frame
from vidpipe.core.answer import How
from vidpipe.runtime.streams.expiry import TOO_OLD, Expiry

LONGEST_S = 5.0


@given(st.lists(st.floats(0.0, 8.0), min_size=1, max_size=40), st.data())
def test_law_an_answer_is_given_just_as_long_as_its_picture_is_not_too_old(steps, data):
    expiry, pts, at = Expiry(LONGEST_S), 0.0, []
    as_of = -1
    for seq, step in enumerate(steps):
        pts += step
        at.append(pts)
        as_of = data.draw(st.integers(as_of, seq))
        said = answer("track", 0, how=How.TRACKED, as_of=as_of)
        told = expiry.minded(frame(seq, pts=pts), said)
        age = pts - (at[as_of] if as_of >= 0 else 0.0)
        if age <= LONGEST_S:
            assert told is said
        elif as_of >= 0:
            assert (told.how, told.by, told.as_of, told.reason) == (How.DROPPED, "engine", as_of, TOO_OLD)
            assert len(told.detections) == 0


def test_a_stream_that_nobody_has_ever_looked_at_is_told_from_one_that_is_empty():
    expiry = Expiry(LONGEST_S)
    told = [expiry.minded(frame(seq, pts=float(seq)), answer("engine", as_of=-1)).how for seq in range(8)]
    assert told == [How.MEASURED] * 6 + [How.DROPPED] * 2


def test_behind_a_restart_what_was_known_is_as_old_as_can_be_told():
    expiry = Expiry(LONGEST_S)
    carried = answer("track", 0, as_of=95)
    told = [expiry.minded(frame(seq, pts=float(seq)), carried).how for seq in range(100, 108)]
    assert told == [How.MEASURED] * 6 + [How.DROPPED] * 2


def test_where_the_clock_is_set_back_ages_count_from_there():
    expiry = Expiry(LONGEST_S)
    times = [100.0, 104.0, 3.0, 8.0, 9.0]
    told = [expiry.minded(frame(seq, pts=pts), answer("track", 0, as_of=0)).how for seq, pts in enumerate(times)]
    assert told == [How.MEASURED] * 4 + [How.DROPPED]


def test_without_a_bound_nothing_is_too_old():
    expiry, said = Expiry(None), answer("difference", 0, how=How.REUSED, as_of=0)
    assert all(expiry.minded(frame(seq, pts=1e6 * seq), said) is said for seq in range(3))
