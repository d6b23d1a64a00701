"""What a camera sends, as the page gets it. What must hold:

- it is a file that plays, of the very packets, and its times are those of results;
- it begins at a key frame and anew where what comes does not go on; who cannot be shown it is told why;
- a page that is slow holds up no stream.
"""

from __future__ import annotations

import io

import av
import numpy as np
import pytest

from vidpipe.serve.fragments import Fragments, NoVideoError
from vidpipe.sources.decoding.packets import Coding, Kept, PacketRing

GOP, FPS = 5, 10


def encoded(count, *, b_frames=0, size=(64, 48), codec="libx264"):
    """Packets of pictures whose grey is their number, as a camera sends them, and how they are coded."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as output:
        stream = output.add_stream(
            codec, rate=FPS, options={"x264-params": f"scenecut=0:keyint={GOP}:bframes={b_frames}:b-adapt=0"}
        )
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = *size, "yuv420p", GOP
        for number in range(count):
            picture = np.full((size[1], size[0], 3), 20 + 5 * number, np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "bgr24")))
        output.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as source:
        (stream,) = source.streams.video
        coding = Coding(stream)
        return [packet for packet in source.demux(stream) if packet.size], coding


class Sent:
    """What a camera has sent so far."""

    def __init__(self, count=40, **how):
        self.packets, self.coding = encoded(count, **how)
        self.ring = PacketRing(10, 1 << 22)
        self.came = 0

    def come(self, count, first_pts=100.0):
        for packet in self.packets[self.came : self.came + count]:
            kept = Kept(packet, self.coding)
            self.ring.add(kept)
            self.ring.tell(kept, self.came, first_pts + packet.pts * packet.time_base)
            self.came += 1


def decoded(mp4):
    with av.open(io.BytesIO(mp4)) as played:
        return [
            (float(frame.time), round(float(frame.to_ndarray(format="gray").mean())))
            for frame in played.decode(video=0)
        ]


def test_it_plays_from_the_last_key_frame_on_at_the_times_of_results():
    sent = Sent()
    sent.come(8)  # so the last key frame is the one of number 5
    fragments = Fragments(sent.ring)
    first = fragments.take()
    assert [piece.begins is not None for piece in first] == [True, False, False]
    assert first[0].begins["base"] == pytest.approx(100 + GOP / FPS)
    assert first[0].begins["mime"].startswith('video/mp4; codecs="avc1.')
    assert fragments.take() == []
    pieces = list(first)
    for _ in range(6):
        sent.come(2)
        pieces += fragments.take()
    assert all(piece.begins is None for piece in pieces[1:])
    shown = decoded(b"".join(piece.mp4 for piece in pieces))
    assert len(shown) in (14, 15)  # the last one waits for the next, which says how long it is shown
    for number, (at, grey) in enumerate(shown, GOP):
        assert at + first[0].begins["base"] == pytest.approx(100 + number / FPS, abs=1e-3)
        assert abs(grey - (20 + 5 * number)) <= 3


def test_it_begins_anew_where_what_comes_does_not_go_on():
    sent = Sent()
    sent.come(8)
    fragments = Fragments(sent.ring)
    fragments.take()
    sent.ring.break_off()
    sent.come(7)  # number 10 is the next key frame
    begins = [piece.begins for piece in fragments.take() if piece.begins]
    assert begins in ([], [{"mime": begins[0]["mime"], "base": pytest.approx(101)}] if begins else [])
    fragments.begin_anew()
    (piece, *_) = fragments.take()
    assert piece.begins["base"] == pytest.approx(101)
    assert decoded(b"".join(each.mp4 for each in [piece, *_]))


@pytest.mark.parametrize(("how", "why"), [({"b_frames": 2}, "B-frames"), ({"codec": "mpeg4"}, "sends mpeg4")])
def test_what_browsers_do_not_show_is_told(how, why):
    sent = Sent(20, **how)
    sent.come(4)
    with pytest.raises(NoVideoError, match=why):
        Fragments(sent.ring).take()


def test_where_nothing_is_kept_that_is_told():
    for ring in (None, PacketRing(10, 1 << 20)):
        with pytest.raises(NoVideoError, match="nothing is kept"):
            Fragments(ring).take()
