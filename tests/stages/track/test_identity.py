"""Things keep their number from look to look."""

from __future__ import annotations

import pickle

import av
import numpy as np
import pytest
import supervision as sv

from tests.stages.track.conftest import found, seen, shifted
from vidpipe.core.frame import Frame
from vidpipe.core.picture import BgrPicture, YuvPicture
from vidpipe.stages.track.appearance import apart, colours
from vidpipe.stages.track.identity import Identities
from vidpipe.stages.track.tracks import Tracks

BOX, OTHER = (40, 60, 80, 140), (200, 60, 240, 140)


def after(named, seq, *boxes):
    """What flow says of them at a later look."""
    tracks = Tracks.of(named, Tracks.none(), seen(seq), "flow")
    tracks.boxes[:] = np.array(boxes, np.float32)
    return tracks


def update(identities, detections, pts, known, colours=None):
    """A look; all things are of one colour unless it is said which."""
    levels = np.zeros(len(detections)) if colours is None else np.array(colours, float)
    return identities.update(detections, pts, known, np.repeat(levels[:, None], 9, axis=1).astype(np.float32))


def test_numbers_at_once_and_kept_in_any_order():
    identities = Identities(0.0)
    first = update(identities, found(BOX, OTHER), 0.0, Tracks.none())
    assert sorted(first.tracker_id.tolist()) == [1, 2]
    moved = [shifted(OTHER, 12), shifted(BOX, 12)]
    second = update(identities, found(*moved), 0.5, after(first, 5, shifted(BOX, 12), shifted(OTHER, 12)))
    assert second.tracker_id.tolist() == first.tracker_id.tolist()[::-1]


def test_flow_tells_how_far_a_new_thing_has_gone():
    """It moved by more than its width since its only look: without flow it would be somebody else."""
    identities = Identities(0.0)
    first = update(identities, found(BOX), 0.0, Tracks.none())
    far = shifted(BOX, 60)
    assert update(identities, found(far), 0.4, after(first, 4, far)).tracker_id.tolist() == [1]


def test_classes_do_not_mix():
    identities = Identities(0.0)
    first = update(identities, found(BOX, labels=[0]), 0.0, Tracks.none())
    other = update(identities, found(BOX, labels=[1]), 0.1, after(first, 1, BOX))
    assert other.tracker_id.tolist() == [2]


def test_somebody_missed_by_one_look_comes_back_as_the_same():
    identities = Identities(0.0)
    first = update(identities, found(BOX), 0.0, Tracks.none())
    nobody = update(identities, found(), 0.2, after(first, 2, BOX))
    assert len(nobody) == 0
    assert update(identities, found(BOX), 0.4, Tracks.none()).tracker_id.tolist() == [1]


def test_unsure_boxes_go_on_with_a_track_and_begin_none():
    identities = Identities(0.5)
    first = update(identities, found(BOX, OTHER, scores=[0.9, 0.3]), 0.0, Tracks.none())
    assert first.xyxy.tolist() == [list(map(float, BOX))]
    second = update(identities, found(BOX, OTHER, scores=[0.3, 0.3]), 0.2, after(first, 2, BOX))
    assert (second.xyxy.tolist(), second.tracker_id.tolist()) == ([list(map(float, BOX))], [1])


def test_a_look_that_is_all_unsure_names_nobody():
    identities = Identities(0.5)
    assert len(update(identities, found(BOX, scores=[0.3]), 0.0, Tracks.none())) == 0


def test_where_time_goes_back_everything_is_new():
    identities = Identities(0.0)
    first = update(identities, found(BOX), 9.0, Tracks.none())
    assert update(identities, found(BOX), 1.0, after(first, 1, BOX)).tracker_id.tolist() == [2]
    assert update(identities, found(BOX), 1.1, Tracks.none()).tracker_id.tolist() == [2]


def test_boxes_that_are_the_same_are_two_things():
    identities = Identities(0.0)
    first = update(identities, found(BOX, BOX), 0.0, Tracks.none())
    assert first.tracker_id.tolist() == [1, 2]
    assert sorted(update(identities, found(BOX, BOX), 0.1, Tracks.none()).tracker_id.tolist()) == [1, 2]


def test_detections_without_scores_or_classes():
    identities = Identities(0.5)
    bare = sv.Detections(xyxy=np.array([BOX, OTHER], np.float32))
    for look in range(3):
        assert update(identities, bare, look / 10, Tracks.none()).tracker_id.tolist() == [1, 2]
    assert bare.tracker_id is None


def test_a_copy_that_has_travelled_goes_on_alike():
    identities = Identities(0.0)
    first = update(identities, found(BOX, OTHER), 0.0, Tracks.none())
    copied = pickle.loads(pickle.dumps(identities))
    second = found(shifted(OTHER, 12), shifted(BOX, 12), (5, 5, 30, 30))
    for each in (identities, copied):
        named = update(each, second, 0.5, after(first, 5, shifted(BOX, 12), shifted(OTHER, 12)))
        assert named.tracker_id.tolist() == [2, 1, 3]


@pytest.mark.parametrize(("colours", "ids"), [([1, 5], [1, 2]), ([5, 1], [2, 1])])
def test_colour_tells_who_is_who_where_two_have_met(colours, ids):
    """Both were last seen coming towards each other; now they stand side by side, and either could be either."""
    identities = Identities(0.0)
    first = update(identities, found(BOX, shifted(BOX, 60)), 0.0, Tracks.none(), [1, 5])
    met = [shifted(BOX, 20), shifted(BOX, 40)]
    known = after(first, 5, shifted(BOX, 30), shifted(BOX, 30))
    assert update(identities, found(*met), 0.5, known, colours).tracker_id.tolist() == ids


def test_colours_are_of_the_middle_of_each_third():
    picture = np.zeros((240, 320, 3), np.uint8)
    for row, colour in enumerate([(255, 0, 0), (0, 255, 0), (0, 0, 255)]):
        picture[60 + 40 * row : 100 + 40 * row, 100:140] = colour
    frame = Frame("cam", 0, 0.0, BgrPicture(picture), 320, 240)
    seen = colours(frame, np.array([[100, 60, 140, 180], [-30, -30, 0, 0], [10, 10, 10, 10]], np.float32))
    assert seen.shape == (3, 9)
    assert apart(seen[0], seen).tolist() == [0.0, pytest.approx(5, abs=4), pytest.approx(5, abs=4)]
    small = Frame("cam", 0, 0.0, BgrPicture(picture[::2, ::2].copy()), 320, 240)  # beyond a link that scales
    np.testing.assert_allclose(colours(small, np.array([[100, 60, 140, 180]])), seen[:1], atol=1)
    assert colours(frame, np.zeros((0, 4))).shape == (0, 9)


def test_colours_are_the_same_however_the_pixels_came():
    picture = np.kron(np.random.default_rng(1).integers(0, 255, (6, 8, 3)), np.ones((40, 40, 1))).astype(np.uint8)
    planes = av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuvj420p")
    decoded, made = (Frame("cam", 0, 0.0, kind, 320, 240) for kind in (YuvPicture(planes), BgrPicture(picture)))
    boxes = np.array([[0, 0, 80, 200], [100, 60, 300, 240], [-20, -20, 60, 60]], np.float32)
    differ = [apart(one, colours(made, boxes))[row] for row, one in enumerate(colours(decoded, boxes))]
    assert max(differ) < 0.25
