"""Only what is in doubt is looked at, on canvases; what is found there comes back to its place."""

from __future__ import annotations

import numpy as np
import pytest
import supervision as sv
from hypothesis import given
from hypothesis import strategies as st

from tests.stages.conftest import ask, opened
from vidpipe.core.answer import Answer, How
from vidpipe.core.frame import Frame
from vidpipe.core.picture import BgrPicture
from vidpipe.stages.detect.low_confidence import LowConfidenceBoxes
from vidpipe.stages.detect.regions import Regions, windows


class Sees:
    """Finds the bright rectangles of a picture, one of each grey level, and remembers the pictures."""

    def __init__(self):
        self.seen = []

    def detector(self, name, *variant):
        return self

    def detect(self, images, floor=None):
        self.seen += [image.shape[:2] for image in images]
        return [self._find(image[..., 0]) for image in images]

    def _find(self, grey):
        levels = [level for level in np.unique(grey) if level >= 150]
        spots = [np.argwhere(grey == level) for level in levels]
        xyxy = [[*spot.min(axis=0)[::-1], *(spot.max(axis=0)[::-1] + 1)] for spot in spots]
        return boxes(*xyxy)


def boxes(*xyxy):
    return sv.Detections(
        xyxy=np.array(xyxy, np.float32).reshape(-1, 4),
        confidence=np.full(len(xyxy), 0.8, np.float32),
        class_id=np.zeros(len(xyxy), int),
        data={"class_name": np.full(len(xyxy), "person")},
    )


def picture(*rectangles, size=(320, 240), seq=0, source=None, low_confidence=(), little=()):
    pixels = np.full((size[1], size[0], 3), 50, np.uint8)
    for level, (x0, y0, x1, y1) in enumerate(rectangles):
        pixels[y0:y1, x0:x1] = 150 + level + 10 * seq
    frame = Frame("cam", seq, 0.0, BgrPicture(pixels), *(source or size))
    answer = Answer(boxes(*little), How.MEASURED, "little", seq)
    frame.features["little"] = LowConfidenceBoxes(answer, np.array(low_confidence, np.float32).reshape(-1, 4))
    return frame


def regions(**config):
    models = Sees()
    return opened(Regions, models, model="big", **config), models


def test_a_box_in_doubt_is_looked_at_and_comes_back_exactly():
    stage, models = regions()
    answer = ask(stage, picture((100, 50, 120, 90), low_confidence=[(98, 52, 122, 88)], seq=4))
    assert models.seen == [(120, 160)]
    assert answer.detections.xyxy.tolist() == [[100, 50, 120, 90]]
    assert (answer.how, answer.as_of, answer.partial) == (How.MEASURED, 4, True)
    assert "of the picture, in 1 parts" in answer.reason


def test_the_little_models_boxes_stand_elsewhere_and_go_inside():
    stage, _ = regions()
    little = [(250, 200, 270, 230), (99, 51, 119, 91), (104, 60, 110, 66)]
    answer = ask(stage, picture((100, 50, 120, 90), low_confidence=[(98, 52, 122, 88)], little=little))
    assert sorted(answer.detections.xyxy.tolist()) == [[100, 50, 120, 90], [250, 200, 270, 230]]


def test_what_a_cut_edge_crosses_is_left_out_but_not_what_the_pictures_edge_does():
    stage, _ = regions()
    answer = ask(
        stage, picture((0, 100, 20, 120), (60, 20, 110, 30), low_confidence=[(0, 100, 20, 120), (40, 20, 70, 30)])
    )
    assert answer.detections.xyxy.tolist() == [[0, 100, 20, 120]]


@pytest.mark.parametrize("low_confidence", [[], [(0, 0, 320, 240)], [(0, 0, 180, 20)]])
def test_whole_looks_and_large_doubts_are_passed_on(low_confidence):
    stage, models = regions()
    assert ask(stage, picture(low_confidence=low_confidence)) is None
    assert models.seen == []


def test_a_frame_without_notes_is_passed_on():
    stage, _ = regions()
    frame = picture()
    frame.features.clear()
    assert ask(stage, frame) is None


def test_boxes_are_in_pixels_of_the_source():
    stage, _ = regions()
    asked = picture(
        (100, 50, 120, 90), source=(640, 480), low_confidence=[(200, 100, 240, 180)], little=[(500, 400, 540, 460)]
    )
    answer = ask(stage, asked)
    assert sorted(answer.detections.xyxy.tolist()) == [[200, 100, 240, 180], [500, 400, 540, 460]]


@pytest.mark.parametrize(("share", "canvases"), [(True, 1), (False, 3)])
def test_frames_share_canvases_where_they_may(share, canvases):
    """Three frames have a small doubt each, the other has none."""
    stage, models = regions(share=share)
    places = [(10, 10, 30, 30), (200, 100, 220, 140), (290, 200, 310, 220)]
    frames = [picture(place, low_confidence=[place], seq=seq) for seq, place in enumerate(places)]
    frames.insert(1, picture(seq=9))
    answers = stage.answer(frames)
    assert len(models.seen) == canvases
    assert answers[1] is None
    assert [answer.detections.xyxy.tolist() for answer in answers if answer] == [[list(place)] for place in places]


@given(
    st.lists(st.tuples(*[st.floats(-50, 400)] * 4), max_size=30),
    st.integers(8, 320),
    st.integers(8, 240),
)
def test_windows_are_inside_and_apart(rows, width, height):
    xyxy = np.array([(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in rows]).reshape(-1, 4)
    parts = windows(xyxy, width, height)
    assert (parts[:, :2] >= 0).all()
    assert (parts[:, 2:] <= [width, height]).all()
    assert (parts[:, :2] < parts[:, 2:]).all()
    for index, one in enumerate(parts):
        for other in parts[:index]:
            assert not (np.maximum(one[:2], other[:2]) < np.minimum(one[2:], other[2:])).all()
    inside = (xyxy[:, :2] >= 0).all(axis=1) & (xyxy[:, 2:] <= [width, height]).all(axis=1)
    for box in xyxy[inside]:
        assert ((parts[:, :2] <= box[:2]) & (parts[:, 2:] >= box[2:])).all(axis=1).any()
