"""Counts, quantiles and intervals."""

import numpy as np
import pytest

from tests.builders import answer
from vidpipe.cascade.audit import Audit
from vidpipe.core.answer import How
from vidpipe.results.ledger import Latencies, StreamLedger
from vidpipe.results.records import LateAudit, Result
from vidpipe.statistics.wilson import wilson


@pytest.mark.parametrize(
    ("hits", "trials", "expected"),
    [
        (0, 0, (0.0, 1.0)),
        (0, 10, (0.0, 0.2775)),  # R: prop.test(0, 10, correct=FALSE)
        (5, 10, (0.2366, 0.7634)),
        (10, 10, (0.7225, 1.0)),
        (1, 100, (0.0018, 0.0545)),
    ],
)
def test_wilson_interval(hits, trials, expected):
    assert wilson(hits, trials) == pytest.approx(expected, abs=1e-4)


def test_wilson_interval_covers_the_truth():
    """In 95 of 100 draws, give or take, whatever the rate and the number of trials."""
    draw = np.random.default_rng(0)
    for rate, trials in ((0.02, 200), (0.3, 50)):
        hits = draw.binomial(trials, rate, 2000)
        covered = np.mean([low <= rate <= high for low, high in (wilson(int(h), trials) for h in hits)])
        assert 0.92 < covered < 0.98


def test_quantiles_are_within_two_per_cent():
    values = np.random.default_rng(1).lognormal(2, 1, 20_000)
    latencies = Latencies()
    for value in values:
        latencies.add(float(value))
    for share in (0.5, 0.95, 0.99):
        assert latencies.quantile_ms(share) == pytest.approx(np.quantile(values, share), rel=0.02)
    assert Latencies().quantile_ms(0.5) == 0


def test_how_many_are_up_to_an_edge_is_within_two_per_cent():
    values = np.random.default_rng(2).lognormal(2, 1, 5_000)
    latencies = Latencies()
    for value in values:
        latencies.add(float(value))
    edges = [1.0, 5.0, 10.0, 100.0]
    *counts, total = latencies.up_to(edges)
    for edge, count in zip(edges, counts, strict=True):
        assert np.sum(values <= edge / 1.02) <= count <= np.sum(values <= edge * 1.02)
    assert total == len(values)
    assert latencies.sum_ms == pytest.approx(values.sum())


def test_a_ledger_counts_each_frame_once():
    ledger = StreamLedger()
    hows = [How.MEASURED, How.REUSED, How.DROPPED, How.REUSED, How.FAILED]
    for seq, how in enumerate(hows):
        said = answer("engine" if how is How.FAILED else "x", how=how, reason="damaged" if how is How.DROPPED else "")
        ledger.count(Result("cam", seq, 2 + seq / 10, None, 0.0, 0, said))
    ledger.count_late_audit(LateAudit("cam", 0, Audit("x", missed=True, false=False), stood=False))
    report = ledger.report()
    assert report["frames_in"] == sum(report["how"].values()) == sum(report["by"].values()) == 5
    assert report["dropped"] == {"damaged": 1}
    assert report["video_s"] == pytest.approx(0.5)
    assert report["audits"]["x"]["missed"] == 1
    assert ledger.engine_failures == 1
