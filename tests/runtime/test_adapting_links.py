"""Links that adapt, between actors, over an emulated network; and batches that wait no longer than they may."""

from __future__ import annotations

import pytest

from tests import clips
from tests.builders import frame
from tests.runtime import linked, local
from tests.runtime.linked import Measures, Repeats
from vidpipe.cascade.cascade import Ticket
from vidpipe.core.answer import How
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.spec import LinkSpec, RungSpec, ShaperSpec, Tier
from vidpipe.runtime.downstream import PendingResult
from vidpipe.runtime.links.batching import Batching
from vidpipe.runtime.links.job import Job
from vidpipe.runtime.links.outside import Outside
from vidpipe.runtime.links.room import Room
from vidpipe.runtime.transport import codec
from vidpipe.runtime.transport.pace import Pace
from vidpipe.runtime.transport.traffic import Traffic
from vidpipe.runtime.worker import Settings
from vidpipe.sources.base import StreamSpec

FRAMES, FPS = 60, 25
NAMES = ("jpeg 95", "jpeg 40, 96 px", "jpeg 40, 96 px, 50% of the frames")
RUNGS = [RungSpec(quality=40, width=96), RungSpec(quality=40, width=96, share=0.5)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.encode(tmp_path_factory.mktemp("adapts") / "clip.mp4", frames=FRAMES, fps=FPS, size=(320, 240))


def run(clip, shaper, *, live=True, adapt=True):
    spec = LinkSpec(codec="jpeg", quality=95, adapt=adapt, adapt_ms=150, rungs=RUNGS if adapt else [], shaper=shaper)
    stages = [(Repeats, Tier.DEVICE), (Measures, Tier.CLOUD)]
    built = linked.pipeline({"cam": clip}, stages, links={"device-cloud": spec})
    if live:
        built.streams["cam"] = linked.Stream(StreamSpec(url=f"live+file:{clip}"))
    laid = plan(built)
    device = local.Device(laid, local.segments(laid)[-1])
    device.run()
    return device.published, device.actor.word().counts.links["device-cloud"]


@pytest.mark.long
def test_a_link_that_becomes_too_slow_steps_down_and_no_picture_is_without_an_answer(clip):
    """Every third frame is asked: at the first setting that is four times what the link can carry after a second."""
    published, carried = run(clip, ShaperSpec(trace=[(0, 40), (0.8, 0.4)]))
    assert [record.seq for record in published] == list(range(FRAMES))
    assert set(carried.settings) <= set(NAMES)
    assert carried.settings[NAMES[0]] >= 3
    assert carried.settings[NAMES[1]] >= 2
    assert carried.longest_s < 1.5
    assert carried.bytes * 8e-6 / carried.busy_s > 0.3
    assert carried.now.setting in NAMES[1:]


def test_a_recording_that_is_waited_for_crosses_as_it_is_set(clip):
    """Its answers must not depend on how fast a network is."""
    published, carried = run(clip, ShaperSpec(rate_mbps=4), live=False)
    assert [record.answer.how for record in published].count(How.FAILED) == 0
    assert set(carried.settings) == {NAMES[0]}


def test_a_link_that_does_not_adapt_tells_its_rate_all_the_same(clip):
    _, carried = run(clip, ShaperSpec(rate_mbps=4), live=False, adapt=False)
    assert carried.bytes * 8e-6 / carried.busy_s == pytest.approx(4, rel=0.3)
    assert carried.crossed == carried.frames
    assert carried.now.setting == "jpeg 95"
    assert not carried.settings


def test_of_a_share_of_the_frames_none_is_left_out_that_checks_an_answer():
    spec = LinkSpec(codec="jpeg", quality=95, adapt=True, rungs=[RungSpec(share=0.25)])
    pace = Pace(spec, traffic := Traffic())
    for second in range(4):  # late each time, on a rung that should be enough
        traffic.ask(second, 0.0)
        pace.go_on(second + 1.0)
    assert pace.step.share == 0.25
    admitted = [pace.admits(Ticket(frame(seq)), 5.0) for seq in range(40)]
    assert sum(admitted) == 10 + 1
    assert all(pace.admits(Ticket(frame(seq), due=True), 5.0) for seq in range(5))
    assert all(pace.admits(Ticket(frame(seq), straight=True), 5.0) for seq in range(5))


def test_what_may_be_under_way_is_what_crosses_in_time():
    """A picture of 30 kB on a link of 100 kB a second: one at a time, the newest of the others wait outside."""
    spec = LinkSpec(codec="jpeg", adapt=True, adapt_ms=300)
    traffic = Traffic()
    traffic.arrive(traffic.send(1, 100_000, 0.0), [], 0.0, 1.0)
    room = Room(spec, None)
    outside = Outside({"cam": 1.0}, room, traffic, Pace(spec, traffic))
    entered = []
    for seq in range(8):
        pending = PendingResult()
        if outside.enters(Ticket(frame(seq)), pending, 0, lost=False):
            room.take(0, counted=True)
            room.correct(30_000)
            entered.append(seq)
    assert entered == [0]
    assert len(outside) == 1
    ticket, _ = outside.take()
    assert ticket.frame.seq == 7


@pytest.mark.parametrize(
    ("batch_ms", "call_s", "waited_s", "left_s"),
    [(100, 1.0, 0.0, 0.1), (100, 1.0, 0.07, 0.03), (100, 1.0, 0.2, 0.0), (100, 0.02, 0.0, 0.02), (0, 1.0, 0.0, 0.0)],
)
def test_a_batch_waits_from_when_its_first_frame_came_and_no_longer_than_a_call_takes(
    batch_ms, call_s, waited_s, left_s
):
    traffic = Traffic()
    traffic.arrive(traffic.send(1, 100, 0.0), [], 0.0, call_s)
    batching = Batching(LinkSpec(batch_ms=batch_ms, batch_frames=2), traffic)
    assert batching.left_s(0.0) == 0.0
    item = codec.pack(Ticket(frame()), LinkSpec(), complete=True)
    job = Job(item, Settings(), None, PendingResult())
    batching.put(job)
    assert batching.left_s(job.since_s + waited_s) == pytest.approx(left_s)
    assert not batching.is_full()
    batching.put(Job(item, Settings(), None, PendingResult()))
    assert batching.is_full()
    assert len(batching.take(0).entries) == 2
    assert batching.take(0) is None
