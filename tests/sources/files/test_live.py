"""A recording played as a camera. What must hold:

- every picture is given once, in order, however slow the consumer is; what found no place says so;
- what is looked at is not much older than the queue is long, and no more pictures wait than it holds;
- in all else the pictures are those of the file.
"""

import bisect
import math
import threading
import time
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import clips
from tests.builders import frame
from tests.waiting import until
from vidpipe.core.answer import How
from vidpipe.core.clock import REAL
from vidpipe.core.errors import SourceError
from vidpipe.core.frame import Frame, Missing
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import LIVE_FILE, Resume, StreamSpec
from vidpipe.sources.files.file import FileSource
from vidpipe.sources.files.live import LiveFileSource
from vidpipe.sources.open import expand, open_source
from vidpipe.sources.queue import NewestQueue
from vidpipe.sources.read_ahead import QUEUE
from vidpipe.testing.clock import HandClock

FPS = 50


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.encode(tmp_path_factory.mktemp("live") / "clip.mp4", frames=50, fps=FPS, b_frames=2)


def opened(clip, resume=None, clock=REAL, **spec):
    return open_source("cam", StreamSpec(url=f"{LIVE_FILE}{clip}", **spec), knobs=Knobs(), resume=resume, clock=clock)


def played(clip, clock=None, **options):
    """The pictures of a clip, its clock turned on by one as each is taken."""
    clock = clock or HandClock()
    for item in opened(clip, clock=clock, **options):
        yield item
        clock.turn(1 / FPS)


def of_file(clip, **spec):
    return list(open_source("cam", StreamSpec(url=str(clip), **spec), knobs=Knobs()))


def test_pictures_that_the_user_does_not_want_are_left_undecoded(clip):
    items = list(played(clip, skip_frame="nokey"))
    assert [(item.seq, item.pts) for item in items] == [(item.seq, item.pts) for item in of_file(clip)]
    assert {item.reason for item in items if isinstance(item, Missing)} <= {"not decoded", "overloaded"}
    assert [item.seq for item in items if isinstance(item, Frame)] == [0, 12, 24, 36, 48]


def test_it_comes_at_its_own_speed_and_loses_nothing_on_who_keeps_up(clip):
    clock = HandClock()
    source = opened(clip)
    assert isinstance(source, LiveFileSource)
    assert source.info.live
    began = clock.utc()
    came = [(item, clock.utc()) for item in played(clip, clock)]
    assert [item.seq for item, _ in came] == list(range(50))
    for item, at in came:
        assert isinstance(item, Frame)
        assert at >= item.captured_at, "before it was due"
        assert at < item.captured_at + 0.001
        assert item.captured_at - began == pytest.approx(item.pts, abs=1e-3)
        assert clips.number(item.luma()) == item.seq
    assert [item.pts for item, _ in came] == [item.pts for item in of_file(clip)]


def test_at_the_machines_own_clock_no_picture_comes_before_it_is_due(clip):
    came = [(item, time.time()) for item in opened(clip)]
    assert [item.seq for item, _ in came] == list(range(50))
    for item, at in came:
        assert at >= item.captured_at - 1e-3, "before it was due"
    assert came[-1][0].captured_at - came[0][0].captured_at == pytest.approx(49 / FPS, abs=1e-3)


def test_who_is_slower_gets_the_newest_and_is_told_of_the_rest(clip):
    clock, due = HandClock(), [item.pts for item in of_file(clip)]
    source = opened(clip, clock=clock)
    began = clock.monotonic()
    ages = []
    came = []
    for item in source:
        came.append(item)
        if isinstance(item, Frame):
            ages.append(clock.utc() - item.captured_at)
            clock.turn(0.1)
            have_come = bisect.bisect_right(due, clock.monotonic() - began)
            until(lambda count=have_come: source.health.received == count)
    assert [item.seq for item in came] == list(range(50))
    dropped = [item for item in came if isinstance(item, Missing)]
    assert len(dropped) > 25  # a tenth of a second is five pictures
    assert {(item.how, item.reason) for item in dropped} == {(How.DROPPED, "overloaded")}
    assert all(item.captured_at is not None for item in came)
    assert max(ages[:-QUEUE]) < (QUEUE + 2) / FPS  # the last ones wait with nothing behind them


@given(puts=st.lists(st.sampled_from(["frame", "damaged", "take"]), max_size=60), size=st.integers(1, 4))
def test_law_the_queue_gives_all_in_order_and_the_newest_whole(puts, size):
    queue = NewestQueue(size)
    arrivals = queue.arrivals(lambda: math.inf)
    waiting, damaged, whole = deque(), set(), deque(maxlen=size)  # numbers; `whole`: of the frames that are held

    def take():
        item = next(arrivals)
        assert item.seq == waiting.popleft()
        if item.seq in whole:
            assert isinstance(item, Frame)
            assert item.seq == whole.popleft()
        else:
            assert isinstance(item, Missing)
            assert item.reason == ("damaged" if item.seq in damaged else "overloaded")

    put = 0
    for act in puts:
        if act == "take":
            if waiting:
                take()
            continue
        if act == "frame":
            queue.put(frame(put))
            whole.append(put)
        else:
            queue.put(Missing("cam", put, put / 10, How.DROPPED, "damaged"))
            damaged.add(put)
        waiting.append(put)
        put += 1
    queue.end(None)
    while waiting:
        take()
    assert list(arrivals) == []


