"""A first gate from other cameras: in force sooner, validated on this camera's looks, and harmed by no member."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.stages.gate import yard
from tests.stages.gate.test_ongoing import Run, quick  # noqa: F401
from vidpipe.core.errors import ConfigError
from vidpipe.stages.gate import decide, ongoing
from vidpipe.stages.gate.adopting import adopt
from vidpipe.stages.gate.together import Group, Update
from vidpipe.stages.gate.versions import Versions
from vidpipe.statistics.tolerance import LOG_ODDS, shared

TARGETS = ("person",)


@pytest.fixture
def learnt(trained):
    """What a camera of the yard tells the others."""
    gate = trained.gate
    seen = decide.seen(trained, 0.2)
    return Update("door", 0, gate.targets, gate.picture, trained.size.name, trained.weights, seen)


def others(learnt, count=4):
    """The same camera under several names, each a little different."""
    chance = np.random.default_rng(0)
    return [
        replace(
            learnt,
            stream=f"door-{number}",
            weights={
                name: values + chance.normal(0, 0.01 * values.std() + 1e-6, values.shape).astype(np.float32)
                for name, values in learnt.weights.items()
            },
        )
        for number in range(count)
    ]


def test_a_gate_is_validated_after_two_visits_where_alone_it_takes_four(learnt):
    looks = yard.examples(61)
    found = adopt(looks, TARGETS, others(learnt))
    assert {one.stream for one in found.alike} == {one.stream for one in others(learnt)}
    usual = shared(LOG_ODDS, [one.seen for one in found.alike])
    decided = decide.thresholds(found.trained, 0.2, 0.2, usual)
    assert decided.empty > 0.5


POISONS = {
    "turned around": lambda values, chance: -values,
    "drawn anew": lambda values, chance: chance.normal(0, values.std() + 0.01, values.shape),
    "shuffled": lambda values, chance: chance.permutation(values.ravel()).reshape(values.shape),
    "huge": lambda values, chance: 1e4 * chance.normal(size=values.shape),
}


@pytest.mark.long
@pytest.mark.parametrize("poison", POISONS)
def test_a_poisoned_update_is_refused(learnt, poison):
    chance = np.random.default_rng(3)
    looks = yard.examples(100)
    good = others(learnt)
    for _ in range(5):
        weights = {
            name: np.asarray(POISONS[poison](values, chance), np.float32) for name, values in learnt.weights.items()
        }
        found = adopt(looks, TARGETS, [*good, replace(learnt, stream="poisoned", weights=weights)])
        assert "poisoned" not in found.averaged


@pytest.mark.parametrize("weights", [{}, {"head.weight": np.zeros((1, 2), np.float32)}])
def test_weights_of_another_network_are_refused(learnt, weights):
    bad = replace(learnt, stream="bad", weights=weights)
    with pytest.raises(ConfigError, match="no other camera of the group has a gate"):
        adopt(yard.examples(61), TARGETS, [bad])
    assert "bad" not in adopt(yard.examples(61), TARGETS, [learnt, bad]).explained


def test_a_group_that_says_nothing_of_a_camera_is_left(learnt):
    zeros = {name: np.zeros_like(values) for name, values in learnt.weights.items()}
    with pytest.raises(ConfigError, match="no gate of the group says anything"):
        adopt(yard.examples(61), TARGETS, [replace(learnt, weights=zeros)])


@pytest.fixture
def group(tmp_path, learnt):
    """A folder to which three cameras have sent."""
    for one in others(learnt, 3):
        Group(tmp_path / "group").send(one)
    return tmp_path / "group"


@pytest.mark.long
def test_a_new_camera_of_a_group_begins_sooner_than_alone(tmp_path, group, quick, monkeypatch):  # noqa: F811
    monkeypatch.setattr(ongoing, "_ARCHITECTURE", "53x2")
    monkeypatch.setattr(yard, "EVERY_S", 45.0)  # at two minutes three have come
    begun = {}
    for name, shared_with in (("alone", None), ("together", str(group))):
        run = Run(tmp_path / name, group=shared_with, targets=["person"])
        run.over(yard.footage(300))
        begun[name] = next(at for at, (by, _) in enumerate(run.answers) if by == "gate")
        if shared_with:
            assert run.stage.counts["gates adopted"] == 1
            assert 0 < run.stage.counts["bytes read"] <= 3 * 60_000
            (first, *_) = Versions(tmp_path / name).history
            assert set(first.evidence["group"]["weights_of"]) <= {"door-0", "door-1", "door-2"}
        run.stage.close()
    assert begun["together"] < begun["alone"]


@pytest.mark.long
def test_what_a_camera_trains_is_left_for_the_others(tmp_path, quick, monkeypatch):  # noqa: F811
    monkeypatch.setattr(ongoing, "_ARCHITECTURE", "53x2")
    run = Run(tmp_path / "gates", group=str(tmp_path / "group"))
    run.over(yard.footage(200))
    run.stage.close()
    assert run.stage.counts["updates sent"] == 1
    assert Group(tmp_path / "group").last("yard").seen.visits >= 4
    assert not list((tmp_path / "group").glob("*.npz"))


@pytest.mark.long
def test_damaged_updates_leave_a_camera_as_it_is_alone(tmp_path, group, quick, monkeypatch):  # noqa: F811
    monkeypatch.setattr(ongoing, "_ARCHITECTURE", "53x2")
    for file in group.glob("*.update"):
        file.write_bytes(file.read_bytes()[:-7])
    answers = []
    for name, shared_with in (("alone", None), ("together", str(group))):
        run = Run(tmp_path / name, group=shared_with, targets=["person"])
        answers.append(run.over(yard.footage(240)))
        run.stage.close()
    assert answers[0] == answers[1]
    assert any(by == "gate" for by, _ in answers[0])
    assert run.stage.counts["updates refused"] == 3
