"""Every picture of a file comes once, in order, at its time, in the one form that stages know."""

import threading
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests import clips
from vidpipe.core.errors import SourceError
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.files.file import FileSource


def opened(path: Path, **spec: Any) -> FileSource:
    return FileSource("cam", StreamSpec(url=str(path), **spec), knobs=Knobs())


def frames(path: Path, **spec: Any) -> list[Frame]:
    """All frames of a clip that has no damage."""
    found = list(opened(path, **spec))
    assert all(isinstance(frame, Frame) for frame in found)
    return found  # type: ignore[return-value]


def numbers(found: list[Frame]) -> list[int]:
    return [clips.number(frame.luma()) for frame in found]


CODINGS = [
    ("mp4", {"codec": "libx264", "b_frames": 2}, "h264"),
    ("mkv", {"codec": "libx264", "b_frames": 3}, "h264"),
    ("mov", {"codec": "libx264"}, "h264"),
    ("avi", {"codec": "libx264", "b_frames": 2}, "h264"),
    ("ts", {"codec": "libx264", "b_frames": 2}, "h264"),
    ("h264", {"codec": "libx264", "b_frames": 2}, "h264"),
    ("mp4", {"codec": "libx265", "b_frames": 2}, "hevc"),
    ("mkv", {"codec": "libx265", "b_frames": 2}, "hevc"),
    ("ts", {"codec": "libx265", "b_frames": 2}, "hevc"),
    ("mp4", {"codec": "mpeg4"}, "mpeg4"),
    ("avi", {"codec": "mpeg4", "b_frames": 2}, "mpeg4"),
    ("avi", {"codec": "msmpeg4"}, "msmpeg4"),
    ("mpg", {"codec": "mpeg2video", "b_frames": 2}, "mpeg2video"),
    ("avi", {"codec": "mjpeg", "pix_fmt": "yuvj420p"}, "mjpeg"),
    ("mov", {"codec": "mjpeg", "pix_fmt": "yuvj422p"}, "mjpeg"),
    ("webm", {"codec": "libvpx-vp9"}, "vp9"),
]


@pytest.mark.parametrize(("ending", "coding", "codec"), CODINGS)
def test_every_picture_once_in_order_at_its_time(
    tmp_path: Path, ending: str, coding: dict[str, Any], codec: str
) -> None:
    path = clips.encode(tmp_path / f"clip.{ending}", **coding)
    source = opened(path)
    found = list(source)
    assert numbers(found) == list(range(30))  # type: ignore[arg-type]
    assert [frame.seq for frame in found] == list(range(30))
    assert [frame.pts for frame in found] == pytest.approx([i / 25 for i in range(30)], abs=1e-3)
    assert (source.info.width, source.info.height, source.info.fps) == (160, 120, 25)
    assert source.info.codec == codec
    assert not source.info.live
    assert source.notes == []


@pytest.mark.parametrize("ending", ["mp4", "mkv", "webm"])
def test_variable_rate_keeps_its_gaps(tmp_path: Path, ending: str) -> None:
    times = [0.0, 0.04, 0.05, 0.3, 0.31, 2.0, 2.001, 5.5]
    codec = "libvpx-vp9" if ending == "webm" else "libx264"
    path = clips.encode(tmp_path / f"clip.{ending}", codec=codec, b_frames=2, times=times)
    found = frames(path)
    assert numbers(found) == list(range(len(times)))
    assert [frame.pts for frame in found] == pytest.approx(times, abs=1e-3)


def test_file_that_starts_late_starts_at_zero(tmp_path: Path) -> None:
    path = clips.encode(tmp_path / "clip.mkv", times=[7.0, 7.04, 7.08])
    assert [frame.pts for frame in frames(path)] == pytest.approx([0, 0.04, 0.08], abs=1e-3)


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({"start_s": 0.4}, range(10, 100)),
        ({"start_s": 2.5}, range(63, 100)),
        ({"start_s": 2.52}, range(63, 100)),
        ({"end_s": 0.4}, range(10)),
        ({"start_s": 2.4, "end_s": 2.6}, range(60, 65)),
        ({"end_s": 99}, range(100)),
        ({"start_s": 99}, range(0)),
    ],
)
@pytest.mark.parametrize("ending", ["mp4", "avi"])
def test_window(tmp_path: Path, ending: str, window: dict[str, float], expected: range) -> None:
    path = clips.encode(tmp_path / f"clip.{ending}", frames=100, b_frames=2)
    source = opened(path, **window)
    found = list(source)
    assert numbers(found) == list(expected)  # type: ignore[arg-type]
    assert [frame.seq for frame in found] == list(range(len(expected)))
    assert source.info.frames == pytest.approx(len(expected), abs=1)
    assert source.broken_off == ("" if expected else "no picture lies at or behind start_s 99")
    assert source.notes == ([source.broken_off] if source.broken_off else [])


