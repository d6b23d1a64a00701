"""Damage costs the damaged pictures, and no others; a file that breaks off says so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

from tests import clips
from vidpipe.core.answer import How
from vidpipe.core.frame import Frame, Missing
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.files.file import FileSource


def run(path: Path) -> tuple[list[Frame | Missing], FileSource]:
    source = FileSource("cam", StreamSpec(url=str(path)), knobs=Knobs())
    return list(source), source


DAMAGED = [
    ("mp4", {"codec": "libx264"}, [5, 14], [5, 14]),
    ("mkv", {"codec": "libx264"}, [5, 14], [5, 14]),
    ("avi", {"codec": "libx264"}, [5, 14], [5, 14]),
    ("mp4", {"codec": "libx264", "b_frames": 2}, [4], [6]),  # packets I P B B P: the fifth is picture 6
    ("mkv", {"codec": "libx264", "b_frames": 2}, [29], [28]),  # the very last packet
    ("mp4", {"codec": "mpeg4"}, [5, 14], [5, 14]),
    ("avi", {"codec": "msmpeg4"}, [5, 14], [5, 14]),
    ("avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}, [0, 5, 14, 29], [0, 5, 14, 29]),
]


@pytest.mark.parametrize(("ending", "coding", "packets", "pictures"), DAMAGED)
def test_a_damaged_picture_keeps_its_place(
    tmp_path: Path, ending: str, coding: dict[str, Any], packets: list[int], pictures: list[int]
) -> None:
    clean = clips.encode(tmp_path / f"clean.{ending}", **coding)
    found, source = run(clips.scribble(clean, tmp_path / f"clip.{ending}", packets))
    missing = [item for item in found if isinstance(item, Missing)]
    assert [item.seq for item in missing] == pictures
    assert [item.pts for item in missing] == pytest.approx([seq / 25 for seq in pictures], abs=1e-3)
    assert {item.how for item in missing} == {How.DROPPED}
    assert all(item.reason.startswith("damaged: ") for item in missing)
    assert {item.stream for item in missing} == {"cam"}
    assert [item.seq for item in found] == list(range(30))
    assert [item.pts for item in found] == pytest.approx([i / 25 for i in range(30)], abs=1e-3)
    assert source.notes == [f"{len(pictures)} damaged pictures" if len(pictures) > 1 else "1 damaged picture"]


@pytest.mark.parametrize("keeps", [lambda size: size - 2, lambda size: size // 2], ids=["but its end", "half"])
def test_a_picture_of_which_a_part_is_there_is_damaged_also_where_the_decoder_shows_it(
    tmp_path: Path, keeps: Callable[[int], int]
) -> None:
    clean = clips.encode(tmp_path / "clean.avi", codec="mjpeg", pix_fmt="yuvj420p")
    with av.open(str(clean)) as whole, av.open(str(tmp_path / "clip.avi"), "w") as out:
        stream = out.add_stream_from_template(whole.streams.video[0])
        for number, packet in enumerate(packet for packet in whole.demux(video=0) if packet.size):
            part = av.Packet(bytes(packet)[: keeps(packet.size)] if number in (5, 14) else bytes(packet))
            part.pts, part.dts, part.time_base, part.stream = packet.pts, packet.dts, packet.time_base, stream
            out.mux(part)
    found, _ = run(tmp_path / "clip.avi")
    assert {item.seq: item.reason for item in found if isinstance(item, Missing)} == dict.fromkeys(
        (5, 14), "damaged: cut off before its end"
    )
    assert len(found) == 30


@pytest.mark.parametrize(("ending", "codec"), [("mkv", "libx265"), ("webm", "libvpx-vp9")])
def test_codecs_that_patch_silently_lose_no_picture(tmp_path: Path, ending: str, codec: str) -> None:
    clean = clips.encode(tmp_path / f"clean.{ending}", codec=codec)
    found, _ = run(clips.scribble(clean, tmp_path / f"clip.{ending}", [5, 14]))
    assert [item.seq for item in found] == list(range(30))


def test_a_stretch_of_transport_stream_overwritten(tmp_path: Path) -> None:
    """What is gone leaves a gap in time; what comes after it stands at its own time."""
    data = bytearray(clips.encode(tmp_path / "clean.ts", frames=60).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = bytes(2000)
    (tmp_path / "clip.ts").write_bytes(data)
    found, _ = run(tmp_path / "clip.ts")
    frames = [item for item in found if isinstance(item, Frame)]
    assert 40 < len(frames) < 60
    assert [item.seq for item in found] == list(range(len(found)))
    for frame in (frames[0], frames[-1]):
        assert frame.pts == pytest.approx(clips.number(frame.luma()) / 25, abs=1e-3)
    assert clips.number(frames[-1].luma()) == 59


CUT = [
    ("mp4", {"mux": {"movflags": "faststart"}}, "truncated"),
    ("mp4", {"mux": {"movflags": "faststart"}, "b_frames": 2, "sound": True}, "truncated"),
    ("avi", {"codec": "mpeg4"}, "truncated"),
    ("avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}, "truncated"),
    ("mkv", {"b_frames": 2}, "truncated"),
    ("webm", {"codec": "libvpx-vp9"}, "truncated"),
    ("ts", {}, ""),  # has no header that could tell
]


@pytest.mark.parametrize(("ending", "coding", "note"), CUT)
def test_a_file_that_breaks_off(tmp_path: Path, ending: str, coding: dict[str, Any], note: str) -> None:
    clean = clips.encode(tmp_path / f"clean.{ending}", frames=150, **coding)
    found, source = run(clips.cut(clean, tmp_path / f"clip.{ending}", 0.6))
    assert 30 < len(found) < 130
    assert [clips.number(item.luma()) for item in found if isinstance(item, Frame)] == list(range(len(found)))
    assert source.notes == ([f"ended after {len(found)} of 150 frames: {note}"] if note else [])
    assert source.broken_off == "".join(source.notes)


def test_fragments_written_by_a_recorder_need_no_end(tmp_path: Path) -> None:
    mux = {"movflags": "frag_keyframe+empty_moov"}
    clean = clips.encode(tmp_path / "clean.mp4", frames=150, mux=mux)
    found, _ = run(clips.cut(clean, tmp_path / "clip.mp4", 0.6))
    assert 30 < len(found) < 130
    assert [clips.number(item.luma()) for item in found if isinstance(item, Frame)] == list(range(len(found)))


def test_recording_that_begins_between_key_frames(tmp_path: Path) -> None:
    """A recorder cut in while the camera was sending: the first pictures have nothing to build on."""
    data = clips.encode(tmp_path / "clean.ts", frames=60, gop=30).read_bytes()
    (tmp_path / "clip.ts").write_bytes(data[len(data) // 188 // 4 * 188 :])
    found, _ = run(tmp_path / "clip.ts")
    good = [item for item in found if isinstance(item, Frame)]
    assert [item.seq for item in found] == list(range(len(found)))
    assert [clips.number(item.luma()) for item in good] == list(range(30, 60))


def test_nothing_is_written_to_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    clean = clips.encode(tmp_path / "clean.mp4", mux={"movflags": "faststart"})
    run(clips.scribble(clips.cut(clean, tmp_path / "cut.mp4", 1.0), tmp_path / "clip.mp4", [5, 14]))
    run(clips.cut(clean, tmp_path / "half.mp4", 0.6))
    assert capfd.readouterr() == ("", "")
