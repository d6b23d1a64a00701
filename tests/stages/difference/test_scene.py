"""A learnt scene: it goes through a file, knows its place again, and follows its light."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from tests.stages.difference.yard import Yard
from vidpipe.core.errors import ModelError
from vidpipe.stages.difference.blocks import Blocks
from vidpipe.stages.difference.scene import ALIKE, Scene, Watch, likeness

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


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:200],
        lambda data: data.replace(b"image.npy", b"imago.npy"),  # KeyError
        lambda data: data[:60] + bytes(40) + data[100:],  # zlib.error
    ],
)
def test_a_damaged_file_is_told(scene, tmp_path, damage):
    file = tmp_path / "scene.npz"
    scene.save(file)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ModelError, match=r"^scene .*scene\.npz: damaged or cannot be read \("):
        Scene.read(file)


def test_whatever_bytes_are_damaged_it_is_told(scene, tmp_path):
    """Somebody's disk: numpy, zipfile and zlib raised what nobody caught, and the run ended before it began."""
    file, rng = tmp_path / "scene.npz", np.random.default_rng(0)
    scene.save(file)
    data = np.frombuffer(file.read_bytes(), np.uint8)
    for _ in range(300):
        broken = data.copy()
        broken[rng.integers(len(data), size=20)] = rng.integers(256, size=20)
        file.write_bytes(broken.tobytes())
        with suppress(ModelError):  # bytes that mean nothing: the dates of members
            Scene.read(file)


def test_no_file_another_kind_and_another_version_are_told(scene, tmp_path):
    file = tmp_path / "scene.npz"
    with pytest.raises(ModelError, match=r"scene\.npz: there is no such file$"):
        Scene.read(file)
    with file.open("wb") as opened:
        np.save(opened, ONES)
    with pytest.raises(ModelError, match=r"scene\.npz: damaged or cannot be read"):
        Scene.read(file)
    np.savez(file, format=np.array(99))
    with pytest.raises(ModelError, match=r"scene\.npz: of another version of vidpipe$"):
        Scene.read(file)


def test_shapes_that_do_not_fit_are_told(scene, tmp_path):
    replace(scene, weights=ONES[:5]).save(tmp_path / "scene.npz")
    with pytest.raises(ModelError, match=r"damaged or cannot be read \(ValueError\)$"):
        Scene.read(tmp_path / "scene.npz")


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
