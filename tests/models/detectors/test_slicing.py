"""Slicing: tiles cover the picture, every object is found once and whole, in pixels of the picture."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
import supervision as sv
from hypothesis import given, settings
from hypothesis import strategies as st

from vidpipe.core.errors import ModelError
from vidpipe.models.base import ModelSpec, Slicing
from vidpipe.models.detectors.slicing import SlicedDetector, merge, tiles

WIDTH, HEIGHT = 200, 160
CLASSES = ("dim", "bright")


class PatchDetector:
    """Finds bright (255) and dim (128) patches on black, by their connected pixels; larger ones score higher."""

    spec = ModelSpec(path="patches.onnx")

    def clone(self) -> "PatchDetector":
        return PatchDetector()

    def detect(self, images: Sequence[np.ndarray], floor: float | None = None) -> list[sv.Detections]:
        return [self._detect(image, 0.0 if floor is None else floor) for image in images]

    def keep_sure(self, detections: sv.Detections) -> sv.Detections:
        return detections[detections.confidence >= 0.5]

    def _detect(self, image: np.ndarray, floor: float) -> sv.Detections:
        rows = []
        for index, level in enumerate((128, 255)):
            mask = (image[..., 0] == level).astype(np.uint8)
            for x, y, w, h, area in cv2.connectedComponentsWithStats(mask)[2][1:]:
                rows.append((x, y, x + w, y + h, area / (WIDTH * HEIGHT), index))
        table = np.array([row for row in rows if row[4] >= floor], np.float32).reshape(-1, 6)
        table = table[np.argsort(-table[:, 4], kind="stable")]
        classes = table[:, 5].astype(np.int64)
        return sv.Detections(table[:, :4], None, table[:, 4], classes, data={"class_name": np.array(CLASSES)[classes]})


@st.composite
def scenes(draw, largest: int):
    """A picture with up to five patches that do not touch, and their boxes."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    boxes = set()
    for _ in range(draw(st.integers(0, 5))):
        w, h = draw(st.integers(2, largest)), draw(st.integers(2, largest))
        x, y = draw(st.integers(0, WIDTH - w)), draw(st.integers(0, HEIGHT - h))
        if not picture[max(0, y - 1) : y + h + 1, max(0, x - 1) : x + w + 1].any():
            level = draw(st.sampled_from([128, 255]))
            picture[y : y + h, x : x + w] = level
            boxes.add((x, y, x + w, y + h, "bright" if level == 255 else "dim"))
    return picture, boxes


def found_by(slicing: Slicing, picture: np.ndarray, floor: float | None = None) -> list[tuple]:
    (found,) = SlicedDetector(PatchDetector(), slicing).detect([picture], floor)
    return [(*map(int, box), str(name)) for box, name in zip(found.xyxy, found.data["class_name"], strict=True)]


layouts = st.builds(
    Slicing, columns=st.integers(1, 4), rows=st.integers(1, 4), size=st.floats(0.3, 1.0), whole=st.booleans()
)


@given(layouts, st.integers(1, 500), st.integers(1, 500))
def test_tiles_lie_inside_and_cover(slicing, width, height):
    seen = np.zeros((height, width), bool)
    windows = list(tiles(width, height, slicing))
    for x0, y0, x1, y1 in windows:
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        seen[y0:y1, x0:x1] = True
    assert len(windows) == slicing.columns * slicing.rows + slicing.whole
    # A pixel for each tile: its size and place are rounded.
    enough = all(
        count * slicing.size >= 1 + count / length
        for count, length in ((slicing.columns, width), (slicing.rows, height))
    )
    assert seen.all() or not (slicing.whole or enough)


@settings(deadline=None)
@given(scenes(largest=60), st.integers(1, 3), st.integers(1, 3), st.floats(0.4, 0.9))
def test_with_the_whole_picture_every_object_is_found_once(scene, columns, rows, size):
    picture, boxes = scene
    found = found_by(Slicing(columns=columns, rows=rows, size=size), picture)
    assert (set(found), len(found)) == (boxes, len(boxes))


@settings(deadline=None)
@given(scenes(largest=30))
def test_without_it_every_object_that_fits_the_overlap(scene):
    """Two tiles of 60 % overlap by a fifth: 40 x 32 pixels here."""
    picture, boxes = scene
    found = found_by(Slicing(whole=False), picture)
    assert (set(found), len(found)) == (boxes, len(boxes))


def test_fragments_go_into_the_whole_of_their_class_only():
    boxes = np.array([(0, 0, 10, 10), (0, 0, 10, 4), (0, 0, 10, 4), (0, 8, 10, 18)], np.float32)
    scores, classes = np.array([0.5, 0.9, 0.4, 0.3], np.float32), np.array([0, 1, 0, 0])
    assert merge(boxes, scores, classes, 0.7).tolist() == [1, 0, 3]


def test_nothing_found_still_has_its_columns():
    (nothing,) = SlicedDetector(PatchDetector(), Slicing()).detect([np.zeros((HEIGHT, WIDTH, 3), np.uint8)])
    assert nothing.xyxy.shape == (0, 4)
    assert nothing.data["class_name"].dtype.kind == "U"


def test_floor_and_thresholds_are_the_inner_detectors():
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[10:90, 10:90] = 255
    picture[120:125, 150:155] = 255
    assert len(found_by(Slicing(), picture)) == 2
    assert found_by(Slicing(), picture, floor=0.1) == [(10, 10, 90, 90, "bright")]

    sliced = SlicedDetector(PatchDetector(), Slicing())
    assert len(sliced.keep_sure(sliced.detect([picture])[0])) == 0
    assert sliced.spec is PatchDetector.spec
    assert len(sliced.clone().detect([picture])[0]) == 2


def test_tiles_with_gaps_and_no_whole_picture():
    with pytest.raises(ModelError, match=r"slicing: 2 x 3 tiles of 40% leave gaps"):
        SlicedDetector(PatchDetector(), Slicing(columns=2, rows=3, size=0.4, whole=False))
