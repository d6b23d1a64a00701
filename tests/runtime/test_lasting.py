"""The engine that outlives what it runs on, without Ray. What must hold:

- whatever goes wrong while it waits, it tries again, and goes on with the streams that have not ended;
- what was counted before counts on;
- stopped while it waits, it ends every stream at once.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.waiting import until
from vidpipe.core.errors import ClusterError, ConfigError, RunError
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.records import Batch, Counts, Ended
from vidpipe.runtime.driver.lasting import CLUSTER, LastingEngine


class Part:
    """An engine that does as it is told; `fails` at its opening, or takes what there is until it is `lost`."""

    waiting = False

    def __init__(self, streams, batches=(), fails=None) -> None:
        self.streams, self.batches, self.fails = streams, list(batches), fails
        self.calls: Counter[str] = Counter()

    def open(self, stop):
        self.calls["open"] += 1
        if self.fails is not None:
            raise self.fails
        return []

    def take(self, timeout_s, *, hold=False):
        if not self.batches:
            raise ClusterError("there is no Ray any more")
        return [self.batches.pop(0)]

    def rest(self):
        return [Batch(ended=[Ended(stream) for stream in self.streams])]

    def counts(self, *, fresh=True):
        return Counts({}, {"big": (10, 1, 1)}, {})

    def cpu_s(self):
        return 2.0

    def __getattr__(self, name):
        return lambda *_: self.calls.update([name])


def lasting(*parts):
    """An engine over these parts, one after the other, and a list of what each was made for."""
    made, left = [], list(parts)

    def make(pipeline):
        made.append(sorted(pipeline.streams))
        return left.pop(0)

    from tests.tuning.planner.builders import laid

    pipeline: Pipeline = laid("a", "b").pipeline
    return LastingEngine(make, pipeline, first_s=0.001), made


def test_it_goes_on_with_what_has_not_ended_whatever_failed_meanwhile(caplog):
    first = Part("ab", [Batch(ended=[Ended("b")])])
    failing = [Part("a", fails=error) for error in (ConfigError("no machine"), RunError("no Ray"), OSError("odd"))]
    last = Part("a", [Batch(published=[])] * 3)
    engine, made = lasting(first, *failing, last)
    assert [batch.ended[0].stream for batch in engine.take(0.01)] == ["b"]
    assert [batch.ended for batch in engine.take(0.01)] == [[]]  # those that were stopped have not ended
    assert engine.waiting
    assert engine.away().keys() == {"a"}
    assert engine.counts().deaths.keys() == {CLUSTER}
    with pytest.raises(RunError, match="waits for its cluster"):
        engine.prepare({})
    came: list[Batch] = []
    until(lambda: bool(came.extend(engine.take(0.05)) or not engine.waiting), 20)
    assert came[-1].begun_anew == ["a"]
    assert made == [["a", "b"], *[["a"]] * 4]
    assert [part.calls["close"] for part in (first, *failing, last)] == [1, 1, 1, 1, 0]
    assert last.calls["start"] == 1
    assert engine.counts().models["big"][0] == 20
    assert engine.cpu_s() == 4.0
    assert [said in caplog.text for said in ("no machine", "no Ray", "odd")] == [True] * 3


def test_one_that_is_stopped_while_it_waits_ends_every_stream():
    never = [Part("ab", fails=RunError("no Ray")) for _ in range(1000)]
    engine, _ = lasting(Part("ab"), *never)
    engine.take(0.01)
    engine.stop()
    ended = [each.stream for batch in engine.take(0.01) for each in batch.ended]
    assert sorted(ended) == ["a", "b"]
    engine.close(5)


def test_streams_that_leave_while_it_waits_do_not_begin_again():
    last = Part("a", [Batch()])
    engine, made = lasting(Part("ab"), Part("ab", fails=RunError("no Ray")), last)
    engine.take(0.01)
    engine.remove({"b"})
    assert [each.stream for batch in engine.take(0.0) for each in batch.ended] == ["b"]
    until(lambda: bool(engine.take(0.05) is not None and not engine.waiting), 20)
    assert made[-1] == ["a"] or last.calls["remove"] == 1  # it was just being made


def test_one_that_is_asked_to_stop_does_not_wait():
    engine, _ = lasting(Part("ab"))
    engine.stop()
    with pytest.raises(ClusterError):
        engine.take(0.01)
