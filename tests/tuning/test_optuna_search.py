"""The larger search. What must hold:

- it tries as many configurations as it may, the same again with the same seed;
- what it gives, nothing that it tried beats in both cost and accuracy;
- by what earlier trials came to, it finds better ones than chance;
- `tune` counts what it has found with the rest, by the lower bound.
"""

from __future__ import annotations

import math

import pytest

from tests.models.bright import bright_network
from tests.tuning.footage import clip
from vidpipe.cli.commands.tune import TuneArguments
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.yaml.load import load
from vidpipe.statistics.blocks import Estimate
from vidpipe.tuning.floor.configuration import Configuration
from vidpipe.tuning.floor.looks import Variant
from vidpipe.tuning.floor.optuna_search import explore
from vidpipe.tuning.floor.profile import configuration_of
from vidpipe.tuning.floor.search import Tried
from vidpipe.tuning.floor.tune import TuneOptions, tune

LOOKERS = {"big": Configuration(), "little": Configuration(Variant("little"), 0.9)}
FRAME_S = 0.04


class Silent:
    """Progress that nobody follows."""

    def step(self, what, total=None):
        pass

    def advance(self, count=1):
        pass


class Footage:
    """What configurations come to on footage that is a formula: short steps of flow between rare looks are best."""

    def __init__(self):
        self.tried = []

    def replayed(self, configurations):
        made = [self.judged(each) for each in configurations]
        self.tried += made
        return made

    def judged(self, each):
        look_ms = 40.0 if each.looker is None else 10.0
        cpu_ms = 1.0 + look_ms * FRAME_S / each.between_s + (0.1 / (each.step_s + 0.02) if each.motion == "flow" else 0)
        lasts_s = 2.0 - 5 * each.step_s if each.motion == "flow" else 0.2
        f1 = (1.0 if each.looker is None else 0.9) * math.exp(-each.between_s / lasts_s)
        return Tried(
            each, Estimate(f1, f1 - 0.05, f1 + 0.05, 0.05, 20), cpu_ms, FRAME_S / each.between_s, guarded=False
        )


def test_what_it_gives_nothing_beats_that_it_tried():
    footage = Footage()
    best = explore(footage.replayed, LOOKERS, FRAME_S, 30, difference=True)
    assert len(footage.tried) == 30
    for each in best:
        assert not any(
            other.cpu_ms <= each.cpu_ms and other.estimate.value > each.estimate.value for other in footage.tried
        )
    assert all(any(each is other for other in footage.tried) for each in best)
    for each in (one.configuration for one in footage.tried):
        assert FRAME_S <= each.between_s <= 3.0
        assert (each.still is not None) == each.difference


def test_without_a_difference_detector_none_is_proposed():
    footage = Footage()
    explore(footage.replayed, LOOKERS, FRAME_S, 20, difference=False)
    assert not any(each.configuration.difference for each in footage.tried)


def test_the_same_seed_on_the_same_footage_tries_the_same():
    once, again, other = Footage(), Footage(), Footage()
    for footage, seed in ((once, 3), (again, 3), (other, 4)):
        explore(footage.replayed, LOOKERS, FRAME_S, 24, difference=True, seed=seed)
    assert once.tried == again.tried != other.tried


def test_it_goes_by_what_earlier_trials_came_to():
    """Its last trials are better than its first, which are drawn at random."""
    early, late = [], []
    for seed in range(3):
        footage = Footage()
        explore(footage.replayed, LOOKERS, FRAME_S, 40, difference=False, seed=seed)
        error = [each.cpu_ms / 40 + 1 - each.estimate.value for each in footage.tried]
        early += error[:12]
        late += error[-12:]
    assert sum(late) < 0.8 * sum(early)


def test_tune_counts_what_it_finds_with_the_rest(tmp_path):
    bright_network(tmp_path / "bright.onnx")
    (tmp_path / "yard.yaml").write_text(
        "classes: {thing: thing}\n"
        "models: {big: {path: bright.onnx, family: yolo, threshold: 0.5}}\n"
        "stages: [{id: still, type: difference}, {id: find, type: detect, model: big}]\n"
    )
    film = clip(tmp_path / "yard.mp4", seconds=20, visits=4)
    pipeline = load(tmp_path / "yard.yaml", sources={"yard": str(film)})
    known = tune(pipeline, "yard", TuneOptions(0.9, tmp_path / "one"), Silent()).tuned
    more = tune(pipeline, "yard", TuneOptions(0.9, tmp_path / "two", more=8), Silent()).tuned
    rest = {point.says for point in known.frontier}
    found = [point for point in more.frontier if point.says not in rest]
    assert 1 <= len(found) <= 8
    assert all(not point.guarded and str(configuration_of(point)) == point.says for point in found)
    if more.chosen.says not in rest:
        assert more.chosen.low >= 0.9


def test_a_number_of_trials_without_optuna_is_a_mistake(tmp_path):
    place = ("follow", None, [], [], 0.9, "boxes", None, tmp_path)
    assert TuneArguments(*place, search="optuna").more == 60
    assert TuneArguments(*place, search="optuna", trials=7).more == 7
    with pytest.raises(ConfigError, match="--trials-count is of --search optuna"):
        _ = TuneArguments(*place, trials=7).more
