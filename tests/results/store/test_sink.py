"""The store of a run. What must hold:

- every event is there once, whatever is written again, by the same run or by one that begins anew at its beginning;
- phases of one event are one row; one that has begun and not ended is seen;
- counts, tracks and reviews are those of the results and events, however they came in batches;
- positions and rows go together: what a process leaves that is killed is all of a run up to a point.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import random
import signal
import sqlite3
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.results.store.told import (
    BEGAN,
    PROVENANCE,
    STREAMS,
    batches,
    event,
    events_at,
    ids_up_to,
    result,
    sink,
    write_for_ever,
)
from tests.waiting import until
from vidpipe.core.event import Phase
from vidpipe.results.store.queries import Store
from vidpipe.results.store.sink import StoreConfig, StoreSink
from vidpipe.testing.clock import HandClock

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.results.store.told"])


def dump(file):
    """All that a store holds, as text."""
    connection = sqlite3.connect(file)
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
    rows = {table: sorted(map(str, connection.execute(f"SELECT * FROM {table}"))) for table in tables}
    connection.close()
    return rows


def test_an_event_is_one_row_with_what_its_last_phase_says(tmp_path):
    store = sink(tmp_path / "s.db")
    stay = {"id": "stay", "kind": "zone.dwell", "zone": "door"}
    store.tell([event(10, **stay, **{"class": "person"}), event(12, "line.cross", line="gate", direction="in")])
    store.tell([event(15, **stay, phase=Phase.UPDATE, dwell_s=0.5), event(40, **stay, phase=Phase.END, dwell_s=3.0)])
    store.tell([event(50, id="other", kind="zone.dwell", zone="door")])
    store.close()
    with Store(tmp_path / "s.db") as asked:
        stayed, crossed, other = asked.events()
        assert [each["id"] for each in asked.events(unended=True)] == ["20261129T172532.151/gate/other"]
        assert [each["id"] for each in asked.events(kind="zone.*")] == [stayed["id"], other["id"]]
        (run,) = asked.runs()
    assert (stayed["phase"], stayed["dwell_s"], stayed["class"], stayed["lasted_s"]) == ("end", 3.0, "person", 3.0)
    assert (stayed["seq"], stayed["time"], stayed["unended"]) == (40, pytest.approx(BEGAN + 1), False)
    assert (crossed["direction"], crossed["lasted_s"], crossed["unended"]) == ("in", None, False)
    assert (other["unended"], run["name"], run["ended"] is not None) == (True, PROVENANCE["start"], True)


@pytest.mark.parametrize("again", ["begin", "update", "end"])
def test_a_phase_that_is_written_again_changes_nothing(tmp_path, again):
    store = sink(tmp_path / "s.db")
    seqs = {"begin": 1, "update": 1, "end": 7}
    phases = [event(seqs[phase], "stay", id="stay", phase=Phase(phase), count=seqs[phase]) for phase in seqs]
    store.tell(phases)
    store.flush()
    before = dump(tmp_path / "s.db")
    store.tell([each for each in phases if each.phase == again])
    store.flush()
    assert dump(tmp_path / "s.db") == before
    store.close()


def test_what_the_same_run_writes_from_its_beginning_is_ignored(tmp_path):
    """A replay of its results, or a run that was killed and whose results are stored from the file."""
    told = [([result(seq, "person", ids=[3])], events_at("gate", seq)) for seq in range(40)]
    for upto, expected in ((25, 0), (40, 19)):
        store = sink(tmp_path / "s.db")
        for results, events in told[:upto]:
            store.write(results, 0.0)
            store.tell(events)
        store.flush()
        assert store.counts["ignored"] == expected
        store.close()
    once = sink(tmp_path / "once.db")
    once.write(list(itertools.chain(*(results for results, _ in told))), 0.0)
    once.tell(list(itertools.chain(*(events for _, events in told))))
    once.close()
    before, after = dump(tmp_path / "once.db"), dump(tmp_path / "s.db")
    assert {**before, "run": ()} == {**after, "run": ()}


def test_counts_are_those_of_the_results(tmp_path):
    """A minute counts all its results, also those before the first box; a recording begins when its run began."""
    store = sink(tmp_path / "s.db")
    into_s = BEGAN % 60
    last_of_minute = int((60 - into_s) * 10)
    store.write([result(seq) for seq in range(last_of_minute + 1)], 0.0)
    store.write([result(last_of_minute + 1, "person", "person", "bike"), result(last_of_minute + 2, "person")], 0.0)
    store.write([result(seq, stream="yard") for seq in range(3)], 0.0)
    store.close()
    minute = int(BEGAN // 60) * 60
    with Store(tmp_path / "s.db") as asked:
        assert asked.counts() == [
            {"time": minute + 60, "stream": "gate", "class": "bike", "mean": 0.5, "most": 1},
            {"time": minute + 60, "stream": "gate", "class": "person", "mean": 1.5, "most": 2},
        ]
        hour = minute // 3600 * 3600
        frames = last_of_minute + 3
        assert asked.counts(every_s=3600, class_="person") == [
            {"time": hour, "stream": "gate", "class": "person", "mean": 3 / frames, "most": 2}
        ]
        assert asked.counts(until=minute + 60) == asked.counts(stream="yard") == []


def test_tracks_are_spans_with_the_class_of_their_best_box(tmp_path):
    store = sink(tmp_path / "s.db")
    store.write([result(0, "bike", "person", ids=[1, 2], scores=[0.5, 0.25])], 0.0)
    store.flush()
    store.write([result(1, "person", ids=[1], scores=[0.75]), result(2, "bike", ids=[1], scores=[0.5])], 0.0)
    store.write([result(3, "person", ids=[-1])], 0.0)  # not confirmed yet: no track
    store.close()
    with Store(tmp_path / "s.db") as asked:
        short, long = asked.tracks()
    assert (short["track"], short["class"], short["score"], short["frames"]) == (2, "person", 0.25, 1)
    assert (long["class"], long["score"], long["first_seq"], long["last_seq"], long["frames"]) == (
        "person",
        0.75,
        0,
        2,
        3,
    )


def review_spans(file):
    with Store(file) as asked:
        return [
            (round(each["began"] - BEGAN, 1), round(each["ended"] - BEGAN, 1), each["events"])
            for each in asked.reviews()
        ]


def test_near_events_are_one_review_and_those_of_another_stream_another(tmp_path):
    store = sink(tmp_path / "s.db", review_gap_s=10)
    store.tell([event(0), event(50), event(149), event(260), event(260, stream="yard")])
    store.close()
    assert review_spans(tmp_path / "s.db") == [(0, 14.9, 3), (26, 26, 1), (26, 26, 1)]


def test_events_while_something_goes_on_belong_to_its_review(tmp_path):
    """Whoever stands in the yard for a minute is one thing to look at, with all that happens meanwhile."""
    store = sink(tmp_path / "s.db", review_gap_s=5)
    stay = {"kind": "zone.dwell"}
    store.tell([event(0, id="a", **stay), event(10, id="a", phase=Phase.END, **stay)])  # this kind lasts
    store.tell([event(100, id="b", **stay), event(400, "line.cross"), event(700, id="b", phase=Phase.END, **stay)])
    store.tell([event(740), event(900)])
    store.close()
    assert review_spans(tmp_path / "s.db") == [(0, 1, 1), (10, 74, 3), (90, 90, 1)]


def test_a_review_does_not_grow_for_ever(tmp_path):
    store = sink(tmp_path / "s.db", review_gap_s=10)
    store.tell([event(50 * number) for number in range(2 * 3600 // 5)])
    store.close()
    spans = review_spans(tmp_path / "s.db")
    assert len(spans) == 2
    assert sum(events for *_, events in spans) == 1440


@pytest.mark.parametrize(
    ("told", "severity"),
    [
        ({"kind": "zone.enter"}, "notice"),
        ({"kind": "zone.dwell"}, "alert"),
        ({"kind": "zone.dwell", "severity": "notice"}, "notice"),
        ({"kind": "zone.enter", "severity": "alert"}, "alert"),
        ({"kind": "gone.wrong"}, "alert"),
    ],
)
def test_which_events_make_a_review_an_alert(tmp_path, told, severity):
    store = sink(tmp_path / "s.db", alerts=["zone.dwell", "gone.*"])
    store.tell([event(0), event(1, **told)])
    store.close()
    with Store(tmp_path / "s.db") as asked:
        assert [each["severity"] for each in asked.events()] == ["notice", severity]
        assert [each["severity"] for each in asked.reviews()] == [severity]


def test_events_are_counted_once_by_what_they_are(tmp_path):
    store = sink(tmp_path / "s.db")
    crossing = {"kind": "line.cross", "line": "gate"}
    store.tell([event(seq, **crossing, direction="in" if seq % 3 else "out") for seq in range(9)])
    store.tell([event(9, id="s", kind="stay"), event(10, id="s", kind="stay", phase=Phase.END)])
    store.close()
    with Store(tmp_path / "s.db") as asked:
        counted = {(each["kind"], each["direction"]): each["events"] for each in asked.event_counts(every_s=3600)}
        assert counted == {("line.cross", "in"): 6, ("line.cross", "out"): 3, ("stay", None): 1}
        assert [each["events"] for each in asked.event_counts(every_s=3600, kind="line.*")] == [6, 3]


def report(answered, *, asked, missed=0, state=None):
    """What the store reads of a report."""
    stream = {"by": {"little": answered}, "audits": {"little": {"audited": 2 * missed, "missed": missed}}}
    health = {} if state is None else {"health": {"state": state, "detail": "why"}}
    return {
        "streams": {"gate": {**stream, **health}},
        "stages": {"little": {"asked": asked, "answered": answered, "cpu_ms": 2.0}},
    }


def test_stages_are_counted_by_minute_and_states_when_they_change(tmp_path):
    clock = HandClock(utc=6000.0)
    store = StoreSink(StoreConfig(path=str(tmp_path / "s.db")), clock=clock)
    store.begin(PROVENANCE)
    store.report(report(10, asked=12, state="live"))
    clock.turn(30)
    store.report(report(30, asked=40, missed=1, state="live"))
    clock.turn(30)
    store.report(report(29, asked=50, missed=1, state="stalled"))  # a process died with what it had counted
    store.close()
    with Store(tmp_path / "s.db") as asked:
        rows = [tuple(row.values()) for row in asked.stages()]
        assert [(each["at"], each["state"]) for each in asked.states()] == [
            (pytest.approx(6000), "live"),
            (pytest.approx(6060), "stalled"),
        ]
    assert rows == [
        (6000, "", "little", 40, 30, 2, 1, pytest.approx(0.08)),
        (6000, "gate", "little", 0, 30, 2, 1, 0.0),
        (6060, "", "little", 10, 0, 0, 0, pytest.approx(0.02)),
    ]


@pytest.mark.long
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(st.integers(1, 25), min_size=1, max_size=8),
    crashes=st.lists(st.integers(0, 30), max_size=4),
    flushes=st.integers(1, 4),
)
def test_law_batches_and_crashes_change_nothing(tmp_path_factory, cuts, crashes, flushes):
    """Whatever the batches, and however often a process is gone without a word and another begins from the start."""
    folder = tmp_path_factory.mktemp("law")
    told = [([result(seq, "person", ids=[seq // 4])], events_at("gate", seq)) for seq in range(60)]

    def write(file, sizes, stop):
        store = sink(file)
        at = 0
        for number, size in enumerate(itertools.cycle(sizes)):
            if at >= len(told) or number == stop:
                break
            some = told[at : at + size]
            at += size
            store.write(list(itertools.chain(*(results for results, _ in some))), 0.0)
            store.tell(list(itertools.chain(*(events for _, events in some))))
            if number % flushes == 0:
                store.flush()
        if stop is None:
            store.close()
        else:
            store._connection.close()  # noqa: SLF001 - as the kernel does it with a process that is killed

    write(folder / "once.db", [60], None)
    for crash in crashes:
        write(folder / "s.db", cuts, crash)
    write(folder / "s.db", cuts, None)
    once, often = dump(folder / "once.db"), dump(folder / "s.db")
    assert {**once, "run": ()} == {**often, "run": ()}


def check_all_up_to_its_positions(folder):
    """Each event up to the position of its stream is there once with its last phase, and none beyond; its results are
    in a file, too. Returns the number of results that the store has."""
    with Store(folder / "store.db") as asked:
        (run,) = asked.runs() or [{"positions": {}}]
        events = {each["id"]: each["phase"] for each in asked.events()}
        frames = sum(each["frames"] for each in asked.tracks())
    expected = {}
    for stream, seq in run["positions"].items():
        expected |= ids_up_to(stream, seq)
    assert events == expected
    assert frames == sum(seq + 1 for seq in run["positions"].values())
    files = [file.read_bytes() for file in folder.glob("*.jsonl")]
    for stream, seq in run["positions"].items():
        line = f'{{"stream": "{stream}", "seq": {seq}, '.encode()
        assert any(line in text[: text.rfind(b"\n")] for text in files)
    return frames


@pytest.mark.long
def test_law_a_run_that_is_killed_leaves_all_up_to_a_point(tmp_path):
    """kill -9 at random moments; each process begins the same run anew, as a replay of its results does."""
    chance = random.Random(7)
    stored = 0
    for number in range(int(os.environ.get("VIDPIPE_KILLS", "8"))):
        process = CONTEXT.Process(target=write_for_ever, args=(tmp_path, number), daemon=True)
        process.start()
        file = tmp_path / f"{number}.jsonl"
        until(lambda file=file: file.exists() and file.stat().st_size > 0, 60)
        time.sleep(chance.uniform(0, 0.5))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL
        now = check_all_up_to_its_positions(tmp_path)
        assert now >= stored
        stored = now
    assert stored > 0


def test_batches_of_the_run_to_be_killed_are_as_its_numbers_say():
    """What the law above rests on."""
    for results, events in itertools.islice(batches(3), 20):
        assert events == [each for one in results for each in events_at(one.stream, one.seq)]
        assert {one.stream for one in results} <= set(STREAMS)
    assert json.dumps(ids_up_to("gate", 9))
