"""Behind a restart a file goes on with exactly the picture that comes next: no picture twice, none left out."""

import random
import threading
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests import clips
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import Resume, StreamSpec
from vidpipe.sources.files.file import FileSource
from vidpipe.sources.files.reader import Reader


class Seen(NamedTuple):
    seq: int
    pts: float
    luma: bytes


def run(path: Path, resume: Resume | None = None, **spec: Any) -> list[Seen]:
    source = FileSource("cam", StreamSpec(url=str(path), **spec), knobs=Knobs(), resume=resume)
    return [
        Seen(item.seq, item.pts, item.luma().tobytes() if isinstance(item, Frame) else item.reason.encode())
        for item in source
    ]


def assert_tails_equal(path: Path, whole: list[Seen], seqs: list[int], **spec: Any) -> None:
    for at in seqs:
        assert run(path, Resume(whole[at].seq, whole[at].pts), **spec) == whole[at + 1 :], f"behind {at}"


VARYING = [0.0, 0.03, 0.5, 0.51, 0.52, 1.9, 2.0, 2.4, 2.41, 2.42, 3.3, 3.34, 3.5, 5.0, 5.01, 5.02, 5.9, 6.0, 7.5, 7.51]

CODINGS = [
    ("mp4", {"codec": "libx264", "b_frames": 2}),
    ("mkv", {"codec": "libx264", "b_frames": 3}),
    ("ts", {"codec": "libx264", "b_frames": 2}),
    ("avi", {"codec": "libx264", "b_frames": 2}),
    ("avi", {"codec": "mpeg4", "b_frames": 2}),
    ("avi", {"codec": "msmpeg4"}),
    ("avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    ("mpg", {"codec": "mpeg2video", "b_frames": 2}),
    ("mkv", {"codec": "libx265", "b_frames": 2}),
    ("webm", {"codec": "libvpx-vp9"}),
    ("h264", {"codec": "libx264", "b_frames": 2}),
    ("mp4", {"codec": "libx264", "b_frames": 2, "gop": 250}),
    ("mp4", {"codec": "libx264", "b_frames": 3, "options": {"x264-params": "open-gop=1:b-adapt=0:b-pyramid=normal"}}),
    ("mp4", {"codec": "libx264", "options": {"intra-refresh": "1"}}),
    ("mp4", {"codec": "libx265", "b_frames": 3, "options": {"x265-params": "log-level=none:open-gop=1:bframes=3"}}),
    ("mp4", {"codec": "libx264", "b_frames": 2, "times": VARYING, "gop": 6}),
    ("mkv", {"codec": "libx264", "b_frames": 2, "times": VARYING, "gop": 6}),
    ("ts", {"codec": "libx264", "b_frames": 2, "times": VARYING, "gop": 6}),
    ("mp4", {"codec": "libx264", "b_frames": 2, "fps": 1, "frames": 40}),
]


@pytest.mark.parametrize(("ending", "coding"), CODINGS)
def test_tail_equals_that_of_the_whole_run(tmp_path: Path, ending: str, coding: dict[str, Any]) -> None:
    path = clips.encode(tmp_path / f"clip.{ending}", **{"frames": 90, **coding})
    whole = run(path)
    assert len(whole) == len(coding.get("times") or range(coding.get("frames", 90)))
    rng = random.Random(0)
    seqs = sorted({0, len(whole) - 2, len(whole) - 1, *rng.sample(range(len(whole)), 8)})
    assert_tails_equal(path, whole, seqs)


@pytest.mark.parametrize("ending", ["mp4", "ts", "avi"])
def test_with_a_window(tmp_path: Path, ending: str) -> None:
    path = clips.encode(tmp_path / f"clip.{ending}", frames=120, b_frames=2)
    window = {"start_s": 1.3, "end_s": 4.0}
    whole = run(path, **window)
    assert [whole[0].seq, len(whole)] == [0, 67]
    assert_tails_equal(path, whole, [0, 1, 20, 45, 66], **window)


def test_among_damage(tmp_path: Path) -> None:
    """Numbers and times hold; how a decoder patches depends on what it saw before."""
    clean = clips.encode(tmp_path / "clean.mkv", frames=90, b_frames=2)
    path = clips.scribble(clean, tmp_path / "clip.mkv", [5, 24, 41, 60])  # 24 and 60 begin groups of pictures
    whole = run(path)
    assert len(whole) == 90
    for at in range(0, 90, 4):
        tail = run(path, Resume(whole[at].seq, whole[at].pts))
        assert [seen[:2] for seen in tail] == [seen[:2] for seen in whole[at + 1 :]]


def test_where_two_recordings_were_joined(tmp_path: Path) -> None:
    """The second one's stamps begin at 0 again: a seek by time would land in the first."""
    parts = [
        clips.encode(tmp_path / f"{i}.ts", frames=60, size=size) for i, size in enumerate([(160, 120), (192, 144)])
    ]
    path = tmp_path / "both.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    whole = run(path)
    assert len(whole) == 120
    assert_tails_equal(path, whole, [10, 40, 59, 60, 75, 100, 119])


def test_time_that_was_rounded_on_the_way(tmp_path: Path) -> None:
    path = clips.encode(tmp_path / "clip.mp4", frames=90, fps=29.97, b_frames=2)
    whole = run(path)
    assert run(path, Resume(70, round(whole[70].pts, 6))) == whole[71:]


def test_time_that_does_not_fit_the_number(tmp_path: Path) -> None:
    """The number rules: it is what the results are counted by."""
    path = clips.encode(tmp_path / "clip.mp4", frames=90)
    assert [item.seq for item in run(path, Resume(70, 2.5))] == list(range(71, 90))
    assert clips.FPS == 25
    assert run(path, Resume(70, 2.5)) == run(path)[71:]


@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi", "ts", "mpg"])
def test_what_lies_before_is_not_decoded(tmp_path: Path, ending: str) -> None:
    codec = "mpeg2video" if ending == "mpg" else "libx264"
    path = clips.encode(tmp_path / f"clip.{ending}", codec=codec, frames=120, b_frames=2)
    stop = threading.Event()
    whole = Reader(path, threads=1, stop=stop)
    assert next(iter(whole))[0] == 0
    reader = Reader(path, threads=1, stop=stop, origin=whole.timeline.origin)
    assert reader.seek(4.0)
    assert 3.0 < next(iter(reader))[0] <= 4.1
