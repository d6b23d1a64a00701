"""The comparison of following by the camera graph and everywhere, on a short walk. What must hold: the walk is the same
for equal specs; the graph takes fewer looks where they tell people apart, and finds nearly as many.
"""

from __future__ import annotations

import numpy as np

from benchmarks.across import drawn, generated, table, world


def test_a_walk_is_what_its_spec_says():
    scene, again, other = world(1, 0.5), world(1, 0.5), world(2, 0.5)
    assert scene.stays == again.stays != other.stays
    np.testing.assert_array_equal(scene.crop(scene.stays[3]), again.crop(again.stays[3]))
    by_person: dict[int, float] = {}
    for stay in scene.stays:
        assert by_person.get(stay.person, -1.0) < stay.first < stay.last, "nobody is at two cameras at once"
        by_person[stay.person] = stay.last
    ways = {(walk.begin, walk.end): walk for walk in scene.spec.walks}
    steps = [(a, b) for a, b in zip(scene.stays, scene.stays[1:], strict=False) if a.person == b.person]
    assert all((a.camera, b.camera) in ways for a, b in steps)


def test_the_graph_takes_fewer_looks():
    scene = world(0, 4.0)
    found = generated(scene, drawn(scene), 0.6, each=6)
    learnt = found["as learnt"]
    assert learnt.fewer > 3
    assert learnt.graph.recall > 0.95 * learnt.everywhere.recall
    assert learnt.everywhere.recall > 0.95
    assert table(list(found.items())).count("\n") == 5
