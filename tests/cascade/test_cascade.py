"""The algorithm on its own. What must hold:

- a frame goes down until one stage answers; no later stage sees it, audits aside;
- every stage that passed a frame on learns what a later one said, from the last to the first, and may complete it;
- a stage that raises costs its own frame, not the batch and not the run;
- an audited frame goes straight to the last stage, and the comparison is counted;
- what carries the last answer carries the last published one.
"""

import pickle
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import CLASSES, NO_AUDITS, SharedTold, Told, answer, cascade, frame, measures, passes
from vidpipe.cascade.audit import Audit, AuditSpec
from vidpipe.cascade.cascade import Cascade, Ticket
from vidpipe.cascade.runner import StageRunner
from vidpipe.core.answer import How, nothing
from vidpipe.core.frame import Missing
from vidpipe.core.settings import Knobs, StageConfig
from vidpipe.statistics.agreement import Matched


def ask_and_complete(cascade, seq, **options):
    ticket = Ticket(frame(seq, **options))
    cascade.ask([ticket])
    return cascade.complete(ticket)


def test_answered_frame_is_seen_by_no_later_stage():
    first = Told("first", lambda f: answer("first", 0, as_of=f.seq) if f.seq % 2 else None)
    last = SharedTold("last", measures("last", 1))
    run = cascade(first, last)
    by = [ask_and_complete(run, seq).answer.by for seq in range(4)]
    assert by == ["last", "first", "last", "first"]
    assert last.asked == [0, 2]
    assert first.learnt == [(0, "last"), (2, "last")]


def test_learning_goes_up_and_completes():
    def complete(name):
        def learn(frame, given):
            stage.learnt.append((frame.seq, given.by))
            return replace(given, by=f"{given.by}+{name}")

        stage = Told(name, passes)
        stage.learn = learn
        return stage

    upper, lower = complete("upper"), complete("lower")
    completed = ask_and_complete(cascade(upper, lower, SharedTold("last", measures("last", 0))), 0)
    assert lower.learnt == [(0, "last")]
    assert upper.learnt == [(0, "last+lower")]
    assert completed.answer.by == "last+lower+upper"


def test_a_raising_frame_fails_alone():
    def says(f):
        if f.seq == 2:
            raise ValueError("bad frame")
        return answer("last", 0, as_of=f.seq)

    last = SharedTold("last", says)
    run = cascade(last)
    tickets = [Ticket(frame(seq)) for seq in range(4)]
    run.ask(tickets)
    answers = [run.complete(ticket).answer for ticket in tickets]
    assert [a.how for a in answers] == [How.MEASURED, How.MEASURED, How.FAILED, How.MEASURED]
    assert answers[2].reason.startswith("ValueError: bad frame (test_cascade.py:")
    assert answers[2].as_of == 1  # it carries the last published one
    assert len(answers[2].detections) == 1
    assert run.meters()["last"].errors == 1
    assert run.meters()["last"].answered == 3


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ([], "stage last gave 0 answers for 1 frames"),
        ([answer("last"), answer("last")], "stage last gave 2 answers for 1 frames"),
        (None, "stage last gave NoneType answers for 1 frames"),
        (["person"], "stage last gave a str in place of an Answer or None"),
        ([None], "stage last is the last one and passed a frame on: there is nowhere to go"),
    ],
)
def test_a_broken_contract_is_a_failed_frame(given, reason):
    last = SharedTold("last", passes)
    last.answer = lambda frames: given
    completed = ask_and_complete(cascade(last), 0)
    assert (completed.answer.how, completed.answer.by, completed.answer.reason) == (How.FAILED, "last", reason)


def test_learning_that_raises_costs_no_answer():
    first = Told("first", passes)
    first.learn = lambda frame, answer: 1 / 0
    run = cascade(first, SharedTold("last", measures("last", 0)))
    assert ask_and_complete(run, 0).answer.how is How.MEASURED
    assert run.meters()["first"].errors == 1


