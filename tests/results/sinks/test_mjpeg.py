"""Drawn pictures over HTTP. What must hold:

- whoever watches sees the newest picture, and each picture is drawn once for all;
- nothing is drawn while nobody watches; readers that are slow or idle slow nobody;
- what a stream hides is not shown, and what may not leave the device is shown to this machine only.
"""

from __future__ import annotations

import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from tests.results.sinks.test_mqtt import free_port
from tests.waiting import until
from vidpipe.core.answer import Answer, How, nothing
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.sinks import http
from vidpipe.results.sinks import mjpeg as module
from vidpipe.results.sinks.mjpeg import MjpegConfig, MjpegSink, is_local
from vidpipe.runtime.driver.session import Run
from vidpipe.sources.base import StreamInfo


class Picture:
    """A frame that shows its number as its grey."""

    def __init__(self, seq, size=(96, 128)):
        self.seq, self.pts = seq, seq / 10
        self.pixels = np.full((*size, 3), seq % 256, np.uint8)
        self.asked = 0

    def bgr(self):
        self.asked += 1
        return self.pixels


def answer(seq):
    return Answer(nothing(), How.MEASURED, "big", seq)


class Viewer:
    """Somebody who watches: the pictures that came, by their grey."""

    def __init__(self, port, path="/gate", host=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        named = host or f"127.0.0.1:{port}"
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {named}\r\n\r\n".encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = self._headers()

    def _headers(self):
        lines = iter(lambda: self.file.readline().strip(), b"")
        return dict(line.decode().split(": ", 1) for line in lines)

    def picture(self):
        """The next picture."""
        assert self.file.readline() == b"--vidpipe-picture\r\n"
        headers = self._headers()
        jpeg = self.file.read(int(headers["Content-Length"]))
        assert self.file.readline() == b"\r\n"
        return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)

    def grey(self):
        """The grey of the middle of the next picture."""
        picture = self.picture()
        return int(picture[picture.shape[0] // 2, picture.shape[1] // 2].mean())

    def close(self):
        self.file.close()
        self.socket.close()


@pytest.fixture
def shown():
    """Opens streams, and closes them at the end."""
    opened = []

    def open_(*names, **settings):
        port = free_port()
        sink = MjpegSink()
        sink.config = MjpegConfig(port=port, fps=1e6, **settings)  # no picture comes too soon
        writers = [sink.frame_sink.open(StreamInfo(name, 128, 96, 10, None)) for name in names or ["gate"]]
        opened.extend(writers)
        return port, *writers

    yield open_
    for writer in opened:
        writer.close()
    assert module._servers == {}  # noqa: SLF001 - it is gone with its last stream


def watched(writer, count=1):
    return writer._channel.watchers == count  # noqa: SLF001


def status(port, path, **options):
    with closing(Viewer(port, path, **options)) as viewer:
        return viewer.status


def show(writer, picture):
    writer.write(picture, answer(picture.seq), {"big": 1})


def test_who_watches_sees_each_picture(shown):
    port, writer = shown()
    with closing(Viewer(port)) as viewer:
        assert viewer.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=vidpipe-picture"
        until(lambda: watched(writer))
        for seq in (40, 90, 200):
            show(writer, Picture(seq))
            assert viewer.grey() == pytest.approx(seq, abs=3)


def test_nothing_is_drawn_while_nobody_watches(shown, monkeypatch):
    port, writer = shown()
    pictures = [Picture(seq) for seq in range(50)]
    for picture in pictures:
        show(writer, picture)
    assert sum(picture.asked for picture in pictures) == 0
    viewer = Viewer(port)
    until(lambda: watched(writer))
    show(writer, Picture(70))
    assert viewer.grey() == pytest.approx(70, abs=3)
    viewer.close()
    until(lambda: watched(writer, 0))
    late = Picture(80)
    show(writer, late)
    assert late.asked == 0


def test_a_picture_is_drawn_once_for_all(shown, monkeypatch):
    drawn = []
    encoded = module.PictureServer._encoded  # noqa: SLF001
    monkeypatch.setattr(
        module.PictureServer,
        "_encoded",
        lambda self, channel, drawing: drawn.append(drawing.moment.seq) or encoded(self, channel, drawing),
    )
    port, writer = shown()
    viewers = [Viewer(port) for _ in range(5)]
    until(lambda: watched(writer, 5))
    for seq in (50, 100):
        show(writer, Picture(seq))
        assert [viewer.grey() for viewer in viewers] == pytest.approx([seq] * 5, abs=3)
    assert drawn == [50, 100]
    for viewer in viewers:
        viewer.close()


def test_a_reader_that_is_slow_slows_nobody_and_then_sees_the_newest(shown, monkeypatch):
    monkeypatch.setattr(http, "IDLE_S", 60)
    port, writer = shown()
    slow, quick = Viewer(port), Viewer(port)
    until(lambda: watched(writer, 2))
    took = []
    for seq in range(60):
        noise = Picture(seq, (480, 640))
        noise.pixels = np.random.default_rng(seq).integers(0, 255, noise.pixels.shape, np.uint8)  # a large JPEG
        began = time.thread_time()
        show(writer, noise)
        took.append(time.thread_time() - began)
        quick.picture()
    assert np.median(took) < 0.05
    last = Picture(33, (480, 640))
    show(writer, last)
    assert quick.grey() == pytest.approx(33, abs=3)
    came = 0
    while slow.picture().std() > 40:  # of the noise it gets what had gone out to it, and then the newest
        came += 1
    assert came < 50
    slow.close()
    quick.close()


def test_who_takes_nothing_is_let_go(shown, monkeypatch):
    monkeypatch.setattr(http, "IDLE_S", 0.3)
    port, writer = shown()
    viewer = Viewer(port)
    until(lambda: watched(writer))
    deadline = time.monotonic() + 20
    while writer._channel.watchers:  # noqa: SLF001
        assert time.monotonic() < deadline
        noise = Picture(1, (960, 1280))
        noise.pixels = np.random.default_rng(1).integers(0, 255, noise.pixels.shape, np.uint8)
        show(writer, noise)
        time.sleep(0.01)
    viewer.close()


def test_idle_connections_keep_nobody_from_watching(shown):
    port, writer = shown()
    threads = set(threading.enumerate())
    idle = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(200)]
    viewer = Viewer(port)
    until(lambda: watched(writer))
    show(writer, Picture(90))
    assert viewer.grey() == pytest.approx(90, abs=3)
    assert not set(threading.enumerate()) - threads
    for each in (*idle, viewer):
        each.close()


def test_streams_have_a_page_and_names_of_any_kind(shown):
    port, gate, yard = shown("gate", "back/yard <1>")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as page:
        text = page.read().decode()
    assert 'src="/gate"' in text
    assert 'back/yard &lt;1&gt;<br><img src="/back%2Fyard%20%3C1%3E"' in text
    viewer = Viewer(port, "/back%2Fyard%20%3C1%3E?again")
    until(lambda: watched(yard))
    show(gate, Picture(10))
    show(yard, Picture(150))
    assert viewer.grey() == pytest.approx(150, abs=3)
    viewer.close()
    assert status(port, "/nowhere") == 404


def test_a_name_that_leads_here_from_elsewhere_is_refused(shown):
    port, _ = shown()
    for host, code in [("evil.example", 403), (f"localhost:{port}", 200), (f"[::1]:{port}", 200), ("127.0.0.1", 200)]:
        assert status(port, "/", host=host) == code


def test_wide_pictures_are_scaled_down(shown):
    port, writer = shown(width=64)
    viewer = Viewer(port)
    until(lambda: watched(writer))
    show(writer, Picture(120, (192, 256)))
    assert viewer.picture().shape[1] == 64
    viewer.close()


def test_which_streams_are_shown(shown):
    port, _, yard = shown("gate", "yard", streams=["ga*"])
    assert status(port, "/gate") == 200
    assert status(port, "/yard") == 404
    yard.write(Picture(1), answer(1), {})


def test_a_port_that_is_in_use_is_said(shown):
    port, _ = shown()
    sink = MjpegSink()
    sink.config = MjpegConfig(port=port)
    with pytest.raises(
        ConfigError, match=f"pictures cannot be served at 127.0.0.1:{port}: Address already in use; tak"
    ):
        sink.try_out({})


def test_it_can_be_tried_out():
    sink = MjpegSink()
    sink.config = MjpegConfig(port=free_port())
    assert sink.try_out({}) == "can be served"


def test_what_may_not_leave_the_device_is_shown_to_this_machine_only():
    sink = MjpegSink()
    sink.config = MjpegConfig(port=free_port(), address="0.0.0.0")
    with pytest.raises(ConfigError, match="shows stream gate to other machines, and its `leaves_device` says never"):
        sink.frame_sink.open(StreamInfo("gate", 128, 96, 10, None, stays=True))
    sink.config = MjpegConfig(port=free_port())
    sink.frame_sink.open(StreamInfo("gate", 128, 96, 10, None, stays=True)).close()


@pytest.mark.parametrize(
    ("address", "local"),
    [
        *[(each, True) for each in ("127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost")],
        *[(each, False) for each in ("0.0.0.0", "::", "", "10.0.0.1", "localhost.evil.example")],
    ],
)
def test_which_addresses_are_this_machine_only(address, local):
    assert is_local(address) == local


@pytest.mark.parametrize(
    "wrong", [{"port": 0}, {"port": 70000}, {"fps": 0}, {"quality": 101}, {"width": 1}, {"prot": 1}]
)
def test_mistakes_are_found_when_a_pipeline_is_loaded(wrong):
    with pytest.raises(ValidationError):
        MjpegConfig(**{"port": 8081} | wrong)


LIT = """
import time

import numpy as np

from vidpipe import Answer, How, PictureSource, Shot, Stage, nothing


class Lit(PictureSource):
    live = True

    def pictures(self):
        for seq in range(100_000):
            time.sleep(0.02)
            yield Shot(seq / 50, np.full((96, 128, 3), 200, np.uint8), None)


class Blank(Stage):
    def answer(self, frames):
        return [Answer(nothing(), How.MEASURED, self.id, frame.seq) for frame in frames]
"""


def test_a_run_is_watched_and_what_is_masked_stays_black(tmp_path, monkeypatch):
    """Also a stream that is paused and goes on, on the same port."""
    (tmp_path / "lit.py").write_text(LIT)
    port = free_port()
    (tmp_path / "pipeline.yaml").write_text(f"""
classes: {{person: person}}
stages: [{{id: blank, type: "lit:Blank"}}]
streams:
  gate: {{url: "lit:Lit", leaves_device: never, mask: [[[0, 0], [0.5, 0], [0.5, 1], [0, 1]]]}}
sinks: [{{type: mjpeg, port: {port}}}]
""")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "lit", raising=False)
    with Run(load(tmp_path / "pipeline.yaml"), engine="inline", results=False) as run:
        for _ in range(2):
            viewer = Viewer(port)
            row = viewer.picture()[60]
            assert row[10:50].max() < 40
            assert row[80:120].min() > 160
            viewer.close()
            run.pause("gate")
            until(lambda: run.status().streams["gate"].state == "ended" or not module._servers)  # noqa: SLF001
            run.resume("gate")
            until(lambda: module._servers)  # noqa: SLF001
    assert module._servers == {}  # noqa: SLF001
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)
