"""Links between segments without Ray. What must hold:

- whatever dies in a link's, a tail's or a stream's thread ends that stream with a message, and nobody waits for ever;
- a dead actor's successor is told once what it has to know, before any frame;
- an actor that stays away is waited for once; frames fail at once until it is back;
- frames that cannot wait fail as soon as it is lost, and are let through little by little when it is back;
- the standby of a dead actor answers what that one held, and goes on with what it had kept;
- below a link a frame is treated by the settings of its stream;
- a frame beyond a link is another one: what is noted there is not seen above;
- a frame that cannot cross a link costs its own answer.
"""

from __future__ import annotations

import pickle
import threading
import time
from dataclasses import replace

import pytest

from tests import clips
from tests.builders import CLASSES, NO_AUDITS, SharedTold, answer, frame, passes
from tests.runtime import linked, local
from tests.runtime.linked import Measures, Passes, SharedRepeats, SharedWrites, Writes, pipeline
from tests.waiting import until
from vidpipe.cascade.cascade import Cascade, Ticket
from vidpipe.cascade.runner import StageRunner
from vidpipe.cascade.stage import Stage
from vidpipe.core.answer import How
from vidpipe.core.errors import RunError
from vidpipe.core.settings import Knobs, StageConfig
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.spec import LinkSpec, Tier
from vidpipe.runtime.inline import InlineEngine
from vidpipe.runtime.links import link as module
from vidpipe.runtime.links.job import Command
from vidpipe.runtime.ray.actors import SegmentActor
from vidpipe.runtime.ray.peer import link_to
from vidpipe.runtime.segment_worker import SegmentWorker

FRAMES = 12


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.encode(tmp_path_factory.mktemp("links") / "clip.mp4", frames=FRAMES, size=(128, 96))


@pytest.fixture(autouse=True)
def _nothing_happens():
    linked.restored.clear()
    linked.on_frame.clear()
    yield
    linked.on_frame.clear()


def test_a_raw_link_behind_a_coded_one_carries_its_pictures_in_shared_memory(clip):
    stages = [(Passes, Tier.DEVICE), (Passes, Tier.EDGE), (Measures, Tier.CLOUD)]
    laid = plan(pipeline({"cam": clip}, stages, links={"device-edge": LinkSpec(codec="jpeg", width=64)}))
    device = local.Device(laid, local.segments(laid)[-1])
    device.run()
    assert [record.answer.how for record in device.published] == [How.MEASURED] * FRAMES


class Nonsense(SegmentActor):
    """The other end of a link, and out of its mind."""

    def handle(self, caller, number, messages):
        return super().handle(caller, number, messages)._replace(answers={})


@pytest.mark.parametrize("hops", [1, 2])
def test_what_ends_a_link_ends_its_streams_with_a_message(clip, hops):
    """Over two links the upper one hears of it by its own calls."""
    stages = [(Passes, Tier.DEVICE), (Passes, Tier.EDGE), (Measures, Tier.CLOUD)][2 - hops :]
    stages[0] = (stages[0][0], Tier.DEVICE)
    laid = plan(pipeline({"a": clip, "b": clip}, stages))
    actors = [local.LocalActor(Nonsense, laid, range(hops, hops + 1), None)]
    if hops == 2:
        actors.append(local.LocalActor(SegmentActor, laid, range(1, 2), actors[0]))
    device = local.Device(laid, actors[-1])
    device.run()
    for record in device.published:
        assert record.answer.how is How.FAILED
        assert "broke: KeyError" in record.answer.reason
    for error in filter(None, device.errors.values()):  # none where all was asked before
        assert isinstance(error, RunError)
        assert "broke: KeyError" in str(error)
    assert len(device.published) == 2 * FRAMES or any(device.errors.values())