@pytest.mark.parametrize(
    ("cheap", "checked", "audit"),
    [
        ((0,), (0,), Audit("cheap", False, False, Matched(1, 2), Matched(1, 2), 1)),
        ((), (0,), Audit("cheap", True, False, Matched(0, 1), Matched(0, 1), 0)),
        ((1,), (), Audit("cheap", False, True, Matched(0, 1), Matched(0, 1), 1)),
        ((1, 1), (0, 1), Audit("cheap", True, False, Matched(1, 4), Matched(1, 3), 2)),
    ],
)
@pytest.mark.parametrize("replay", [True, False])
def test_audit_goes_straight_to_the_last_stage(cheap, checked, audit, replay):
    first = Told("cheap", lambda f: answer("cheap", *cheap, how=How.REUSED))
    between = Told("between", measures("between", 5))
    run = cascade(
        first,
        between,
        SharedTold("last", measures("last", *checked)),
        audit=AuditSpec(rate=1, max_unchecked_s=None),
        publish_checked=replay,
    )
    completed = ask_and_complete(run, 3)
    assert completed.audit == audit._replace(seq=3)
    assert between.asked == []
    assert first.learnt == [(3, "last")]
    if replay:
        assert (completed.answer.by, completed.answer.reason) == ("last", "audit of cheap")
    else:
        assert completed.answer.by == "cheap"


def test_a_stage_between_can_learn_what_went_past_it():
    """A tracker names the boxes of every look, also of those that check a stage above it."""
    first = Told("cheap", lambda f: answer("cheap", 0, how=How.REUSED))
    between = Told("between", measures("between", 5))
    between.learns_checked = True
    between.fallback = lambda frame: answer("between", 5)
    run = cascade(
        first, between, SharedTold("last", measures("last", 1)), audit=AuditSpec(rate=1, max_unchecked_s=None)
    )
    ticket = Ticket(frame(3))
    run.ask([ticket])
    assert run.fallback(ticket, "late").by == "cheap"
    assert run.complete(ticket).answer.by == "last"
    assert (between.asked, between.learnt, first.learnt) == ([], [(3, "last")], [(3, "last")])


def test_audit_whose_check_fails_says_nothing():
    first = Told("cheap", lambda f: answer("cheap", 0, how=How.REUSED))
    last = SharedTold("last", lambda f: 1 / 0)
    completed = ask_and_complete(cascade(first, last, audit=AuditSpec(rate=1)), 0)
    assert completed.audit is None
    assert completed.answer.by == "cheap"


@pytest.mark.long
@settings(deadline=None)
@given(rate=st.sampled_from([0.0, 0.02, 0.1, 0.5]), seed=st.integers(0, 50))
def test_audits_are_the_asked_share_and_reproducible(rate, seed):
    def audited():
        run = cascade(
            Told("cheap", lambda f: answer("cheap", how=How.REUSED)),
            SharedTold("last", measures("last")),
            audit=AuditSpec(rate=rate, seed=seed, max_unchecked_s=None),
        )
        return [seq for seq in range(400) if ask_and_complete(run, seq).audit is not None]

    first = audited()
    assert first == audited()
    deviation = (rate * (1 - rate) * 400) ** 0.5
    assert abs(len(first) - rate * 400) <= 5 * deviation


def test_a_stream_is_not_left_unchecked():
    """A filter that answers everything is still looked behind every `max_unchecked_s`, and that is no audit."""
    first = Told("cheap", lambda f: answer("cheap", how=How.REUSED))
    last = SharedTold("last", measures("last", 0))
    run = cascade(first, last, audit=AuditSpec(rate=0, max_unchecked_s=2))
    completed = [ask_and_complete(run, seq) for seq in range(61)]  # ten frames a second
    assert last.asked == [20, 40, 60]
    assert [s.answer.reason for s in completed if s.answer.by == "last"] == ["unchecked for 2 s"] * 3
    assert all(s.audit is None for s in completed)


def test_an_answer_of_the_last_stage_puts_the_next_forced_look_off():
    first = Told("cheap", lambda f: None if f.seq == 15 else answer("cheap", how=How.REUSED))
    last = SharedTold("last", measures("last", 0))
    run = cascade(first, last, audit=AuditSpec(rate=0, max_unchecked_s=2))
    for seq in range(40):
        ask_and_complete(run, seq)
    assert last.asked == [15, 35]


def test_carried_answers_hold_what_was_published_last():
    skip = Told("skip", lambda f: answer("skip", how=How.SKIPPED, as_of=-1) if f.seq == 1 else None)
    run = cascade(skip, SharedTold("last", measures("last", 0, 2)))
    ask_and_complete(run, 0)
    skipped = ask_and_complete(run, 1).answer
    assert (skipped.how, skipped.as_of, len(skipped.detections)) == (How.SKIPPED, 0, 2)
    missing = run.complete_missing(Missing("cam", 2, 0.2, How.DROPPED, "damaged")).answer
    assert (missing.how, missing.by, missing.as_of, len(missing.detections)) == (How.DROPPED, "source", 0, 2)


