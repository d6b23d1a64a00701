"""What is drawn of cameras while they run."""

import io
import re
import time

from rich.console import Console

from tests.builders import answer
from vidpipe.cascade.audit import Look
from vidpipe.cli.terminal.live_table import LiveTable, table
from vidpipe.core.answer import How
from vidpipe.models.base import Classes
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.collector import Collector
from vidpipe.results.records import Batch, Result
from vidpipe.results.status import stream_statuses
from vidpipe.sources.health import Health, State
from vidpipe.testing.clock import HandClock


def collected():
    """One camera that gives pictures, and one that has not been seen."""
    collector = Collector(["gate", "yard"], live=["gate", "yard"])
    frames = [Result("gate", seq, seq / 10, time.time(), 1.0, 0, answer("big", 1, 1, 0)) for seq in range(3)]
    dropped = answer("source", 1, 1, 0, how=How.DROPPED, reason="overloaded")
    frames.append(Result("gate", 3, 0.3, time.time(), 0.0, 0, dropped))
    live = Health(State.LIVE, last_frame_at=time.time(), received=4, codec="h264", decoder="software, 1 thread")
    away = Health(State.BACKING_OFF, "refused [nobody listens]; next try in 3.0 s", reconnects=2)
    collector.take(Batch(published=frames, health={"gate": live, "yard": away}))
    return collector


def shown(collector, width=80):
    console = Console(file=io.StringIO(), width=width)
    console.print(table("street", collector, stream_statuses(collector.status_monitors), width))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


def test_each_camera_has_a_row_of_what_is_seen():
    title, head, gate, yard = shown(collected())
    assert title == "street: 4 frames"
    assert head.split() == ["stream", "state", "seen", "now", "looked", "by", "fps"]
    assert gate.split()[:4] == ["gate", "live", "2", "class1,"]
    assert "2 class1, 1 class0" in gate
    assert re.search(r" 0\.\d s source +\d", gate)  # when somebody looked, and who answered last
    assert yard.startswith("yard")
    assert "backing off refused [nobody li" in yard
    assert "never" in yard
    *_, yard = shown(collected(), width=120)
    assert "backing off refused [nobody listens]; next try in 3.0 s" in yard


def test_where_a_floor_is_asked_for_the_accuracy_stands_beside():
    collector = Collector(["gate", "yard"], live=["gate", "yard"])
    collector.promise("gate", 0.9, "boxes")
    looked = Result("gate", 0, 0.0, None, 1.0, 0, answer("big", 0), look=Look(1, 1))
    collector.take(Batch(published=[looked]))
    _, head, gate, yard = shown(collector)
    assert head.split()[-1] == "right"
    assert (gate.split()[-1], yard.split()[-1]) == ("1.00", "?")


def test_it_fits_80_columns():
    names = [f"{'camera' * 6}-{n}" for n in range(3)]
    collector = Collector(names, live=names)
    many = answer("a-stage-with-a-long-name", *range(9))
    collector.take(
        Batch(
            published=[Result(name, 0, 0.0, time.time(), 1.0, 0, many) for name in names],
            health={name: Health(State.BACKING_OFF if name == names[0] else State.LIVE, "x" * 99) for name in names},
        )
    )
    for floor in (None, 0.9):
        collector.promise(names[0], floor, "boxes")
        lines = shown(collector)
        assert len(lines) == 2 + len(names)
        assert max(map(len, lines)) <= 80


def test_a_look_has_an_age_also_where_its_answer_came_late():
    """The late answer is not published; those that carry it on are as of its frame."""
    collector = Collector(["gate"], live=["gate"])

    def publish(seq, as_of):
        skipped = answer("engine", how=How.SKIPPED, as_of=as_of)
        collector.take(Batch(published=[Result("gate", seq, seq / 10, None, 0.0, 0, skipped)]))

    publish(0, -1)
    assert collector.look_age_s("gate") is None
    publish(1, 0)
    first = collector.look_age_s("gate")
    publish(2, 0)
    assert collector.look_age_s("gate") >= first >= 0


def test_without_a_terminal_new_states_are_told_once(capsys):
    collector = collected()
    pipeline = Pipeline("street", Classes({}), {}, (), {})
    clock = HandClock()
    with LiveTable(pipeline, clock) as shown:
        for _ in range(3):
            clock.turn(1)
            shown.progressed(collector)
    said = capsys.readouterr().err.splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", line) for line in said)
    assert [line[20:] for line in said] == [
        "gate is live",
        "yard is backing off: refused [nobody listens]; next try in 3.0 s",
    ]
