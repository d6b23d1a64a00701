"""Things keep their number from look to look."""

from __future__ import annotations

import numpy as np

from tests.tracking.conftest import found, seen, shifted
from vidpipe.tracking.identity import Identities
from vidpipe.tracking.tracks import Tracks

BOX, OTHER = (40, 60, 80, 140), (200, 60, 240, 140)


def after(named, seq, *boxes):
    """What flow says of them at a later look."""
    tracks = Tracks.of(named, np.zeros((len(named), 2), np.float32), seen(seq).grey)
    tracks.boxes[:] = np.array(boxes, np.float32)
    return tracks


def test_numbers_at_once_and_kept_in_any_order():
    identities = Identities(0.0)
    first = identities.update(found(BOX, OTHER), 0.0, Tracks.none())
    assert sorted(first.tracker_id.tolist()) == [1, 2]
    moved = [shifted(OTHER, 12), shifted(BOX, 12)]
    second = identities.update(found(*moved), 0.5, after(first, 5, shifted(BOX, 12), shifted(OTHER, 12)))
    assert second.tracker_id.tolist() == first.tracker_id.tolist()[::-1]


def test_flow_tells_how_far_a_new_thing_has_gone():
    """It moved by more than its width since its only look: without flow it would be somebody else."""
    identities = Identities(0.0)
    first = identities.update(found(BOX), 0.0, Tracks.none())
    far = shifted(BOX, 60)
    assert identities.update(found(far), 0.4, after(first, 4, far)).tracker_id.tolist() == [1]


def test_classes_do_not_mix():
    identities = Identities(0.0)
    first = identities.update(found(BOX, labels=[0]), 0.0, Tracks.none())
    other = identities.update(found(BOX, labels=[1]), 0.1, after(first, 1, BOX))
    assert other.tracker_id.tolist() == [2]


def test_somebody_missed_by_one_look_comes_back_as_the_same():
    identities = Identities(0.0)
    first = identities.update(found(BOX), 0.0, Tracks.none())
    nobody = identities.update(found(), 0.2, after(first, 2, BOX))
    assert len(nobody) == 0
    assert identities.update(found(BOX), 0.4, Tracks.none()).tracker_id.tolist() == [1]


def test_unsure_boxes_go_on_with_a_track_and_begin_none():
    identities = Identities(0.5)
    first = identities.update(found(BOX, OTHER, scores=[0.9, 0.3]), 0.0, Tracks.none())
    assert first.xyxy.tolist() == [list(map(float, BOX))]
    second = identities.update(found(BOX, OTHER, scores=[0.3, 0.3]), 0.2, after(first, 2, BOX))
    assert (second.xyxy.tolist(), second.tracker_id.tolist()) == ([list(map(float, BOX))], [1])