def test_streams_do_not_carry_each_others_answers():
    skip = Told("skip", lambda f: answer("skip", how=How.SKIPPED) if f.stream == "b" else None)
    run = cascade(skip, SharedTold("last", measures("last", 0)))
    ask_and_complete(run, 0, stream="a")
    assert len(ask_and_complete(run, 0, stream="b").answer.detections) == 0


def test_cover_is_of_the_nearest_stage_else_the_last_answer():
    upper, lower = Told("upper", passes), Told("lower", passes)
    run = cascade(upper, lower, SharedTold("last", passes))
    ticket = Ticket(frame(1))
    run.ask([ticket])
    assert run.fallback(ticket, "late") == replace(
        answer("engine", how=How.REUSED, as_of=-1, reason="late"), detections=nothing()
    )
    upper.fallback = lambda frame: answer("upper", 0)
    assert run.fallback(ticket, "late").by == "upper"
    lower.fallback = lambda frame: answer("lower", 0)
    assert run.fallback(ticket, "late").by == "lower"


def test_a_withheld_answer_covers_its_own_check():
    """Live, nobody waits for the check: what was withheld is published, and the check is learnt from."""
    first = Told("cheap", lambda f: answer("cheap", 0, how=How.REUSED))
    run = cascade(first, SharedTold("last", measures("last", 1)), audit=AuditSpec(rate=1, max_unchecked_s=None))
    ticket = Ticket(frame(4))
    run.ask([ticket])
    assert run.fallback(ticket, "late").by == "cheap"
    audit = run.complete(ticket, late=True).audit
    assert audit == Audit("cheap", True, True, Matched(0, 2), Matched(0, 2), 1, 4)
    assert first.learnt == [(4, "last")]


def test_the_newest_late_answer_is_known_to_covers():
    """A pipeline without a stage with a fallback would otherwise publish empty answers for ever."""
    run = cascade(Told("first", passes), SharedTold("last", measures("last", 0, 0)))
    early, next_one = Ticket(frame(1)), Ticket(frame(2))
    run.ask([early])
    run.published("cam", run.fallback(early, "late"))
    run.complete(early, late=True)
    run.ask([next_one])
    covered = run.fallback(next_one, "late")
    assert (covered.by, covered.as_of, len(covered.detections)) == ("engine", 1, 2)


def test_a_cover_that_raises_costs_its_frame_nothing():
    upper, lower = Told("upper", passes), Told("lower", passes)
    run = cascade(upper, lower, SharedTold("last", passes))
    upper.fallback = lambda frame: answer("upper", 0)
    lower.fallback = lambda frame: 1 / 0
    ticket = Ticket(frame(1))
    run.ask([ticket])
    assert run.fallback(ticket, "late").by == "upper"
    assert run.meters()["lower"].errors == 1


def test_what_stages_say_of_themselves_is_counted_over_streams():
    class Counts(Told):
        counts = {"looks": 2, "hits": 1}

    run = cascade(Counts("first", passes), SharedTold("last", measures("last")))
    for stream in ("a", "b"):
        ask_and_complete(run, 0, stream=stream)
    meter = run.meters()["first"]
    assert (meter + meter).counts == {"looks": 2 * meter.counts["looks"], "hits": 2 * meter.counts["hits"]}
    assert meter.counts["looks"] >= 2
    assert not run.meters()["last"].counts


def test_a_shared_stage_is_asked_once_for_each_configuration():
    from vidpipe.stages.sample import SampleConfig

    seen = []
    last = SharedTold("last", measures("last"))
    plain = last.answer
    last.answer = lambda frames: seen.append((last.config.fps, [f.stream for f in frames])) or plain(frames)
    tickets = []
    for stream, fps in (("a", 1), ("b", 2), ("c", 1)):
        f = frame(0, stream=stream)
        f.knobs = Knobs(0, {"last": SampleConfig(fps=fps)})
        tickets.append(Ticket(f))
    cascade(last).ask(tickets)
    assert sorted(seen) == [(1, ["a", "c"]), (2, ["b"])]


class Settings(StageConfig):
    classes: list[str] = []
    least: dict[str, float] = {}
    empty_scene: Any = None


