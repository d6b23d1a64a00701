"""Identities are those of the library's ByteTrack, told by flow and colour, whatever happens in a scene."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.stages.track.conftest import found
from tests.stages.track.library_identities import LibraryIdentities
from vidpipe.stages.track.flow import no_points
from vidpipe.stages.track.identity import Identities
from vidpipe.stages.track.tracks import Tracks

# Media seconds to the next look: none at all, the filter's unit and nearly that, either side of each time from which
# something else decides, and long enough for things to be forgotten.
GAPS = [0.0, 0.04, 0.1, 0.103, 0.105, 0.2, 0.3, 0.31, 0.45, 0.46, 0.5, 1.0, 1.9, 2.1, 5.0]


class Street:
    """Things that go straight on or turn back, cross each other, hide, and come and go, on a small ground."""

    def __init__(self, seed: int, things: int, speed: float) -> None:
        self.rng = np.random.default_rng(seed)
        self.size = self.rng.uniform(20, 90, (things, 2))
        self.middle = self.rng.uniform(0, 300, (things, 2))
        self.velocity = self.rng.normal(0, speed, (things, 2))
        self.labels = self.rng.integers(0, 2, things)
        self.colours = self.rng.uniform(0, 3, (things, 9))

    def pass_time(self, seconds: float) -> None:
        self.middle += self.velocity * seconds
        outside = (self.middle < 0) | (self.middle > 300)
        self.velocity[outside & (self.rng.random(outside.shape) < 0.5)] *= -1

    def look(self, missed: float, shake: float):
        """Detections and their colours: some miss, some are unsure, some are ghosts."""
        rows = self.rng.permutation(len(self.size))
        rows = rows[self.rng.random(len(rows)) >= missed]
        ghosts = self.rng.integers(0, len(self.size), self.rng.integers(0, 3))
        middle = self.middle[rows] + self.rng.normal(0, shake, (len(rows), 2))
        middle = np.concatenate([middle, self.middle[ghosts] + self.rng.normal(0, 40, (len(ghosts), 2))])
        size = self.size[np.append(rows, ghosts)] * self.rng.uniform(0.9, 1.1, (len(middle), 2))
        labels, scores = self.labels[np.append(rows, ghosts)], self.rng.uniform(0.05, 1, len(middle))
        colours = self.colours[np.append(rows, ghosts)] + self.rng.normal(0, 0.2, (len(middle), 9))
        boxes = np.concatenate([middle - size / 2, middle + size / 2], axis=1)
        return found(*boxes, labels=labels, scores=scores), colours.astype(np.float32)

    def followed(self, named, seconds: float, lost: float) -> Tracks:
        """Where flow has what was named: about where it would be; it loses some."""
        keep = self.rng.random(len(named)) >= lost
        named = named[keep]
        boxes = np.asarray(named.xyxy, np.float32) + self.rng.normal(0, 15 * seconds, named.xyxy.shape)
        return followed(named, boxes)


def followed(named, boxes) -> Tracks:
    count = len(named)
    ones = np.ones(count, np.float32)
    still = np.zeros((count, 2), np.float32)
    return Tracks(named, boxes.astype(np.float32), still, no_points(count), ones, 0 * ones, ones)


def update(identities, *look):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*duplicate timestamp")
        return identities.update(*look)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    things=st.integers(1, 12),
    speed=st.sampled_from([0.0, 20.0, 100.0]),
    activate=st.sampled_from([0.0, 0.3, 0.6]),
    missed=st.sampled_from([0.0, 0.2, 0.6]),
    shake=st.sampled_from([0.0, 2.0, 8.0]),
    lost=st.sampled_from([0.0, 0.3, 1.0]),
    gaps=st.lists(st.sampled_from(GAPS), min_size=1, max_size=40),
)
def test_law_identities_are_those_of_the_library(seed, things, speed, activate, missed, shake, lost, gaps):
    street = Street(seed, things, speed)
    ours, theirs = Identities(activate), LibraryIdentities(activate)
    pts, known = 0.0, Tracks.none()
    for gap in [0.0, *gaps]:
        pts += gap
        street.pass_time(gap)
        detections, colours = street.look(missed, shake)
        named, expected = (update(each, detections, pts, known, colours) for each in (ours, theirs))
        assert named.tracker_id.tolist() == expected.tracker_id.tolist()
        np.testing.assert_array_equal(named.xyxy, expected.xyxy)
        known = street.followed(named, gap, lost)


@pytest.mark.parametrize("gap", [0.1, 0.5])
def test_filters_are_those_of_the_library(gap):
    """Not only who is who: boxes and velocities, to what rounding leaves of them."""
    street = Street(1, 8, 60.0)
    ours, theirs = Identities(0.3), LibraryIdentities(0.3)
    known = Tracks.none()
    for look in range(1, 60):
        street.pass_time(gap)
        detections, colours = street.look(0.2, 2.0)
        named, _ = (each.update(detections, gap * look, known, colours) for each in (ours, theirs))
        known = street.followed(named, gap, 0.2)
        tracks = theirs.tracker.tracks
        states = np.array([track.state_estimator.kf.state.ravel() for track in tracks])
        spread = np.array([track.state_estimator.kf.state_covariance for track in tracks])
        things = ours.things
        assert things.ids.tolist() == [track.tracker_id for track in tracks]
        np.testing.assert_allclose(things.state.reshape(-1, 8), states, rtol=1e-6, atol=1e-6)
        # The library's 8 by 8 says the same of each coordinate, and nothing of one by another.
        for coordinate in range(4):
            own = spread[:, coordinate::4, coordinate::4]
            np.testing.assert_allclose(things.covariance, own, rtol=1e-6, atol=1e-9)
        assert np.count_nonzero(spread) <= 16 * len(tracks)