def test_what_ends_the_thread_of_shared_stages_is_told_to_all_who_wait():
    all_asked = threading.Event()

    class Broken:
        def ask(self, ticket, *, complete):
            all_asked.wait(10)
            raise RunError("no way down")

        def complete(self, stream, seq):
            pass

    stage = SharedTold("s", passes)
    runners = [StageRunner("s", True, False, lambda _: stage, CLASSES)]
    segment_worker = SegmentWorker(lambda: Cascade(runners, NO_AUDITS, last="big", top=False), Broken(), "edge")
    segment_worker.start().result()
    replies = [segment_worker.ask(Ticket(frame(seq)), complete=True) for seq in range(3)]
    all_asked.set()
    for pending in replies:
        answer = pending.completed.result(10).answer
        assert answer.how is How.FAILED
        assert answer.reason == "no way down"
    with pytest.raises(RunError, match="no way down"):
        segment_worker.ask(Ticket(frame(9)), complete=True)
    with pytest.raises(RunError, match="no way down"):
        segment_worker.restore({"cam": {"s": b""}})


def test_a_dead_actors_successor_is_told_once_what_it_has_to_know(clip):
    """All eight frames that it held are asked again; what the first of them taught stays."""
    laid = plan(pipeline({"cam": clip}, [(Passes, Tier.DEVICE), (SharedRepeats, Tier.EDGE), (Measures, Tier.EDGE)]))
    actor = local.LocalActor(SegmentActor, laid, range(1, 2), None)
    link = link_to(actor, laid.links[0])
    link.restore({"cam": {"s1": pickle.dumps(answer("s2", 0))}})
    assert link.ask(Ticket(frame(0, pts=0.0)), complete=True).completed.result(10).answer.by == "s2"
    assert linked.restored["cam"] == 1
    held = threading.Event()
    linked.on_frame["cam", 3] = lambda: held.wait(10) and None
    replies = [link.ask(Ticket(frame(seq)), complete=True) for seq in (3, 6, 9, 12, 15)]
    time.sleep(0.05)
    linked.on_frame.clear()
    actor.kill()
    held.set()
    assert [pending.completed.result(20).answer.by for pending in replies] == ["s2"] * 5
    assert linked.restored["cam"] == 2
    assert link.ask(Ticket(frame(16)), complete=True).completed.result(10).answer.reason == "learnt 15"


class Said(StageConfig):
    word: str = "first"


class Says(Stage[Said]):
    """Answers every frame with the word that it goes by."""

    Config = Said
    shared = True

    def answer(self, frames):
        return [replace(answer(self.id), reason=self.config.word) for _ in frames]


class Listens(SegmentActor):
    """The other end of a link, which keeps what it was told to go by."""

    def __init__(self, packed):
        super().__init__(packed)
        self.told = []

    def handle(self, caller, number, messages):
        self.told += [message for message in messages if isinstance(message, Command)]
        return super().handle(caller, number, messages)


def test_a_stream_that_begins_anew_with_other_settings_is_treated_by_them_below(clip):
    """A configuration that is read again gives them no epoch of their own."""
    laid = plan(pipeline({"cam": clip}, [(Passes, Tier.DEVICE), (Says, Tier.EDGE)]))
    actor = local.LocalActor(Listens, laid, range(1, 2), None)
    link = link_to(actor, laid.links[0])
    first, other = (Knobs(0, {"s1": Said(word=word)}) for word in ("first", "other"))
    answers = []
    for seq, knobs in enumerate((first, first, other, other)):
        asked = frame(seq)
        asked.knobs = knobs
        answers.append(link.ask(Ticket(asked), complete=True).completed.result(10).answer.reason)
    assert answers == ["first", "first", "other", "other"]
    assert [command.settings.knobs for command in actor.instance.told] == [first, other]


