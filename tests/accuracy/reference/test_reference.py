"""The reference is looked up once: what was seen is kept, gone on with, and never taken for something else's.

- Kept or not, interrupted or not: the arrays are the same, bit for bit.
- Whatever could change an answer changes the entry; a threshold does not, for unsure boxes are kept too.
- Two may write at once; a cache that is damaged or cannot be written costs the cache, not the reference.
"""

import math
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from tests.bench.conftest import OBJECTS
from tests.clips import FRAMES, encode, scribble
from tests.models.networks import following_network
from vidpipe.accuracy.reference import predictions
from vidpipe.accuracy.reference.cache import Head, ReferenceCache, ReferenceCacheWriter
from vidpipe.accuracy.reference.predictions import FramePrediction, predict, series_of
from vidpipe.accuracy.reference.reference import reference
from vidpipe.accuracy.series import Series
from vidpipe.core.errors import ModelError, SourceError
from vidpipe.models.base import Classes, ModelSpec, Slicing
from vidpipe.sources.base import StreamSpec

STREET = Classes({"vehicle": ["car"], "person": ["person"]})
LEFT_HALF = [(0, 0), (0.5, 0), (0.5, 1), (0, 1)]


def refer(stream, spec, classes=STREET, *, progress=lambda _: None, **options):
    return reference(stream, "cam", spec, classes, progress=progress, **options)


def assert_same(one: Series, other: Series) -> None:
    assert (one.classes, one.width, one.height) == (other.classes, other.width, other.height)
    for mine, its in (
        (one.pts, other.pts),
        (one.known, other.known),
        *((getattr(one.boxes, name), getattr(other.boxes, name)) for name in one.boxes.__slots__),
    ):
        np.testing.assert_array_equal(mine, its)


def file(cache: Path) -> Path:
    return cache / "reference.sqlite3"


def entries(cache: Path) -> list[str]:
    with closing(sqlite3.connect(file(cache))) as connection:
        return [key for (key,) in connection.execute("SELECT key FROM entries")]


def stop_at(frame: int) -> Callable[[int], None]:
    """Progress that is interrupted when so many frames have been told."""
    told = 0

    def progress(count: int) -> None:
        nonlocal told
        told += count
        if told >= frame:
            raise KeyboardInterrupt

    return progress


@pytest.fixture
def stream(clip) -> StreamSpec:
    return StreamSpec(url=str(clip))


def test_a_second_one_looks_at_nothing_and_loads_nothing(stream, model, monkeypatch):
    plain = predict(stream, "cam", model, STREET, progress=lambda _: None)
    first = refer(stream, model)
    monkeypatch.setattr(predictions, "load_detector", None)
    told = []
    second = refer(stream, model, progress=told.append)

    assert_same(first.series, plain.series)
    assert_same(second.series, plain.series)
    assert (first.looked, second.looked, sum(told)) == (FRAMES, 0, FRAMES)
    assert second.size == plain.size
    assert second.thresholds == plain.thresholds
    assert first.cpu_ms > 0
    assert math.isnan(second.cpu_ms)


@pytest.mark.parametrize("threshold", [0.7, {"vehicle": 0.1}], ids=["for all", "for one"])
def test_another_threshold_is_the_same_entry(stream, model, own_cache, threshold):
    refer(stream, model)
    other = model.model_copy(update={"threshold": threshold})
    cached = refer(stream, other)
    assert cached.looked == 0
    assert_same(cached.sure(), predict(stream, "cam", other, STREET, progress=lambda _: None).sure())


@pytest.mark.parametrize("window", [{}, {"start_s": 0.2, "end_s": 1.0}])
@pytest.mark.parametrize("frames", [1, 7, 19])
def test_an_interrupted_one_is_gone_on_with(tmp_path, model, window, frames):
    stream = StreamSpec(url=str(encode(tmp_path / "b.mp4", b_frames=2)), **window)
    with pytest.raises(KeyboardInterrupt):
        refer(stream, model, progress=stop_at(frames))
    told = []
    resumed = refer(stream, model, progress=told.append)
    assert_same(resumed.series, predict(stream, "cam", model, STREET, progress=lambda _: None).series)
    assert resumed.looked == resumed.series.frames - frames
    assert told[0] == frames


def test_so_is_one_behind_a_damaged_picture(tmp_path, model):
    damaged = scribble(encode(tmp_path / "whole.avi", codec="mpeg4", gop=1), tmp_path / "damaged.avi", [3, 4])
    stream = StreamSpec(url=str(damaged))
    plain = predict(stream, "cam", model, STREET, progress=lambda _: None).series
    last_unknown = int(np.flatnonzero(~plain.known)[-1])
    with pytest.raises(KeyboardInterrupt):
        refer(stream, model, progress=stop_at(last_unknown + 1))
    assert_same(refer(stream, model).series, plain)


@pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.95])
def test_a_damaged_file_is_told_and_set_aside(stream, model, own_cache, caplog, part):
    whole = refer(stream, model)
    data = bytearray(file(own_cache).read_bytes())
    start = int(part * len(data))
    data[start : start + 3000] = bytes(255 - byte for byte in data[start : start + 3000])
    file(own_cache).write_bytes(data)
    assert_same(refer(stream, model).series, whole.series)
    if part < 0.5:  # what lies in the pages behind may be of no use to anybody
        assert "is damaged" in caplog.text
        assert file(own_cache).with_name("reference.sqlite3.damaged").read_bytes() == data
    refer(stream, model)  # where only writing showed the damage, what was made meanwhile is not kept
    assert refer(stream, model).looked == 0


def test_one_that_lost_frames_is_gone_on_with(stream, model, own_cache):
    whole = refer(stream, model)
    with closing(sqlite3.connect(file(own_cache))) as connection, connection:
        connection.execute("DELETE FROM frames WHERE seq >= 12 AND seq < 20")
    mended = refer(stream, model)
    assert mended.looked == FRAMES - 12
    assert_same(mended.series, whole.series)
    assert refer(stream, model).looked == 0


def program(stream: StreamSpec, model: ModelSpec, body: str) -> list[str]:
    """A process that makes the reference; `body` says what happens at each frame told."""
    text = f"""
import os, resource, signal, sys
from vidpipe.accuracy.reference import cache
from vidpipe.accuracy.reference.reference import reference
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.sources.base import StreamSpec
told = 0
def progress(count):
    global told
    told += count
{body}
stream, model = StreamSpec(**{stream.model_dump()!r}), ModelSpec(**{model.model_dump()!r})
reference(stream, "cam", model, Classes({dict(STREET.mapping)!r}), progress=progress)
"""
    return [sys.executable, "-c", text]


@pytest.mark.long
@pytest.mark.parametrize(("flush_s", "kept"), [(0, 16), (1000, 0)])
def test_a_killed_one_is_gone_on_with(stream, model, flush_s, kept):
    """Behind what was flushed; the record of the frame that was told last is written by then."""
    body = f"""
    if told == 16:
        os.kill(os.getpid(), signal.SIGKILL)
cache._FLUSH_S = {flush_s}
"""
    done = subprocess.run(program(stream, model, body), check=False)
    assert done.returncode == -signal.SIGKILL
    resumed = refer(stream, model)
    assert resumed.looked == FRAMES - kept
    assert_same(resumed.series, predict(stream, "cam", model, STREET, progress=lambda _: None).series)


@pytest.mark.long
def test_a_full_disk_costs_the_cache_and_not_the_reference(stream, model, own_cache):
    """Files of this process may not grow beyond 12 kB: the system refuses as it does where the disk is full."""
    body = """
resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))
cache._FLUSH_S = 0
"""
    done = subprocess.run(program(stream, model, body), capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "cannot be written (" in done.stderr
    assert "going on without it" in done.stderr
    assert_same(refer(stream, model).series, predict(stream, "cam", model, STREET, progress=lambda _: None).series)
    assert refer(stream, model).looked == 0


def test_a_cache_that_cannot_be_made(stream, model, tmp_path, caplog):
    (tmp_path / "file").touch()
    for _ in range(2):
        assert refer(stream, model, cache=tmp_path / "file" / "cache").looked == FRAMES
    assert "cannot be written (File exists): going on without it" in caplog.text


def test_a_finished_one_is_read_where_nothing_may_be_written(stream, model, own_cache):
    """The file is a link to one that lies in a folder of the system's, which takes no file beside it."""
    refer(stream, model)
    program_reads = program(stream, model, "    pass\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n")
    done = subprocess.run([*program_reads], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_two_may_make_one_at_the_same_time(stream, model):
    """The second begins when the first has half of it."""
    half, found = threading.Event(), {}

    def first_progress(_: int) -> None:
        if not half.is_set():
            half.set()
            found["second"] = refer(stream, model)

    found["first"] = refer(stream, model, progress=first_progress)
    assert_same(found["first"].series, found["second"].series)
    third = refer(stream, model)
    assert third.looked == 0
    assert_same(third.series, found["first"].series)


@pytest.mark.parametrize(
    "changed",
    [
        {"mask": [LEFT_HALF]},
        {"regions": [LEFT_HALF]},
        {"start_s": 0.2},
        {"end_s": 0.8},
    ],
    ids=str,
)
def test_another_view_of_the_stream_is_another_entry(stream, model, own_cache, changed):
    refer(stream, model)
    assert refer(stream.model_copy(update=changed), model).looked > 0
    assert len(entries(own_cache)) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"names": ["person", "bus"]},
        {"slicing": Slicing(columns=1, rows=1)},
        {"runtime": "onnxruntime"},
    ],
    ids=str,
)
def test_another_reading_of_the_model_is_another_entry(stream, model, own_cache, changed):
    refer(stream, model)
    assert refer(stream, model.model_copy(update=changed)).looked > 0
    assert len(entries(own_cache)) == 2


