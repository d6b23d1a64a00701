"""The best picture of a track: sharp, large, whole, sure; and of a frame whose own answer has it."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import supervision as sv

from vidpipe.core.answer import Answer, How
from vidpipe.core.frame import Frame
from vidpipe.core.picture import BgrPicture
from vidpipe.media.best import BestPictures, drawn

SIZE = (320, 240)
BOX = (100, 60, 180, 200)


def frame(seq: int, *, blur: int = 0, level: int = 0) -> Frame:
    """Noise of a level that tells the frame, blurred or not."""
    noise = np.random.default_rng(0).integers(0, 120, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
    if blur:
        noise = cv2.blur(noise, (blur, blur))
    return Frame("cam", seq, seq / 10, BgrPicture(noise + np.uint8(level)), *SIZE)


def answer(seq: int, *boxes: Any, score: float = 0.9, how: How = How.MEASURED, as_of: int | None = None) -> Answer:
    xyxy = np.array(boxes or [BOX], np.float32)
    found = sv.Detections(
        xyxy=xyxy,
        confidence=np.full(len(xyxy), score, np.float32),
        class_id=np.zeros(len(xyxy), int),
        tracker_id=np.arange(len(xyxy)) + 1,
        data={"class_name": np.array(["person"] * len(xyxy))},
    )
    return Answer(found, how, "detect", seq if as_of is None else as_of)


def seq_of(best: BestPictures, track: int = 1) -> int | None:
    found = best.of(track)
    return None if found is None else found.seq


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ((frame(0, blur=9), answer(0)), (frame(1), answer(1)), 1),
        ((frame(0), answer(0)), (frame(1, blur=9), answer(1)), 0),
        ((frame(0), answer(0, score=0.4)), (frame(1), answer(1, score=0.9)), 1),
        ((frame(0), answer(0, (100, 60, 120, 100))), (frame(1), answer(1)), 1),
        ((frame(0), answer(0, (0, 60, 80, 200))), (frame(1), answer(1)), 1),
        ((frame(0), answer(0)), (frame(1), answer(1, (239, 60, 319, 200))), 0),
        ((frame(0), answer(0, how=How.TRACKED, as_of=-1)), (frame(1), answer(1)), 1),
        ((frame(0), answer(0)), (frame(1), answer(1, score=0.92)), 0),
    ],
    ids=["sharper", "blurred", "surer", "larger", "not cut off", "cut off", "found, not moved", "hardly better"],
)
def test_the_better_one_is_kept(first: Any, second: Any, kept: int) -> None:
    best = BestPictures("crop", boxes=False)
    best.look(*first)
    best.look(*second)
    assert seq_of(best) == kept


@pytest.mark.parametrize("how", [How.SKIPPED, How.DROPPED, How.FAILED, How.EMPTY])
def test_boxes_that_an_older_answer_left_behind_make_no_picture(how: How) -> None:
    best = BestPictures("crop", boxes=False)
    best.look(frame(5), answer(5, how=how, as_of=2))
    best.look(frame(5), answer(5, how=How.MEASURED, as_of=2))
    assert best.of(1) is None


def test_a_crop_is_the_box_with_some_room() -> None:
    best = BestPictures("crop", boxes=False)
    best.look(frame(0, level=60), answer(0))
    found = best.of(1)
    assert found is not None
    picture = cv2.imdecode(np.frombuffer(found.jpeg, np.uint8), cv2.IMREAD_COLOR)
    margin = 0.15 * 140
    assert picture.shape[0] == pytest.approx(140 + 2 * margin, abs=2)
    assert picture.shape[1] == pytest.approx(80 + 2 * margin, abs=2)
    assert picture.mean() > 100


def test_boxes_are_drawn_on_request_and_the_frame_stays_as_it_was() -> None:
    one = frame(0)
    before = one.bgr().copy()
    plain, with_boxes = (
        cv2.imdecode(np.frombuffer(drawn(one, answer(0), boxes=boxes), np.uint8), cv2.IMREAD_COLOR).astype(int)
        for boxes in (False, True)
    )
    changed = np.abs(plain - with_boxes).max(axis=2) > 60
    assert changed[60:200, 99:102].mean() > 0.5
    assert changed[80:180, 110:170].mean() < 0.01
    assert (one.bgr() == before).all()
    stale = cv2.imdecode(
        np.frombuffer(drawn(one, answer(0, how=How.SKIPPED), boxes=True), np.uint8), cv2.IMREAD_COLOR
    ).astype(int)
    assert np.abs(plain - stale).max() < 10


def test_what_is_kept_is_bounded_and_those_seen_last_stay() -> None:
    best = BestPictures("crop", boxes=False)
    for seq in range(20):
        boxes = [(10 + 5 * i, 20, 40 + 5 * i, 80) for i in range(20)]
        made = answer(seq, *boxes)
        assert made.detections.tracker_id is not None
        made.detections.tracker_id += 20 * seq
        best.look(frame(seq), made)
    assert sum(best.of(track) is not None for track in range(1, 401)) == 128
    assert best.of(400) is not None
    assert best.of(1) is None


def test_without_identities_there_are_no_tracks() -> None:
    best = BestPictures("crop", boxes=False)
    made = answer(0)
    made.detections.tracker_id = None
    best.look(frame(0), made)
    best.look(frame(0), answer(0, (400, 300, 420, 340)))  # beside the picture
    assert best.of(1) is None