def test_window_that_ends_before_it_starts(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="end_s 1 must be more than start_s 2"):
        opened(clips.encode(tmp_path / "clip.mp4"), start_s=2, end_s=1)


def test_plain_picture_is_the_decoders_own(tmp_path: Path) -> None:
    path = clips.encode(tmp_path / "clip.mp4")
    with av.open(str(path)) as container:
        plain = next(container.decode(video=0)).planes
    frame = frames(path)[0]
    assert np.shares_memory(frame.luma(), np.frombuffer(frame.picture.frame.planes[0], np.uint8))  # type: ignore[attr-defined]
    assert frame.luma().tobytes() == bytes(np.frombuffer(plain[0], np.uint8).reshape(120, -1)[:, :160])
    assert frame.picture.frame.format.name == "yuv420p"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("ending", "coding"),
    [
        ("mp4", {"pix_fmt": "yuv420p10le"}),
        ("mp4", {"pix_fmt": "yuv422p"}),
        ("mp4", {"pix_fmt": "yuv444p"}),
        ("mp4", {"pix_fmt": "yuv422p10le"}),
        ("mp4", {"pix_fmt": "nv12"}),
        ("mkv", {"codec": "libx265", "pix_fmt": "yuv420p10le"}),
        ("webm", {"codec": "libvpx-vp9", "pix_fmt": "yuv444p"}),
        ("avi", {"codec": "rawvideo", "pix_fmt": "uyvy422"}),
        ("mkv", {"codec": "ffv1", "pix_fmt": "yuv420p16le"}),
    ],
)
def test_formats_become_eight_bit_420_with_the_same_luma(tmp_path: Path, ending: str, coding: dict[str, Any]) -> None:
    options = {"options": {"crf": "1"}} if coding.get("codec", "libx264").startswith("libx") else {}
    frame = frames(clips.encode(tmp_path / f"clip.{ending}", frames=3, **coding, **options))[2]
    picture = frame.picture.frame  # type: ignore[attr-defined]
    assert picture.format.name == "yuv420p"
    levels = np.abs(frame.luma().astype(int) - clips.scene(2))
    assert np.median(levels) <= 1
    assert np.percentile(levels, 99) <= (12 if ending == "webm" else 2)


@pytest.mark.parametrize("pix_fmt", ["yuvj420p", "yuvj422p", "yuvj444p"])
def test_full_range_stays_full_range(tmp_path: Path, pix_fmt: str) -> None:
    """Cameras send MJPEG in full range; read as video range, every picture is too dark and too contrasty."""
    frame = frames(clips.encode(tmp_path / "clip.avi", codec="mjpeg", pix_fmt=pix_fmt, frames=2))[1]
    assert frame.picture.frame.format.name == "yuvj420p"  # type: ignore[attr-defined]
    with av.open(str(tmp_path / "clip.avi")) as container:
        decoded = list(container.decode(video=0))[1]
    luma = np.frombuffer(decoded.planes[0], np.uint8).reshape(120, -1)[:, :160]
    assert np.array_equal(frame.luma(), luma)
    assert np.abs(frame.bgr().astype(int) - decoded.to_ndarray(format="bgr24", threads=1)).mean() < 2


def test_grey_keeps_its_levels(tmp_path: Path) -> None:
    frame = frames(clips.encode(tmp_path / "clip.mkv", codec="ffv1", pix_fmt="gray", frames=1))[0]
    with av.open(str(tmp_path / "clip.mkv")) as container:
        grey = next(container.decode(video=0)).to_ndarray()
    assert np.array_equal(frame.luma(), grey)


def test_rgb_becomes_full_range(tmp_path: Path) -> None:
    frame = frames(clips.encode(tmp_path / "clip.mkv", codec="ffv1", pix_fmt="bgr0", frames=1))[0]
    with av.open(str(tmp_path / "clip.mkv")) as container:
        bgr = next(container.decode(video=0)).to_ndarray(format="bgr24", threads=1)
    assert frame.picture.frame.format.name == "yuvj420p"  # type: ignore[attr-defined]
    assert np.abs(frame.bgr().astype(int) - bgr).mean() < 2


