"""What a stream keeps for reachback, and how it asks. What must hold:

- it keeps what filters answered, no longer and no larger than it may;
- a frame that is not answered in time, or refused again and again, ends the search, and what is known by then is told;
- looks under other settings, or out of order, are not held against each other.

Nobody answers but the test, and time stands still but where it turns the clock.
"""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest

from tests import clips
from tests.builders import CLASSES, answer, frame
from vidpipe.cascade.reachback import ReachbackSpec
from vidpipe.core.answer import How
from vidpipe.core.frame import Frame
from vidpipe.core.picture import YuvPicture
from vidpipe.core.settings import Knobs, StageConfig
from vidpipe.pipeline.plan import Link
from vidpipe.pipeline.spec import LinkSpec
from vidpipe.runtime.shadow.ask import Reply, refuse
from vidpipe.runtime.streams.reachback import REFUSALS, WAITING, Reachback
from vidpipe.runtime.transport.kept import kept
from vidpipe.testing.clock import HandClock


class Other(StageConfig):
    limit: float = 0.5


class Asking:
    """A stream whose filter says that nothing is there, and what it asks."""

    def __init__(self, **spec):
        self.clock = HandClock()
        self.asked = []
        self.counts = Counter()
        self.reachback = Reachback(
            ReachbackSpec(**spec),
            "big",
            CLASSES,
            lambda each: kept(each, None, {}),
            lambda each, asks, tell: self.asked.append((each.seq, asks, tell)),
            lambda said, _: said,
            self.clock,
            self.counts.update,
        )

    def passes(self, *seqs, by_filter=True):
        found = []
        for seq in seqs:
            said = answer("difference", how=How.REUSED)
            found += self.reachback.publish(frame(seq), said, lambda *_: False, by_filter=by_filter)
        return found

    def looks(self, seq, *classes, config=None):
        looked = frame(seq)
        looked.knobs = Knobs(0, {"big": config or StageConfig()})
        self.reachback.look(looked, answer("big", *classes, as_of=seq))
        return self.passes(seq, by_filter=False)

    def says(self, *classes):
        seq, (ask,), tell = self.asked.pop(0)
        tell(ask, Reply(answer("big", *classes, as_of=seq)))
        return seq

    def refuses(self):
        seq, asks, tell = self.asked.pop(0)
        refuse(asks, tell, "nobody has time")
        return seq


def test_the_moment_is_found_by_asking_one_frame_at_a_time():
    stream = Asking()
    stream.looks(0)
    stream.passes(*range(1, 8))
    assert stream.looks(8, 3) == []
    assert stream.says(3) == 4
    assert stream.passes(9) == []
    assert stream.says() == 2
    assert stream.passes(10) == []
    assert stream.says(3) == 3
    (found,) = stream.passes(11)
    assert (found.name, found.appeared, found.seq, found.within, found.look) == ("class3", True, 3, 1, 8)
    assert (found.frames, found.asked, found.pts) == (5, 3, 0.3)
    assert not stream.asked
    assert stream.counts == {"searches": 1, "asked": 3}


def test_what_is_kept_is_bounded_in_time_and_bytes():
    of_seconds = Asking(seconds=1.0)
    of_seconds.looks(0)
    of_seconds.passes(*range(1, 40))
    of_seconds.looks(40, 3)
    seqs = []
    while of_seconds.asked:
        seqs.append(of_seconds.says(3))
        (*found,) = of_seconds.passes(41 + len(seqs))
    assert min(seqs) == 29
    assert (found[0].seq, found[0].within) == (29, 29)  # it is as it is since then at the latest
    nbytes = frame().picture.nbytes
    of_bytes = Asking(mb=nbytes * 3.5 / 1e6)
    of_bytes.looks(0)
    of_bytes.passes(*range(1, 40))
    of_bytes.looks(40, 3)
    assert of_bytes.says(3) == 38
    of_bytes.passes(41)
    assert of_bytes.says(3) == 37


def test_fewer_frames_are_kept_where_the_moment_need_not_be_exact():
    stream = Asking(frames=4)
    stream.looks(0)
    stream.passes(*range(1, 16))
    stream.looks(16, 3)
    seqs = []
    found = []
    while stream.asked:
        seqs.append(stream.says(*([3] if stream.asked[0][0] >= 6 else [])))
        found += stream.passes(17 + len(seqs))
    assert all(seq % 4 == 1 for seq in seqs)
    assert found[0].seq == 9
    assert found[0].within == 4


def test_who_does_not_answer_costs_the_search_alone():
    stream = Asking(patience_s=5)
    stream.looks(0)
    stream.passes(*range(1, 8))
    stream.looks(8, 3)
    stream.says(3)
    stream.passes(9)
    stream.clock.turn(5.1)
    (found,) = stream.passes(10)
    assert (found.seq, found.within) == (4, 4)
    assert stream.counts["unanswered"] == 1
    stream.says(3)  # at last: nobody listens any more
    assert stream.passes(11) == []


def test_who_is_refused_again_and_again_gives_up():
    stream = Asking()
    stream.looks(0)
    stream.passes(*range(1, 20))
    stream.looks(20, 3)
    for _ in range(REFUSALS):
        stream.refuses()
        assert stream.passes(21) == []
    assert not stream.asked
    assert stream.counts == {"searches": 1, "asked": REFUSALS, "unanswered": REFUSALS}


def test_what_was_published_right_is_not_corrected():
    stream = Asking()
    stream.looks(0)
    stream.passes(1, 2, 3)
    stream.looks(4, 3)
    while stream.asked:
        stream.says()
        assert stream.passes(5) == []
    assert stream.counts["asked"] == 2


@pytest.mark.parametrize("looks", [[(0, (), None), (4, (3,), Other(limit=0.1))], [(4, (), None), (0, (3,), None)]])
def test_looks_that_say_nothing_of_each_other_are_not_searched(looks):
    stream = Asking()
    stream.passes(1, 2, 3)
    for seq, classes, config in looks:
        stream.looks(seq, *classes, config=config)
    assert not stream.asked


def test_of_many_changes_the_newest_are_searched():
    stream = Asking()
    stream.looks(0)
    for change in range(WAITING + 2):
        at = 10 * change
        stream.passes(*range(at + 1, at + 10))
        stream.looks(at + 10, *([3] if change % 2 == 0 else []))
    assert stream.counts["given_up"] == 2
    assert len(stream.asked) == 1


def test_a_kept_frame_is_as_large_as_it_would_cross_its_link_and_shows_the_same():
    planes = clips_picture(320, 240)
    of_link = kept(planes, Link("device", "edge", LinkSpec(codec="jpeg", width=160)), {})
    assert (of_link.width, of_link.height) == (320, 240)  # boxes are in pixels of the source
    assert of_link.bgr().shape == (120, 160, 3)
    whole = kept(planes, None, {})
    assert np.array_equal(whole.bgr(), planes.bgr())
    shrunk = cv2.resize(planes.bgr(), (160, 120), interpolation=cv2.INTER_LINEAR)
    assert np.abs(of_link.bgr().astype(int) - shrunk).mean() < 2
    assert whole.features == {} == of_link.features


def clips_picture(width, height):
    made = Frame("cam", 7, 0.7, YuvPicture(clips.picture(7, width, height)), width, height)
    made.features["other"] = [1]
    return made