def test_who_stays_away_is_waited_for_once(monkeypatch):
    monkeypatch.setattr(module, "REVIVE_S", 0.5)
    monkeypatch.setattr(module, "PING_EVERY_S", 0.2)
    laid = plan(pipeline({"cam": "x.mp4"}, [(Passes, Tier.DEVICE), (Measures, Tier.EDGE)]))
    actor = local.LocalActor(SegmentActor, laid, range(1, 2), None)
    link = link_to(actor, laid.links[0])
    assert link.ask(Ticket(frame(0)), complete=True).completed.result(10).answer.how is How.MEASURED
    actor.kill(stays_away=True)
    first = link.ask(Ticket(frame(1)), complete=True)
    assert first.completed.result(10).answer.reason == "edge is away: no answer"
    assert link.gone
    began = time.monotonic()
    for seq in range(2, 40):
        pending = link.ask(Ticket(frame(seq)), complete=seq % 2 == 0)
        assert pending.local.result(0).far
        assert pending.completed.result(0).answer.how is How.FAILED
        link.complete("cam", seq)
    assert time.monotonic() - began < 5
    actor.come_back()
    until(lambda: not link.gone, 20)
    assert link.ask(Ticket(frame(50)), complete=True).completed.result(10).answer.how is How.MEASURED


def test_who_is_on_a_detour_never_waits_for_one_that_is_away():
    laid = plan(pipeline({"cam": "x.mp4"}, [(Passes, Tier.DEVICE), (Measures, Tier.EDGE)]))
    actor = local.LocalActor(SegmentActor, laid, range(1, 2), None)
    link = link_to(actor, laid.links[0], {"cam": 1.0})
    assert link.ask(Ticket(frame(0)), complete=True).completed.result(10).answer.how is How.MEASURED
    arrived, goes_on = threading.Event(), threading.Event()
    linked.on_frame["cam", 1] = lambda: arrived.set() or (goes_on.wait(10) and None)
    held = [link.ask(Ticket(frame(seq)), complete=True) for seq in (1, 2)]
    assert arrived.wait(10)
    actor.kill(stays_away=True)
    goes_on.set()
    for pending in [*held, *(link.ask(Ticket(frame(seq)), complete=True) for seq in range(3, 9))]:
        completed = pending.completed.result(1)
        assert completed.answer.how is How.FAILED
        assert (completed.answer.reason, completed.away.segment) == ("edge away for 0 s", "edge")
    linked.on_frame.clear()
    assert link.absent
    assert not link.gone  # a stream that waits would still do
    actor.come_back()
    until(lambda: not link.absent)
    goes_on.clear()
    linked.on_frame["cam", 10] = lambda: goes_on.wait(10) and None
    tried, other = (link.ask(Ticket(frame(seq)), complete=True) for seq in (10, 11))
    assert other.completed.result(1).away is not None  # one at a time
    goes_on.set()
    assert tried.completed.result(10).answer.how is How.MEASURED
    both = [link.ask(Ticket(frame(seq)), complete=True) for seq in (12, 13)]
    assert [pending.completed.result(10).answer.how for pending in both] == [How.MEASURED] * 2


@pytest.mark.parametrize("stays_away", [False, True])
def test_the_standby_of_a_dead_actor_goes_on_where_that_was(clip, stays_away):
    laid = plan(pipeline({"cam": clip}, [(Passes, Tier.DEVICE), (SharedRepeats, Tier.EDGE), (Measures, Tier.EDGE)]))
    actor, standby = (local.LocalActor(SegmentActor, laid, range(1, 2), None) for _ in range(2))
    link = link_to(actor, laid.links[0], standby=lambda: standby)
    link.restore({"cam": {"s1": pickle.dumps(answer("s2", 0))}})
    assert link.ask(Ticket(frame(0, pts=0.0)), complete=True).completed.result(10).answer.by == "s2"
    before = linked.restored["cam"]
    goes_on = threading.Event()
    linked.on_frame["cam", 3] = lambda: goes_on.wait(10) and None
    held = [link.ask(Ticket(frame(seq)), complete=True) for seq in (3, 6, 9)]
    time.sleep(0.05)
    linked.on_frame.clear()
    actor.kill(stays_away=stays_away)
    goes_on.set()
    assert [pending.completed.result(10).answer.by for pending in held] == ["s2"] * 3
    assert linked.restored["cam"] == before + 1


