"""What is left undecoded of a recording. What must hold:

- every picture keeps the number and the time that it has where all are decoded, and what is decoded looks the same;
- a still recording is looked at by its key frames, and what happens in it is seen from its first picture on, also where
  packets do not tell;
- where nothing can be left undecoded, a note says why.
"""

import random
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests import clips
from vidpipe.core.answer import How
from vidpipe.core.errors import SourceError
from vidpipe.core.frame import Frame, Missing
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import Resume, StreamSpec
from vidpipe.sources.decoding.decode_policy import PacketSizes
from vidpipe.sources.files.file import FileSource

OPEN_GOP = {"x264-params": "open-gop=1:b-adapt=0:b-pyramid=normal"}
VARYING = [0.0, 0.03, 0.5, 0.51, 0.52, 1.9, 2.0, 2.4, 2.41, 2.42, 3.3, 3.34, 3.5, 5.0, 5.01, 5.02, 5.9, 6.0, 7.5, 7.51]
CODINGS = [
    ("mp4", {"codec": "libx264", "b_frames": 2}),
    ("mkv", {"codec": "libx264", "b_frames": 3}),
    ("ts", {"codec": "libx264", "b_frames": 2}),
    ("h264", {"codec": "libx264"}),
    ("mp4", {"codec": "libx264", "b_frames": 2, "gop": 250}),
    ("mp4", {"codec": "libx264", "b_frames": 3, "options": OPEN_GOP}),
    ("mkv", {"codec": "libx264", "b_frames": 2, "times": VARYING, "gop": 6}),
    ("avi", {"codec": "libx264", "b_frames": 2}),
    ("avi", {"codec": "libx264"}),
    ("mp4", {"codec": "mpeg4", "b_frames": 2}),
    ("avi", {"codec": "mpeg4", "b_frames": 2}),
    ("avi", {"codec": "msmpeg4"}),
    ("avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    ("mpg", {"codec": "mpeg2video", "b_frames": 2}),
    ("mkv", {"codec": "libx265", "b_frames": 2}),
    ("mp4", {"codec": "libx265", "b_frames": 3, "options": {"x265-params": "log-level=none:open-gop=1:bframes=3"}}),
    ("webm", {"codec": "libvpx-vp9"}),
]
DECODINGS: list[dict[str, Any]] = [
    {"skip_frame": "nonref"},
    {"skip_frame": "nokey"},
    {"max_blind_s": 60},
    {"skip_frame": "nonref", "max_blind_s": 60},
    {"skip_loop_filter": True},
]


def run(path: Path, resume: Resume | None = None, **spec: Any) -> tuple[list[Frame | Missing], list[str]]:
    source = FileSource("cam", StreamSpec(url=str(path), **spec), knobs=Knobs(), resume=resume)
    return list(source), source.notes


def places(items: list[Frame | Missing]) -> list[tuple[int, float]]:
    return [(item.seq, item.pts) for item in items]


def decoded(items: list[Frame | Missing]) -> list[int]:
    return [item.seq for item in items if isinstance(item, Frame)]


def still_then_moving(still: int) -> Any:
    """A scene that stands still but for some noise, and in which something moves from picture `still` on."""

    def picture(i: int, width: int, height: int) -> av.VideoFrame:
        luma = clips.scene(max(0, i - still + 1), width, height)
        noise = np.random.default_rng(i).integers(-3, 4, luma.shape)
        return clips.of_luma(np.clip(luma + noise, 0, 255).astype(np.uint8))

    return picture


@pytest.mark.parametrize("spec", DECODINGS, ids=str)
@pytest.mark.parametrize(("ending", "coding"), CODINGS)
def test_each_picture_keeps_its_place(tmp_path: Path, ending: str, coding: dict[str, Any], spec: Any) -> None:
    path = clips.encode(tmp_path / f"clip.{ending}", **{"frames": 60, **coding})
    whole, _ = run(path)
    items, _ = run(path, **spec)
    assert places(items) == places(whole)
    left_out = [item for item in items if isinstance(item, Missing)]
    assert {(item.how, item.reason) for item in left_out} <= {(How.SKIPPED, "not decoded")}
    if "skip_loop_filter" not in spec:
        for item, same in zip(items, whole, strict=True):
            if isinstance(item, Frame):
                assert isinstance(same, Frame)
                assert np.array_equal(item.luma(), same.luma()), f"picture {item.seq}"


@pytest.mark.parametrize(
    ("ending", "coding", "spec", "share"),
    [
        ("mp4", {"b_frames": 2}, {"skip_frame": "nonref"}, 0.7),
        ("mp4", {"codec": "mpeg4", "b_frames": 2}, {"skip_frame": "nonref"}, 0.4),
        ("mkv", {"codec": "libx265", "b_frames": 2}, {"skip_frame": "nonref"}, 0.7),
        ("mp4", {"b_frames": 2}, {"skip_frame": "nokey"}, 1 / 12),
        ("avi", {"codec": "msmpeg4"}, {"skip_frame": "nokey"}, 1 / 12),
    ],
)
def test_so_many_are_left_out(
    tmp_path: Path, ending: str, coding: dict[str, Any], spec: dict[str, Any], share: float
) -> None:
    items, _ = run(clips.encode(tmp_path / f"clip.{ending}", frames=60, **coding), **spec)
    assert 0 < len(decoded(items)) <= share * 60 + 1


@pytest.mark.parametrize("spec", DECODINGS, ids=str)
def test_among_damage(tmp_path: Path, spec: dict[str, Any]) -> None:
    clean = clips.encode(tmp_path / "clean.mkv", frames=90, b_frames=2)
    path = clips.scribble(clean, tmp_path / "clip.mkv", [5, 24, 41, 60])  # 24 and 60 begin groups of pictures
    whole, _ = run(path)
    items, _ = run(path, **spec)
    assert places(items) == places(whole)


def test_a_damaged_key_frame_is_told_where_others_are_left_out(tmp_path: Path) -> None:
    clean = clips.encode(tmp_path / "clean.mkv", frames=60)
    items, notes = run(clips.scribble(clean, tmp_path / "clip.mkv", [24]), skip_frame="nokey")
    assert decoded(items) == [0, 12, 36, 48]
    damaged = [(item.seq, item.reason) for item in items if isinstance(item, Missing) and item.how is How.DROPPED]
    assert damaged == [(24, "damaged: no whole picture")]
    assert notes == ["1 damaged picture"]


@pytest.mark.parametrize("spec", DECODINGS, ids=str)
@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
def test_a_window_and_a_restart(tmp_path: Path, ending: str, spec: dict[str, Any]) -> None:
    path = clips.encode(tmp_path / f"clip.{ending}", frames=120, b_frames=2)
    window = {"start_s": 1.3, "end_s": 4.0}
    whole, _ = run(path, **window)
    items, _ = run(path, **window, **spec)
    assert places(items) == places(whole)
    for at in random.Random(0).sample(range(len(whole) - 1), 4):
        tail, _ = run(path, Resume(items[at].seq, items[at].pts), **window, **spec)
        assert places(tail) == places(whole)[at + 1 :]


@pytest.mark.parametrize("spec", DECODINGS, ids=str)
def test_where_two_recordings_of_different_size_were_joined(tmp_path: Path, spec: dict[str, Any]) -> None:
    sizes = [(160, 120), (192, 144)]
    parts = [clips.encode(tmp_path / f"{i}.ts", frames=60, size=size, b_frames=2) for i, size in enumerate(sizes)]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    whole, _ = run(path)
    items, _ = run(path, **spec)
    assert places(items) == places(whole)


@pytest.mark.parametrize("spec", DECODINGS, ids=str)
def test_a_file_that_does_not_begin_with_a_key_frame(tmp_path: Path, spec: dict[str, Any]) -> None:
    clean, path = clips.encode(tmp_path / "clean.mkv", frames=60), tmp_path / "clip.mkv"
    with av.open(str(clean)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(packet for packet in source.demux(video=0) if packet.size):
            if number >= 5:
                packet.stream = stream
                out.mux(packet)
    whole, _ = run(path)
    items, _ = run(path, **spec)
    assert places(items) == places(whole)
    assert len(items) == 55


@pytest.mark.parametrize("silent", [False, True], ids=["packets tell", "packets say nothing"])
@pytest.mark.parametrize("gop", [25, 40])
def test_what_happens_in_a_still_recording_is_seen_from_its_first_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gop: int, silent: bool
) -> None:
    if silent:
        monkeypatch.setattr(PacketSizes, "is_motion", lambda self, size: False)
    path = clips.encode(tmp_path / "clip.mp4", frames=700, gop=gop, picture=still_then_moving(590))
    whole, _ = run(path)
    items, notes = run(path, max_blind_s=2)
    assert places(items) == places(whole)
    assert notes == []
    seen = set(decoded(items))
    assert set(range(590, 700)) <= seen
    resting = [seq for seq in range(300, 560) if seq in seen]
    assert resting == [seq for seq in range(300, 560) if seq % gop == 0]


def test_what_comes_and_goes_between_two_key_frames_is_told_by_packets(tmp_path: Path) -> None:
    def picture(i: int, width: int, height: int) -> av.VideoFrame:
        luma = clips.scene(0, width, height)
        if 605 <= i < 615:
            luma[40:80, 60:100] = np.random.default_rng(i).integers(0, 255, (40, 40))
        return clips.of_luma(luma)

    items, _ = run(clips.encode(tmp_path / "clip.mp4", frames=700, gop=25, picture=picture), max_blind_s=2)
    assert set(range(600, 625)) <= set(decoded(items))


def test_a_camera_that_sways_stands_still(tmp_path: Path) -> None:
    """Its edges move by a pixel and back all the time, by far more than what counts as a change elsewhere."""

    def picture(i: int, width: int, height: int) -> av.VideoFrame:
        x = np.tile(np.arange(width), (height, 1))
        luma = 110 + 60 * np.sin((x + 1.2 * np.sin(i / 9)) / 2)
        passing = 500 <= i < 560
        if passing:
            luma[40:80, (i - 500) * 2 : (i - 500) * 2 + 30] = 235
        return clips.of_luma(luma.astype(np.uint8))

    items, _ = run(clips.encode(tmp_path / "clip.mp4", frames=700, gop=25, picture=picture), max_blind_s=2)
    seen = decoded(items)
    assert len([seq for seq in seen if 300 <= seq < 475]) < 60
    assert set(range(500, 560)) <= set(seen)


def test_key_frames_that_are_too_far_apart_are_told(tmp_path: Path) -> None:
    path = clips.encode(tmp_path / "clip.mp4", frames=300, gop=100, picture=still_then_moving(10**6))
    items, notes = run(path, max_blind_s=2)
    assert len(decoded(items)) == 300
    assert notes == [
        "max_blind_s 2 left nothing undecoded: key frames are 4.0 s apart, and packets were not seen to announce motion"
    ]


def test_a_file_of_one_group_is_decoded(tmp_path: Path) -> None:
    path = clips.encode(tmp_path / "clip.mp4", frames=300, gop=300, picture=still_then_moving(10**6))
    items, notes = run(path, max_blind_s=2)
    assert len(decoded(items)) == 300
    assert ["key frames are missing but for one" in note for note in notes] == [True]


def test_an_avi_with_b_frames_is_decoded_and_says_so(tmp_path: Path) -> None:
    items, notes = run(clips.encode(tmp_path / "clip.avi", codec="mpeg4", b_frames=2), skip_frame="nokey")
    assert len(decoded(items)) == 30
    assert notes == ["every picture was decoded: an AVI does not say when its B-frames are shown"]


@pytest.mark.long
def test_what_can_be_read_only_once_is_refused(tmp_path: Path) -> None:
    import os
    import threading

    pipe = tmp_path / "pipe.ts"
    os.mkfifo(pipe)
    data = clips.encode(tmp_path / "clip.ts").read_bytes()
    writer = threading.Thread(target=lambda: pipe.write_bytes(data), daemon=True)
    writer.start()
    with pytest.raises(SourceError, match="can be read only once: leave out skip_frame: nokey"):
        FileSource("cam", StreamSpec(url=str(pipe), skip_frame="nokey"), knobs=Knobs())
    writer.join(10)


def test_a_recording_is_decoded_whole_where_nobody_says_otherwise() -> None:
    spec = StreamSpec(url="clip.mp4", skip_frame="nonref", max_blind_s=3)
    assert StreamSpec(url="clip.mp4").decoding == spec.recording.decoding
    assert StreamSpec(url="rtsp://camera/1").decoding.max_blind_s == 2.0
    assert spec.waiting.decoding.max_blind_s == 3
