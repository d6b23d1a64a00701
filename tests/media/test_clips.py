"""Which events share a clip, from when to when, and when it is due: by media time alone."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidpipe.core.event import Event, Phase
from vidpipe.media.clips import Clips
from vidpipe.media.spec import MediaSpec


def event(id: str, pts: float, phase: str = "begin", kind: str = "zone.enter", **data: Any) -> Event:
    return Event(kind, "cam", round(pts * 10), pts, None, "rule", id, phase=Phase(phase), data=data)


def clips(**spec: Any) -> Clips:
    number = iter(range(1000))
    settings = {"folder": "x", "pre_s": 5.0, "post_s": 3.0, "max_s": 60.0} | spec
    return Clips(MediaSpec(**settings), lambda event, begin: Path(f"{next(number)}"))


def test_a_clip_goes_from_before_the_beginning_to_behind_the_end() -> None:
    made = clips()
    assert made.see(event("a", 10.2, started_pts=10.0)) == (Path("0"), True)
    assert made.take_due(30.0) == []
    assert made.needed == 5.0
    assert made.see(event("a", 31.0, "end", ended_pts=30.0)) == (Path("0"), False)
    assert made.take_due(32.9) == []
    (clip,) = made.take_due(33.0)
    assert (clip.begin, clip.end, clip.events) == (5.0, 33.0, ["a"])
    assert made.needed == math.inf


def test_what_has_no_duration_is_shown_with_its_rolls() -> None:
    made = clips()
    made.see(event("a", 10.0, kind="line.cross", started_pts=9.8))
    (clip,) = made.take_due(13.0)
    assert (clip.begin, clip.end) == (pytest.approx(4.8), 13.0)


def test_of_a_kind_of_somebody_elses_is_learnt_whether_it_lasts() -> None:
    made = clips()
    made.see(event("a", 10.0, kind="own"))
    assert len(made.take_due(13.0)) == 1
    made.see(event("a", 14.0, "end", kind="own"))
    made.see(event("b", 20.0, kind="own"))
    assert made.take_due(30.0) == []


def test_events_that_overlap_share_a_clip() -> None:
    made = clips()
    made.see(event("a", 10.0))
    assert made.see(event("b", 20.0, started_pts=4.0)) == (Path("0"), False)
    made.see(event("a", 21.0, "end"))
    made.see(event("b", 30.0, "end"))
    assert made.see(event("c", 32.9, kind="line.cross")) == (Path("0"), False)  # in the roll behind
    (clip,) = made.take_due(36.0)
    assert (clip.begin, clip.end, clip.events) == (-1.0, 35.9, ["a", "b", "c"])
    assert made.see(event("d", 40.0)) == (Path("1"), True)


def test_one_that_never_ends_is_bounded_and_keeps_its_path() -> None:
    made = clips()
    made.see(event("a", 10.0))
    (clip,) = made.take_due(65.0)
    assert (clip.begin, clip.end) == (5.0, 65.0)
    assert made.see(event("a", 500.0, "end")) == (Path("0"), False)
    assert made.take_due(1000.0) == []


def test_what_does_not_fit_any_more_has_another_clip() -> None:
    made = clips()
    made.see(event("a", 10.0))
    assert made.see(event("b", 62.5)) == (Path("1"), True)
    assert [clip.path for clip in made.take_due(65.0)] == [Path("0")]
    made.see(event("b", 70.0, "end"))
    (clip,) = made.take_due(73.0)
    assert (clip.begin, clip.end) == (57.5, 73.0)


def test_one_that_is_told_very_late_is_shown_when_it_was_told() -> None:
    made = clips()
    made.see(event("a", 600.0, started_pts=0.0, kind="zone.dwell"))
    made.see(event("a", 610.0, "end"))
    (clip,) = made.take_due(613.0)
    assert (clip.begin, clip.end) == (543.0, 603.0)


def test_at_the_end_of_a_stream_there_is_no_more_than_that() -> None:
    made = clips()
    made.see(event("a", 10.0))
    (clip,) = made.take_all(12.0)
    assert (clip.begin, clip.end) == (5.0, 13.0)
    made.see(event("b", 20.0))
    (clip,) = made.take_all(40.0)
    assert clip.end == 40.0


@given(st.lists(st.tuples(st.floats(0, 30), st.sampled_from("abcd"), st.sampled_from(["begin", "end"])), max_size=40))
def test_law_every_event_lies_in_its_clip_and_none_is_too_long(phases: list[tuple[float, str, str]]) -> None:
    made, now, cut = clips(max_s=20.0), 0.0, {}
    first: dict[str, tuple[float, Path]] = {}
    for number, (after_s, name, phase) in enumerate(phases):
        now += after_s
        cut |= {clip.path: clip for clip in made.take_due(now)}
        id = f"{name}{number}" if phase == "begin" else next((id for id in reversed(first) if id[0] == name), name)
        path, _ = made.see(event(id, now, phase))
        assert first.setdefault(id, (now, path))[1] == path
    cut |= {clip.path: clip for clip in made.take_due(math.inf)}
    for at, path in first.values():
        clip = cut[path]
        assert clip.begin <= at - 5.0 + 1e-9
        assert clip.end >= at + 3.0 - 1e-9
        assert clip.end - clip.begin <= 20.0 + 1e-9
    assert made.needed == math.inf


@pytest.mark.parametrize("spec", [{"max_s": 8.0}, {"pre_s": -1}, {"folder": ""}, {"kinds": []}, {"pictures": "all"}])
def test_settings_that_make_no_sense(spec: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(spec))):
        clips(**spec)