@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize(
    ("turn", "upright"),
    [
        ({"rotation": 90}, lambda image: np.rot90(image)),
        ({"rotation": -90}, lambda image: np.rot90(image, -1)),
        ({"rotation": 180}, lambda image: np.rot90(image, 2)),
        ({"hflip": True}, lambda image: image[:, ::-1]),
        ({"rotation": 180, "hflip": True}, lambda image: image[::-1]),
        ({"rotation": 90, "hflip": True}, lambda image: np.rot90(image)[:, ::-1]),
    ],
)
@pytest.mark.parametrize("size", [(160, 120), (162, 126), (161, 119)])
def test_phone_clips_stand_upright(
    tmp_path: Path, ending: str, turn: dict[str, Any], upright: Any, size: tuple[int, int]
) -> None:
    coding = {"size": size, "frames": 2, "pix_fmt": "yuv444p" if size[0] % 2 else "yuv420p"}
    plain = frames(clips.encode(tmp_path / f"plain.{ending}", **coding))[1]
    source = opened(clips.encode(tmp_path / f"turned.{ending}", **coding, **turn))
    turned = list(source)[1]
    assert isinstance(turned, Frame)
    expected = upright(plain.luma())
    assert np.array_equal(turned.luma(), expected)
    assert (turned.height, turned.width) == expected.shape == (source.info.height, source.info.width)
    assert np.abs(turned.bgr().astype(int) - upright(plain.bgr())).mean() < 3  # chroma is put between other neighbours


def test_size_may_change_on_the_way(tmp_path: Path) -> None:
    """A recorder that is set to another resolution goes on in the same file."""
    first = clips.encode(tmp_path / "first.ts", frames=30)
    second = clips.encode(tmp_path / "second.ts", frames=30, size=(192, 144))
    (tmp_path / "both.ts").write_bytes(first.read_bytes() + second.read_bytes())
    found = frames(tmp_path / "both.ts")
    assert numbers(found) == [*range(30), *range(30)]
    assert [(frame.width, frame.height) for frame in found] == [(160, 120)] * 30 + [(192, 144)] * 30
    assert {frame.luma().shape for frame in found[30:]} == {(144, 192)}
    assert [frame.pts for frame in found] == pytest.approx([i / 25 for i in range(60)], abs=1e-3)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"creation_time": "2024-05-06T07:08:09Z"}, 1714979289.0),
        ({"creation_time": "1970-01-01T00:00:00Z"}, None),
        ({}, None),
    ],
)
def test_captured_at(tmp_path: Path, metadata: dict[str, str], expected: float | None) -> None:
    found = frames(clips.encode(tmp_path / "clip.mkv", metadata=metadata))
    assert found[5].captured_at == (None if expected is None else pytest.approx(expected + found[5].pts))


def test_sound_beside_the_picture_changes_nothing(tmp_path: Path) -> None:
    assert numbers(frames(clips.encode(tmp_path / "clip.mp4", b_frames=2, sound=True))) == list(range(30))


def test_frames_outlive_the_decoder(tmp_path: Path) -> None:
    found = frames(clips.encode(tmp_path / "clip.mp4", b_frames=2))
    assert [frame.knobs.version for frame in found] == [0] * 30
    assert numbers(found) == list(range(30))


def test_knobs_may_be_exchanged_on_the_way(tmp_path: Path) -> None:
    source = opened(clips.encode(tmp_path / "clip.mp4"))
    versions = []
    for frame in source:
        assert isinstance(frame, Frame)
        versions.append(frame.knobs.version)
        source.knobs = Knobs(version=frame.seq + 1)
    assert versions == list(range(30))


def test_close_ends_the_iteration(tmp_path: Path) -> None:
    source = opened(clips.encode(tmp_path / "clip.mp4"))
    found = iter(source)
    next(found)
    closing = threading.Thread(target=source.close)
    closing.start()
    closing.join()
    assert len(list(found)) <= 1
    assert list(source) == []
    source.close()


def test_close_before_the_first_picture(tmp_path: Path) -> None:
    source = opened(clips.encode(tmp_path / "clip.mp4"))
    source.close()
    assert list(source) == []
