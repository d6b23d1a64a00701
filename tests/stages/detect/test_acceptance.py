"""A wanted agreement holds on streams that are drawn at random, and costs less the more is known."""

import numpy as np
import pytest

from vidpipe.stages.detect.acceptance import AcceptancePolicy, Rule
from vidpipe.stages.detect.thresholds import Evidence, accepts, fit, needed
from vidpipe.statistics.agreement import Verdict

WANTED = 0.9


def simulate(seed, *, frames=900, wanted=WANTED, classes=1, sticky=0.0, audits=0.0, explore=0.1):
    """Which frames are accepted, and how likely each is to agree. What is near the threshold is wrong most often.

    `sticky`: how likely a margin is to stay what it was a quarter of a second before.
    """
    rng = np.random.default_rng(seed)
    policy, rule = AcceptancePolicy(), Rule(wanted, None, explore)
    accepted, right = [], []
    margin = 0.0
    for frame in range(frames):
        label = int(rng.integers(classes))
        margin = margin if rng.random() < sticky else float(rng.uniform(0, 0.5))
        chance = 1 - 0.6 * np.exp(-margin / (0.05 + 0.1 * label))
        decision = policy.decide({label: margin}, frame / 4, float(rng.random()), rule)
        accepted.append(decision.accepted)
        right.append(chance)
        if not decision.accepted or rng.random() < audits:
            agrees = bool(rng.random() < chance)
            policy.learn(decision, Verdict(agrees, frozenset() if agrees else frozenset({label})))
    return np.array(accepted), np.array(right)


@pytest.mark.parametrize(
    "options", [{}, {"classes": 3}, {"sticky": 0.5}, {"audits": 0.05}], ids=["plain", "classes", "sticky", "audits"]
)
def test_the_wanted_agreement_holds(options):
    """In at least 93 of 100 streams, over all frames that were accepted in one."""
    held = []
    for seed in range(100):
        accepted, right = simulate(seed, frames=400, **options)
        held.append(not accepted.any() or right[accepted].mean() >= WANTED)
    assert sum(held) >= 93


def test_less_is_passed_on_as_evidence_grows():
    accepted = np.mean([simulate(seed)[0] for seed in range(10)], axis=0)
    first, middle, last = accepted.reshape(3, -1).mean(axis=1)
    assert first < middle
    assert last > 0.6
    assert not accepted[: needed(WANTED)].any()


def test_it_closes_again_when_the_stream_drifts():
    rng = np.random.default_rng(0)
    policy, rule, accepted = AcceptancePolicy(), Rule(WANTED, None, 0.1), []
    for frame in range(3000):
        decision = policy.decide({0: 0.3}, frame / 4, float(rng.random()), rule)
        accepted.append(decision.accepted)
        if not decision.accepted:
            agrees = frame < 1000 or bool(rng.random() < 0.5)
            policy.learn(decision, Verdict(agrees, frozenset() if agrees else frozenset({0})))
    assert np.mean(accepted[500:1000]) > 0.8
    assert np.mean(accepted[-1000:]) < 0.2


@pytest.mark.parametrize("wanted", [0.8, 0.9, 0.95, 0.99])
def test_the_fewest_frames_from_which_anything_follows(wanted):
    right = Evidence({0: 0.2}, True, frozenset(), 1.0)
    assert fit([right] * (needed(wanted) - 1), wanted) is None
    assert fit([right] * (needed(wanted) + 1), wanted) == {0: 0.2}


def test_each_class_has_its_own_threshold():
    """Class 0 is always right, class 1 only above 0.3; class 2 was never seen."""
    rng = np.random.default_rng(1)
    evidence = []
    for index in range(600):
        margin = float(rng.uniform(0, 0.5))
        agrees = not index % 2 or margin > 0.3
        evidence.append(Evidence({index % 2: margin}, agrees, frozenset() if agrees else frozenset({1}), 1.0))
    thresholds = fit(evidence, 0.95)
    assert thresholds[0] < 0.05
    assert 0.25 < thresholds[1] < 0.35
    assert accepts(thresholds, {0: 0.1, 1: 0.4})
    assert not accepts(thresholds, {0: 0.1, 1: 0.2})
    assert not accepts(thresholds, {0: 0.1, 2: 0.5})
    assert accepts(thresholds, {})


def test_rare_labels_count_for_all_that_they_stand_for():
    """Of what is accepted one frame in ten was looked at: one that was wrong weighs as ten do."""
    passed_on = [Evidence({0: 0.1}, True, frozenset(), 1.0)] * 200
    explored = [
        Evidence({0: 0.4}, index % 4 > 0, frozenset({0} if index % 4 == 0 else ()), 10.0) for index in range(40)
    ]
    assert fit(passed_on + explored, 0.9) is None
    assert fit(passed_on + [one._replace(weight=1.0) for one in explored], 0.9) is not None
