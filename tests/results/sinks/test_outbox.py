"""Sinks with an outbox. What must hold:

- events are delivered in the order in which they were told, however often sending fails, and over restarts;
- inherited + made = delivered + waiting + dropped, by reason;
- a receiver that is away, slow, or hangs, slows nobody, and costs no event up to the bounds;
- a kill -9 loses nothing that was told; what comes twice has the same id.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sqlite3
import threading
import time
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.results.store.told import PROVENANCE, event
from tests.waiting import until
from vidpipe.core.errors import ConfigError
from vidpipe.core.event import Phase
from vidpipe.results.sinks.outbox import sink as module
from vidpipe.results.sinks.outbox.box import Box
from vidpipe.results.sinks.outbox.sink import LaterError, OutboxConfig, OutboxSink, RefusedError
from vidpipe.testing.clock import HandClock

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])


class Receiver(OutboxSink):
    """Takes events, unless it is told what to do instead: raise an error, or wait."""

    def __init__(self, file, *, clock=None, **settings):
        super().__init__(OutboxConfig(outbox=str(file), **settings), clock=clock or HandClock())
        self.taken = []
        self.does = []
        self.sent = 0

    def __str__(self):
        return "receiver over there"

    def send(self, events):
        self.sent += 1
        does = self.does.pop(0) if self.does else None
        if isinstance(does, threading.Event):
            does.wait()
        elif does is not None:
            raise does
        self.taken += [each["seq"] for each in events]


def begun(file, does=(), **options):
    receiver = Receiver(file, **options)
    receiver.does = list(does)
    receiver.begin(PROVENANCE)
    return receiver


def law(counts):
    """Whether it adds up."""
    dropped = sum(value for name, value in counts.items() if name.startswith("dropped_"))
    return counts["inherited"] + counts["made"] == counts["delivered"] + counts["waiting"] + dropped


def turn_until(clock, condition):
    """Turn the clock until something is so."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        clock.turn(1)
        time.sleep(0.001)


def test_events_come_in_order_and_all_of_them(tmp_path):
    receiver = begun(tmp_path / "o.db")
    for seq in range(50):
        receiver.tell([event(seq)])
    until(lambda: len(receiver.taken) == 50)
    receiver.close()
    assert receiver.taken == list(range(50))
    assert receiver.counts["delivered"] == receiver.counts["made"] == 50


@pytest.mark.parametrize("error", [LaterError("busy"), OSError("no route"), ValueError("of its author's")])
def test_what_fails_is_sent_again_less_and_less_often(tmp_path, error, caplog):
    clock = HandClock()
    receiver = begun(tmp_path / "o.db", [error] * 6, clock=clock, retry_s=8, retry_most_s=64)
    receiver.tell([event(0), event(1)])
    for sent, longest_s in enumerate([8, 16, 32, 64, 64, 64], 1):
        until(lambda sent=sent: receiver.counts["retries"] == sent)
        clock.turn(0.49 * longest_s)
        time.sleep(0.01)
        assert receiver.sent == sent
        clock.turn(0.52 * longest_s)
        until(lambda sent=sent: receiver.sent > sent)
    until(lambda: receiver.taken == [0, 1])
    receiver.close()
    assert caplog.text.count("receiver over there takes no events") == 1
    assert caplog.text.count("receiver over there takes events again") == 1


def test_a_receiver_may_ask_to_wait(tmp_path):
    clock = HandClock()
    receiver = begun(tmp_path / "o.db", [LaterError("busy", after_s=500)], clock=clock)
    receiver.tell([event(0)])
    until(lambda: receiver.counts["retries"] == 1)
    clock.turn(499)
    time.sleep(0.02)
    assert receiver.sent == 1
    clock.turn(2)
    until(lambda: receiver.taken == [0])
    receiver.close()


def test_what_is_refused_is_a_dead_letter_and_holds_up_nothing(tmp_path, caplog):
    receiver = begun(tmp_path / "o.db", [RefusedError("it answers 400")])
    receiver.tell([event(seq) for seq in range(3)])
    until(lambda: receiver.taken == [1, 2])
    receiver.close()
    assert receiver.counts["dropped_refused"] == 1
    assert law(receiver.counts)
    assert "refuses event" in caplog.text
    ((reason, body),) = sqlite3.connect(tmp_path / "o.db").execute("SELECT reason, body FROM dead").fetchall()
    assert (reason, json.loads(body)["seq"]) == ("it answers 400", 0)


