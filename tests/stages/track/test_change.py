"""Change that no track explains is seen, known things and exposure steps are not, false alarms are learnt."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.stages.track.conftest import at, scene, texture
from vidpipe.stages.track.change import Change, is_cut

BOX = (100, 80, 140, 160)
NOBODY = np.zeros((0, 4), np.float32)


def preview(*boxes, **options):
    return at(0, *boxes, **options).preview()


def in_preview(*boxes):
    return np.array(boxes, np.float32) / 2


def looked(*boxes):
    change = Change()
    change.look(preview(*boxes), in_preview(*boxes).reshape(-1, 4))
    return change


def test_a_new_thing_is_unexplained():
    assert looked().unexplained(preview(BOX), NOBODY) > 0.5


def test_nothing_new_is_no_change():
    assert looked(BOX).unexplained(preview(BOX), in_preview(BOX)) == 0


def test_a_known_thing_that_moves_is_explained_where_it_was_and_where_it_is():
    moved = (112, 80, 152, 160)
    assert looked(BOX).unexplained(preview(moved), in_preview(moved)) < 0.2
    assert looked(BOX).unexplained(preview(moved), NOBODY) > 0.2


def test_a_second_thing_beside_a_known_one_is_unexplained():
    assert looked(BOX).unexplained(preview(BOX, (200, 80, 240, 160)), in_preview(BOX)) > 0.5


@pytest.mark.parametrize("step", [-25, -10, 10, 25])
def test_a_step_of_exposure_is_no_new_thing(step):
    brighter = np.clip(scene(BOX).astype(int) + step, 0, 255).astype(np.uint8)
    small = cv2.resize(brighter, (160, 120), interpolation=cv2.INTER_AREA)
    assert looked(BOX).unexplained(small, in_preview(BOX)) < 0.3
    assert not is_cut(preview(BOX), small)


def test_leaves_that_looks_find_nothing_in_are_believed_less_each_time():
    leaves = (200, 20, 260, 60)
    change, seen = looked(), []
    for wind in range(8):
        now = preview(leaves, seeds=[wind + 10])
        seen.append(change.unexplained(now, NOBODY))
        change.false_alarm(now, NOBODY)
        change.look(preview(), NOBODY)
    assert seen[0] > 0.5
    assert seen[-1] < seen[0] / 2
    assert change.unexplained(preview(BOX), NOBODY) > 0.5  # elsewhere nothing is forgiven


def test_a_cut_is_another_scene_and_noise_in_the_dark_is_none():
    rng = np.random.default_rng(0)
    dark = [rng.integers(0, 8, (120, 160), dtype=np.uint8) for _ in range(2)]
    assert is_cut(preview(BOX), cv2.resize(texture(99, 320, 240), (160, 120)))
    assert is_cut(preview(BOX), preview(BOX)[:, :100])
    assert not is_cut(*dark)
    black, grey = np.zeros((120, 160), np.uint8), np.full((120, 160), 90, np.uint8)
    assert not is_cut(black, grey)
    assert is_cut(black, preview(BOX))
    assert is_cut(preview(BOX), black)
    assert not is_cut(preview(), preview(BOX, (200, 80, 240, 160)))
