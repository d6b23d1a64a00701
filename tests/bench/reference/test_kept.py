"""The reference is looked up once: what was seen is kept, gone on with, and never taken for something else's.

- Kept or not, interrupted or not, cut off in the middle of a record or not: the arrays are the same, bit for bit.
- Whatever could change an answer changes the entry; a threshold does not, for unsure boxes are kept too.
- Two processes do not write at once; a cache that cannot be written costs the cache, not the reference.
"""

import logging
import math
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.bench.conftest import OBJECTS
from tests.clips import FRAMES, encode, scribble
from tests.models.networks import following_network
from vidpipe.bench.reference import looks
from vidpipe.bench.reference.entry import Head, Keeper, Kept, read
from vidpipe.bench.reference.kept import reference
from vidpipe.bench.reference.looks import Look, look, series_of
from vidpipe.bench.series import Series
from vidpipe.errors import ModelError, SourceError
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


def entries(cache: Path) -> list[Path]:
    return sorted((cache / "reference").iterdir())


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
    plain = look(stream, "cam", model, STREET, progress=lambda _: None)
    first = refer(stream, model)
    monkeypatch.setattr(looks, "load_detector", None)
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
    assert_same(cached.sure(), look(stream, "cam", other, STREET, progress=lambda _: None).sure())


@pytest.mark.parametrize("window", [{}, {"start_s": 0.2, "end_s": 1.0}])
@pytest.mark.parametrize("frames", [1, 7, 19])
def test_an_interrupted_one_is_gone_on_with(tmp_path, model, window, frames):
    stream = StreamSpec(url=str(encode(tmp_path / "b.mp4", b_frames=2)), **window)
    with pytest.raises(KeyboardInterrupt):
        refer(stream, model, progress=stop_at(frames))
    told = []
    resumed = refer(stream, model, progress=told.append)
    assert_same(resumed.series, look(stream, "cam", model, STREET, progress=lambda _: None).series)
    assert resumed.looked == resumed.series.frames - frames
    assert told[0] == frames


def test_so_is_one_behind_a_damaged_picture(tmp_path, model):
    damaged = scribble(encode(tmp_path / "whole.avi", codec="mpeg4", gop=1), tmp_path / "damaged.avi", [3, 4])
    stream = StreamSpec(url=str(damaged))
    plain = look(stream, "cam", model, STREET, progress=lambda _: None).series
    last_unknown = int(np.flatnonzero(~plain.known)[-1])
    with pytest.raises(KeyboardInterrupt):
        refer(stream, model, progress=stop_at(last_unknown + 1))
    assert_same(refer(stream, model).series, plain)


