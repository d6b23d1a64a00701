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
from vidpipe.core.progress import Silent
from vidpipe.pipeline.yaml.load import load
from vidpipe.statistics.blocks import Estimate
from vidpipe.tuning.floor.configuration import Configuration
from vidpipe.tuning.floor.optuna_search import explore
from vidpipe.tuning.floor.profile import configuration_of
from vidpipe.tuning.floor.search import Tried
from vidpipe.tuning.floor.tune import TuneOptions, tune
from vidpipe.tuning.looks import Variant

LOOKERS = {"big": Configuration(), "little": Configuration(Variant("little"), 0.9)}
FRAME_S = 0.04


class Footage:
    """What configurations come to on footage that is a formula.

    Args:
        big: how right the big model is where it looks.
    """

    def __init__(self, big=1.0):
        self.big, self.tried = big, []

    def replayed(self, configurations):
        made = [self.judged(each) for each in configurations]
        self.tried += made
        return made

    def judged(self, each):
        look_ms = 40.0 if each.looker is None else 10.0
        cpu_ms = 1.0 + look_ms * FRAME_S / each.between_s + (0.1 / (each.step_s + 0.02) if each.motion == "flow" else 0)
        lasts_s = 2.0 - 5 * each.step_s if each.motion == "flow" else 0.2
        f1 = (self.big if each.looker is None else 0.9) * math.exp(-each.between_s / lasts_s)
        return Tried(
            each, Estimate(f1, f1 - 0.05, f1 + 0.05, 0.05, 20), cpu_ms, FRAME_S / each.between_s, guarded=False
        )


def test_what_it_gives_nothing_beats_that_it_tried():
    footage = Footage()
    best = explore(footage.replayed, LOOKERS, FRAME_S, 30, difference=True)
    assert len(footage.tried) == 30
    for each in best:
        assert not any(beats(other, each) for other in footage.tried)
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
    """A looker that is dearer and no better is soon left alone."""
    footage = Footage(big=0.5)
    explore(footage.replayed, LOOKERS, FRAME_S, 80, difference=False)
    by_little = [each.configuration.looker is not None for each in footage.tried]
    at_random = round(0.3 * 80)
    assert sum(by_little[:at_random]) < 0.65 * at_random
    assert sum(by_little[at_random:]) > 0.7 * (80 - at_random)


def beats(one, other):
    return one.cpu_ms <= other.cpu_ms and one.estimate.value >= other.estimate.value and one != other


@pytest.mark.long
def test_tune_counts_what_it_finds_with_the_rest(tmp_path):
    bright_network(tmp_path / "bright.onnx")
    (tmp_path / "yard.yaml").write_text(
        "classes: {thing: thing}\n"
        "models: {big: {path: bright.onnx, family: yolo, threshold: 0.5}}\n"
        "stages: [{id: still, type: difference}, {id: find, type: detect, model: big}]\n"
    )
    film = clip(tmp_path / "yard.mp4", seconds=14, visits=3)
    pipeline = load(tmp_path / "yard.yaml", sources={"yard": str(film)})
    tuned = tune(pipeline, "yard", TuneOptions(0.9, tmp_path / "profiles", more=8), Silent()).tuned
    # What is always tried looks at whole frames, a tenth of a second apart.
    found = [point for point in tuned.frontier if not point.guarded and round(point.between_s * 10, 3) % 1]
    assert 1 <= len(found) <= 8
    assert all(str(configuration_of(point)).startswith(point.says[:20]) for point in found)
    assert tuned.chosen not in found or tuned.chosen.low >= 0.9


def test_a_number_of_trials_without_optuna_is_a_mistake(tmp_path):
    place = ("follow", None, [], [], 0.9, "boxes", None, tmp_path)
    assert TuneArguments(*place, search="optuna").more == 60
    assert TuneArguments(*place, search="optuna", trials=7).more == 7
    with pytest.raises(ConfigError, match="--trials-count is of --search optuna"):
        _ = TuneArguments(*place, trials=7).more
