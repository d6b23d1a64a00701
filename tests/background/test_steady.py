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


def test_of_one_picture_nothing_is_known():
    assert movement([Yard().picture()]) == 0.0
