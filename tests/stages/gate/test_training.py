"""A gate learns to tell an empty yard from one with somebody in it, and says honestly how well."""

from __future__ import annotations

import numpy as np
import pytest

from tests.stages.gate import yard
from vidpipe.core.errors import ConfigError
from vidpipe.models.gate import GateNetwork
from vidpipe.stages.gate.decide import thresholds
from vidpipe.stages.gate.network import SIZES
from vidpipe.stages.gate.training import platt, train


def test_it_tells_times_apart_that_it_has_not_seen(trained):
    """Its thresholds come from the first three minutes; the next two show what they are worth."""
    decided = thresholds(trained, 0.1, 0.1)
    network = GateNetwork(trained.gate)
    frames = [(network.score(frame.preview()), there) for frame, there in yard.footage(120, first=720)]
    scores, there = (np.array(column) for column in zip(*frames, strict=True))
    assert (scores[there] < decided.low).mean() < 0.1
    assert (scores[~there] < decided.low).mean() > 0.7
    assert decided.missed.rate <= 0.1


def test_scores_of_validation_are_those_of_each_frame(trained):
    examples = yard.examples()
    row = {seq: index for index, seq in enumerate(examples.seq.tolist())}
    rows = [row[seq] for seq in trained.seq.tolist()]
    np.testing.assert_array_equal(trained.present, examples.shows(["person"])[rows])
    np.testing.assert_array_equal(trained.pts, examples.pts[rows])
    assert ((trained.visit >= 0) == trained.present).all()
    assert len(rows) > 0.9 * len(examples)


def test_equal_seeds_give_equal_gates():
    one, again = (train(yard.examples(80), [], size=SIZES[0], steps=4, seed=1) for _ in range(2))
    assert again.gate.weights == one.gate.weights
    np.testing.assert_array_equal(again.scores, one.scores)


@pytest.mark.parametrize(
    ("seconds", "targets", "message"),
    [
        (30.25, ["person"], "30 s of footage are too little to learn from: give 60 s"),
        (90, ["vehicle"], "the last stage saw vehicle in none of 360 frames: give footage with"),
        (61, ["person"], "person passed 3 times: to train and validate takes 4"),
    ],
)
def test_too_little_to_learn_from(seconds, targets, message):
    with pytest.raises(ConfigError, match=f"^stream yard: {message}$"):
        train(yard.examples(seconds), targets)


def test_platt_gives_the_share_of_targets():
    """Logits that say nothing become the share that there is; informative ones become probabilities."""
    rng = np.random.default_rng(0)
    there = rng.random(20_000) < 0.2
    weight = np.ones(20_000, np.float32)
    slope, offset = platt(np.zeros(20_000), there, weight)
    assert 1 / (1 + np.exp(-offset)) == pytest.approx(0.2, abs=0.03)
    logits = rng.normal(np.where(there, 1.5, -1.5), 2)
    slope, offset = platt(logits, there, weight)
    scores = 1 / (1 + np.exp(-(slope * logits + offset)))
    for low in (0.0, 0.25, 0.5):
        among = (scores >= low) & (scores < low + 0.25)
        assert there[among].mean() == pytest.approx(scores[among].mean(), abs=0.04)
