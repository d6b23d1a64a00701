"""The index of a recording has the numbers and times that its frames have in a run, key frames first of all."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import clips
from vidpipe.archive.index import Identity, Index, index
from vidpipe.core.errors import ModelError, SourceError
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.open import open_source


def in_a_run(spec):
    """(seq, pts) of each picture, and when it was taken."""
    return [(item.seq, item.pts, item.captured_at) for item in open_source("clip", spec, knobs=Knobs())]


@pytest.mark.parametrize(
    ("file", "how"),
    [
        ("clip.mp4", {}),
        ("clip.mp4", {"b_frames": 3, "metadata": {"creation_time": "2026-01-02T03:04:05Z"}}),
        ("clip.mp4", {"times": [0, 0.1, 0.15, 0.9, 1.0, 1.01, 2.5, 2.6, 2.9, 3.3, 3.31, 3.4, 3.5], "gop": 4}),
        ("clip.mp4", {"rotation": 90}),
        ("clip.ts", {"b_frames": 2}),
        ("clip.avi", {"codec": "mpeg4"}),
        ("clip.avi", {"codec": "mpeg4", "b_frames": 1}),
        ("clip.mkv", {"codec": "libx265", "b_frames": 2}),
        ("clip.webm", {"codec": "libvpx-vp9"}),
    ],
)
def test_law_it_says_what_a_run_does(tmp_path, file, how):
    spec = StreamSpec(url=str(clips.encode(tmp_path / file, **how)))
    made, expected = index(spec), in_a_run(spec)
    assert [(seq, made.pts(seq)) for seq in range(len(made.times_us))] == [
        (seq, pytest.approx(pts, abs=6e-7)) for seq, pts, _ in expected
    ]
    assert made.captured_at(5) == (None if expected[5][2] is None else pytest.approx(expected[5][2], abs=1e-5))
    assert made.keys[0] == 0
    assert len(made.keys) > 1
    first = next(item for item in open_source("clip", spec, knobs=Knobs()) if isinstance(item, Frame))
    assert made.picture == (first.width, first.height)


@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
@given(start=st.floats(0, 1.1), length=st.none() | st.floats(0.1, 2))
def test_law_it_knows_where_a_recording_begins_and_ends(tmp_path_factory, start, length):
    clip = clips.encode(tmp_path_factory.mktemp("clip") / "clip.mp4", b_frames=2)
    spec = StreamSpec(url=str(clip), start_s=start, end_s=None if length is None else start + length)
    expected = in_a_run(spec)
    assert np.allclose(index(spec).times_us / 1e6, [pts for _, pts, _ in expected], atol=1e-6)


@settings(deadline=None, max_examples=10, suppress_health_check=list(HealthCheck))
@given(picks=st.sets(st.integers(1, 29), max_size=6))
def test_law_damage_keeps_its_place(tmp_path_factory, picks):
    folder = tmp_path_factory.mktemp("clip")
    whole = clips.encode(folder / "whole.mp4", gop=6)
    spec = StreamSpec(url=str(clips.scribble(whole, folder / "clip.mp4", picks)))
    assert len(index(spec).times_us) == len(in_a_run(spec))


def test_it_is_the_same_again_from_its_file(tmp_path):
    made = index(StreamSpec(url=str(clips.encode(tmp_path / "clip.mp4"))))
    made.write(tmp_path / "clip.npz")
    read = Index.read(tmp_path / "clip.npz")
    assert (read.identity, read.picture, read.recorded_at, read.uncut) == (made.identity, made.picture, None, "")
    assert read.times_us.tolist() == made.times_us.tolist()
    assert read.keys.tolist() == made.keys.tolist()


@pytest.mark.parametrize("damage", [b"", b"PK nothing", None])
def test_a_damaged_one_is_none(tmp_path, damage):
    if damage is not None:
        (tmp_path / "clip.npz").write_bytes(damage)
    with pytest.raises(ModelError):
        Index.read(tmp_path / "clip.npz")


def test_the_index_of_ten_hours_is_small(tmp_path):
    times = np.round(np.arange(900_000) / 25 * 1e6).astype(np.int64)
    Index(Identity("a.mp4", 1, 1), np.arange(0, 900_000, 250), times, (1920, 1080)).write(tmp_path / "a.npz")
    assert (tmp_path / "a.npz").stat().st_size < 50_000


@pytest.mark.parametrize("make", [lambda path: path.touch(), lambda path: path.mkdir(), lambda path: None])
def test_what_is_no_recording_is_refused(tmp_path, make):
    make(tmp_path / "clip.mp4")
    with pytest.raises(SourceError, match=r"clip\.mp4"):
        index(StreamSpec(url=str(tmp_path / "clip.mp4")))
