"""Sinks in a thread of their own. What must hold:

- answers reach the sinks in order, and all of them before the end;
- one that blocks holds up nobody, is told of, and what it did not take is said;
- one that raises, whatever it raises, gets no more, and neither hangs the run nor costs it its count of frames.
"""

import threading
import time

import pytest

from tests import clips
from tests.builders import answer
from tests.waiting import until
from vidpipe.core.errors import RunError
from vidpipe.pipeline.yaml.load import load
from vidpipe.results import writer as module
from vidpipe.results.outbox import Outbox
from vidpipe.results.records import Result
from vidpipe.results.sinks.base import Sink
from vidpipe.results.writer import BLOCKED_S, FLUSH_EVERY_S, Writer
from vidpipe.runtime.driver.run import run
from vidpipe.testing.clock import HandClock


def record(seq):
    return Result("cam", seq, 0.0, None, 0.0, 0, answer("big"))


def put_until_it_raises(writer, **more):
    began = time.monotonic()
    while time.monotonic() - began < 10:
        writer.write([record(0)], 0.0, **more)


class Kept(Sink):
    """A sink that waits until it may take something, and may raise then."""

    def __init__(self, error=None):
        self.may = threading.Event()
        self.taken = []
        self.calls = 0
        self.closed = False
        self.error = error

    def __str__(self):
        return "results over there"

    def write(self, results, published_at):
        self.calls += 1
        self.may.wait()
        if self.error:
            raise self.error
        self.taken += [each.seq for each in results]

    def close(self):
        self.closed = True


def test_all_is_written_in_order():
    sink = Kept()
    sink.may.set()
    writer = Writer([sink])
    for seq in range(100):
        writer.write([record(seq)], 0.0)
    writer.close()
    assert sink.taken == list(range(100))
    assert sink.closed


def test_what_the_run_before_has_answered_is_not_told_again_however_late_it_comes():
    """The one that takes over may be some pictures behind, and answer them only then."""
    sink = Kept()
    sink.may.set()
    writer = Writer([sink], held=True)
    writer.begin({"start": "now"})

    def answered(*seqs):
        writer.write([record(seq)._replace(captured_at=100.0 + seq) for seq in seqs], 0.0)

    answered(0, 1, 2)
    writer.release("before", {"cam": 103.5})
    answered(3, 4)
    answered(5)
    writer.close(5)
    assert sink.taken == [4, 5]


def test_one_that_waits_to_take_over_keeps_the_newest(monkeypatch):
    monkeypatch.setattr(module, "LIMIT", 5)
    sink = Kept()
    sink.may.set()
    writer = Writer([sink], held=True)
    writer.begin({"start": "now"})
    for seq in range(20):
        writer.write([record(seq)._replace(captured_at=100.0 + seq)], 0.0)
    writer.release("before", {"cam": 116.0})
    writer.close(5)
    assert sink.taken == [17, 18, 19]


def test_one_that_blocks_holds_up_nobody(monkeypatch, caplog):
    monkeypatch.setattr(module, "LIMIT", 5)
    sink, clock = Kept(), HandClock()
    writer = Writer([sink], clock)
    for seq in range(10):
        writer.write([record(seq)], 0.0)
    assert writer.is_full
    until(lambda: sink.calls)
    clock.turn(0.9 * BLOCKED_S)
    writer.watch()
    assert not caplog.text
    clock.turn(0.1 * BLOCKED_S)
    writer.watch()
    assert "results over there has taken nothing for 5 s" in caplog.text
    with pytest.raises(RunError, match="results over there takes nothing: 10 answers were not written"):
        writer.close(0.1)
    sink.may.set()


class Flushed(Kept):
    def __init__(self):
        super().__init__()
        self.flushed = 0

    def flush(self):
        self.flushed += 1
        return {}


def test_sinks_are_flushed_now_and_then():
    sink, clock = Flushed(), HandClock()
    sink.may.set()
    writer = Writer([sink], clock)
    for flushed in range(3):
        writer.write([record(0)], 0.0)
        until(lambda flushed=flushed: len(sink.taken) == 2 * flushed + 1)
        clock.turn(FLUSH_EVERY_S + 0.1)
        writer.write([record(0)], 0.0)
        until(lambda flushed=flushed: sink.flushed == flushed + 1)
    writer.close()
    assert sink.flushed == 4


def test_what_was_left_out_is_said_also_if_the_rest_was_written(monkeypatch):
    monkeypatch.setattr(module, "LIMIT", 5)
    sink = Kept()
    writer = Writer([sink])
    for seq in range(10):
        writer.write([record(seq)], 0.0)
    sink.may.set()
    with pytest.raises(RunError, match="5 answers were not written: results over there was too slow"):
        writer.close()
    assert sink.taken == [0, 1, 2, 3, 4]


def test_what_a_sink_raises_comes_with_the_next_answers():
    sink = Kept(RunError("disk full"))
    sink.may.set()
    writer = Writer([sink])
    with pytest.raises(RunError, match="disk full"):
        put_until_it_raises(writer)
    with pytest.raises(RunError, match="disk full"):
        writer.close()
    assert sink.closed


