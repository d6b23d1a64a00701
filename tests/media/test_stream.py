"""Media of one stream: what becomes of events, also where a camera goes away or a disk is slow. The clock is turned."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from tests import clips
from tests.builders import frame
from tests.media import clip as clip_of
from tests.waiting import until
from vidpipe.core.answer import unknown
from vidpipe.core.event import Event, Phase
from vidpipe.media.counts import media_report
from vidpipe.media.spec import MediaSpec
from vidpipe.media.stream import StreamMedia
from vidpipe.media.writer import MediaWriter
from vidpipe.sources.decoding.packets import KeptConnection, PacketRing
from vidpipe.testing.clock import HandClock


class Stream:
    """A camera of ten pictures a second whose packets are those of a clip; the clock is turned with each."""

    def __init__(self, tmp_path: Path, *, gop: int = 10, seconds: float = 60.0, live: bool = True, **spec: Any) -> None:
        path = clips.encode(tmp_path / "clip.ts", frames=255, fps=10, gop=gop)
        with av.open(str(path)) as container:
            self.ring = PacketRing(seconds, 10_000_000)
            self.connection = KeptConnection(self.ring, container.streams.video[0])
            self.packets = [packet for packet in container.demux(video=0) if packet.size]
        self.clock = HandClock()
        settings = {"folder": str(tmp_path / "media"), "pre_s": 1.0, "post_s": 1.0, "max_s": 10.0} | spec
        self.writer = MediaWriter(MediaSpec(**settings), self.clock)
        self.writer.open()
        self.media = StreamMedia("cam", self.writer.spec, self.writer, self.ring, live=live, clock=self.clock)
        self.seq = 0

    def show(self, count: int, *events: Event) -> list[Event]:
        """So many pictures, the events at the first of them; gives these as they were told."""
        told: list[Event] = []
        for place in range(count):
            kept = self.connection.keep(self.packets[self.seq])
            item = frame(self.seq)
            item.since = self.clock.monotonic()
            self.ring.tell(kept, item.seq, item.pts)
            told += self.media.see(item, unknown(), events if place == 0 else ())
            self.clock.turn(0.1)
            self.seq += 1
        return told

    def event(self, phase: str = "begin", id: str = "a", kind: str = "presence", **data: Any) -> Event:
        return Event(kind, "cam", self.seq, self.seq / 10, None, "rule", id, phase=Phase(phase), data=data)

    @property
    def report(self) -> Any:
        counts = self.writer.counts.of_all()
        return media_report(counts["cam"]) if counts else {}

    def until_written(self, count: int = 1) -> None:
        until(lambda: self.report["clips"]["written"] >= count)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Any]:
    streams = []

    def start(**options: Any) -> Stream:
        streams.append(Stream(tmp_path, **options))
        return streams[-1]

    yield start
    for stream in streams:
        stream.media.close()
        stream.writer.close()


def test_a_clip_is_cut_when_its_end_has_been_shown(made: Any) -> None:
    stream = made()
    stream.show(30)
    (begun,) = stream.show(20, stream.event())
    (ended,) = stream.show(9, stream.event("end", ended_pts=4.9))
    path = Path(begun.data["clip"])
    assert ended.data["clip"] == begun.data["clip"]
    assert not path.exists()
    stream.show(1)
    stream.until_written()
    shown = clip_of.shown(path)
    assert clip_of.comment(path) == {"stream": "cam", "pts": 2.0, "events": ["a"]}
    assert [number for _, number in shown] == list(range(20, 60))
    assert [round(seconds, 4) for seconds, _ in shown] == [round(0.1 * place, 4) for place in range(40)]


def test_where_the_camera_goes_away_the_clip_is_there_in_time(made: Any) -> None:
    """No picture comes any more: the clock says when the end and the roll behind it are over."""
    stream = made()
    stream.show(30)
    (begun,) = stream.show(5, stream.event())
    stream.show(5, stream.event("end", ended_pts=3.4))
    stream.clock.turn(0.3)
    assert not Path(begun.data["clip"]).exists()
    stream.clock.turn(1.0)  # 1.9 s behind the end, 0.9 behind the roll
    stream.until_written()
    assert clip_of.shown(Path(begun.data["clip"]))[-1][1] == 39


def test_one_that_never_ends_has_a_clip_that_does(made: Any) -> None:
    stream = made()
    stream.show(30)
    (begun,) = stream.show(120, stream.event())
    stream.until_written()
    shown = clip_of.shown(Path(begun.data["clip"]))
    assert [shown[0][1], shown[-1][1]] == [20, 120]


def test_what_the_ring_has_let_go_makes_a_clip_short(made: Any) -> None:
    stream = made(seconds=0.5, pre_s=4.0)
    stream.show(80)
    (begun,) = stream.show(5, stream.event())
    stream.show(20, stream.event("end"))
    stream.until_written()
    assert stream.report["clips"]["short"] == 1
    assert clip_of.comment(Path(begun.data["clip"]))["pts"] == 7.0


def test_without_a_key_frame_there_is_no_clip_and_the_event_goes_on(made: Any) -> None:
    stream = made()
    stream.seq = 1  # the only key frame lies before
    stream.packets = [packet for packet in stream.packets if not packet.is_keyframe or packet is stream.packets[0]]
    stream.show(10)
    (begun,) = stream.show(5, stream.event())
    stream.show(20, stream.event("end"))
    until(lambda: stream.report["clips"]["dropped"])
    assert stream.report["clips"]["dropped"] == {"no key frame was there": 1}
    assert not Path(begun.data["clip"]).exists()


def test_what_cannot_go_into_a_file_is_refused_by_name(made: Any) -> None:
    stream = made()
    stream.show(10)
    stream.ring.coding.container = ""
    (begun,) = stream.show(5, stream.event())
    assert "clip" not in begun.data
    assert stream.report["clips"]["dropped"] == {"h264 goes into neither MP4 nor Matroska here": 1}


def test_a_disk_that_is_too_slow_costs_pictures_and_holds_up_no_stream(made: Any) -> None:
    stream = made(max_s=3.0)
    needed: list[float] = []
    stream.ring.keep_from = needed.append
    gate = threading.Event()
    stream.writer.put("cam", "pictures", gate.wait, wait=False)
    stream.writer.counts.made("cam", "pictures")
    stream.show(1)
    for number in range(100):
        stream.show(1, stream.event(id=f"e{number}", kind="line.cross"))
    assert stream.report["pictures"]["dropped"]["the disk is too slow"] > 10
    assert stream.report["clips"]["dropped"]["the disk is too slow"] > 0
    gate.set()
    stream.media.close()
    assert needed[-1] == math.inf  # what was dropped pins nothing
    for what in ("pictures", "clips"):
        told = stream.report[what]
        assert told["made"] == told["written"] + sum(told["dropped"].values())
        assert told["waiting"] == 0


def test_a_fault_costs_a_picture_and_nothing_else(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = made()
    monkeypatch.setattr(stream.media, "_see", lambda *_: 1 / 0)
    event = stream.event()
    assert stream.show(1, event) == [event]


def test_a_picture_of_an_event_without_an_object_is_the_frame_at_which_it_began(made: Any) -> None:
    stream = made(clips=False)
    (begun,) = stream.show(5, stream.event())
    (ended,) = stream.show(5, stream.event("end"))
    assert begun.data["snapshot"] == ended.data["snapshot"]
    until(lambda: Path(begun.data["snapshot"]).exists())
    assert stream.report["pictures"]["made"] == 1


def test_of_an_object_that_no_frame_shows_there_is_no_picture(made: Any) -> None:
    stream = made()
    (begun,) = stream.show(1, stream.event(track_id=7))
    assert "snapshot" not in begun.data
    assert stream.report["pictures"]["dropped"] == {"no frame shows it": 1}


def test_only_the_kinds_that_are_asked_for(made: Any) -> None:
    stream = made(kinds=["zone.*"])
    event = stream.event()
    assert stream.show(1, event) == [event]
    assert stream.show(1, stream.event(kind="zone.enter"))[0].data.keys() == {"snapshot", "clip"}
