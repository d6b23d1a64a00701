"""What the bench of groups tells, on one seed."""

from __future__ import annotations

from benchmarks.groups import told


def test_streams_of_a_group_pay_less_than_as_many_alone_and_one_that_changes_is_told():
    together = told(3, 0.98, seeds=1)
    alone = told(3, 0.98, near=[["cam0"], ["cam1"], ["cam2"]], seeds=1)
    assert together.trials < 0.7 * alone.trials
    assert together.proven_s < alone.proven_s
    assert together.share <= together.most <= alone.share
    assert 0 < together.left_s <= 180
    assert 0.5 <= together.cost <= alone.cost <= 1
