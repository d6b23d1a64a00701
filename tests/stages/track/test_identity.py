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
from vidpipe.stages.track.association import Likeness, hidden_share
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


@pytest.mark.parametrize("goes_on", [True, False])
def test_where_two_have_met_colour_decides_who_is_who_when_they_part(goes_on):
    """For half a second only one of them is seen; then they have passed each other, or have turned back."""
    identities = Identities(0.0)
    for look in range(20):
        gone = 6 * (look if goes_on else min(look, 20 - look))
        one, other = shifted(BOX, gone), shifted(BOX, 120 - gone)
        together = 8 <= look <= 12
        boxes, levels = ([one], [1]) if together else ([one, other], [1, 3])
        named = update(identities, found(*boxes), look / 10, Tracks.none(), levels)
        if not together:
            assert named.tracker_id.tolist() == [1, 2]


def test_what_is_lost_keeps_its_size():
    """Its edges do not go on each for itself: of one whose box became narrower nothing would be left in a second."""
    identities = Identities(0.0)
    for look in range(8):
        narrower = (BOX[0] + 2 * look, BOX[1], BOX[2] - 2 * look, BOX[3])
        update(identities, found(narrower), look / 10, Tracks.none())
    size = identities.things.size
    update(identities, found(), 2.2, Tracks.none())
    np.testing.assert_allclose(identities.things.size, size)


def test_velocity_is_known_from_the_second_look_on():
    identities = Identities(0.0)
    first = update(identities, found(BOX), 0.0, Tracks.none())
    assert np.isnan(identities.velocity(first.tracker_id)).all()
    for look in (1, 2, 3):
        named = update(identities, found(shifted(BOX, 8 * look), OTHER), look / 10, Tracks.none())
    np.testing.assert_allclose(identities.velocity(named.tracker_id), [[80, 0], [0, 0]], atol=12)


@pytest.mark.parametrize(("same", "others", "tells"), [(0.1, 0.8, True), (0.4, 0.4, False)])
def test_what_colours_tell_is_learnt(same, others, tells):
    """Where things look alike no more than they look like others, colours are no evidence either way."""
    likeness, rng = Likeness(), np.random.default_rng(0)
    for _ in range(200):
        seen = others * np.arange(3)[:, None] * np.ones((1, 9)) * 0.75
        was = seen + same * rng.choice([-1, 1], (3, 1))
        likeness.learn(seen.astype(np.float32), np.zeros(3), np.ones(3, bool), was.astype(np.float32))
    like, unlike = likeness.evidence(np.array([same / 2, others]))
    assert (like > 1) == tells
    assert (unlike < -1) == tells
    assert -1 < likeness.evidence(np.array([same]))[0] < 2


def test_nothing_is_learnt_from_what_is_hidden():
    likeness = Likeness()
    likeness.learn(np.zeros((2, 9), np.float32), np.ones(2), np.ones(2, bool), np.ones((2, 9), np.float32))
    likeness.learn(*(np.zeros(shape, kind) for shape, kind in [((0, 9), "f4"), (0, "f8"), (0, "?"), ((0, 9), "f4")]))
    assert (likeness.same, likeness.others) == (Likeness().same, Likeness().others)


def test_what_stands_lower_hides_what_is_behind_it():
    boxes = np.array([[0, 0, 10, 20], [5, 10, 15, 30], [100, 0, 110, 20]], float)
    assert hidden_share(boxes).tolist() == [0.25, 0.0, 0.0]
    assert hidden_share(np.zeros((0, 4))).shape == (0,)
