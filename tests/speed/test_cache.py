"""The result cache's lookup, against the plainest one: all products, and the best of them."""

import numpy as np
import pytest

from vidpipe.stages.cache.index import Index

LENGTH = 256


def clustered(count, seed=0):
    """Unit vectors in clusters of about twenty, [count, 256]."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((count // 20, LENGTH), np.float32)
    drawn = centres[rng.integers(len(centres), size=count)] + 0.5 * rng.standard_normal((count, LENGTH), np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


@pytest.mark.parametrize(("count", "flat"), [(10_000, True), (10_000, False)], ids=["flat", "graph"])
def test_lookup_beats_all_products(ratio, count, flat):
    """As many vectors as a flat index takes; as a graph they are found in a fraction of the time."""
    vectors = clustered(count)
    index = Index(LENGTH, LENGTH * (count if flat else 100))
    for number, vector in enumerate(vectors):
        index.add(number, vector)
    query = vectors[7]
    assert index.search(query, 1)[0][0] == 7
    assert index.is_graph != flat
    found = ratio(lambda: index.search(query, 4), lambda: np.argmax(vectors @ query))
    assert found < (3 if flat else 0.7)
