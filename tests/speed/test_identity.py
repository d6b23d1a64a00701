"""What identities of ten things cost a look, beside the library's tracker, which keeps an object for each."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import numpy as np

from tests.speed.conftest import Ratio
from tests.stages.track.conftest import found
from tests.stages.track.library_identities import LibraryIdentities
from vidpipe.stages.track.flow import no_points
from vidpipe.stages.track.identity import Identities
from vidpipe.stages.track.tracks import Tracks

BETWEEN_S = 0.5  # flow and colours are asked as well


def test_identities_cost_no_more_than_the_library_takes(ratio: Ratio) -> None:
    """Measured: .4 to .7, by the machine; what counts is that it grows by no multiple."""
    assert ratio(looks(Identities(0.0)), looks(LibraryIdentities(0.0))) < 1


def looks(identities: Identities | LibraryIdentities) -> Callable[[], None]:
    """A look at ten things that go back and forth, each time that it is called."""
    low = np.stack([np.arange(10) * 70, np.arange(10) % 3 * 150], axis=1)
    colours = np.random.default_rng(0).uniform(0, 3, (10, 9)).astype(np.float32)
    numbers, known = count(1), Tracks.none()

    def look() -> None:
        nonlocal known
        number = next(numbers)
        corner = low + abs(number % 20 - 10)
        boxes = np.concatenate([corner, corner + np.array([50, 120])], axis=1).astype(np.float32)
        named = identities.update(found(*boxes), BETWEEN_S * number, known, colours)
        assert named.tracker_id.tolist() == list(range(1, 11))
        zeros = np.zeros(10, np.float32)
        known = Tracks(named, boxes, np.zeros((10, 2), np.float32), no_points(10), zeros + 1, zeros, zeros + 1)

    return look