@pytest.mark.parametrize(
    ("damage", "lost"),
    [
        (lambda data: data[:-1], 1),
        (lambda data: data[: len(data) // 2], None),
        (lambda data: data[:3], 12),
        (lambda data: b"", 12),
        (lambda data: data + bytes(400), 0),  # grown by a file system, never written
        (lambda data: data + data[-80:], 0),
        (lambda data: data[:-40] + bytes(40), 1),
    ],
    ids=[
        "half a record",
        "half the file",
        "half a checksum",
        "empty",
        "zeros behind",
        "noise behind",
        "zeros at the end",
    ],
)
def test_what_was_cut_off_is_looked_at_again(stream, model, own_cache, damage, lost):
    with pytest.raises(KeyboardInterrupt):
        refer(stream, model, progress=stop_at(12))
    (folder,) = entries(own_cache)
    file = folder / "looks.bin"
    file.write_bytes(damage(file.read_bytes()))

    resumed = refer(stream, model)
    assert_same(resumed.series, look(stream, "cam", model, STREET, progress=lambda _: None).series)
    if lost is not None:
        assert resumed.looked == FRAMES - 12 + lost
    assert refer(stream, model).looked == 0


def test_a_finished_one_that_lost_its_end_is_gone_on_with(stream, model, own_cache):
    whole = refer(stream, model)
    (folder,) = entries(own_cache)
    file = folder / "looks.bin"
    file.write_bytes(file.read_bytes()[:-50])
    mended = refer(stream, model)
    assert 0 < mended.looked < FRAMES
    assert_same(mended.series, whole.series)
    assert refer(stream, model).looked == 0


def program(stream: StreamSpec, model: ModelSpec, body: str) -> list[str]:
    """A process that makes the reference; `body` says what happens at each frame told."""
    text = f"""
import os, resource, signal, sys
from vidpipe.bench.reference import entry
from vidpipe.bench.reference.kept import reference
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


@pytest.mark.parametrize(("flush_s", "kept"), [(0, 16), (1000, 0)])
def test_a_killed_one_is_gone_on_with(stream, model, flush_s, kept):
    """Behind what was flushed; the record of the frame that was told last is written by then."""
    body = f"""
    if told == 16:
        os.kill(os.getpid(), signal.SIGKILL)
entry._FLUSH_S = {flush_s}
"""
    done = subprocess.run(program(stream, model, body), check=False)
    assert done.returncode == -signal.SIGKILL
    resumed = refer(stream, model)
    assert resumed.looked == FRAMES - kept
    assert_same(resumed.series, look(stream, "cam", model, STREET, progress=lambda _: None).series)


def test_a_full_disk_costs_the_cache_and_not_the_reference(stream, model, own_cache):
    """Files of this process may not grow beyond 600 bytes: the system refuses as it does where the disk is full."""
    body = """
resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
entry._FLUSH_S = 0
"""
    done = subprocess.run(program(stream, model, body), capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "cannot be written (File too large): going on without it" in done.stderr
    kept = read(entries(own_cache)[0])
    assert not kept.finished
    assert len(kept.looks) == 600 // (kept.nbytes // len(kept.looks))
    resumed = refer(stream, model)
    assert resumed.looked == FRAMES - len(kept.looks)
    assert_same(resumed.series, look(stream, "cam", model, STREET, progress=lambda _: None).series)


def test_a_cache_that_cannot_be_made(stream, model, tmp_path, caplog):
    (tmp_path / "file").touch()
    for _ in range(2):
        assert refer(stream, model, cache=tmp_path / "file" / "cache").looked == FRAMES
    assert "cannot be written (Not a directory): going on without it" in caplog.text


def test_a_finished_one_is_read_where_nothing_may_be_written(stream, model, own_cache):
    refer(stream, model)
    (folder,) = entries(own_cache)
    (folder / "lock").unlink()
    (folder / "lock").mkdir()  # opening it fails, also for root
    assert refer(stream, model).looked == 0


def test_the_second_of_two_waits_for_the_first(stream, model):
    """The first goes on only when the second has said that it waits."""
    reached, waits = threading.Event(), threading.Event()
    found = {}

    class Hears(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "waiting for it" in record.getMessage():
                waits.set()

    def first_progress(_: int) -> None:
        reached.set()
        assert waits.wait(30)

    log = logging.getLogger(reference.__module__)
    hears = Hears()
    log.addHandler(hears)
    try:
        first = threading.Thread(target=lambda: found.update(first=refer(stream, model, progress=first_progress)))
        first.start()
        assert reached.wait(30)
        found["second"] = refer(stream, model)
        first.join(30)
    finally:
        log.removeHandler(hears)
    assert (found["first"].looked, found["second"].looked) == (FRAMES, 0)
    assert_same(found["first"].series, found["second"].series)


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
    monkeypatch.setattr("vidpipe.bench.reference.kept.versions", lambda names: dict.fromkeys(names, "0.1"))
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
    assert not (own_cache / "reference").exists()


def test_ten_minutes_are_read_in_two_seconds(tmp_path):
    """18,000 frames of 30 boxes."""
    rng = np.random.default_rng(0)
    one = Look(0, 0.0, True, rng.random((30, 4), np.float32), rng.random(30, np.float32), np.arange(30))
    head = Head(("person",), 640, 480, (64, 64), 0.25)
    with Keeper(tmp_path, head, Kept(None, [], 0, False)) as keeper:
        for seq in range(18_000):
            keeper.add(replace(one, seq=seq, pts=seq / 30))
        keeper.finish()

    before = time.perf_counter()
    kept = read(tmp_path)
    series = series_of(kept.looks, head.names, head.width, head.height)
    took_s = time.perf_counter() - before
    assert kept.finished
    assert kept.head == head
    assert len(series.boxes) == 18_000 * 30
    np.testing.assert_array_equal(series.part(17_999, 18_000).boxes.xyxy, one.xyxy)
    assert took_s < 2


@pytest.mark.parametrize("marker", ["", "2", "29", "300"])
def test_a_marker_of_other_frames_is_not_believed(stream, model, own_cache, marker):
    refer(stream, model)
    (folder,) = entries(own_cache)
    assert read(folder).finished
    (folder / "finished").write_text(marker)
    assert not read(folder).finished


@pytest.mark.parametrize("head", ["", "{", None])
def test_an_entry_without_a_head_is_begun_anew(stream, model, own_cache, head):
    refer(stream, model)
    (folder,) = entries(own_cache)
    (folder / "head.json").unlink() if head is None else (folder / "head.json").write_text(head)
    assert refer(stream, model).looked == FRAMES
    assert refer(stream, model).looked == 0