def told_under(stage, own):
    """A ticket of each stream, which is treated with its own settings."""
    tickets = [Ticket(frame(0, stream=stream)) for stream in own]
    for ticket in tickets:
        ticket.frame.knobs = Knobs(0, {stage: own[ticket.frame.stream]})
    return tickets


def test_settings_of_any_kind_part_streams_by_what_they_say():
    """Lists and mappings cannot be hashed, and arrays not even compared."""
    seen = []
    last = SharedTold("last", measures("last"))
    plain = last.answer
    last.answer = lambda frames: seen.append([f.stream for f in frames]) or plain(frames)
    array = np.zeros(3)
    own = {
        "a": Settings(classes=["cat"]),
        "b": Settings(least={"cat": 0.5}),
        "c": Settings(classes=["cat"]),
        "d": Settings(least={"cat": 0.5}),
        "e": Settings(empty_scene=array),
        "f": Settings(empty_scene=np.zeros(3)),
    }
    own["g"] = own["e"]
    tickets = told_under("last", own)
    cascade(last).ask(tickets)
    assert sorted(seen) == [["a", "c"], ["b", "d"], ["e", "g"], ["f"]]
    assert all(ticket.answer.how is How.MEASURED for ticket in tickets)


def test_every_call_of_a_shared_stage_runs_under_the_settings_of_its_stream():
    under = []
    own = {"a": Settings(classes=["cat"]), "b": Settings(classes=["dog"])}

    class Notes(SharedTold):
        config = Settings()

        def note(self, stream):
            under.append((stream, self.config.classes))

        def answer(self, frames):
            for one in frames:
                self.note(one.stream)
            return [None] * len(frames)

        def learn(self, frame, answer):
            self.note(frame.stream)

        def forget(self, frame):
            self.note(frame.stream)

        def fallback(self, frame):
            self.note(frame.stream)

        def snapshot_stream(self, stream):
            self.note(stream)
            return stream

        def restore_stream(self, stream, state):
            self.note(stream)

        def close(self):
            self.note("none")

    knobs = {stream: Knobs(0, {"notes": config}) for stream, config in own.items()}
    last = SharedTold("last", lambda f: 1 / 0 if f.stream == "a" else answer("last", as_of=f.seq))
    runners = [
        StageRunner("notes", True, False, lambda _: Notes("notes", passes), CLASSES, knobs=knobs),
        StageRunner("last", True, True, lambda _: last, CLASSES),
    ]
    run = Cascade(runners, NO_AUDITS, last="last")
    tickets = told_under("notes", own)
    run.ask(tickets)
    for ticket in [*tickets, *reversed(tickets)]:
        run.fallback(ticket, "late")
        run.complete(ticket)
    for stream in ("b", "a"):
        run.restore(stream, run.snapshot(stream))
    run.close()
    assert {tuple(classes) for stream, classes in under if stream == "a"} == {("cat",)}
    assert {tuple(classes) for stream, classes in under if stream == "b"} == {("dog",)}
    assert [classes for stream, classes in under if stream == "none"] == [[]]
    assert len(under) == 2 + 8 + 4 + 1


class UnsayableError(Exception):
    def __str__(self):
        raise SystemExit


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit, UnsayableError])
@pytest.mark.parametrize("shared", [False, True])
def test_whatever_a_callback_raises_stays_with_its_stage(error, shared):
    """Neither the cascade nor another stage nor an answer suffers from it; each is counted by its callback."""

    class Raises(SharedTold if shared else Told):
        @property
        def learns_checked(self):
            raise error

        def __getattribute__(self, name):
            if name in CALLBACKS:

                def raises(*_):
                    raise error

                return raises
            return super().__getattribute__(name)

        @property
        def counts(self):
            raise error

    upper = Told("upper", lambda f: answer("upper", 1, how=How.REUSED) if f.seq == 1 else None)
    run = cascade(upper, Raises("bad", passes), SharedTold("last", measures("last", 0)), audit=AuditSpec(rate=1))
    bad = Ticket(frame(0))
    run.ask([bad])
    assert (bad.answer.how, bad.answer.by) == (How.FAILED, "bad")
    assert bad.answer.reason.startswith(error.__name__)
    run.complete(bad)
    checked = Ticket(frame(1))
    run.ask([checked])
    assert run.complete(checked).answer.by == "last"
    assert run.snapshot("cam") == {}
    run.restore("cam", {"bad": pickle.dumps("state")}, None)
    run.close()
    meter = run.meters()["bad"]
    per_stream = {"restore_stream", "snapshot_stream"} if shared else {"restore", "snapshot"}
    assert dict(meter.raised) == dict.fromkeys({"answer", "learns_checked", "close", "counts"} | per_stream, 1)
    assert (meter.asked, run.meters()["last"].answered) == (1, 1)


