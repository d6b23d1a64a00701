"""Every version of a gate is kept with its reason, and can be rolled back."""

from __future__ import annotations

import stat

import pytest

from vidpipe.core.errors import ModelError
from vidpipe.stages.gate import versions
from vidpipe.stages.gate.versions import Versions, with_thresholds


def test_each_change_is_kept_with_its_reason(tmp_path, trained):
    kept = Versions(tmp_path / "gates")
    assert (kept.active, kept.gate(), kept.numbers) == (None, None, [])
    assert kept.add(with_thresholds(trained.gate, 0.1, None, missed=0.0), "specialised") == 1
    assert kept.add(with_thresholds(trained.gate, 0.2, None), "the scene has changed", pts=312.5) == 2
    again = Versions(tmp_path / "gates")
    assert again.numbers == [1, 2]
    assert [(change.number, change.reason, change.pts) for change in again.history] == [
        (1, "specialised", None),
        (2, "the scene has changed", 312.5),
    ]
    assert again.history[0].evidence["missed"] == 0.0
    assert again.gate().low == 0.2
    assert stat.S_IMODE((tmp_path / "gates").stat().st_mode) == 0o700


def test_rollback_goes_further_back_each_time(tmp_path, trained):
    kept = Versions(tmp_path)
    for low in (0.1, 0.2, 0.3):
        kept.add(with_thresholds(trained.gate, low, None), "for a test")
    assert [kept.rollback(), kept.rollback()] == [2, 1]
    assert Versions(tmp_path).gate().low == 0.1
    assert kept.rollback() is None
    assert Versions(tmp_path).gate() is None
    with pytest.raises(ModelError, match=r"no version is in force: there is nothing to roll back$"):
        kept.rollback()
    assert kept.add(trained.gate, "anew") == 4
    assert [change.number for change in kept.history] == [1, 2, 3, 2, 1, None, 4]


def test_a_gate_that_is_gone_cannot_be_rolled_back_to(tmp_path, trained):
    kept = Versions(tmp_path)
    kept.add(trained.gate, "first")
    kept.add(trained.gate, "second")
    kept.path(1).unlink()
    with pytest.raises(ModelError, match=r"0001.gate: there is no such file$"):
        kept.rollback()
    assert Versions(tmp_path).active == 2


def test_old_gates_are_let_go(tmp_path, trained, monkeypatch):
    monkeypatch.setattr(versions, "MOST", 3)
    kept = Versions(tmp_path)
    for _ in range(5):
        kept.add(trained.gate, "again")
    assert kept.numbers == [3, 4, 5]
    assert len(kept.history) == 5


def test_a_damaged_history_is_told(tmp_path):
    (tmp_path / "versions.json").write_text("[{")
    with pytest.raises(ModelError, match=r"versions.json: damaged or cannot be read \(JSONDecodeError\)$"):
        Versions(tmp_path)
