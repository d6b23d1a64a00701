"""A learnt scene: it goes through a file, knows its place again, and follows its light."""

from __future__ import annotations

import numpy as np
import pytest

from tests.background.yard import Yard
from vidpipe.background.blocks import Blocks
from vidpipe.background.scene import ALIKE, Scene, Watch, likeness
from vidpipe.errors import ConfigError

NONE = np.full((10, 10), 4, np.float32)
ONES = np.ones((10, 10), np.float32)


@pytest.fixture
def scene():
    return Scene((640, 480), Yard().ground.astype(np.float32), NONE, ONES, empty_below=1.0, same_below=-np.inf)


def test_a_scene_goes_through_a_file_unchanged(scene, tmp_path):
    scene.save(tmp_path / "scene.npz")
    read = Scene.read(tmp_path / "scene.npz")
    assert (read.size, read.empty_below, read.same_below) == ((640, 480), 1.0, -np.inf)
    assert (read.image == scene.image).all()
    assert (tmp_path / "scene.npz").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", ["", "cut", "another"])
def test_a_damaged_file_is_told(scene, tmp_path, damage):
    file = tmp_path / "scene.npz"
    scene.save(file)
    content = file.read_bytes()
    if damage == "another":
        np.savez(file, format=np.array(99))
    else:
        file.write_bytes(content[:200] if damage else b"")
    with pytest.raises(ConfigError, match=r"^scene .*scene\.npz "):
        Scene.read(file)


def test_a_place_is_known_by_day_and_by_night(scene):
    night = Yard().picture(light=0.35, noise=4)
    assert likeness(night.astype(np.float32), scene.image) > 0.5
    assert not scene.differs((640, 480), night.astype(np.float32))


def test_another_place_and_another_size_are_told(scene):
    elsewhere = Yard(7).picture().astype(np.float32)
    assert likeness(elsewhere, scene.image) < ALIKE
    assert scene.differs((640, 480), elsewhere).startswith("another view: ")
    assert scene.differs((320, 240), scene.image) == "pictures of 320x240, learnt on 640x480"


def test_the_empty_scene_follows_what_was_found_empty(scene):
    """A chair was moved: after a few looks the place looks as it should."""
    yard = Yard()
    watch = Watch(scene, Blocks(scene.image.shape, 10))
    moved = yard.picture(thing=(80, 60))
    before = watch.against_empty(moved)
    for _ in range(6):
        watch.found_empty(yard.picture(thing=(80, 60)))
    after = watch.against_empty(moved)
    assert before > scene.empty_below > after
    assert watch.against_empty(yard.picture()) > scene.empty_below
