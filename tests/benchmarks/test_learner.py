"""The bench of a detector that learns its camera, on a tiny generated stream whose looks are its truth. What must hold:

- what a net is to say of boxes is what is read back from it, and unsure boxes neither teach nor count against it;
- it learns: after some looks it sees later pictures that nothing was learnt of;
- thresholds are chosen on what came after the learner was trained, and only there;
- scenes that were looked at are the same when they are read again.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.learner import learning, net
from benchmarks.learner.learning import Stage, fitted, judged, learn, score, told
from benchmarks.learner.net import Learner, LearnerNet, Lessons, background, input_size, shrunk
from benchmarks.learner.scenes import CLASSES, Watched, kept
from vidpipe.testing.scene import Scene, SceneSpec

pytestmark = pytest.mark.timeout(600)  # ten seconds of training, on a busy machine minutes
SIZE = (128, 96)  # a ninth of what is looked at in a run
PICTURES = 60


@pytest.fixture(scope="module")
def scene():
    """A minute of a street, at one picture a second; both models say the truth."""
    spec = SceneSpec(
        width=SIZE[0], height=SIZE[1], fps=1.0, duration_s=PICTURES, seed=5, quiet_share=0.0, noise_sigma=1.0
    )
    pictures, looks = [], []
    for picture, boxes in Scene(spec):
        pictures.append(picture)
        kind = {"person": 0, "vehicle": 1, "bike": 2}
        rows = [[*box.xyxy, 0.9, kind[box.kind]] for box in boxes if box.visibility > 0.5]
        looks.append(np.array(rows, np.float32).reshape(-1, 6))
    teaching = np.ones(PICTURES, bool)
    return Watched("street", np.stack(pictures), np.arange(PICTURES, dtype=float), looks, looks, SIZE, teaching)


@pytest.fixture(scope="module")
def stages(scene):
    torch.manual_seed(0)
    return learn(scene, PICTURES, None, steps=24)


def test_it_learns_to_see_later_pictures(scene, stages):
    later = scene.part(48, PICTURES)
    scores, little = judged(later, stages)
    assert little == 1.0  # it says the truth here
    assert scores[-1] > 0.5
    assert scores[-1] > scores[0]


def test_stages_know_only_what_came_before(stages):
    assert [stage.behind for stage in stages] == [6, 12, 24, 36, 48]
    assert [stage.looks for stage in stages] == [6, 12, 24, 36, 48]
    spent = [stage.cpu_s for stage in stages]
    assert spent == sorted(spent)
    assert spent[0] > 0


def test_thresholds_are_those_that_are_best_on_later_pictures(scene, stages):
    stage = stages[-1]
    chosen = fitted(scene, stage, PICTURES)
    later = scene.part(stage.behind, PICTURES)
    rows = told(later, stage.learner)
    best = score(later, rows, chosen)
    for least in (0.2, 0.35, 0.5, 0.65):
        assert best >= score(later, rows, np.full(3, least)) - 0.02
    earlier = scene.part(0, stage.behind)  # what lies before tells nothing: without it the choice is the same
    changed = scene._replace(big=[*(np.zeros((0, 6), np.float32) for _ in earlier.big), *scene.big[stage.behind :]])
    assert np.array_equal(fitted(changed, stage, PICTURES), chosen)


def test_a_class_that_never_came_keeps_its_threshold(scene, stages):
    empty = scene._replace(big=[np.zeros((0, 6), np.float32)] * PICTURES)
    silent = Learner(LearnerNet(3).eval(), stages[-1].learner.scene, np.full(3, 0.35))
    assert fitted(empty, Stage(48, silent, 0, 0.0), PICTURES).tolist() == [0.35] * 3


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(st.integers(0, 7), st.integers(0, 5), st.floats(20, 44), st.floats(20, 44), st.integers(0, 2)),
        max_size=6,
        unique_by=lambda box: (box[0] // 2, box[1] // 2),
    )
)
def test_what_is_wanted_of_a_net_is_read_back_as_the_boxes(drawn):
    boxes = np.array([[48 * x, 48 * y, 48 * x + w, 48 * y + h, label] for x, y, w, h, label in drawn]).reshape(-1, 5)
    heat, counts, box, weight = net._targets(boxes, np.ones(len(boxes), bool), (288, 384), 3)  # noqa: SLF001
    rows, columns = np.mgrid[0:72, 0:96] + 0.5
    near = weight > 0
    sides = np.stack([columns - box[0], rows - box[1], box[2] - columns, box[3] - rows])
    sides = np.log(np.where(near, sides, 1).clip(1e-3))
    read = net._decoded(heat, sides.astype(np.float32))  # noqa: SLF001
    assert counts.all()
    assert len(read) == len(boxes)
    for xyxy, label in zip(boxes[:, :4], boxes[:, 4], strict=True):
        same = read[read[:, 5] == label]
        assert np.abs(same[:, :4] - xyxy).max(axis=1).min() < 1.0


def test_unsure_boxes_neither_teach_nor_count():
    boxes = np.array([[40.0, 40, 80, 120, 1]])
    heat, counts, _, weight = net._targets(boxes, np.zeros(1, bool), (288, 384), 3)  # noqa: SLF001
    assert not heat.any()
    assert not weight.any()
    assert counts[1, 20, 14] == 0
    assert counts[[0, 2]].all()


def test_a_batch_moves_boxes_with_its_pictures():
    picture = np.full((144, 384, 3), 20, np.uint8)
    lit = picture.copy()
    lit[60:100, 180:220] = 200
    rows = np.array([[180, 60, 220, 100, 0.9, 0]], np.float32)
    lessons = Lessons(np.stack([picture, picture, lit]), [rows[:0], rows[:0], rows], np.full(3, 0.3), (384, 144))
    pictures, (heat, *_) = lessons.batch(np.random.default_rng(1), mirrored=True, zoom=0.3)
    for one, map_ in zip(pictures, heat, strict=True):
        bright = one[3] > 0  # the difference from the background
        if map_.max() == 1:
            row, column = np.unravel_index(int(map_[0].argmax()), map_[0].shape)
            assert bright[4 * row + 2, 4 * column + 2]
        else:
            assert bright.float().mean() < 0.01


def test_the_input_keeps_the_shape_of_the_picture():
    assert input_size(768, 576) == (288, 384)
    assert input_size(1920, 1080) == (224, 384)
    assert shrunk(np.zeros((1080, 1920, 3), np.uint8)).shape == (224, 384, 3)


def test_the_background_is_what_is_mostly_there():
    pictures = np.full((9, 16, 16, 3), 50, np.uint8)
    pictures[3, :, :8] = 200
    assert (background(pictures) == 50).all()


def test_weights_at_the_beginning_are_kept(scene, tmp_path, monkeypatch):
    monkeypatch.setattr(learning, "_BEGIN_STEPS", 2)
    made = learning.beginning([scene], tmp_path / "begin.pt").state_dict()
    again = learning.beginning([], tmp_path / "begin.pt").state_dict()
    assert all(torch.equal(made[name], again[name]) for name in made)


def test_a_scene_is_the_same_when_it_is_read_again(scene, tmp_path):
    def never():
        raise AssertionError("it is kept")

    made = kept(tmp_path / "street.npz", lambda: scene)
    read = kept(tmp_path / "street.npz", never)
    for one in (made, read):
        assert np.array_equal(one.pictures, scene.pictures)
        assert all(np.array_equal(a, b) for a, b in zip(one.big, scene.big, strict=True))
        assert one.size == scene.size
        assert one.teaching.all()
    assert len(CLASSES.names) == 3
