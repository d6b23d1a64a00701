"""A look at a frame says what a run would say of it, with the unsure boxes kept."""

import math
import time

import numpy as np
import pytest

from tests.bench.conftest import OBJECTS
from tests.clips import FRAMES, HEIGHT, WIDTH, encode, scribble
from tests.models.networks import constant_network, yolo_columns
from vidpipe.accuracy.reference.predictions import FLOOR, Viewer, predict
from vidpipe.core.settings import Knobs
from vidpipe.models.base import Classes, ModelSpec, Slicing
from vidpipe.models.load import load_detector
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.open import open_source

STREET = Classes({"vehicle": ["car"], "person": ["person"]})
LEFT_HALF = [(0, 0), (0.5, 0), (0.5, 1), (0, 1)]


@pytest.fixture
def still(tmp_path):
    """A model that finds the same in each picture: `OBJECTS`, in whatever it is shown."""
    file = constant_network(tmp_path / "still.onnx", {"out": yolo_columns(OBJECTS, 2)})
    return ModelSpec(path=str(file), family="yolo", names=["person", "car"])


def look_at(stream, spec, classes=STREET, **options):
    return predict(stream, "cam", spec, classes, progress=options.pop("progress", lambda _: None), **options)


def test_boxes_in_pixels_of_the_source_down_to_the_floor(clip, still):
    predictions = look_at(StreamSpec(url=str(clip)), still)

    series = predictions.series
    assert (series.classes, series.width, series.height) == (("vehicle", "person"), WIDTH, HEIGHT)
    np.testing.assert_allclose(series.pts, np.arange(FRAMES) / 25, atol=1e-3)
    assert series.known.all()
    assert np.bincount(series.boxes.frame).tolist() == [3] * FRAMES  # that of .01 lies under the floor
    first = series.part(0, 1).boxes
    np.testing.assert_allclose(
        first.xyxy, [[30, 20, 50, 40], [55, 60, 85, 100], [40, 95, 60, 115]], atol=1e-3
    )  # (x, y - 8) * 2.5
    np.testing.assert_allclose(first.score, [0.9, 0.6, 0.2], atol=1e-6)
    assert first.label.tolist() == [1, 0, 1]
    assert predictions.size == (64, 64)


@pytest.mark.parametrize(
    ("threshold", "thresholds", "sure"),
    [
        (None, {"vehicle": 0.25, "person": 0.25}, [0.9, 0.6]),  # the family's own
        (0.7, {"vehicle": 0.7, "person": 0.7}, [0.9]),
        ({"person": 0.1}, {"vehicle": 0.25, "person": 0.1}, [0.9, 0.6, 0.2]),
    ],
)
def test_sure_are_those_that_the_models_threshold_leaves(clip, still, threshold, thresholds, sure):
    spec = still.model_copy(update={"threshold": threshold})
    predictions = look_at(StreamSpec(url=str(clip)), spec, part=(0, 1))
    assert dict(predictions.thresholds) == thresholds
    np.testing.assert_allclose(predictions.sure().boxes.score, sure, atol=1e-6)


def test_a_pipeline_without_classes_has_the_models(clip, still):
    assert look_at(StreamSpec(url=str(clip)), still, Classes({}), part=(0, 1)).series.classes == ("person", "car")


@pytest.mark.parametrize("slicing", [None, Slicing(columns=2, rows=1)])
def test_the_bare_detector_says_the_same(clip, model, slicing):
    """Also of a picture that is not the same as the one before."""
    spec = model.model_copy(update={"slicing": slicing})
    series = look_at(StreamSpec(url=str(clip)), spec).series
    detector = load_detector(spec, STREET)
    for frame in open_source("cam", StreamSpec(url=str(clip)), knobs=Knobs()):
        (found,) = detector.detect([frame.bgr()], FLOOR)
        np.testing.assert_array_equal(series.part(frame.seq, frame.seq + 1).boxes.xyxy, found.xyxy)
    assert len(np.unique(series.boxes.xyxy[:, 0])) > FRAMES


