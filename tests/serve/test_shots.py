"""Pictures on their way from the process of the frames. What must hold:

- they come from another process as well, which is told what is looked at, and whose death ends nothing here;
- a page that takes nothing, or has gone, holds up no stream;
- while nobody looks no picture is asked for.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.builders import answer
from tests.waiting import until
from vidpipe.serve import shots
from vidpipe.serve.gallery import Gallery
from vidpipe.serve.shots import ShotFrameSink
from vidpipe.sources.base import StreamInfo

ELSEWHERE = """
import pickle, sys
import numpy as np
from tests.builders import answer
from vidpipe.core.frame import Frame
from vidpipe.core.picture import BgrPicture
from vidpipe.sources.base import StreamInfo

sink = pickle.loads(sys.stdin.buffer.read())
writer = sink.open(StreamInfo("gate", 128, 96, 10, None), resumed=False)
seq = 0
while True:  # until it is killed
    frame = Frame("gate", seq, seq / 10, BgrPicture(np.full((96, 128, 3), seq % 200, np.uint8)), 128, 96)
    writer.write(frame, answer("big", 0, as_of=seq), {"big": seq})
    seq += 1
"""


def test_pictures_come_from_another_process_and_its_death_ends_nothing(tmp_path):
    async def look():
        gallery = Gallery(str(tmp_path / "shots"))
        async with gallery.open():
            process = subprocess.Popen([sys.executable, "-c", ELSEWHERE], stdin=subprocess.PIPE)
            process.stdin.write(pickle.dumps(ShotFrameSink(gallery.place)))
            process.stdin.close()
            first = await gallery.newest("gate", 64, 30)
            process.kill()
            process.wait()
            again = await gallery.newest("gate", 64, 0.05)  # the last one that came
            return first, again

    first, again = asyncio.run(look())
    assert first.told["boxes"] == [[0, 4, 3, 9, "class0", 0.9, None]]
    assert first.told["size"] == [128, 96]
    assert again.number >= first.number
    import cv2

    assert cv2.imdecode(np.frombuffer(first.jpeg, np.uint8), cv2.IMREAD_COLOR).shape == (48, 64, 3)


class Picture:
    """A frame that counts how often its pixels are asked for."""

    captured_at, width, height = None, 1280, 720

    def __init__(self, seq=0):
        self.seq, self.pts = seq, seq / 10
        self.asked = 0
        self.pixels = np.random.default_rng(seq).integers(0, 255, (720, 1280, 3), np.uint8)  # JPEG makes little of it

    def bgr(self):
        self.asked += 1
        return self.pixels


@pytest.fixture
def page(tmp_path):
    """A page that listens, and reads nothing."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "shots"))
        listener.listen()
        yield listener
    assert shots._senders == {}  # noqa: SLF001


def shown(page):
    writer = ShotFrameSink(page.getsockname()).open(StreamInfo("gate", 1280, 720, 10, None))
    return writer, page.accept()[0]


@pytest.mark.long
def test_a_page_that_takes_nothing_holds_up_no_stream(page, monkeypatch):
    monkeypatch.setattr(shots, "_TAKEN_S", 1)
    writer, peer = shown(page)
    with peer:
        picture = Picture()
        writer.write(picture, answer("big", 0), {})
        assert picture.asked == 0  # nobody looks
        peer.sendall(b'{"stream": "gate", "wanted": [0.0, 0.0, 1280]}\n')
        sender = shots._senders[page.getsockname()]  # noqa: SLF001
        until(lambda: sender.wanted)
        began = time.monotonic()
        for seq in range(50):
            writer.write(picture, answer("big", 0, as_of=seq), {})
        assert picture.asked == 50
        assert time.monotonic() - began < 5  # what waits is one picture, not fifty
        until(lambda: not sender.wanted)  # it is given up
        writer.write(picture, answer("big", 0), {})
        assert picture.asked == 50
        again, _ = page.accept()  # and tried anew
        with again:
            again.sendall(b'{"stream": "gate", "wanted": [0.0, 0.0, 1280]}\n')
            until(lambda: shots._senders[page.getsockname()].wanted)  # noqa: SLF001
            writer.write(picture, answer("big", 0), {})
            assert picture.asked == 51
            writer.close()


def test_a_page_that_has_gone_holds_up_no_stream(page, tmp_path):
    writer, peer = shown(page)
    peer.sendall(b'{"stream": "gate", "wanted": [0.0, 0.0, 64]}\n')
    sender = shots._senders[page.getsockname()]  # noqa: SLF001
    until(lambda: sender.wanted)
    peer.close()
    until(lambda: not sender.wanted)
    writer.write(Picture(), answer("big", 0), {})
    writer.close()
    nobody = ShotFrameSink(str(tmp_path / "of another machine")).open(StreamInfo("gate", 1280, 720, 10, None))
    nobody.write(Picture(), answer("big", 0), {})
    nobody.close()


def test_a_still_is_sent_seldom_and_what_is_in_view_often(page, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(shots.time, "monotonic", lambda: now[0])
    writer, peer = shown(page)
    with peer:
        peer.sendall(b'{"stream": "gate", "wanted": [0.5, 4.0, 64]}\n')
        sender = shots._senders[page.getsockname()]  # noqa: SLF001
        until_wanted(sender)
        picture = Picture()

        def shown_in(seconds, *classes):
            before = picture.asked
            for _ in range(seconds * 10):
                now[0] += 0.1
                writer.write(picture, answer("big", *classes), {})
            return picture.asked - before

        assert shown_in(36) == pytest.approx(10, abs=1)  # a picture may come a tenth of the time too soon
        assert shown_in(36, 0) == pytest.approx(72, abs=2)
        writer.close()


def until_wanted(sender):
    for _ in range(1000):
        if sender.wanted:
            return
        time.sleep(0.01)
    raise AssertionError("it never came")
