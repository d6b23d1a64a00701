"""Who is who by looks: the nearest mean, a new number where none is near, and no number twice."""

import numpy as np
import pytest

from vidpipe.transforms.gallery import Gallery


def unit(*values):
    vector = np.array(values, np.float32)
    return vector / np.linalg.norm(vector)


def test_what_is_near_has_the_same_identity():
    gallery = Gallery(2, alike=0.1, most=10)
    assert gallery.nearest(unit(1, 0)) == -1
    assert [gallery.identify(vector) for vector in (unit(1, 0), unit(0, 1), unit(1, 0.3), unit(0.2, 1))] == [1, 2, 1, 2]
    assert gallery.nearest(unit(0.7, 0.6)) == 1  # however far


def test_an_identity_follows_its_looks():
    """By small steps from one direction to another that is far from where it began."""
    gallery = Gallery(2, alike=0.1, most=10)
    turned = [unit(np.cos(angle), np.sin(angle)) for angle in np.linspace(0, np.pi / 2, 400)]
    assert {gallery.identify(vector) for vector in turned} == {1}


@pytest.mark.parametrize(("known", "vector", "identity"), [(-1, (1, 0.35), 2), (1, (1, 0.35), 1), (1, (0, 1), 3)])
def test_an_identity_that_is_known_is_kept_while_it_is_near(known, vector, identity):
    """The first is nearer to the second identity, but near the first as well; the last is far from both."""
    gallery = Gallery(2, alike=0.1, most=10)
    gallery.identify(unit(1, 0))
    gallery.identify(unit(1, 0.6))
    assert gallery.identify(unit(*vector), known=known) == identity


def test_zero_has_no_identity():
    gallery = Gallery(2, alike=0.1, most=10)
    assert gallery.identify(np.zeros(2, np.float32)) == -1
    assert len(gallery) == 0


def test_the_one_not_seen_for_longest_is_forgotten():
    gallery = Gallery(3, alike=0.1, most=2)
    first, second, third = np.eye(3, dtype=np.float32)
    assert [gallery.identify(vector) for vector in (first, second, first, third, first, second)] == [1, 2, 1, 3, 1, 4]
    assert len(gallery) == 2