def test_another_size_of_the_input_is_another_entry(stream, model, own_cache, tmp_path):
    refer(stream, model)
    larger = following_network(tmp_path / "larger.onnx", OBJECTS, ["person", "car"], size=(96, 96))
    assert refer(stream, ModelSpec(path=str(larger), family="yolo")).size == (96, 96)
    assert len(entries(own_cache)) == 2


def test_what_lies_at_a_path_counts_and_not_the_path(stream, model, own_cache, tmp_path):
    refer(stream, model)
    moved = Path(stream.url).rename(tmp_path / "moved.mp4")
    assert refer(StreamSpec(url=str(moved)), model).looked == 0

    encode(moved, fps=30)
    assert refer(StreamSpec(url=str(moved)), model).looked == FRAMES
    following_network(Path(model.path), OBJECTS[:2], ["person", "car"])
    assert refer(StreamSpec(url=str(moved)), model).looked == FRAMES
    assert len(entries(own_cache)) == 3


@pytest.mark.parametrize(
    "mapping",
    [{"vehicle": ["car"]}, {"person": ["person"], "vehicle": ["car"]}, {"vehicle": ["car"], "one": ["person"]}, {}],
)
def test_other_classes_are_another_entry(stream, model, own_cache, mapping):
    refer(stream, model)
    other = refer(stream, model, Classes(mapping))
    assert other.looked == FRAMES
    assert other.series.classes == tuple(mapping or ("person", "car"))
    assert len(entries(own_cache)) == 2
    assert refer(stream, model, Classes(mapping)).series.classes == other.series.classes


def test_another_version_of_a_library_is_another_entry(stream, model, own_cache, monkeypatch):
    refer(stream, model)
    monkeypatch.setattr("vidpipe.accuracy.reference.reference.versions", lambda names: dict.fromkeys(names, "0.1"))
    assert refer(stream, model).looked == FRAMES


def test_the_weights_beside_an_xml_count(stream, tmp_path, own_cache):
    import openvino

    for weights in (OBJECTS, OBJECTS[:1]):
        onnx = following_network(tmp_path / "net.onnx", weights, ["person", "car"])
        openvino.save_model(openvino.convert_model(onnx), tmp_path / "net.xml")
        spec = ModelSpec(path=str(tmp_path / "net.xml"), family="yolo", names=["person", "car"])
        assert refer(stream, spec).looked == FRAMES


def test_what_cannot_be_opened_leaves_no_entry(stream, model, own_cache, tmp_path):
    with pytest.raises(SourceError, match="did you mean"):
        refer(StreamSpec(url=f"{stream.url[:-5]}.mp4"), model)
    with pytest.raises(ModelError, match="no such file"):
        refer(stream, ModelSpec(path=str(tmp_path / "other.onnx")))
    assert not file(own_cache).exists()


def test_ten_minutes_are_read_in_two_seconds(tmp_path):
    """18,000 frames of 30 boxes."""
    rng = np.random.default_rng(0)
    one = FramePrediction(0, 0.0, rng.random((30, 6), np.float32))
    head = Head(names=("person",), width=640, height=480, size=(64, 64), usual=0.25)
    cache = ReferenceCache(tmp_path / "reference.sqlite3")
    with ReferenceCacheWriter(cache, "clip", head, 0) as writer:
        for seq in range(18_000):
            writer.add(one._replace(seq=seq, pts=seq / 30))
        writer.finish()

    before = time.process_time()
    entry = cache.read("clip")
    series = series_of(entry.predictions, head.names, head.width, head.height)
    took_s = time.process_time() - before
    assert entry.finished
    assert entry.head == head
    assert len(series.boxes) == 18_000 * 30
    np.testing.assert_array_equal(series.part(17_999, 18_000).boxes.xyxy, one.boxes[:, :4])
    assert took_s < 2


def test_an_entry_that_was_finished_with_other_frames_is_not_believed(stream, model, own_cache):
    refer(stream, model)
    with closing(sqlite3.connect(file(own_cache))) as connection, connection:
        connection.execute("UPDATE entries SET frames = frames + 1")
    told = []
    assert refer(stream, model, progress=told.append).looked == 0
    assert told == [FRAMES]
    assert refer(stream, model).looked == 0