def test_a_receiver_that_hangs_slows_nobody(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CLOSE_S", 0.1)
    hangs = threading.Event()
    receiver = begun(tmp_path / "o.db", [hangs])
    began = time.thread_time()
    for seq in range(200):
        receiver.tell([event(seq)])
    assert time.thread_time() - began < 1
    assert receiver.counts["waiting"] == 200
    receiver.close()
    hangs.set()
    again = begun(tmp_path / "o.db")
    until(lambda: again.taken == list(range(200)))
    again.close()
    assert again.counts["inherited"] == 200


def test_beyond_what_may_wait_the_oldest_go(tmp_path):
    receiver = begun(tmp_path / "o.db", [LaterError("away")] * 1000, most_waiting=10)
    for seq in range(25):
        receiver.tell([event(seq)])
    assert (receiver.counts["waiting"], receiver.counts["dropped_full"]) == (10, 15)
    assert law(receiver.counts)
    receiver.close()
    again = begun(tmp_path / "o.db")
    until(lambda: again.taken == list(range(15, 25)))
    again.close()


def test_what_is_too_old_is_dropped(tmp_path):
    clock = HandClock()
    receiver = begun(tmp_path / "o.db", [LaterError("away")] * 3, clock=clock, give_up_s=3600, retry_most_s=1)
    receiver.tell([event(0)])
    until(lambda: receiver.counts["retries"] == 1)
    clock.turn(3601)
    receiver.tell([event(1)])
    turn_until(clock, lambda: receiver.taken == [1])
    receiver.close()
    assert receiver.counts["dropped_old"] == 1
    assert law(receiver.counts)


def test_which_events_go_there(tmp_path):
    receiver = begun(tmp_path / "o.db", kinds=["zone.*", "line.cross"], streams=["gate*"])
    told = [("zone.enter", "gate"), ("line.cross", "gate 2"), ("count", "gate"), ("zone.enter", "yard")]
    receiver.tell([event(seq, kind, stream=stream) for seq, (kind, stream) in enumerate(told)])
    until(lambda: receiver.taken == [0, 1])
    receiver.close()
    assert receiver.counts["made"] == 2


def test_each_phase_is_an_event_of_its_own_and_none_waits_twice(tmp_path):
    receiver = begun(tmp_path / "o.db", [LaterError("away")] * 9)
    phases = [event(0, id="a"), event(1, id="a", phase=Phase.UPDATE), event(2, id="a", phase=Phase.UPDATE)]
    receiver.tell(phases)
    receiver.tell(phases)
    assert receiver.counts["waiting"] == 3
    receiver.close()


def test_an_outbox_is_for_one_run(tmp_path):
    receiver = begun(tmp_path / "o.db")
    with pytest.raises(ConfigError, match=r"o.db is used by another run; give one of the two sinks an `outbox`"):
        begun(tmp_path / "o.db")
    receiver.close()
    begun(tmp_path / "o.db").close()


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"no database\n" * 1000, "file is not a database"), ("store", "SQLite file of another program")],
)
def test_a_file_that_is_no_outbox(tmp_path, content, said):
    file = tmp_path / "o.db"
    if content == "store":
        sqlite3.connect(file).execute("CREATE TABLE message (text)")
    else:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"outbox .*o.db cannot be used: .*{said}; move it away"):
        begun(file)


def test_receivers_have_outboxes_of_their_own_where_none_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))

    class There(Receiver):
        def __init__(self, name):
            OutboxSink.__init__(self, OutboxConfig(), clock=HandClock())
            self.name, self.taken, self.does, self.sent = name, [], [], 0

        def __str__(self):
            return self.name

    sinks = [There("one"), There("other")]
    for each in sinks:
        each.begin(PROVENANCE)
    assert len(list((tmp_path / "vidpipe" / "outbox").glob("there-*.db"))) == 2
    for each in sinks:
        each.close()


