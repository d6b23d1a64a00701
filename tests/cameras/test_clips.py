"""Clips of cameras: what they show at a time is the frame that results name, also over B-frames and connections."""

from __future__ import annotations

import logging
import math

import numpy as np
import pytest

from tests import clips
from tests.cameras import conftest, servers
from tests.media import clip as clip_of
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.cameras.camera import CameraSource
from vidpipe.sources.cameras.recorder import Recorder
from vidpipe.sources.decoding.packets import PacketRing


@pytest.fixture
def keep():
    """Opens a camera whose packets are kept, and takes its pictures; it is closed after the test."""
    viewers = []

    def start(url, seconds=60.0, max_bytes=10_000_000, **spec):
        ring = PacketRing(seconds, max_bytes)
        source = CameraSource("cam", StreamSpec(url=url, **spec), knobs=Knobs(), timings=conftest.HURRY, ring=ring)
        viewers.append(conftest.Viewer(source))
        return viewers[-1], ring

    yield start
    for viewer in viewers:
        viewer.close()


@pytest.mark.long
@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize(
    "encoding", [{}, {"codec": "h265"}, {"b_frames": 2}], ids=["h264", "h265", "h264 with B-frames"]
)
def test_each_picture_is_the_frame_of_its_time(serve, keep, tmp_path, encoding, transport):
    mount = servers.encode(tmp_path / "units", **encoding)
    viewer, ring = keep(serve({"/a": mount}).url(), transport=transport, max_blind_s=0)
    viewer.until_more(40)
    frames = viewer.frames
    begin, end = frames[10].pts, frames[35].pts
    (path,) = clip_of.written(tmp_path, ring.between(begin, end))
    found = clip_of.check(path, list(viewer.items))
    assert found[0].pts <= begin
    assert found[-1].pts >= end


@pytest.mark.long
def test_a_camera_that_comes_back_goes_on_in_the_same_file(serve, keep, clip, tmp_path):
    server = serve({"/a": clip})
    viewer, ring = keep(server.url(), max_blind_s=0)
    viewer.until_more(20)
    server.kill()
    server.start()
    viewer.until_more(30)
    frames = viewer.frames
    (path,) = clip_of.written(tmp_path, ring.between(frames[5].pts, frames[-1].pts))
    seconds = [at for at, _ in clip_of.shown(path)]
    gap = max(np.diff(seconds))
    assert gap == pytest.approx(viewer.source.health.gap_s, abs=0.3)
    clip_of.check(path, list(viewer.items), whole=False)  # what came before a key frame is left out
    assert len(seconds) > 35


@pytest.mark.long
def test_another_size_is_another_file(serve, keep, clip, larger_clip, tmp_path):
    server = serve({"/a": clip})
    viewer, ring = keep(server.url(), max_blind_s=0)
    viewer.until_more(20)
    server.kill()
    server.mounts = {"/a": larger_clip}
    server.start()
    viewer.until(lambda: viewer.frames[-1].width == 320)
    viewer.until_more(20)
    paths = clip_of.written(tmp_path, ring.between(0.0, math.inf))
    assert len(paths) == 2
    sizes = {
        path: {frame.width for frame in clip_of.check(path, list(viewer.items)) if isinstance(frame, Frame)}
        for path in paths
    }
    assert list(sizes.values()) == [{160}, {320}]


@pytest.mark.long
def test_the_ring_is_bounded(serve, keep, clip):
    viewer, ring = keep(serve({"/a": clip}).url(), seconds=1.0)
    viewer.until_more(100)
    assert len(ring) <= 25 + 2 * 10  # a second, and the groups at its ends
    viewer, ring = keep(serve({"/a": clip}).url(), max_bytes=40_000)
    viewer.until_more(50)
    assert 0 < ring.nbytes <= 40_000


@pytest.fixture
def record():
    """Has another address recorded beside a camera that is looked at."""
    recorders = []

    def start(viewer, url):
        spec = StreamSpec(url="rtsp://127.0.0.1/not-used", record_url=url)
        recorders.append(Recorder("cam", spec, PacketRing(60.0, 10_000_000), viewer.source))
        return recorders[-1]

    yield start
    for recorder in recorders:
        recorder.close()


@pytest.mark.long
def test_a_better_picture_is_recorded_at_the_times_of_the_analysed_one(
    serve, keep, record, clip, larger_clip, tmp_path
):
    """Both show the same number at the same moment; what they are apart is less than a picture."""
    server = serve({"/a": clip, "/b": larger_clip})
    viewer, _ = keep(server.url("/a"), max_blind_s=0)
    recorder = record(viewer, server.url("/b"))
    viewer.until_more(40)
    viewer.until(lambda: recorder.newest > viewer.frames[-10].pts and recorder.offset_s is not None)
    viewer.until_more(20)
    frames = viewer.frames
    (path,) = clip_of.written(tmp_path, recorder.between(frames[-30].pts, frames[-2].pts))
    begin = clip_of.comment(path)["pts"]
    apart = []
    for seconds, number in clip_of.shown(path):
        frame = min(frames, key=lambda frame: abs(frame.pts - begin - seconds))
        apart.append((number - clips.number(frame.luma()) + 25) % 50 - 25)
    assert len(apart) > 20
    assert abs(np.median(apart)) <= 1
    assert max(map(abs, apart)) <= 2
    assert "by the sender's clock" in recorder.note


def test_one_that_is_away_is_told_without_its_password_and_tried_again(serve, keep, record, clip, caplog):
    server = serve({"/a": clip})
    viewer, _ = keep(server.url(), max_blind_s=0)
    with caplog.at_level(logging.DEBUG):
        recorder = record(viewer, server.url("/b", user="joe:s3cret"))
        viewer.until_more(10)
        viewer.until(lambda: "record_url is away" in caplog.text)
    assert recorder.lacking == "record_url is away"
    assert recorder.between(0.0, math.inf) == []
    assert "s3cret" not in caplog.text
    assert "/b" not in caplog.text
