"""Where something that does not matter moves all the time, the detector cannot tell, and a gate is what pays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests import lines
from tests.models.bright import bright_network
from tests.stages.gate.test_ongoing import Immediate
from tests.tuning.conftest import YARD
from tests.tuning.footage import clip
from vidpipe.cascade.audit import AuditSpec
from vidpipe.core.progress import Silent
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.runtime.driver.run import run
from vidpipe.stages.gate import network, ongoing, training
from vidpipe.stages.gate.versions import Versions, with_thresholds
from vidpipe.tuning.labels import labelled
from vidpipe.tuning.optimiser import Budget
from vidpipe.tuning.profile import apply, read
from vidpipe.tuning.specialize import SpecializeOptions, specialize

BUDGET = Budget(0.05, 0.05)
STEPS = 40


def dear(*given):
    """Footage of which a look costs 30 ms."""
    footage, examples, _ = labelled(*given)
    return footage, examples, 30.0


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Trainings of seconds, also of what goes on learning."""
    monkeypatch.setitem(training.train.__kwdefaults__, "steps", STEPS)
    monkeypatch.setattr(ongoing, "Job", Immediate)


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """What came of 70 s of a busy yard, with a gate that is to go on learning; looks as dear as a large model's."""
    folder = tmp_path_factory.mktemp("busy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIDPIPE_CACHE", str(folder / "cache"))
        patch.setitem(training.train.__kwdefaults__, "steps", STEPS)
        patch.setattr(network, "SIZES", network.SIZES[:1])
        patch.setattr("vidpipe.tuning.specialize.labelled", dear)
        bright_network(folder / "bright.onnx")
        (folder / "yard.yaml").write_text(YARD)
        (folder / "presence.yaml").write_text(
            YARD.replace("stages: [", "stages: [{id: gate, type: gate, want: presence}, ")
        )
        clip(folder / "fit.mp4", seconds=70, visits=8, busy=True)
        clip(folder / "other.mp4", seconds=40, visits=5, busy=True, delay=7)
        pipeline = load(folder / "yard.yaml", sources={"yard": str(folder / "fit.mp4")})
        learnt = specialize(pipeline, "yard", SpecializeOptions(BUDGET, folder / "profiles", learn=True), Silent())
    return folder, learnt


@pytest.fixture
def over(learnt, tmp_path):
    """Gives the answers on a clip, with the profile or without."""
    folder, _ = learnt

    def answers(clip, *, profile=True, pipeline="yard", audits=0.02):
        loaded = load(folder / f"{pipeline}.yaml", sources={"yard": str(folder / f"{clip}.mp4")})
        loaded = replace(loaded, audit=AuditSpec(rate=audits, max_unchecked_s=10))
        applied = apply(loaded, folder / "profiles", look=True) if profile else None
        assert applied is None or applied.lines[0].startswith("profile of stream yard: version 1 of ")
        file = tmp_path / "results.jsonl"
        outcome = run(applied.pipeline if applied else loaded, engine="inline", sinks=[ResultsFile(file)])
        assert outcome.exit_status == 0, outcome.errors
        return lines.answers(file)

    return answers


def test_a_gate_is_trained_chosen_and_written(learnt):
    folder, came = learnt
    assert came.verdict.choice.gate == 0
    version = read(folder / "profiles", "yard").version(1)
    assert "gate 53x2" in version.says
    gate = version.settings["gate"]
    assert (gate["weights"], gate["learn"], gate["targets"]) == ("gates", True, ["thing"])
    assert 0 < gate["max_miss"] <= BUDGET.miss
    assert version.evidence["chosen"]["cpu_ms"] < 0.6 * version.evidence["tried"]["unlike the empty scene"]["cpu_ms"]


def test_a_run_goes_by_it(over):
    """On another recording, with other visits: few looks, and misses within the budget."""
    truth, found = over("other", profile=False), over("other")
    there = [bool(answer["detections"]) for answer in truth]
    missed = sum(now and not answer["detections"] for now, answer in zip(there, found, strict=True))
    assert missed <= BUDGET.miss * sum(there)
    assert sum(answer["by"] == "gate" and answer["how"] == "empty" for answer in found) > 0.25 * len(found)
    assert sum(answer["by"] == "find" for answer in found) < 1.5 * sum(there)


def test_presence_within_the_budget_of_false_alarms(over):
    """A pipeline that asks its gate for presence keeps that, and the profile's gate has a threshold for it."""
    there = {answer["seq"] for answer in over("other", profile=False) if answer["detections"]}
    found = over("other", pipeline="presence")
    said = [answer["seq"] for answer in found if answer["by"] != "find" and answer["detections"]]
    assert len(said) > 0.5 * len(there)
    assert len(set(said) - there) <= BUDGET.false * (len(found) - len(there))


@pytest.mark.long
def test_it_goes_on_learning_in_the_profile(learnt, over):
    """A gate that has come to miss is held open and followed by a better one, beside it and with its reason."""
    _, came = learnt
    gates = Versions(came.folder / "gates")
    assert [change.reason for change in gates.history] == ["specialized"]
    assert gates.gate().evidence["empty_recognised"] > 0.8
    assert (gates.folder / "examples.npz").stat().st_mode & 0o077 == 0
    gates.add(with_thresholds(gates.gate(), 1.0, None), "a mistake")
    found = over("fit", audits=0.3)
    history = Versions(gates.folder).history
    assert [change.number for change in history] == [1, 2, 3]
    assert "audits: it misses" in history[-1].reason
    assert sum(answer["by"] == "gate" for answer in found[-100:]) > 20
