"""Times in a clip: as the frames have them, and so that a decoder has each picture before it is shown."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from tests import clips
from tests.media import clip as clip_of
from tests.media.test_files import opened
from vidpipe.media import mux
from vidpipe.sources.decoding.packets import Coding, Kept


@given(st.permutations(list(range(0, 60, 3))))
def test_law_pictures_are_decoded_in_order_and_before_they_are_shown(shown: list[int]) -> None:
    times = mux.decode_times(shown)
    assert all(a < b for a, b in pairwise(times))
    assert all(dts <= pts for dts, pts in zip(times, shown, strict=True))


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30))
def test_law_no_two_pictures_are_shown_at_one_time(pts: list[float]) -> None:
    times = mux.show_times(pts)
    assert len(set(times)) == len(pts)
    order = sorted(range(len(pts)), key=lambda place: pts[place])
    assert [times[place] for place in order] == sorted(times)


def test_pictures_in_the_order_of_decoding_are_decoded_when_they_are_shown() -> None:
    assert mux.decode_times([0, 3, 6]) == [0, 3, 6]
    assert mux.decode_times([0, 9, 3, 6]) == [-1, 0, 3, 6]


def test_each_coding_has_its_file_from_its_first_key_frame_on() -> None:
    def kept(coding: str, *, key: bool) -> Kept:
        made = Kept.__new__(Kept)
        made.coding, made.key = cast(Coding, coding), key
        return made

    packets = [kept("a", key=True), kept("a", key=False), kept("b", key=False), kept("b", key=True)]
    packets += [kept("c", key=False), kept("a", key=True)]
    assert list(mux.parts(packets)) == [packets[:2], packets[3:4], packets[5:]]
    assert list(mux.parts([])) == []


def test_a_clip_says_when_it_was_taken_and_can_be_analysed_again(tmp_path: Path) -> None:
    """As a recording of its own its frames have the times of day that they had before."""
    at = 1_700_000_000.0
    metadata = {"creation_time": "2023-11-14T22:13:20.000000Z"}
    frames, packets = opened(clips.encode(tmp_path / "whole.mp4", frames=100, metadata=metadata))
    (part,) = mux.parts(packets.between(1.92, 3.0))
    clip = tmp_path / "clip.mp4"
    mux.write(clip, part, {"pts": part[0].pts}, at + (part[0].pts or 0.0))
    again, _ = opened(clip)
    first = next(frame for frame in frames if frame.pts == part[0].pts)
    assert frames[0].captured_at == at
    assert abs((again[0].captured_at or 0.0) - (first.captured_at or 0.0)) < 1.0  # MP4 has whole seconds
    assert clips.number(again[0].luma()) == clips.number(first.luma())


def test_turned_recordings_stay_turned(tmp_path: Path) -> None:
    frames, packets = opened(clips.encode(tmp_path / "whole.mp4", frames=30, rotation=90))
    (clip,) = clip_of.written(tmp_path, packets.between(0.0, 1.0))
    again, _ = opened(clip)
    assert (again[0].width, again[0].height) == (frames[0].width, frames[0].height) == (clips.HEIGHT, clips.WIDTH)


def test_what_is_written_leaves_the_packet_as_it_was(tmp_path: Path) -> None:
    """Others may yet decode it."""
    _, packets = opened(clips.encode(tmp_path / "whole.mp4", frames=30, b_frames=2))
    found = packets.between(0.5, 1.0)
    before = [(kept.packet.pts, kept.packet.dts, kept.packet.time_base) for kept in found]
    clip_of.written(tmp_path, found)
    assert [(kept.packet.pts, kept.packet.dts, kept.packet.time_base) for kept in found] == before
