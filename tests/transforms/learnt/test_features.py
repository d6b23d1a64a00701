"""Features of what is computed anyway. What must hold:

- nothing is computed for them: where nobody has described a box, or left an array, there are none;
- a long vector becomes a short one, and vectors that differ still differ about as much.
"""

from __future__ import annotations

import numpy as np
import pytest
import supervision as sv
from hypothesis import given, settings
from hypothesis import strategies as st

from vidpipe.core.answer import Answer, How
from vidpipe.transforms.learnt.features import EMBEDDING, computed


def answer(vectors=None, boxes=0):
    found = sv.Detections(np.zeros((boxes if vectors is None else len(vectors), 4), np.float32))
    if vectors is not None:
        found.data[EMBEDDING] = np.asarray(vectors, np.float32)
    return Answer(found, How.MEASURED, "big", 0)


def test_of_vectors_of_boxes_there_is_the_mean_and_the_greatest():
    assert computed(None, answer([[1, 0, 3], [3, 0, -1]]), EMBEDDING) == [2, 0, 1, 3, 0, 3]
    assert computed(None, answer([[1, 0, 3], [0, 0, 0]]), EMBEDDING) == [1, 0, 3, 1, 0, 3]  # the other: not described


def test_where_nobody_describes_there_is_nothing():
    assert computed(None, answer(boxes=2), EMBEDDING) is None
    assert computed(None, answer(boxes=0), EMBEDDING) == []
    assert computed(None, answer([[0.0, 0.0]]), EMBEDDING) == []
    assert computed(None, answer([[1.0, 0.0]]), "difference") is None


@settings(deadline=None)
@given(st.integers(65, 1500), st.integers(0, 2**32 - 1))
def test_law_vectors_that_differ_still_do_so_about_as_much(length, seed):
    """64 signs keep a distance within a half in all but one of ten thousand (Achlioptas 2003)."""
    one, other = np.random.default_rng(seed).normal(size=(2, length))
    short = [np.array(computed(None, answer([each]), EMBEDDING)) for each in (one, other)]
    assert [each.shape for each in short] == [(128,), (128,)]
    kept = np.linalg.norm(short[0][:64] - short[1][:64]) / np.linalg.norm(one - other)
    assert kept == pytest.approx(1, abs=0.5)
