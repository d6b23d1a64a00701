"""Clips of recordings: what they show at a time is the frame that results name, whatever the container."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import clips
from tests.media import clip as clip_of
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.files.file import FileSource
from vidpipe.sources.files.packets import FilePackets

B_FRAMES = {"b_frames": 2}
CODINGS: list[tuple[str, dict[str, Any]]] = [
    ("mp4", {}),
    ("mp4", B_FRAMES),
    ("mp4", {"codec": "libx265"}),
    ("mp4", {"codec": "libx264", "b_frames": 3, "options": {"x264-params": "open-gop=1"}}),
    ("mkv", B_FRAMES),
    ("webm", {"codec": "libvpx-vp9"}),
    ("ts", {}),
    ("ts", B_FRAMES),
    ("avi", {"codec": "mpeg4"}),
    ("avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    ("mov", {"codec": "mpeg4", "b_frames": 2}),
]


def opened(path: Path, **spec: Any) -> tuple[list[Frame], FilePackets]:
    source = FileSource("cam", StreamSpec(url=str(path), **spec), knobs=Knobs())
    packets = source.packets(50_000_000)
    assert packets is not None
    frames = [item for item in source if isinstance(item, Frame)]
    return frames, packets


def left_of(path: Path) -> list[int]:
    """Where the bright square of each picture of a clip begins."""
    import av

    with av.open(str(path)) as container:
        rows = [frame.to_ndarray()[clips.HEIGHT // 2 + 4] for frame in container.decode(video=0)]
    return [int(np.flatnonzero(row[: clips.WIDTH] > 200)[0]) for row in rows]


@pytest.mark.parametrize(("ending", "coding"), CODINGS)
def test_each_picture_is_the_frame_of_its_time(tmp_path: Path, ending: str, coding: dict[str, Any]) -> None:
    """And a box that results have at that time lies on its object, to the pixel."""
    path = clips.encode(tmp_path / f"whole.{ending}", frames=100, gop=12, **coding)
    frames, packets = opened(path)
    for begin, end in ((0.0, 0.5), (1.3, 2.1), (3.5, 9.0), (-5.0, 0.1)):
        (clip,) = clip_of.written(tmp_path, packets.between(begin, end))
        tolerance_s = 1e-3 if clip.suffix == ".mkv" else clip_of.TICK_S
        found = clip_of.check(clip, frames, tolerance_s=tolerance_s)
        assert found[0].pts <= max(begin, 0.0)
        assert found[0].pts >= begin - 12.5 / clips.FPS or found[0].seq == 0
        assert found[-1].seq >= min(len(frames) - 1, round(end * clips.FPS) - 1)
        for frame, left in zip(found, left_of(clip), strict=True):
            truth = 8 + frame.seq * 3 % (clips.WIDTH - 40)  # as `clips.scene` paints it
            assert abs(left - truth) <= 2


def test_a_window_of_a_recording_has_the_times_of_its_frames(tmp_path: Path) -> None:
    frames, packets = opened(clips.encode(tmp_path / "whole.mp4", frames=100, **B_FRAMES), start_s=1.5)
    (clip,) = clip_of.written(tmp_path, packets.between(2.0, 2.5))
    begin = clip_of.comment(clip)["pts"]
    numbers = {round(begin + seconds, 4): number for seconds, number in clip_of.shown(clip)}
    for frame in frames:
        if 2.0 <= frame.pts <= 2.5:
            assert numbers[round(frame.pts, 4)] == clips.number(frame.luma())


def test_a_variable_rate_keeps_its_gaps(tmp_path: Path) -> None:
    times = [0.0, 0.04, 0.5, 0.54, 2.0, 2.01, 3.0, 3.3, 3.31, 4.0]
    frames, packets = opened(clips.encode(tmp_path / "whole.mkv", times=times, gop=3))
    (clip,) = clip_of.written(tmp_path, packets.between(0.5, 3.3))
    clip_of.check(clip, frames, tolerance_s=1e-3)


def test_recordings_that_were_joined(tmp_path: Path) -> None:
    """Time goes back in the file, and on in the stream: the clip has that of the stream."""
    one, other = (clips.encode(tmp_path / f"{name}.ts", frames=50, **B_FRAMES) for name in ("one", "other"))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(one.read_bytes() + other.read_bytes())
    frames, packets = opened(joined)
    (clip,) = clip_of.written(tmp_path, packets.between(frames[45].pts, frames[60].pts))
    clip_of.check(clip, frames)


def test_no_more_bytes_are_held_than_allowed(tmp_path: Path) -> None:
    path = clips.encode(tmp_path / "whole.mp4", frames=200)
    source = FileSource("cam", StreamSpec(url=str(path)), knobs=Knobs())
    packets = source.packets(20_000)
    assert packets is not None
    found = packets.between(2.0, 8.0)
    assert sum(kept.packet.size for kept in found) <= 30_000
    assert found[0].key
    source.close()


def test_an_avi_with_b_frames_goes_into_no_container(tmp_path: Path) -> None:
    _, packets = opened(clips.encode(tmp_path / "whole.avi", codec="mpeg4", b_frames=2))
    assert packets.coding.container == ""


def test_what_mp4_does_not_take_goes_into_matroska(assets: Path) -> None:
    source = FileSource("cam", StreamSpec(url=str(assets / "videos" / "vtest.avi")), knobs=Knobs())
    packets = source.packets(1_000_000)
    source.close()
    assert packets is not None
    assert packets.coding.suffix == ".mkv"
