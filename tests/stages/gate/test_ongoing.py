"""Learning goes on: what is missed or drifts holds the gate open, and a better one comes, the same in every replay."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import replace

import numpy as np
import pytest

from tests import builders
from tests.stages.gate import yard
from vidpipe.cascade.audit import AuditSpec
from vidpipe.cascade.cascade import Cascade, Ticket
from vidpipe.cascade.runner import StageRunner
from vidpipe.cascade.stage import Context
from vidpipe.core.answer import Answer, How
from vidpipe.models.gate import Gate
from vidpipe.stages.gate import job, ongoing
from vidpipe.stages.gate.examples import Examples
from vidpipe.stages.gate.gate import GateStage
from vidpipe.stages.gate.job import Task
from vidpipe.stages.gate.retrain import DutyCycle, retrain
from vidpipe.stages.gate.versions import EMPTY_RECOGNISED, Versions, with_thresholds
from vidpipe.testing.clock import HandClock


class Run:
    """A gate in front of a stage that knows the truth."""

    def __init__(self, folder, *, audits=0.05, live=False, blind_after_s=None, **config):
        self.stage = GateStage()
        self.stage.id = "gate"
        self.stage.config = GateStage.Config(weights=str(folder), learn=True, max_miss=0.2, **config)
        self.stage.open(Context("gate", "yard", None, yard.CLASSES, False, live))
        self.there = False
        last = builders.Told("big", lambda frame: Answer(yard.seen(self.there), How.MEASURED, "big", frame.seq))
        runners = [
            StageRunner(one.id, False, one is last, lambda _, one=one: one, yard.CLASSES) for one in (self.stage, last)
        ]
        self.cascade = Cascade(runners, AuditSpec(rate=audits, max_unchecked_s=None), last="big")
        self.answers = []
        self.passes_all = False  # whether the newest frame was passed on unseen

    def over(self, footage):
        for frame, self.there in footage:
            unseen = self._unseen
            ticket = Ticket(frame)
            self.cascade.ask([ticket])
            completed = self.cascade.complete(ticket)
            self.answers.append((completed.answer.by, self.there))
            self.passes_all = self._unseen > unseen
        return self.answers

    @property
    def _unseen(self):
        return self.stage.counts["held open"] + self.stage.counts["scene has changed"]


class Immediate:
    """A job in this process, of few steps and a small network: what the process would do, without its start."""

    def __init__(self, folder, task, examples, key=b""):
        examples.save(folder / job.EXAMPLES)
        self.key = key
        self.folder, self.task, self.done = folder, replace(task, architecture="53x2"), True

    def result(self):
        retrain(self.folder, self.task, lambda step: None, self.key)
        return Gate.load(self.folder / job.RESULT)

    def shared(self):
        return json.loads(file.read_text()) if (file := self.folder / job.SHARED).exists() else {}

    def stop(self):
        pass


@pytest.fixture
def quick(monkeypatch):
    """Trainings of a second."""
    from vidpipe.stages.gate import training

    monkeypatch.setattr(ongoing, "Job", Immediate)
    monkeypatch.setattr(training.train, "__kwdefaults__", training.train.__kwdefaults__ | {"steps": 50})


@pytest.fixture
def gates(tmp_path, trained):
    """A folder with the gate of the yard by day."""
    Versions(tmp_path / "gates").add(with_thresholds(trained.gate, 0.2, 0.9, **{EMPTY_RECOGNISED: 0.9}), "specialised")
    return tmp_path / "gates"


def test_a_gate_that_holds_its_budget_stays(gates):
    run = Run(gates)
    answers = run.over(yard.footage(150, first=4000))
    assert not run.passes_all
    assert sum(by == "gate" for by, there in answers) > 0.6 * len(answers)
    assert Versions(gates).active == 1


@pytest.mark.long
@pytest.mark.parametrize(("change", "figure"), [(yard.night, "brightness"), (yard.turned, "likeness to the scene")])
def test_drift_is_noticed_within_two_minutes_and_put_right(gates, quick, caplog, change, figure):
    run = Run(gates)
    run.over(yard.footage(40, first=4000))
    with caplog.at_level(logging.WARNING):
        run.over(yard.footage(120, change, first=4160))
    assert f"the scene has changed: {figure}" in caplog.text
    assert run.passes_all or Versions(gates).active == 2
    run.over(yard.footage(240, change, first=4640))
    last = Versions(gates).history[-1]
    assert (last.number, last.reason.split(":")[0]) == (2, "the scene has changed")
    afterwards = run.answers[-100:]
    assert not run.passes_all
    assert run.stage.counts["new gate"] == 1
    assert run.stage.counts["scene has changed"] > 200
    assert sum(by == "gate" for by, _ in afterwards) > 50
    assert sum(by == "gate" and there for by, there in afterwards) <= 0.2 * sum(there for _, there in afterwards)


def test_audits_hold_a_blind_gate_open(tmp_path, trained, quick, caplog, monkeypatch):
    """A threshold that lets nothing through: audits find out, and until a new gate comes every frame is passed on."""
    monkeypatch.setattr(ongoing, "SWAP_S", 1e6)
    Versions(tmp_path).add(with_thresholds(trained.gate, 1.0, None), "a mistake")
    run = Run(tmp_path, audits=0.3)
    with caplog.at_level(logging.WARNING):
        answers = run.over(yard.footage(200, first=4000))
    assert run.passes_all
    assert "audits: it misses" in caplog.text
    assert all(by == "big" for by, _ in answers[-20:])


def test_without_audits_nothing_is_known_of_misses(tmp_path, trained):
    Versions(tmp_path).add(with_thresholds(trained.gate, 1.0, None), "a mistake")
    run = Run(tmp_path, audits=0)
    run.over(yard.footage(60, first=4000))
    assert not run.passes_all


@pytest.mark.long
def test_passing_in_vain_brings_a_new_gate_and_holds_nothing_open(tmp_path, trained, quick):
    """JITL: what was passed on for nothing is what the next gate learns from."""
    Versions(tmp_path).add(with_thresholds(trained.gate, 0.0, None, **{EMPTY_RECOGNISED: 0.9}), "a timid gate")
    run = Run(tmp_path)
    run.over(yard.footage(30, first=4000))
    assert not run.passes_all
    run.over(yard.footage(400, first=4120))
    last = Versions(tmp_path).history[-1]
    assert last.number == 2
    assert last.reason.startswith("it passes ")
    assert sum(by == "gate" for by, _ in run.answers[-100:]) > 50


def test_false_alarms_of_presence_bring_a_new_gate(tmp_path, trained, quick):
    """A threshold that takes anything for a person: audits count it, presence ends, and a new gate comes."""
    Versions(tmp_path).add(with_thresholds(trained.gate, 0.0, 0.0), "a mistake")
    run = Run(tmp_path, audits=0.3, want="presence", max_false=0.1)
    answers = run.over(yard.footage(400, first=4000))
    last = Versions(tmp_path).history[-1]
    assert (last.number, "presence is said of" in last.reason) == (2, True)
    assert {by for by, _ in answers[40:240]} == {"big"}
    assert run.stage.counts["too many false alarms"] > 100


@pytest.mark.long
def test_it_begins_with_nothing_and_two_replays_are_equal(tmp_path, quick):
    """The first gate comes by itself, and what was learnt from is kept, for the owner alone."""
    runs = [Run(tmp_path / name) for name in ("one", "other")]
    one, other = (run.over(yard.footage(300)) for run in runs)
    assert one == other
    assert Versions(tmp_path / "one").history[0].reason == "there is none yet"
    assert {by for by, _ in one[:240]} == {"big"}
    assert "gate" in {by for by, _ in one[-80:]}
    runs[0].cascade.close()
    assert (tmp_path / "one" / ongoing.EXAMPLES).stat().st_mode & 0o077 == 0


def test_a_restart_goes_on_where_it_was(gates):
    """Held open before the crash, held open after it; and no picture travels with the snapshot."""
    run = Run(gates)
    run.over(yard.footage(60, yard.night, first=4000))
    assert run.passes_all
    state = run.stage.snapshot()
    assert len(state) < 10_000
    after = Run(gates)
    after.stage.restore(state)
    assert {by for by, _ in after.over(yard.footage(5, yard.night, first=4240))} == {"big"}


@pytest.mark.parametrize("changed", [False, True])
def test_a_state_of_another_version_is_left_alone(tmp_path, trained, changed):
    """What held a blind gate open does not hold the one that has taken its place."""
    Versions(tmp_path).add(with_thresholds(trained.gate, 1.0, None), "a mistake")
    run = Run(tmp_path, audits=1.0)
    run.over(yard.footage(60, first=4000))
    assert run.passes_all
    state = run.stage.snapshot()
    if changed:
        Versions(tmp_path).add(with_thresholds(trained.gate, 0.2, 0.9), "by hand")
    after = Run(tmp_path)
    after.stage.restore(state)
    after.over(yard.footage(2, first=4240))
    assert after.passes_all != changed


@pytest.mark.long
@pytest.mark.timeout(120)
def test_the_process_trains_beside_the_stream(tmp_path):
    """The real one: low priority, one thread; it leaves a gate, or says why not."""
    folder = tmp_path / "training"
    folder.mkdir()
    task = Task(["person"], "53x2", 0.2, 0.2, 1.0, 0)
    under_way = job.Job(folder, task, yard.examples(30))
    with pytest.raises(Exception, match=r"^stream yard: 30 s of footage are too little to learn from: give 60 s$"):
        under_way.result()
    broken = job.Job(folder, task, yard.examples(30))
    broken.stop()
    with pytest.raises(Exception, match=r"^the training ended with status -9"):
        broken.result()


def test_a_duty_cycle_rests(monkeypatch):
    """A quarter of a core: for a second of work three of rest."""
    clock, cpu_s = HandClock(), [0.0]
    monkeypatch.setattr("vidpipe.stages.gate.retrain.time.process_time", lambda: cpu_s[-1])
    monkeypatch.setattr("vidpipe.stages.gate.retrain.os.getppid", lambda: 7)
    rest = DutyCycle(0.25, 7, clock)
    cpu_s.append(1.0)
    clock.turn(1.0)
    resting = threading.Thread(target=rest, args=(1,))
    resting.start()
    clock.turn(2.9)
    resting.join(0.05)
    assert resting.is_alive()
    clock.turn(0.1)
    resting.join(10)
    assert not resting.is_alive()
    rest(2)
    monkeypatch.setattr("vidpipe.stages.gate.retrain.os.getppid", lambda: 1)
    with pytest.raises(SystemExit):
        rest(3)


def test_examples_of_an_earlier_run_come_before(gates, caplog):
    """Each run counts its media time from zero; those of other classes are left out."""
    file = gates / ongoing.EXAMPLES

    def of_a_run():
        run = Run(gates, audits=1.0)
        run.over(yard.footage(5))
        run.cascade.close()
        return Examples.load(file)

    yard.examples(80).save(file)
    examples = of_a_run()
    assert len(examples) == 340
    assert (np.diff(examples.pts) > 0).all()
    assert examples.pts[320 - 1] == -60
    replace(yard.examples(5), classes=("cat", "dog")).save(file)
    assert len(of_a_run()) == 20
    assert "of other classes: cat, dog: beginning without them" in caplog.text


def test_each_stream_has_its_folder(tmp_path):
    Run(tmp_path / "{stream}")
    assert [made.name for made in tmp_path.iterdir()] == ["yard"]


def test_history_is_plain_json(gates):
    (line,) = json.loads((gates / "versions.json").read_text())
    assert (line["number"], line["reason"], line["evidence"][EMPTY_RECOGNISED]) == (1, "specialised", 0.9)
