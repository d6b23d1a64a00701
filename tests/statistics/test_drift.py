"""Drift is noticed within half a minute, and things that pass are no drift."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from tests.stages.gate import yard
from vidpipe.statistics.drift import EVERY_S, WINDOW, Drift, figures, normal_range, standardised


@pytest.fixture(scope="module")
def normal():
    pictures = np.stack([yard.picture(seq)[0] for seq in range(480)])
    scene = standardised(pictures).mean(axis=0)
    return scene, *normal_range(np.stack([figures(picture, scene) for picture in pictures]))


def _noticed_after(normal, change, seconds=120.0):
    """Media seconds until drift is sure, and what is said; None where nothing is."""
    scene, low, high = normal
    drift = Drift()
    for seq in range(round(seconds * yard.FPS)):
        pts = seq / yard.FPS
        if drift.due(pts):
            drift.add(pts, figures(change(yard.picture(seq + 5000)[0]), scene))
            drift = pickle.loads(pickle.dumps(drift))
        if drift.sure and (moved := drift.moved(low, high)):
            return pts, moved
    return None


def test_the_same_scene_at_another_time_has_not_moved(normal):
    assert _noticed_after(normal, lambda picture: picture) is None


@pytest.mark.parametrize(("change", "figure"), [(yard.night, "brightness"), (yard.turned, "likeness to the scene")])
def test_night_and_a_turned_camera_are_noticed(normal, change, figure):
    pts, moved = _noticed_after(normal, change)
    assert pts <= WINDOW * EVERY_S
    assert moved.startswith(figure)


def test_what_passes_is_no_drift(normal):
    """A lorry fills half of the picture for ten seconds in thirty."""

    def lorry(picture):
        lorry.asked += 1
        picture = picture.copy()
        if lorry.asked % 30 < 10:
            picture[:, :48] = 20
        return picture

    lorry.asked = 0
    assert _noticed_after(normal, lorry) is None
