"""Boxes go where what is in them goes, and know how far they can be trusted."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import cv2
import numpy as np
import pytest

from tests.stages.track.conftest import GROUND, found, scene, seen, shifted
from vidpipe.models.boxes import iou
from vidpipe.stages.track.flow import Grey, good_points, move
from vidpipe.stages.track.seen import Seen
from vidpipe.stages.track.tracks import Tracks

BOX = (100, 80, 140, 160)


def tracked(at, *boxes):
    detections = found(*boxes)
    detections.tracker_id = np.arange(1, len(boxes) + 1)
    return Tracks.of(detections, Tracks.none(), at, "flow")


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (3, 0), (-4, 2), (0, -6), (7, 5)])
def test_a_box_moves_with_what_is_in_it(dx, dy):
    before = seen(0, BOX)
    moved = tracked(before, BOX).step(before, seen(1, shifted(BOX, dx, dy)), "flow")
    np.testing.assert_allclose(moved.boxes[0], shifted(BOX, dx, dy), atol=1)
    np.testing.assert_allclose(moved.velocity[0], [dx * 5, dy * 5], atol=5)  # half of 10 a second: smoothed


def test_a_thing_that_moves_evenly_is_followed_through_many_frames():
    before, tracks = seen(0, BOX), tracked(seen(0, BOX), BOX)
    for seq in range(1, 16):
        now = seen(seq, shifted(BOX, 6 * seq, seq))
        tracks = tracks.step(before, now, "flow")
        before = now
    assert iou(tracks.boxes[0], np.array(shifted(BOX, 90, 15), np.float32)) > 0.85
    assert 0.6 < tracks.belief[0] < 1  # falls with age


def test_scale_follows_a_thing_that_comes_nearer():
    before = seen(0, BOX)
    grown = scene(BOX)
    x0, y0, x1, y1 = BOX
    thing = cv2.resize(grown[y0:y1, x0:x1], None, fx=1.1, fy=1.1)
    height, width = thing.shape
    grown = GROUND.copy()
    grown[120 - height // 2 : 120 - height // 2 + height, 120 - width // 2 : 120 - width // 2 + width] = thing
    moved = move(
        before.grey,
        Grey.of(grown, 320, 240),
        np.array([BOX], np.float32),
        np.zeros((1, 2), np.float32),
        good_points(before.grey, np.array([BOX], np.float32)),
    )
    width_now = moved.boxes[0, 2] - moved.boxes[0, 0]
    assert 40 < width_now <= 41  # a step grows a box by 2 % at most


def test_what_stands_before_another_thing_does_not_take_it_along():
    """Two people cross: the flow where both boxes lie is that of the nearer one, lower in the picture."""
    back, front = (100, 60, 140, 140), (60, 80, 110, 170)
    before, tracks = seen(0, back, front), tracked(seen(0, back, front), back, front)
    for seq in range(1, 8):
        now = seen(seq, back, shifted(front, 5 * seq))
        tracks = tracks.step(before, now, "flow")
        before = now
    np.testing.assert_allclose(tracks.boxes[0], back, atol=4)
    np.testing.assert_allclose(tracks.boxes[1], shifted(front, 35), atol=4)


def test_without_texture_a_box_goes_on_as_it_went_and_ends_after_a_while():
    flat = [
        Seen(
            seq,
            seq / 10,
            (320, 240),
            Grey.of(np.full((240, 320), 90, np.uint8), 320, 240),
            np.zeros((120, 160), np.uint8),
        )
        for seq in range(20)
    ]
    tracks = tracked(flat[0], BOX)
    tracks = dataclasses.replace(tracks, velocity=np.array([[20, 0]], np.float32))
    moved = tracks.step(flat[0], flat[1], "flow")
    np.testing.assert_allclose(moved.boxes[0], shifted(BOX, 2), atol=0.01)
    assert moved.failing.all()
    for before, now in pairwise(flat[1:]):
        moved = moved.step(before, now, "flow")
    assert not len(moved)


def test_a_box_that_leaves_the_picture_ends():
    box = (280, 80, 316, 160)
    before, tracks = seen(0, box), tracked(seen(0, box), box)
    counts = []
    for seq in range(1, 8):
        now = seen(seq, shifted(box, 6 * seq))
        tracks = tracks.step(before, now, "flow")
        before = now
        counts.append(len(tracks))
    assert counts[0] == 1
    assert counts[-1] == 0


def test_what_comes_in_over_an_edge_still_begins_there():
    """Only 12 pixels of a thing of 60 could be seen when it was looked at: what is visible grows."""
    thing = (-48, 80, 12, 160)
    before, tracks = seen(0, thing), tracked(seen(0, thing), (0, 80, 12, 160))
    for seq in range(1, 9):
        now = seen(seq, shifted(thing, 5 * seq))
        tracks = tracks.step(before, now, "flow")
        before = now
    np.testing.assert_allclose(tracks.detections((320, 240)).xyxy[0], (0, 80, 52, 160), atol=4)


def test_published_boxes_lie_in_the_picture_and_their_scores_fall():
    box = (290, 80, 320, 160)
    before = seen(0, box)
    tracks = tracked(before, box).step(before, seen(1, shifted(box, 4)), "flow")
    published = tracks.detections((320, 240))
    assert published.xyxy[0, 2] == 320
    assert 0 < published.confidence[0] < 0.9
    assert published.data["class_name"].tolist() == ["person"]
    assert published.tracker_id.tolist() == [1]


@pytest.mark.parametrize("count", [0, 1, 400])
def test_any_number_of_boxes(count):
    rng = np.random.default_rng(0)
    corner = rng.uniform(-20, 300, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0, 60, (count, 2))], axis=1)
    before = seen(0)
    moved = tracked(before, *boxes).step(before, seen(1), "flow")
    assert len(moved) <= count
    assert np.isfinite(moved.boxes).all()
