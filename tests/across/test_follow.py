"""Following subjects whose looks tell them apart. What must hold: the walk of each is found as it was, with fewer looks
than everywhere; a store that grows gives what the finished one gives; clocks that differ are told.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidpipe.across.clocks import corrected, suspicions
from vidpipe.across.graph import CameraGraph
from vidpipe.across.search import Bounds, Follow, Track
from vidpipe.across.subjects import Seen, link

CAMERAS = ("a", "b", "c", "d")


def looks(person: int, noise: float = 0.05) -> np.ndarray:
    vector = np.random.default_rng([7, person]).normal(size=64)
    vector += np.random.default_rng().normal(size=64) * noise
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def walked(people: int, every_s: float = 20.0, back: bool = False) -> list[tuple[int, Seen]]:
    """People who walk from a over b to c, 30 s and 60 s; or every second one back."""
    found = []
    for person in range(people):
        at = person * every_s
        for camera, gap in [("a", 0.0), ("b", 30.0), ("c", 60.0)][:: -1 if back and person % 2 else 1]:
            at += gap + person % 5
            found.append((person, Seen((1, camera, len(found)), camera, at, at + 8, looks(person))))
            at += 8
    return found


def tracks_of(seen: list[Seen]) -> list[Track]:
    return sorted((Track(*each[:4]) for each in seen), key=lambda track: track.first)


def test_who_is_who_is_found_and_tells_the_ways():
    told = walked(40)
    linked = link([seen for _, seen in told], 0.8)
    by_subject: dict[int, set[int]] = {}
    for person, seen in told:
        by_subject.setdefault(linked.subjects[seen.key], set()).add(person)
    assert sorted(map(len, by_subject.values())) == [1] * 40
    assert linked.unclear == 0
    graph = CameraGraph(CAMERAS, linked.transitions, 800.0)
    assert graph.path("a", "b").share == 1.0
    assert graph.path("b", "c").share == 1.0
    assert graph.path("a", "d").count == 0
    low, high = graph.path("b", "c").window
    assert 50 < low < 60 < high < 70
    # Those who left c less than the horizon before the end may still be seen.
    assert graph.left("c") < 40


def test_twins_tell_nothing():
    seen = [Seen((1, "a", n), "a", n * 1.0, n + 20.0, looks(1, 0.0)) for n in range(2)]
    seen.append(Seen((1, "b", 9), "b", 60.0, 70.0, looks(1, 0.0)))
    linked = link([*seen, Seen((1, "d", 3), "d", 5000.0, 5001.0, looks(5))], 0.8)
    assert linked.unclear == 1
    assert linked.transitions == []


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 39), st.lists(st.floats(0, 1200), max_size=8))
def test_a_growing_store_gives_what_the_finished_one_gives(person, pauses):
    told = walked(40)
    seen = [each for _, each in told]
    vectors = {each.key: each.vector for each in seen}
    graph = CameraGraph(CAMERAS, link(seen, 0.8).transitions, 800.0)
    first = next(each for who, each in told if who == person)

    def follow() -> Follow:
        return Follow(
            graph, lambda track: vectors[track.key], first.vector, "a", first.last, likeness=0.8, known=[first.key]
        )

    finished, growing = follow(), follow()
    tracks = tracks_of(seen)
    found = []
    for now in [*sorted(pauses), 3000.0]:
        there = [track._replace(last=min(track.last, now)) for track in tracks if track.first <= now]
        found += growing.advance(there, now)
    assert [each.track.key for each in found] == [each.track.key for each in finished.advance(tracks, np.inf)]
    assert [each.track.key for each in found] == [each.key for who, each in told if who == person][1:]
    assert growing.over
    assert finished.over


def test_the_graph_saves_looks_and_a_way_that_it_does_not_know_is_found_all_the_same():
    told = walked(240)
    seen = [each for _, each in told]
    late = Seen((1, "d", 999), "d", told[0][1].last + 25, told[0][1].last + 30, looks(0))
    vectors = {each.key: each.vector for each in [*seen, late]}
    learnt = CameraGraph(CAMERAS, link(seen, 0.8).transitions, 4800.0)
    counts = []
    for graph in (learnt, CameraGraph(CAMERAS, [], 0.0)):
        asked = []

        def look(track: Track, asked: list = asked) -> np.ndarray:
            asked.append(track.key)
            return vectors[track.key]

        follow = Follow(graph, look, seen[30].vector, "a", seen[30].last, likeness=0.8, known=[seen[30].key], check=0.0)
        assert len(follow.advance(tracks_of(seen), np.inf)) == 2
        assert len(asked) == len(set(asked)) == follow.looks
        counts.append(follow.looks)
    assert counts[0] * 4 < counts[1]
    only = [seen[0], late]
    for check, expected in ((0.0, []), (1.0, [Bounds.EVERYWHERE])):
        follow = Follow(
            learnt,
            lambda track: vectors[track.key],
            seen[0].vector,
            "a",
            seen[0].last,
            likeness=0.8,
            known=[seen[0].key],
            check=check,
        )
        found = follow.advance(tracks_of(only), np.inf)
        assert [each.bounds for each in found] == expected


@pytest.mark.parametrize("ahead", [-150.0, 0.0, 200.0])
def test_a_clock_that_differs_is_told_and_what_is_given_is_corrected(ahead):
    seen = [each for _, each in walked(40, back=True)]
    off = [
        each._replace(first=each.first + ahead, last=each.last + ahead) if each.camera == "b" else each for each in seen
    ]
    told = suspicions(off, 0.8, horizon_s=600)
    if not ahead:
        assert told == []
        return
    (one,) = told
    assert (one.first, one.second) == ("a", "b")
    assert one.offset_s == pytest.approx(ahead, abs=20)
    assert "nothing was corrected" in str(one)
    assert suspicions(corrected(off, {(1, "b"): ahead}), 0.8, horizon_s=600) == []