def test_who_waits_for_pictures_can_be_told_of_other_things():
    clock = HandClock()
    due = clock.monotonic() + 5
    queue = NewestQueue(2, clock)
    arrivals = queue.arrivals(lambda: due)
    threading.Timer(0.01, clock.turn, (5,)).start()
    assert next(arrivals) is None  # nothing came
    assert clock.monotonic() >= due
    queue.nudge()
    queue.put(frame(0))
    assert next(arrivals).seq == 0  # a picture goes first: who takes it looks for other things as well
    queue.nudge()
    queue.end(None)
    assert list(arrivals) == [None]


def test_masks_and_stretch_are_those_of_the_file(clip):
    spec = {"mask": [[[0, 0.5], [1, 0.5], [1, 1], [0, 1]]], "start_s": 0.3, "end_s": 0.7}
    theirs = of_file(clip, **spec)
    for ours in played(clip, **spec):
        same = theirs[ours.seq]
        assert ours.pts == same.pts
        if isinstance(ours, Frame):
            assert (ours.luma() == same.luma()).all()
            assert ours.visible == same.visible
    assert ours.seq == theirs[-1].seq


def test_behind_a_restart_the_clock_has_gone_on(clip):
    """Picture 9 was taken 0.4 s ago: what was due since is gone, and is said so."""
    file = of_file(clip)
    clock = HandClock()
    began = clock.utc()
    came = list(played(clip, clock, resume=Resume(9, file[9].pts, began - 0.4)))
    assert [item.seq for item in came] == list(range(10, 50))
    gone = [item for item in came if isinstance(item, Missing) and item.reason == "restarting"]
    assert 19 <= len(gone) <= 20  # one is due just now
    assert [item.seq for item in gone] == list(range(10, 10 + len(gone)))
    for item in came:
        assert item.captured_at == pytest.approx(began - 0.4 + file[item.seq].pts - file[9].pts)


def test_closing_wakes_who_waits(tmp_path):
    """Half a minute lies between its pictures."""
    source = opened(clips.encode(tmp_path / "slow.mp4", frames=2, times=[0.0, 30.0]))
    pictures = iter(source)
    next(pictures)
    closing = threading.Timer(0.1, source.close)
    closing.start()
    began = time.monotonic()
    assert next(pictures, None) is None
    assert time.monotonic() - began < 5
    assert list(source) == []


def test_a_file_that_was_cut_off_says_so_when_it_has_ended(tmp_path):
    whole = clips.encode(tmp_path / "whole.mp4", frames=50, fps=FPS, mux={"movflags": "faststart"})
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    clock = HandClock()
    source = opened(cut, clock=clock)
    came = []
    for item in source:
        came.append(item)
        clock.turn(1 / FPS)
    assert [item.seq for item in came] == list(range(len(came)))
    assert 5 < len(came) < 45
    assert "truncated" in source.notes[-1]
    assert source.broken_off == source.notes[-1]


def test_what_goes_wrong_while_reading_reaches_who_takes(clip, monkeypatch):
    def broken(source):
        yield frame(0)
        raise OSError("the disk is gone")

    monkeypatch.setattr(FileSource, "__iter__", broken)
    pictures = iter(opened(clip))
    assert next(pictures).seq == 0
    with pytest.raises(OSError, match="the disk is gone"):
        next(pictures)


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("live+file:{clip}", {"clip": "live+file:{clip}"}),
        ("gate=live+file:{clip}", {"gate": "live+file:{clip}"}),
        ("live+file:{folder}", {"clip": "live+file:{clip}"}),
        ("yard=live+file:{folder}/*.mp4", {"yard-clip": "live+file:{clip}"}),
        ("live+file:{folder}/a=b.mp4", {"a-b": "live+file:{folder}/a=b.mp4"}),
    ],
)
def test_it_is_asked_for_as_files_are(clip, argument, expected):
    here = {"clip": clip, "folder": clip.parent}
    if "a=b" in argument:
        (clip.parent / "a=b.mp4").symlink_to(clip)
    try:
        assert expand(argument.format(**here)) == {name: url.format(**here) for name, url in expected.items()}
    finally:
        (clip.parent / "a=b.mp4").unlink(missing_ok=True)


def test_what_is_not_there_is_said_as_of_a_file(clip):
    missing = clip.with_name("clap.mp4")
    message = f"no file {missing}; did you mean {clip}\\?"
    with pytest.raises(SourceError, match=message):
        expand(f"live+file:{missing}")
    with pytest.raises(SourceError, match=message):
        opened(missing)
    with pytest.raises(SourceError, match="is a folder"):
        opened(clip.parent)
