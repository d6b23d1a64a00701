"""The gate answers where its network is sure that there is nothing, and passes on whatever it cannot judge."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.stages.conftest import ask, opened
from tests.stages.gate import yard
from vidpipe.core.answer import Answer, How
from vidpipe.core.frame import Frame
from vidpipe.core.picture import BgrPicture
from vidpipe.stages.gate.gate import GateConfig, GateStage, thresholds
from vidpipe.stages.gate.versions import Versions, with_thresholds


@pytest.fixture
def gate(trained):
    return with_thresholds(trained.gate, 0.3, 0.7)


@pytest.fixture
def weights(tmp_path, gate):
    gate.save(tmp_path / "yard.gate")
    return str(tmp_path / "yard.gate")


def _stage(weights, **config):
    return opened(GateStage, classes=yard.CLASSES, weights=weights, **config)


def _over(stage, seconds=60):
    return [(ask(stage, frame), there) for frame, there in yard.footage(seconds, first=4000)]


def test_what_is_empty_is_answered_and_what_is_not_is_passed_on(weights):
    answers = _over(_stage(weights))
    empty = [answer for answer, there in answers if not there]
    assert sum(answer is not None for answer in empty) > 0.8 * len(empty)
    assert sum(answer is None for answer, there in answers if there) > 0.8 * sum(there for _, there in answers)
    first = next(answer for answer in empty if answer)
    assert (first.how, first.by, first.as_of, len(first.detections)) == (How.EMPTY, "gatestage", 4000, 0)
    assert first.reason.endswith(" < 0.3")


def test_presence_is_one_box_of_the_whole_frame(weights):
    answers = _over(_stage(weights, want="presence"))
    present = [answer for answer, there in answers if there and answer]
    assert len(present) > 5
    answer = present[0]
    assert (answer.how, answer.reason) == (How.MEASURED, "presence")
    assert answer.detections.xyxy.tolist() == [[0, 0, 96, 72]]
    assert answer.detections.data["class_name"].tolist() == ["person"]
    assert answer.detections.class_id.tolist() == [0]


def test_boxes_are_wanted_by_default(weights):
    assert all(answer is None or answer.how is How.EMPTY for answer, _ in _over(_stage(weights)))


class Audited:
    """A gate that is asked for presence, whose every answer is audited by somebody who sees what he is told to."""

    def __init__(self, weights, **config):
        self.stage = _stage(weights, want="presence", **config)

    def over(self, seconds, sees, first=4000):
        """What the gate answered, as `how` or None, in frames `first` on; `sees(there)`: what the audit finds."""
        hows = []
        for frame, there in yard.footage(seconds, first=first):
            answer = ask(self.stage, frame)
            hows.append(answer.how if answer else None)
            audit_of = self.stage.id if answer else ""
            self.stage.learn(frame, Answer(yard.seen(sees(there)), How.MEASURED, "big", frame.seq, audit_of=audit_of))
        return hows


def test_false_alarms_within_the_budget_leave_presence_alone(weights):
    hows = Audited(weights, max_false=0.05).over(120, sees=lambda there: there)
    assert hows[-120:].count(How.MEASURED) > 5


def test_audits_end_presence_that_is_said_in_vain(weights, caplog):
    """What the gate takes for a person the last stage does not see any more: only that ends, and it is said once."""
    audited = Audited(weights, max_false=0.01)
    hows = audited.over(180, sees=lambda there: False)
    assert How.MEASURED in hows[:120]
    assert How.MEASURED not in hows[-240:]
    assert hows[-240:].count(How.EMPTY) > 120
    assert audited.stage.counts["too many false alarms"] > 10
    assert caplog.text.count("presence is said of") == 1
    assert "of the frames without a target, not 1.0%: it is not said any more" in caplog.text


def test_a_restart_does_not_bring_presence_back(weights):
    audited = Audited(weights, max_false=0.01)
    audited.over(180, sees=lambda there: False)
    after = Audited(weights, max_false=0.01)
    after.stage.restore(audited.stage.snapshot())
    assert How.MEASURED not in after.over(60, sees=lambda there: there)


def test_with_presence_a_gate_listens_to_audits():
    wants = {want: GateStage.learns(GateConfig(weights="a.gate", want=want)) for want in ("boxes", "presence")}
    assert wants == {"boxes": False, "presence": True}


def test_presence_of_several_classes_is_no_answer(tmp_path, gate, caplog):
    replace(gate, targets=("person", "vehicle")).save(tmp_path / "both.gate")
    answers = _over(_stage(str(tmp_path / "both.gate"), want="presence"))
    assert all(answer is None or answer.how is How.EMPTY for answer, _ in answers)
    assert caplog.text.count("presence needs one class of the pipeline") == 1


@pytest.mark.parametrize("low", [0.0, None])
def test_a_gate_that_passes_all_changes_nothing(tmp_path, gate, low):
    """No score lies under 0; a gate without thresholds answers nothing either."""
    with_thresholds(gate, low, None).save(tmp_path / "open.gate")
    assert all(answer is None for answer, _ in _over(_stage(str(tmp_path / "open.gate"))))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, (0.2, 0.8)),
        ({"low": 0.1}, (0.1, 0.8)),
        ({"high": 0.9}, (0.2, 0.9)),
        ({"filter_degree": 0.0}, (0.2, 0.8)),
        ({"filter_degree": 0.5}, (0.5, 0.8)),
        ({"filter_degree": 1.0}, (0.8, 0.8)),
        ({"filter_degree": 0.5, "low": 0.4}, (0.6, 0.8)),
    ],
)
def test_thresholds_in_force(gate, config, expected):
    assert thresholds(GateConfig(weights="x", **config), with_thresholds(gate, 0.2, 0.8)) == pytest.approx(expected)


def test_filter_degree_filters_more(tmp_path, gate):
    """From a gate that would answer nothing to one that decides every frame."""
    with_thresholds(gate, 0.0, 1.0).save(tmp_path / "wide.gate")
    stages = [_stage(str(tmp_path / "wide.gate"), filter_degree=degree) for degree in (0, 0.5, 1)]
    none, some, all_ = (sum(answer is not None for answer, _ in _over(stage)) for stage in stages)
    assert none == 0
    assert 0 < some < all_ == 240


def _no_weights(folder, gate):
    return None


def _no_file(folder, gate):
    return str(folder / "none.gate")


def _damaged(folder, gate):
    (folder / "bad.gate").write_bytes(b"PK\x03\x04 and no more")
    return str(folder / "bad.gate")


def _no_network(folder, gate):
    replace(gate, xml=b"<net/>").save(folder / "bad.gate")
    return str(folder / "bad.gate")


def _empty_folder(folder, gate):
    return str(folder)


def _another_size(folder, gate):
    replace(gate, size=(192, 144)).save(folder / "other.gate")
    return str(folder / "other.gate")


def _another_camera(folder, gate):
    scene = -gate.normal.scene
    replace(gate, normal=replace(gate.normal, scene=scene)).save(folder / "other.gate")
    return str(folder / "other.gate")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (_no_weights, "it has no weights: every frame is passed on"),
        (_no_file, "none.gate: there is no such file: every frame is passed on"),
        (_damaged, "bad.gate: damaged or cannot be read (BadZipFile): every frame is passed on"),
        (_no_network, "OpenVINO cannot read it"),
        (_empty_folder, "no version is in force in"),
        (_another_size, "trained on pictures of 192 x 144 (stream yard), not 96 x 72: every frame is passed on"),
        (_another_camera, "likeness to the scene is"),
    ],
)
def test_without_a_fitting_gate_everything_passes_and_the_reason_is_said_once(tmp_path, gate, caplog, make, message):
    with caplog.at_level(logging.WARNING):
        answers = _over(_stage(make(tmp_path, gate)))
    assert all(answer is None for answer, _ in answers)
    assert len(caplog.records) == 1
    assert message in caplog.text


@pytest.mark.parametrize("with_weights", [False, True])
def test_one_that_is_off_passes_all_and_says_nothing(weights, caplog, with_weights):
    """A profile of another stream has put it in: nobody misses its weights."""
    stage = _stage(weights if with_weights else None, enabled=False)
    assert all(answer is None for answer, _ in _over(stage))
    assert not stage.counts
    assert not caplog.records


def test_the_version_in_force_counts(tmp_path, gate):
    kept = Versions(tmp_path)
    kept.add(gate, "good")
    kept.add(with_thresholds(gate, 0.0, None), "timid")
    assert not any(answer for answer, _ in _over(_stage(str(tmp_path))))
    kept.rollback()
    assert any(answer for answer, _ in _over(_stage(str(tmp_path))))


def test_a_camera_that_changes_its_size(weights, caplog):
    stage = _stage(weights)
    _over(stage)
    wide = Frame("cam", 9, 9.0, BgrPicture(np.zeros((72, 128, 3), np.uint8)), 128, 72)
    assert ask(stage, wide) is None
    assert "trained on pictures of 96 x 72 (stream yard), not 128 x 72" in caplog.text


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"low": 0.6, "high": 0.4}, "low is 0.6, above high, 0.4: swap them"),
        ({"learn": True, "weights": "x", "low": 0.1}, "learn brings thresholds with each version"),
    ],
)
def test_settings_that_contradict_each_other(config, message):
    with pytest.raises(ValueError, match=message):
        GateConfig(**config)


def test_a_gate_that_learns_takes_up_pictures_of_another_size(tmp_path, gate, caplog):
    """A camera is set to another resolution: the gate is held open, and nothing fails."""
    Versions(tmp_path).add(gate, "for the old size")
    stage = _stage(str(tmp_path), learn=True)
    for seq in range(8):
        wide = Frame("cam", seq, seq / 4, BgrPicture(np.full((72, 128, 3), 90, np.uint8)), 128, 72)
        assert ask(stage, wide) is None
        stage.learn(wide, Answer(yard.seen(False), How.MEASURED, "big", seq))
    assert len(caplog.records) == 1
    assert "the scene has changed: trained on pictures of 96 x 72 (stream yard), not 128 x 72" in caplog.text


def test_versions_of_a_file_lie_beside_it(weights, gate):
    """What a profile holds is a file: learning goes on from it, and leaves it as it is."""
    stage = _stage(weights, learn=True)
    assert any(answer for answer, _ in _over(stage))
    kept = Versions(Path(weights).with_suffix(""))
    assert [(change.number, change.reason) for change in kept.history] == [(1, "yard.gate as it was given")]
    kept.add(with_thresholds(gate, 0.0, None), "timid")
    assert not any(answer for answer, _ in _over(_stage(weights, learn=True)))


def test_only_a_gate_that_learns_learns():
    assert not GateStage.learns(GateConfig(weights="x"))
    assert GateStage.learns(GateConfig(weights="x", learn=True))
