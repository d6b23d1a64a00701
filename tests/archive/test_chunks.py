"""Where recordings are cut, whatever their key frames, lengths and warm-ups."""

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidpipe.archive.chunks import Chunk, cut

STEPS = st.lists(st.floats(1e-5, 3), max_size=120)
SECONDS = st.floats(0, 40)


@st.composite
def recordings(draw):
    times = list(accumulate(draw(STEPS), initial=draw(st.floats(0, 100))))
    return sorted(draw(st.sets(st.integers(0, len(times) - 1)))), times


@given(recordings(), SECONDS, SECONDS)
def test_law_each_picture_is_in_one_chunk(recording, chunk_s, warm_up_s):
    keys, times = recording
    chunks = cut(keys, times, chunk_s, warm_up_s)
    assert [chunk.begin for chunk in chunks] == [0, *(chunk.end for chunk in chunks[:-1])]
    assert chunks[-1].end == len(times)
    assert all(chunk.begin < chunk.end for chunk in chunks)


@given(recordings(), SECONDS, SECONDS)
def test_law_chunks_begin_at_key_frames_and_are_long_enough(recording, chunk_s, warm_up_s):
    keys, times = recording
    chunks = cut(keys, times, chunk_s, warm_up_s)
    assert {chunk.begin for chunk in chunks[1:]} <= set(keys)
    for one, other in pairwise(chunks):
        assert times[other.begin] - times[one.begin] >= chunk_s
    if len(chunks) > 1:
        assert times[-1] - times[chunks[-1].begin] >= chunk_s


@given(recordings(), SECONDS, SECONDS)
def test_law_a_warm_up_is_the_shortest_that_is_long_enough(recording, chunk_s, warm_up_s):
    keys, times = recording
    for chunk in cut(keys, times, chunk_s, warm_up_s):
        enough = [seq for seq in range(chunk.begin + 1) if times[seq] <= times[chunk.begin] - warm_up_s]
        assert chunk.warm == (enough[-1] if enough else 0)


@pytest.mark.parametrize(
    ("chunk_s", "chunks"),
    [(3, [Chunk(0, 0, 4), Chunk(2, 4, 8), Chunk(6, 8, 12)]), (5, [Chunk(0, 0, 12)])],
)
def test_a_key_frame_every_four_seconds(chunk_s, chunks):
    assert cut([0, 4, 8], range(12), chunk_s, 2) == chunks


def test_nothing_is_cut_of_nothing():
    assert cut([], [], 1, 1) == []
