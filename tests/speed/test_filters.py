"""What every frame pays on the device: its preview, and the difference detector."""

import cv2
import numpy as np

from tests.speed.conftest import fresh, noise
from tests.stages.conftest import ask, opened
from vidpipe.core.answer import Answer, How, nothing
from vidpipe.stages.difference.difference import Difference
from vidpipe.stages.difference.scene import Scene


def test_preview_is_cheaper_than_averaging_the_whole_plane(ratio, picture, size):
    """Averaging all of 768x576 costs as much as decoding it; the preview even of 1920x1080 is far below that."""
    plane = noise(768, 576).luma()
    measured = ratio(
        lambda: fresh(picture).preview(), lambda: cv2.resize(plane, (160, 120), interpolation=cv2.INTER_AREA)
    )
    assert measured < 0.6


def _difference(width, height):
    stage = opened(Difference, threshold=1e9)
    first = fresh(noise(width, height, seed=1))
    stage.learn(first, Answer(nothing(), How.MEASURED, "big", 0))
    return stage


def test_difference_costs_little_beside_the_preview(ratio, picture, size):
    """Nothing moves, as on most frames: then one pass over the preview decides."""
    stage = _difference(*size)
    asked = fresh(picture)
    asked.preview()
    assert ask(stage, asked).how is How.REUSED
    assert ratio(lambda: stage.answer([asked]), lambda: fresh(picture).preview()) < 1.0


def test_blocks_cost_no_more_than_a_preview_of_a_large_picture(ratio, picture, size):
    """Something moves: then the error of each block is worked out."""
    stage = _difference(*size)
    stage.config = stage.config.model_copy(update={"threshold": 0.0})
    asked = fresh(picture)
    large = noise(1920, 1080)
    assert ask(stage, asked) is None
    assert ratio(lambda: stage.answer([asked]), lambda: fresh(large).preview()) < 1.5


def test_a_learnt_scene_costs_no_more_than_a_preview_of_a_large_picture(ratio, picture, size, tmp_path):
    """Each frame's blocks are held against the empty scene, whatever the light."""
    first = fresh(picture)
    image = first.preview().astype(np.float32)
    scene = Scene(size, image, np.ones((10, 10), np.float32), np.ones((10, 10), np.float32), empty_below=1e9)
    scene.save(tmp_path / "scene.npz")
    stage = opened(Difference, scene=str(tmp_path / "scene.npz"))
    large = noise(1920, 1080)
    assert ask(stage, first).how is How.EMPTY
    assert ratio(lambda: stage.answer([first]), lambda: fresh(large).preview()) < 2.0