def test_a_call_that_was_meant_for_the_dead_instance_is_no_hang():
    """Ray may hand it to the new one, which has never met the caller."""
    laid = plan(pipeline({"cam": "x.mp4"}, [(Passes, Tier.DEVICE), (Measures, Tier.EDGE)]))
    actor = local.LocalActor(SegmentActor, laid, range(1, 2), None)
    link = link_to(actor, laid.links[0])
    for seq in range(3):
        assert link.ask(Ticket(frame(seq)), complete=True).completed.result(10).answer.how is How.MEASURED
    actor.kill()  # with no call under way: nobody has heard of it
    assert link.ask(Ticket(frame(3)), complete=True).completed.result(10).answer.how is How.MEASURED


def test_a_frame_that_kills_the_actor_each_time_costs_its_own_answer_only():
    laid = plan(pipeline({"cam": "x.mp4"}, [(Passes, Tier.DEVICE), (Measures, Tier.EDGE)]))
    actor = local.LocalActor(SegmentActor, laid, range(1, 2), None)
    linked.on_frame["cam", 4] = actor.kill
    link = link_to(actor, laid.links[0])
    replies = [link.ask(Ticket(frame(seq)), complete=True) for seq in range(9)]
    answers = [pending.completed.result(20).answer for pending in replies]
    assert [answer.how is How.FAILED for answer in answers] == [seq == 4 for seq in range(9)]
    assert answers[4].reason == "the actor of edge died on this frame 3 times"


def test_a_note_that_does_not_travel_costs_its_frame_alone():
    laid = plan(pipeline({"cam": "x.mp4"}, [(Passes, Tier.DEVICE), (Measures, Tier.EDGE)]))
    link = link_to(local.LocalActor(SegmentActor, laid, range(1, 2), None), laid.links[0])
    frames = [frame(seq) for seq in range(4)]
    frames[1].features["s0"] = threading.Lock()  # cannot be copied
    frames[2].features["s0"] = lambda: None  # is copied, and does not pickle
    answers = [
        pending.completed.result(20).answer for pending in [link.ask(Ticket(each), complete=True) for each in frames]
    ]
    assert [answer.how for answer in answers] == [How.MEASURED, How.FAILED, How.FAILED, How.MEASURED]
    assert answers[1].reason.startswith("device-edge: TypeError: cannot pickle '_thread.lock'")


def test_a_message_that_cannot_be_read_holds_nobody_up():
    laid = plan(pipeline({"cam": "x.mp4"}, [(Passes, Tier.DEVICE), (Measures, Tier.EDGE)]))
    link = link_to(local.LocalActor(SegmentActor, laid, range(1, 2), None), laid.links[0])
    bad = frame(0)
    bad.features["s0"] = Unreadable()
    assert link.ask(Ticket(bad), complete=True).completed.result(10).answer.how is How.FAILED
    assert link.ask(Ticket(frame(1)), complete=True).completed.result(10).answer.how is How.MEASURED


class Unreadable:
    """Pickles, and cannot be unpickled."""

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        return int, ("no number",)


@pytest.mark.parametrize("spec", [LinkSpec(), LinkSpec(codec="jpeg")])
def test_what_is_noted_beyond_a_link_is_not_seen_above_it(clip, spec):
    """On either engine and with either codec; what is noted above is seen below."""
    stages = [(Writes, Tier.DEVICE), (SharedWrites, Tier.EDGE), (Measures, Tier.EDGE)]
    laid = plan(pipeline({"cam": clip}, stages, links={"device-edge": spec}))
    on_ray = local.Device(laid, local.segments(laid)[-1])
    on_ray.run()
    inline = InlineEngine(laid)
    inline.open(threading.Event())
    inline.start()
    published = []
    while len(published) < FRAMES:
        published += [record for batch in inline.take(0.2) for record in batch.published]
    inline.close(5)
    for records in (on_ray.published, published):
        assert {record.answer.reason for record in records} == {
            " s1:['marks', 's0', 's1']['s0', 's1'] s0:['marks', 's0']['s0']"
        }
