"""Boxes get vectors and identities; what looks as before is not computed again."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from tests.tracking.conftest import at, found, measured, scene
from vidpipe.answer import Answer, How
from vidpipe.frame import Frame
from vidpipe.picture import BgrPicture
from vidpipe.stages.base import Context
from vidpipe.transforms.base import Moment
from vidpipe.transforms.describe import Describe

PLACES = [(20, 40, 60, 120), (100, 40, 140, 120), (200, 40, 240, 120)]


class Embeds:
    """The crop's mean grey in three tones: a vector that differs between things and not between looks at one."""

    def __init__(self):
        self.calls = 0

    def embedder(self, name):
        return self

    def embed(self, images):
        self.calls += len(images)
        small = np.array([[image[:16].mean(), image[:, :8].mean(), image.mean()] for image in images], np.float32)
        small -= [[100, 100, 100]]
        return small / np.maximum(np.linalg.norm(small, axis=1, keepdims=True), 1e-9)


def thing(seq, kinds, noise=2.0):
    """Frame with things of these kinds at the places, each a texture; sensor noise on top."""
    luma = scene(*PLACES[: len(kinds)], seeds=[kind + 10 for kind in kinds]).astype(np.float32)
    luma += np.random.default_rng(seq).normal(0, noise, luma.shape)
    return Frame("cam", seq, seq / 10, BgrPicture(np.dstack([np.clip(luma, 0, 255).astype(np.uint8)] * 3)), 320, 240)


def describe(**settings):
    models = Embeds()
    stage = Describe()
    stage.id = "describe"
    stage.config = Describe.Config(model="m", alike=1e-3, **settings)
    stage.open(Context("describe", "cam", models, ("person", "vehicle"), last=False))
    models.calls = 0
    return stage, models


def tell(stage, frame, boxes, tracks=None, how=How.MEASURED, as_of=None):
    if tracks is not None:
        boxes.tracker_id = np.array(tracks)
    moment = Moment("cam", frame.seq, frame.pts, None, frame.width, frame.height, 0)
    return stage.apply(frame, Answer(boxes, how, "big", frame.seq if as_of is None else as_of), moment)


def test_every_box_gets_a_vector_and_an_identity():
    stage, _ = describe()
    boxes = found(*PLACES)
    told = tell(stage, thing(0, [1, 2, 3]), boxes)
    assert "embedding" not in boxes.data  # completed, not changed
    assert told.detections.data["embedding"].shape == (3, 3)
    np.testing.assert_allclose(np.linalg.norm(told.detections.data["embedding"], axis=1), 1, atol=1e-5)
    assert told.detections.data["identity"].tolist() == [1, 2, 3]
    assert told.detections.data["class_name"].tolist() == ["person"] * 3


@pytest.mark.parametrize("tracked", [False, True])
def test_what_looks_as_before_is_not_computed_again(tracked):
    stage, models = describe()
    for seq in range(200):
        kinds = [1, 2, 3][seq % 3 :] + [1, 2, 3][: seq % 3]
        told = tell(stage, thing(seq, kinds), found(*PLACES), kinds if tracked else None)
        assert told.detections.data["identity"].tolist() == kinds  # counted up in the order of the first frame
    assert models.calls < 600 / 3
    assert stage.counts["hits"] == 600 - models.calls
    assert (stage.counts["by_track"] > 0) == tracked
    assert stage.counts["audited"] == stage.counts["agreed"] > 0
    low, high = stage.agreement
    assert 0 < low < high == 1


class Flickers(Embeds):
    """Every third crop of a thing looks like somebody else."""

    def embed(self, images):
        self.calls += len(images)
        odd = self.calls % 3 == 0
        return np.array([[0.6, 0.8] if odd else [1, 0]] * len(images), np.float32)


def test_an_identity_is_of_the_track_not_of_one_crop():
    flickers = Flickers()
    stage = Describe()
    stage.id, stage.config = "describe", Describe.Config(model="m", alike=0.15, check=0)
    stage.open(Context("describe", "cam", flickers, ("person",), last=False))
    told = [tell(stage, thing(seq, [1]), found(PLACES[0]), [7]) for seq in range(60)]
    assert {int(answer.detections.data["identity"][0]) for answer in told} == {1}