CALLBACKS = {
    "answer",
    "learn",
    "forget",
    "fallback",
    "snapshot",
    "restore",
    "snapshot_stream",
    "restore_stream",
    "close",
}


def test_what_raises_in_learn_forget_and_cover_costs_no_answer():
    bad = Told("bad", passes)
    for callback in ("learn", "forget", "fallback"):
        setattr(bad, callback, lambda *_: sys.exit(3))
    run = cascade(bad, SharedTold("last", lambda f: 1 / 0 if f.seq == 0 else answer("last", 0, as_of=f.seq)))
    for seq in (0, 1):
        ticket = Ticket(frame(seq))
        run.ask([ticket])
        assert run.fallback(ticket, "late").by == "engine"
        assert run.complete(ticket).answer.how is (How.MEASURED if seq else How.FAILED)
    meter = run.meters()["bad"]
    assert meter.raised == {"learn": 1, "forget": 1, "fallback": 2}
    assert meter.first_error.startswith("in fallback: SystemExit: 3 (test_cascade.py:")


@pytest.mark.parametrize("state", [lambda: None, UnsayableError(), (number for number in range(3))])
def test_state_that_does_not_pickle_is_told_and_left_out(state):
    stage = Told("last", measures("last"))
    stage.snapshot = lambda: state
    run = cascade(Told("other", passes), stage)
    ask_and_complete(run, 0)
    kept = run.snapshot("cam")
    raised = run.meters()["last"].raised
    assert ("last" in kept) == (raised == {})
    run.restore("cam", {"last": b"no pickle"})
    assert run.meters()["last"].raised["restore"] == 1


@pytest.mark.parametrize("given_counts", [None, {"looks": "many"}, {3: 4}, {"looks": 1.5}])
def test_counts_that_are_none_are_told_and_not_added_up(given_counts):
    class Counts(Told):
        counts = given_counts

    stage = Counts("last", measures("last"))
    run = cascade(stage)
    ask_and_complete(run, 0)
    for _ in range(3):
        meter = run.meters()["last"]
        assert meter.raised == {"counts": 1}
        assert not meter.counts
        assert meter.first_error.startswith("in counts: ")


def test_what_keeps_one_stage_from_opening_closes_those_that_are_open():
    closed = []
    first = Told("first", passes)
    first.close = lambda: closed.append("first")
    runners = [
        StageRunner("first", False, False, lambda _: first, CLASSES),
        StageRunner("second", False, True, lambda _: sys.exit(2), CLASSES),
    ]
    with pytest.raises(SystemExit):
        Cascade(runners, NO_AUDITS, last="second").open(["cam"])
    assert closed == ["first"]


@given(
    answers=st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=30),
    rate=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_law_one_answer_and_each_passer_learns_it_once(answers, rate):
    """Whatever stages say: one answer a frame, and exactly the stages that passed it on learn exactly that frame."""
    stages = [
        Told(f"s{i}", lambda f, i=i: answer(f"s{i}", as_of=f.seq) if answers[f.seq][i] else None) for i in range(3)
    ]
    last = SharedTold("last", measures("last"))
    run = cascade(*stages, last, audit=AuditSpec(rate=rate, max_unchecked_s=None))
    for seq, says in enumerate(answers):
        completed = ask_and_complete(run, seq)
        learners = [stage.id for stage in stages if (seq, completed.answer.by) in stage.learnt]
        first = says.index(True) if True in says else 3
        if completed.audit is not None:
            assert completed.audit.stage == f"s{first}"
            assert learners == [f"s{i}" for i in range(first + 1)]
        else:
            assert completed.answer.by == (f"s{first}" if first < 3 else "last")
            assert learners == [f"s{i}" for i in range(first)]
    for stage in (*stages, last):
        assert len(set(stage.asked)) == len(stage.asked)
        assert len({seq for seq, _ in stage.learnt}) == len(stage.learnt)
