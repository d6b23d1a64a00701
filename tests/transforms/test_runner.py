"""Transforms of a stream, one after another. What must hold:

- what a transform raises, or gives against its contract, costs that result its completion, and is counted;
- each sees what the one before it gave, under the settings of the frame;
- what it says of itself is counted with it, also when it has closed; a count that is none costs nothing else;
- what it keeps outlives it, and what cannot be taken up begins anew.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.builders import CLASSES, answer, frame
from vidpipe.core.settings import Knobs, StageConfig
from vidpipe.transforms.base import Moment, Transform
from vidpipe.transforms.runner import TransformRunner

MOMENT = Moment("cam", 0, 0.0, None, 64, 48, 0)


class Marks(Transform[StageConfig]):
    """Writes its name behind the reason, and counts."""

    def __init__(self, id, **does):
        self.id, self.config, self.seen, self.does = id, StageConfig(), 0, does

    def apply(self, frame, answer, moment):
        self.seen += 1
        self.do("apply")
        self.emit("seen", moment)
        return replace(answer, reason=answer.reason + self.id)

    def snapshot(self):
        self.do("snapshot")
        return self.seen

    def restore(self, state):
        self.do("restore")
        self.seen = state

    def close(self):
        self.do("close")

    @property
    def counts(self):
        self.do("counts")
        return {"seen": self.seen}

    def do(self, callback):
        if error := self.does.get(callback):
            raise error


def complete(runner):
    return runner.complete(frame(), answer("big"), MOMENT, Knobs())


def test_each_sees_what_the_one_before_it_gave():
    runner = TransformRunner([Marks("a"), Marks("b")], CLASSES)
    completed, events = complete(runner)
    assert completed.reason.endswith("ab")
    assert [event.rule for event in events] == ["a", "b"]


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(3)])
def test_what_one_raises_costs_that_result_its_completion_only(error):
    runner = TransformRunner([Marks("a", apply=error), Marks("b")], CLASSES)
    for _ in range(2):
        completed, events = complete(runner)
        assert completed.reason.endswith("b")
        assert not completed.reason.endswith("ab")
        assert [event.rule for event in events] == ["b"]
    meters = runner.meters()
    assert (meters["a"].asked, meters["a"].answered, meters["a"].raised) == (2, 0, {"apply": 2})
    assert (meters["b"].asked, meters["b"].answered, meters["b"].errors) == (2, 2, 0)


def test_what_one_says_of_itself_is_counted_with_it_also_when_it_has_closed():
    runner = TransformRunner([Marks("a"), Marks("b")], CLASSES)
    complete(runner)
    before = runner.meters()
    complete(runner)
    assert before["a"].counts == {"seen": 1}  # a snapshot
    runner.close()
    assert {id: meter.counts for id, meter in runner.meters().items()} == {"a": {"seen": 2}, "b": {"seen": 2}}


def test_counts_that_cannot_be_had_cost_nothing_else():
    runner = TransformRunner([Marks("a", counts=ValueError("bad")), Marks("b")], CLASSES)
    complete(runner)
    meters = runner.meters()
    assert meters["a"].raised == {"counts": 1}
    assert meters["b"].counts == {"seen": 1}
    assert runner.meters()["a"].raised == {"counts": 1}  # to be asked again is no second error


def test_what_they_keep_outlives_them():
    runner = TransformRunner([Marks("a"), Marks("b", snapshot=ValueError("bad"))], CLASSES)
    complete(runner)
    states = runner.snapshot()
    assert states.keys() == {"a"}
    later = TransformRunner([Marks("a"), Marks("b")], CLASSES)
    later.restore(states)
    assert {id: meter.counts["seen"] for id, meter in later.meters().items()} == {"a": 1, "b": 0}
    refusing = TransformRunner([Marks("a", restore=ValueError("bad"))], CLASSES)
    refusing.restore(states)
    assert refusing.meters()["a"].raised == {"restore": 1}


def test_after_a_restart_they_see_what_was_published_since_and_what_they_tell_of_it_is_no_news():
    caught_up = []
    first, second = Marks("a"), Marks("b")
    second.published = lambda answer, moment: caught_up.append(moment.seq) or second.emit("seen", moment)
    runner = TransformRunner([first, second], CLASSES)
    runner.catch_up((answer("big"), replace(MOMENT, seq=seq)) for seq in (3, 4))
    assert caught_up == [3, 4]
    _, events = complete(runner)
    assert [event.rule for event in events] == ["a", "b"]


def test_they_close_whatever_one_of_them_raises():
    closed = []
    first, second = Marks("a", close=ValueError("bad")), Marks("b")
    second.close = lambda: closed.append("b")
    runner = TransformRunner([first, second], CLASSES, closed=lambda runner: closed.append(runner.meters()["a"].raised))
    runner.close()
    assert closed == ["b", {"close": 1}]
    assert not runner


class Ends(Transform[StageConfig]):
    """Notes the settings under which it sees each result, and emits what ends."""

    id = "ends"

    def __init__(self):
        self.config, self.under = StageConfig(), []

    def apply(self, frame, answer, moment):
        self.published(answer, moment)

    def published(self, answer, moment):
        self.under.append((moment.seq, self.config))

    def ended(self, moment):
        self.emit("over", moment)


def test_what_ends_with_the_stream_is_told_at_its_last_result():
    runner = TransformRunner([Ends()], CLASSES)
    assert runner.ended() == []  # nothing has come: there is no result to tell it at
    for seq in range(3):
        runner.complete(frame(), answer(f"stage{seq}"), replace(MOMENT, seq=seq, epoch=2, model="big"), Knobs())
    (event,) = runner.ended()
    assert (event.kind, event.seq, event.by) == ("over", 2, "stage2")
    assert event.data == {"config": "2", "model": "big"}


def test_what_one_missed_is_shown_to_it_under_the_settings_of_then():
    """A process that died behind a change of settings saw the results of before under those of behind."""
    ends, old, new = Ends(), StageConfig(), StageConfig()
    ends.config = new
    runner = TransformRunner([ends], CLASSES)
    missed = [(answer("big"), replace(MOMENT, seq=seq, epoch=epoch)) for seq, epoch in enumerate((0, 0, 1))]
    runner.catch_up(missed, {0: {"ends": old}, 1: {"ends": new}})
    assert [seq for seq, _ in ends.under] == [0, 1, 2]
    assert [config is old for _, config in ends.under] == [True, True, False]
    (event,) = runner.ended()
    assert event.seq == 2