def test_a_disk_that_is_full_is_counted(tmp_path, caplog):
    receiver = begun(tmp_path / "o.db", [LaterError("away")] * 9)
    connection = receiver._box._connection  # noqa: SLF001
    connection.execute(f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0]}")
    for seq in range(100):
        receiver.tell([event(seq, note="x" * 1000)])
    assert receiver.counts["dropped_disk"] > 50
    assert law(receiver.counts)
    assert "outbox" in caplog.text
    receiver.close()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    script=st.lists(st.sampled_from(["take", "later", "later", "refuse", "raise"]), max_size=30),
    runs=st.lists(st.integers(1, 8), min_size=1, max_size=4),
    at_once=st.integers(1, 5),
)
def test_law_whatever_fails_all_that_is_not_refused_comes_in_order(tmp_path_factory, script, runs, at_once):
    folder = tmp_path_factory.mktemp("law")
    errors = {"later": LaterError("busy"), "refuse": RefusedError("it answers 400"), "raise": KeyError("its author's")}
    left = [errors.get(each) for each in script]
    taken, refused = [], 0
    numbers = count()
    for number, events in enumerate(runs):
        clock = HandClock()
        receiver = Receiver(folder / "o.db", clock=clock)
        receiver.at_once = at_once
        receiver.does, receiver.taken = left, taken
        receiver.begin(PROVENANCE)
        receiver.tell([event(next(numbers)) for _ in range(events)])
        if number == len(runs) - 1:
            turn_until(clock, lambda receiver=receiver: not receiver.counts["waiting"])
        receiver.close()
        assert law(receiver.counts)
        refused += receiver.counts["dropped_refused"]
    assert taken == sorted(set(taken))
    assert len(taken) + refused == sum(runs)


class Appends(OutboxSink):
    """Appends each event to a file, as a receiver in another process would."""

    def send(self, events):
        path = Path(self.config.outbox).with_name("received.jsonl")
        with path.open("a") as file:
            file.writelines(json.dumps([each["id"], each["seq"]]) + "\n" for each in events)


def tell_for_ever(folder, start):
    """Tell of events as a process does that will be killed; what was told is noted when `tell` has returned."""
    sink = Appends(OutboxConfig(outbox=str(folder / "o.db"), most_waiting=1_000_000))
    sink.begin(PROVENANCE)
    with (folder / "told").open("a") as told:
        for seq in count(start):
            sink.tell([event(seq)])
            told.write(f"{seq}\n")
            told.flush()


@pytest.mark.long
def test_law_a_kill_loses_nothing_that_was_told(tmp_path):
    """And what comes twice was on its way when the process was killed: it has the same id."""
    chance = random.Random(3)
    kills = int(os.environ.get("VIDPIPE_KILLS", "8"))
    file = tmp_path / "told"
    file.touch()
    told = []
    for _ in range(kills):
        start = told[-1] + 2 if told else 0  # the one under way may or may not be in the outbox
        size = file.stat().st_size
        process = CONTEXT.Process(target=tell_for_ever, args=(tmp_path, start), daemon=True)
        process.start()
        until(lambda size=size: file.stat().st_size > size, 60)
        time.sleep(chance.uniform(0, 0.2))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        told = [int(line) for line in file.read_text().split("\n")[:-1]]
    last = Appends(OutboxConfig(outbox=str(tmp_path / "o.db"), most_waiting=1_000_000))
    last.begin(PROVENANCE)
    until(lambda: not last.counts["waiting"], 60)
    last.close()
    # A line that a kill has cut is the receiver's loss: it is sent again, as nobody said that it is delivered.
    lines = (tmp_path / "received.jsonl").read_text().replace("][", "]\n[").split("\n")
    received = [json.loads(line) for line in lines if line.startswith("[") and line.endswith("]")]
    seqs = [seq for _, seq in received]
    assert set(told) <= set(seqs)
    assert seqs == sorted(seqs)
    assert len(seqs) - len(set(seqs)) <= kills
    assert len({number for number, _ in received}) == len(set(seqs))


def test_an_outbox_that_is_closed_takes_and_gives_nothing(tmp_path):
    """The thread that delivers may come back from `send` after the end of the run."""
    box = Box(tmp_path / "o.db", 10)
    box.put([("a", "{}")], 0.0)
    messages = box.first(1)
    box.close()
    assert (box.put([("b", "{}")], 0.0), box.first(1)) == ((0, 0), [])
    assert (box.done(messages), box.bury(messages[0], 0.0, "")) == (0, 0)
    assert Box(tmp_path / "o.db", 10).waiting == 1