@pytest.mark.parametrize("error", [RunError("disk full"), OSError("disk full"), ValueError("disk full")])
def test_one_that_raises_gets_no_more_and_the_others_all(error):
    """A sink of a user's own raised an OSError: the thread died with it, and the run waited for it for ever."""
    broken, sound = Kept(error), Kept()
    writer = Writer([broken, sound])
    for seq in range(10):
        writer.write([record(seq)], 0.0)
    broken.may.set()
    sound.may.set()
    with pytest.raises(RunError, match="disk full"):
        writer.close()
    assert broken.calls == 1
    assert sound.taken == list(range(10))
    assert broken.closed
    assert sound.closed


def test_on_cameras_the_others_go_on_where_one_raises(caplog):
    """What a camera sees now comes only once; of a recording an answer would be missing that nobody notices."""
    broken, sound = Kept(RunError("the broker is gone")), Kept()
    broken.may.set()
    sound.may.set()
    writer = Writer([broken, sound])
    for seq in range(100):
        writer.write([record(seq)], 0.0, live={"cam"})
        until(lambda seq=seq: len(sound.taken) == seq + 1)
    assert caplog.text.count("the broker is gone; it gets no more") == 1
    with pytest.raises(RunError, match="the broker is gone"):
        writer.write([record(100)], 0.0, live=set())
    with pytest.raises(RunError, match="the broker is gone"):
        writer.close()
    assert sound.taken == list(range(100))
    alone = Writer([broken])
    with pytest.raises(RunError, match="the broker is gone"):
        put_until_it_raises(alone, live={"cam"})
    with pytest.raises(RunError, match="the broker is gone"):
        alone.close()


READ = "{classes: {even: even, odd: odd}, stages: [{id: read, type: mystages:Read}]}"


def test_a_run_whose_sink_raises_ends_and_has_its_ledger(inline, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "LIMIT", 5)
    sink = Kept(OSError("disk full"))
    sink.may.set()
    outcome = run(recording(inline, tmp_path), engine="inline", sinks=[sink])
    assert outcome.errors == ["results over there: OSError: disk full"]
    ledger = outcome.report["streams"]["a"]
    assert ledger["frames_in"] == sum(ledger["how"].values()) > 0


@pytest.mark.long
def test_a_sink_that_blocks_is_told_of_while_recordings_wait_for_it(inline, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(module, "LIMIT", 5)
    monkeypatch.setattr(Outbox, "LIMIT", 10)
    sink, clock = Kept(), HandClock()
    pipeline = recording(inline, tmp_path)
    running = threading.Thread(target=lambda: run(pipeline, engine="inline", sinks=[sink], clock=clock))
    running.start()
    until(lambda: sink.calls)
    clock.turn(BLOCKED_S)
    until(lambda: "results over there has taken nothing" in caplog.text)
    sink.may.set()
    running.join(30)
    assert sink.taken == list(range(100))


def recording(inline, folder):
    (folder / "pipeline.yaml").write_text(READ)
    clip = clips.encode(folder / "clip.mp4", frames=100, fps=25)
    return load(folder / "pipeline.yaml", sources={"a": str(clip)})


class Told(Kept):
    """Keeps events and reports, too; it waits as `Kept` does before it takes results."""

    def __init__(self):
        super().__init__()
        self.events, self.reports = [], []

    def tell(self, events):
        self.events += events

    def report(self, report):
        self.reports.append(report)

    @property
    def counts(self):
        return {"taken": len(self.taken)}


def test_events_are_told_also_where_results_of_live_streams_are_left_out(monkeypatch):
    """An alarm is worth more than one box more or less; and of a recording nothing is left out."""
    monkeypatch.setattr(module, "LIMIT", 5)
    sink = Told()
    writer = Writer([sink])
    for seq in range(8):
        file = record(seq)._replace(stream="file")
        writer.write([record(seq), file], 0.0, [seq], live={"cam"})
    sink.may.set()
    with pytest.raises(RunError, match="5 answers and 3 events were not written: results over there was too slow"):
        writer.close()
    assert sink.taken == [0, 0, 1, 1, 2, 2, *range(3, 8)]
    assert sink.events == [0, 1, 2, 3, 4]


def test_reports_come_behind_what_was_put_before():
    sink = Told()
    sink.may.set()
    writer = Writer([sink, Kept()])
    writer.write([], 0.0, ["an event"])
    writer.report({"finished": False})
    until(lambda: sink.reports)
    assert sink.events == ["an event"]
    assert writer.counts() == {"results over there": {"taken": 0}}
    writer.close()


def test_what_is_written_is_flushed_in_time_also_if_nothing_more_comes():
    """A camera that has gone: what came before is durable before the power goes, too."""
    sink, clock = Flushed(), HandClock()
    sink.may.set()
    writer = Writer([sink], clock)
    writer.write([record(0)], 0.0)
    until(lambda: sink.taken)
    clock.turn(FLUSH_EVERY_S)
    until(lambda: sink.flushed == 1)
    clock.turn(10 * FLUSH_EVERY_S)
    time.sleep(0.02)
    assert sink.flushed == 1
    writer.close()


def test_sinks_of_one_name_are_counted_apart_and_one_that_raises_is_left_out():
    class Raises(Told):
        @property
        def counts(self):
            raise ValueError("its author's fault")

    writer = Writer([Told(), Told(), Raises()])
    assert writer.counts() == {"results over there": {"taken": 0}, "results over there (2)": {"taken": 0}}
    writer.close()
