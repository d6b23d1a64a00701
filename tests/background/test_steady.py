"""A camera that moves is told from one in front of which things move."""

from __future__ import annotations

import numpy as np
import pytest

from tests.background.yard import Yard
from vidpipe.background.steady import STEADY, movement


def test_things_that_cross_do_not_move_the_camera():
    yard = Yard()
    pictures = [yard.picture(thing=(x, 40), light=1 + 0.1 * np.sin(x)) for x in range(0, 150, 6)]
    assert movement(pictures) < STEADY / 2


@pytest.mark.parametrize("pixels", [2, 4])
def test_a_pan_is_measured(pixels):
    yard = Yard()
    pictures = [np.roll(yard.picture(), pixels * second, axis=1) for second in range(20)]
    assert movement(pictures) == pytest.approx(pixels / 160, rel=0.15)
    assert movement(pictures) > STEADY


@pytest.mark.parametrize("sigma", [10, 40, 100])
def test_noise_alone_is_no_camera_that_moves(sigma):
    rng = np.random.default_rng(3)
    noise = [np.clip(128 + sigma * rng.standard_normal((120, 160)), 0, 255).astype(np.uint8) for _ in range(30)]
    assert movement(noise) < STEADY / 2


@pytest.mark.parametrize("pixels", [2, 4])
def test_a_pan_is_measured_through_noise(pixels):
    yard, rng = Yard(), np.random.default_rng(3)
    pictures = [np.roll(yard.picture(), pixels * second, axis=1) for second in range(20)]
    noisy = [np.clip(one + 4 * rng.standard_normal(one.shape), 0, 255).astype(np.uint8) for one in pictures]
    assert movement(noisy) > STEADY


@pytest.mark.parametrize("shape", [(1, 160), (8, 160), (160, 8)])
def test_of_a_picture_too_small_to_follow_anything_in_nothing_is_known(shape):
    assert movement([np.full(shape, level, np.uint8) for level in (10, 20, 30)]) == 0.0


def test_of_one_picture_nothing_is_known():
    assert movement([Yard().picture()]) == 0.0