def test_a_young_track_is_computed_often_an_old_one_seldom():
    stage, models = describe(check=0)
    computed = []
    for seq in range(300):
        before = models.calls
        tell(stage, thing(seq, [1]), found(PLACES[0]), [7])
        computed += [seq] if models.calls > before else []
    apart = np.diff(computed[computed.index(next(seq for seq in computed if seq > 60)) :])
    assert len(computed) < 100
    assert apart[-1] >= 10
    assert apart[-1] > apart[0]


def test_hits_that_are_computed_all_the_same_are_a_share():
    none, _ = describe(check=0)
    for seq in range(100):
        tell(none, thing(seq, [1]), found(PLACES[0]))
    assert none.counts["audited"] == 0
    every, models = describe(check=1)
    for seq in range(100):
        tell(every, thing(seq, [1]), found(PLACES[0]))
    assert models.calls == 100
    assert every.counts["hits"] == 0


def test_only_the_chosen_classes():
    stage, models = describe(classes=["vehicle"])
    told = tell(stage, thing(0, [1, 2]), found(*PLACES[:2], labels=[0, 1]))
    assert told.detections.data["identity"].tolist() == [-1, 1]
    assert not told.detections.data["embedding"][0].any()
    assert models.calls == 1


@pytest.mark.parametrize("box", [(10, 10, 10, 50), (10, 10, 10.2, 50), (-50, 10, -10, 50), (400, 300, 500, 400)])
def test_crops_without_area(box):
    stage, models = describe()
    told = tell(stage, thing(0, [1]), found(box, PLACES[0]))
    assert told.detections.data["identity"].tolist() == [-1, 1]
    assert models.calls == 1


def test_even_crops_are_computed_and_not_remembered():
    stage, models = describe()
    blank = Frame("cam", 0, 0.0, BgrPicture(np.full((240, 320, 3), 50, np.uint8)), 320, 240)
    tell(stage, blank, found(PLACES[0]))
    assert (models.calls, stage.counts["added"]) == (1, 0)


def test_answers_without_boxes_stay_as_they_are():
    stage, _ = describe()
    assert tell(stage, thing(0, []), found()) is None


def test_repeated_answers_are_not_described_again():
    stage, models = describe()
    boxes = found(PLACES[0])
    first = tell(stage, thing(0, [1]), boxes)
    again = tell(stage, thing(1, [2]), boxes, how=How.REUSED, as_of=0)
    assert again.detections is first.detections
    assert models.calls == 1


def test_hundreds_of_objects_and_boxes_partly_outside():
    corners = np.random.default_rng(0).uniform(-10, 300, (400, 2)) * [1, 0.75]
    stage, _ = describe()
    told = tell(stage, at(0), found(*np.concatenate([corners, corners + np.array([20, 40])], axis=1)))
    assert len(told.detections.data["identity"]) == 400


def test_frames_of_another_size():
    """Beyond a link the view is smaller than the source: boxes are in pixels of the source."""
    stage, _ = describe()
    small = thing(0, [1])
    frame = Frame("cam", 0, 0.0, small.picture, 640, 480)
    told = tell(stage, frame, found(tuple(2 * edge for edge in PLACES[0])))
    same = tell(stage, thing(1, [1]), found(PLACES[0]))
    assert told.detections.data["identity"].tolist() == same.detections.data["identity"].tolist() == [1]


def test_numbers_are_not_used_again_after_a_restart():
    stage, _ = describe()
    tell(stage, thing(0, [1, 2]), found(*PLACES[:2]))
    other, _ = describe()
    other.restore(pickle.loads(pickle.dumps(stage.snapshot())))
    assert tell(other, thing(1, [1]), found(PLACES[0])).detections.data["identity"].tolist() == [3]


def test_an_answer_may_be_taken_apart():
    """What users do with detections: rows keep their vectors."""
    stage, _ = describe()
    told = tell(stage, thing(0, [1, 2, 3]), found(*PLACES)).detections
    assert told[told.data["identity"] == 2].xyxy.tolist() == [list(PLACES[1])]
    assert replace(measured(0, told)).detections is told
