"""Presence, by hand and by law. Series have 10 frames a second; a span (a, b) is frames a to b - 1."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from tests.bench.builders import Row, at, series
from vidpipe.accuracy.scores.presence import presence
from vidpipe.accuracy.series import Series

GATE = {"gate": [(0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (0.0, 1.0)]}  # the lower left quarter: x < 320, y >= 240

# name: found spans, wanted spans of 100 frames, (found, false, missed), begin and end delay in s
RUNS = {
    "the same": ([(20, 50)], [(20, 50)], (1, 0, 0), 0.0, 0.0),
    "late by 1 s, just in time": ([(30, 60)], [(20, 50)], (1, 0, 0), 1.0, 1.0),
    "early by 1 s": ([(10, 40)], [(20, 50)], (1, 0, 0), -1.0, -1.0),
    "begins too late": ([(31, 50)], [(20, 50)], (0, 1, 1), None, None),
    "ends too late": ([(20, 61)], [(20, 50)], (0, 1, 1), None, None),
    "gap of 0.9 s is none": ([(20, 30), (39, 50)], [(20, 50)], (1, 0, 0), 0.0, 0.0),
    "gap of 1 s is one": ([(20, 30), (40, 50)], [(20, 50)], (0, 2, 1), None, None),
    "flicker of one frame": ([(20, 21)], [], (0, 0, 0), None, None),
    "two frames are a run": ([(20, 22)], [], (0, 1, 0), None, None),
    "gaps close before flickers go": ([(20, 21), (25, 26), (30, 31)], [(20, 31)], (1, 0, 0), 0.0, 0.0),
    "in both series": ([(20, 50)], [(20, 30), (35, 50), (70, 71)], (1, 0, 0), 0.0, 0.0),
    "nothing, where nothing is": ([], [], (0, 0, 0), None, None),
    "nothing, where something is": ([], [(20, 50)], (0, 0, 1), None, None),
    "always, where it comes and goes": ([(0, 100)], [(15, 25), (45, 55), (75, 85)], (0, 1, 3), None, None),
    "one found for two wanted": ([(20, 30)], [(12, 21), (31, 38)], (1, 0, 1), 0.8, 0.9),
    "median of delays": (
        [(12, 22), (40, 51), (76, 90)],
        [(10, 22), (40, 50), (70, 90)],
        (3, 0, 0),
        0.2,
        0.0,
    ),
    "begins at the border": ([(0, 40)], [(0, 45)], (1, 0, 0), None, -0.5),
    "found from the border on": ([(0, 40)], [(5, 45)], (1, 0, 0), None, -0.5),
    "ends at the border": ([(50, 100)], [(48, 97)], (1, 0, 0), 0.2, None),
}


def present(*spans: tuple[int, int], frames: int = 100, unknown: tuple[int, ...] = (), **columns: float) -> Series:
    return series(frames, *(at(i, 50, **columns) for span in spans for i in range(*span)), unknown=unknown)


@pytest.mark.parametrize(("found", "truth", "counts", "begin_s", "end_s"), RUNS.values(), ids=RUNS.keys())
def test_runs(found, truth, counts, begin_s, end_s):
    total, by_place = presence(present(*found), present(*truth), {})

    right, false, missed = counts
    assert (total.found, total.false, total.missed) == counts
    assert total.f1 == (2 * right / (2 * right + false + missed) if any(counts) else None)
    assert total.begin_delay_s == (None if begin_s is None else pytest.approx(begin_s))
    assert total.end_delay_s == (None if end_s is None else pytest.approx(end_s))
    assert by_place["person"] == total
    assert by_place["vehicle"].f1 is None


def test_seconds_are_counted_in_media_time_whatever_its_binary_sum():
    # 25 frames of 0.04 s do not add up to a second exactly, wherever they begin.
    for begin in range(100):
        rows = [at(i, 50) for i in (*range(begin, begin + 30), *range(begin + 55, begin + 80))]
        split = series(250, *rows, fps=25)
        whole = series(250, *(at(i, 50) for i in range(begin, begin + 80)), fps=25)
        total, _ = presence(split, whole, {})
        assert (total.found, total.false, total.missed) == (0, 2, 1)
        late, _ = presence(series(250, *(at(i + 25, 50) for i in range(begin, begin + 80)), fps=25), whole, {})
        assert late.f1 == 1.0


def test_zones_are_told_apart_by_where_things_stand():
    def walk(label: int) -> list[Row]:
        """In the gate until frame 40, beside it until 80: the foot is at x + 10, y + 40."""
        return [at(i, 305 if i < 40 else 310, y=200, label=label) for i in range(10, 80)]

    everywhere, gate = series(100, *walk(0)), series(100, *(row for row in walk(0) if row.frame < 40))
    _, by_place = presence(everywhere, everywhere, GATE)
    assert list(by_place) == ["person", "person in gate", "vehicle", "vehicle in gate"]
    assert [score.f1 for score in by_place.values()] == [1.0, 1.0, None, None]

    total, by_place = presence(gate, everywhere, GATE)
    assert by_place["person"].f1 == 0.0
    assert by_place["person in gate"].f1 == 1.0
    assert (total.found, total.false, total.missed) == (1, 1, 1)

    _, by_place = presence(series(100, *walk(1)), everywhere, GATE)
    assert {place: score.f1 for place, score in by_place.items()} == dict.fromkeys(by_place, 0.0)


def test_a_foot_on_the_lower_border_of_the_picture_stands_in_the_zone():
    standing = series(100, *(at(i, 50, y=440) for i in range(20, 50)))
    assert presence(standing, standing, GATE)[1]["person in gate"].found == 1


@pytest.mark.parametrize(
    ("found", "truth", "unknown", "counts"),
    [
        # Nobody looked between 30 and 44: whoever was there before is there, whatever was found meanwhile.
        ([(20, 33), (41, 60)], [(20, 30), (45, 60)], range(30, 45), (1, 0, 0)),
        ([(20, 45)], [(20, 30)], range(30, 45), (1, 0, 0)),
        ([(30, 45)], [], range(30, 45), (0, 0, 0)),
        # Before anybody looked it is as when somebody first did.
        ([(0, 10)], [(10, 30)], range(10), (0, 0, 1)),
        ([(10, 30)], [(10, 30)], range(10), (1, 0, 0)),
        ([(0, 100)], [], range(100), (0, 0, 0)),
    ],
)
def test_unknown_frames_are_as_the_known_one_before(found, truth, unknown, counts):
    total, _ = presence(present(*found), present(*truth, unknown=tuple(unknown)), {})
    assert (total.found, total.false, total.missed) == counts


def test_ignored_boxes_are_neither_missed_nor_wrong_to_find():
    far = present((20, 60), ignored=True)
    for found in (present(), present((20, 60)), present((30, 35))):
        assert presence(found, far, {})[0].f1 is None
    assert presence(present((20, 60), y=200), far, {})[0].false == 1


SPANS = st.lists(st.integers(0, 12), max_size=16)


def _spans(lengths: list[int]) -> list[tuple[int, int]]:
    borders = np.cumsum(
        [length + 10 * (i % 2 == 0) for i, length in enumerate(lengths)]
    ).tolist()  # gaps of 1 s or more
    return list(zip(borders[::2], borders[1::2], strict=False))


@given(SPANS, SPANS)
def test_no_pairing_has_more_pairs(found, truth):
    found, truth = ([(a, b) for a, b in _spans(lengths) if b - a >= 2] for lengths in (found, truth))
    near = np.array([[max(abs(a - c), abs(b - d)) <= 10 for c, d in truth] for a, b in found], int)
    most = int((maximum_bipartite_matching(csr_array(near)) >= 0).sum()) if near.size else 0

    total, _ = presence(present(*found, frames=400), present(*truth, frames=400), {})

    assert (total.found, total.false, total.missed) == (most, len(found) - most, len(truth) - most)


@given(SPANS, SPANS)
def test_swapping_the_sides_swaps_false_and_missed_and_turns_delays_round(found, truth):
    found, truth = present(*_spans(found), frames=400), present(*_spans(truth), frames=400)
    one, other = presence(found, truth, {})[0], presence(truth, found, {})[0]
    assert (one.f1, one.found, one.false, one.missed) == (other.f1, other.found, other.missed, other.false)
    assert one.begin_delay_s is other.begin_delay_s is None or one.begin_delay_s == pytest.approx(-other.begin_delay_s)
    assert one.f1 is None or 0 <= one.f1 <= 1
