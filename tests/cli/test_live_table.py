"""What is drawn of cameras while they run."""

import io
import time

from rich.console import Console

from tests.builders import answer
from vidpipe.answer import How
from vidpipe.cli.live_table import LiveTable, table
from vidpipe.engine.collector import Collector
from vidpipe.engine.pipeline import Pipeline
from vidpipe.engine.records import Batch, Published
from vidpipe.engine.vitals import conditions
from vidpipe.models.base import Classes
from vidpipe.sources.health import Health, State


def collected():
    """One camera that gives pictures, and one that has not been seen."""
    collector = Collector(["gate", "yard"], [], live=["gate", "yard"])
    frames = [Published("gate", seq, seq / 10, time.time(), 1.0, 0, answer("big")) for seq in range(3)]
    dropped = answer("source", how=How.DROPPED, reason="overloaded")
    frames.append(Published("gate", 3, 0.3, time.time(), 0.0, 0, dropped))
    live = Health(State.LIVE, last_frame_at=time.time(), received=4, codec="h264", decoder="software, 1 thread")
    away = Health(State.BACKING_OFF, "refused [nobody listens]; next try in 3.0 s", reconnects=2)
    collector.take(Batch(published=frames, health={"gate": live, "yard": away}))
    return collector


def test_each_camera_has_a_row():
    collector = collected()
    console = Console(file=io.StringIO(), width=200)
    console.print(table("street", collector, conditions(collector.vitals)))
    title, head, gate, yard = (line.strip() for line in console.file.getvalue().splitlines())
    assert title == "street: 4 frames"
    assert head.split()[:3] == ["stream", "state", "age"]
    assert gate.startswith("gate")
    assert gate.endswith("h264   software, 1 thread")
    assert "live" in gate
    assert yard.split()[:3] == ["yard", "backing", "off"]
    assert yard.endswith("refused [nobody listens]; next try in 3.0 s")


def test_without_a_terminal_new_states_are_told_once(capsys):
    collector = collected()
    pipeline = Pipeline("street", Classes({}), {}, (), {})
    with LiveTable(pipeline) as shown:
        for _ in range(3):
            shown._drawn_at = 0.0  # it is time again
            shown.progressed(collector)
    assert capsys.readouterr().err.splitlines() == [
        "gate is live",
        "yard is backing off: refused [nobody listens]; next try in 3.0 s",
    ]