@pytest.mark.parametrize(
    ("hides", "left"),
    [
        ({"mask": [LEFT_HALF]}, []),
        ({"mask": [[(0, 0), (1, 0), (1, 0.5), (0, 0.5)]]}, [0.6, 0.2]),
        ({"regions": [[(0, 0), (1, 0), (1, 0.5), (0, 0.5)]]}, [0.9]),
    ],
)
def test_boxes_in_hidden_parts_are_left_out(clip, still, hides, left):
    predictions = look_at(StreamSpec(url=str(clip), **hides), still, part=(0, 1))
    np.testing.assert_allclose(predictions.series.boxes.score, left, atol=1e-6)


@pytest.mark.parametrize(
    ("window", "part", "frames"),
    [
        ({}, (5, 9), range(5, 9)),
        ({}, (25, 99), range(25, 30)),
        ({"start_s": 0.4}, None, range(10, 30)),
        ({"start_s": 0.4, "end_s": 0.8}, (2, 4), range(12, 14)),
    ],
)
def test_a_part_is_the_same_frames_of_the_whole(clip, model, window, part, frames):
    whole = look_at(StreamSpec(url=str(clip)), model).series.part(frames[0], frames[-1] + 1)
    told = []
    predictions = look_at(StreamSpec(url=str(clip), **window), model, part=part, progress=told.append)
    np.testing.assert_array_equal(predictions.series.pts, whole.pts)
    np.testing.assert_array_equal(predictions.series.boxes.frame, whole.boxes.frame)
    np.testing.assert_array_equal(predictions.series.boxes.xyxy, whole.boxes.xyxy)
    assert predictions.looked == sum(told) == len(frames)


def test_what_cannot_be_decoded_is_not_known(tmp_path, model):
    damaged = scribble(encode(tmp_path / "whole.avi", codec="mpeg4", gop=1), tmp_path / "damaged.avi", [3, 4])
    predictions = look_at(StreamSpec(url=str(damaged)), model)
    unknown = np.flatnonzero(~predictions.series.known)
    assert len(unknown)
    assert set(unknown) <= {3, 4}
    assert predictions.looked == FRAMES - len(unknown)
    assert not np.isin(predictions.series.boxes.frame, unknown).any()


def test_costs(clip, model):
    predictions = look_at(StreamSpec(url=str(clip)), model)
    assert predictions.wall_ms > 0
    assert predictions.cpu_ms > 0
    assert predictions.decode_cpu_ms > 0
    nothing = look_at(StreamSpec(url=str(clip)), model, part=(99, 100))
    assert nothing.looked == 0
    assert math.isnan(nothing.wall_ms)
    assert math.isnan(nothing.cpu_ms)


def test_pictures_before_a_stretch_are_no_part_of_its_price(tmp_path, model):
    """Decoding begins at the last key frame, which may lie far before it."""
    long = encode(tmp_path / "long.mp4", frames=400, gop=400)
    viewers = [Viewer(StreamSpec(url=str(long), start_s=start_s), "cam", model, Classes({})) for start_s in (0.0, 14.0)]
    for viewer in viewers:
        assert len(list(viewer.predict((0, 12)))) == 12
    first, later = (viewer.cost()[2] for viewer in viewers)
    assert later < 8 * first


@pytest.mark.footage
def test_the_runtimes_threads_are_on_the_bill(assets):
    spec = ModelSpec(path=str(assets / "models" / "person-vehicle-bike-detection-2000.xml"))
    viewer = Viewer(StreamSpec(url=str(assets / "videos" / "vtest.avi")), "cam", spec, Classes({}))
    before = time.process_time()
    frames = len(list(viewer.predict((0, 40))))
    took_ms = 1000 * (time.process_time() - before)
    _, cpu_ms, decode_cpu_ms, looked = viewer.cost()
    assert looked == frames == 40
    assert 0.7 * took_ms < 40 * (cpu_ms + decode_cpu_ms) <= 1.05 * took_ms
