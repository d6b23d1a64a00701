"""A first gate from what other cameras of a group have learnt: their weights, averaged, in this camera's scene.

FedAvg (McMahan et al., AISTATS 2017) with three things kept at home: pictures, the scene, and the statistics by which
layers are normalised (FedBN, Li et al., ICLR 2021). Whose weights are averaged this camera's own looks decide: none of
these networks has seen them, so each of them validates, and nothing has to be trained to know what the average is
worth. Members are added from the best on, and stay where the average does not become worse (greedy soup, Wortsman et
al., ICML 2022). A camera of another kind, a network that somebody has spoilt and one that is out of date are left
out in the same way, by what they say here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.errors import ConfigError
from vidpipe.stages.gate.enough import check_shared
from vidpipe.stages.gate.examples import Examples
from vidpipe.stages.gate.network import SIZES, Calibrated, GateNet
from vidpipe.stages.gate.together import Update, average
from vidpipe.stages.gate.training import TrainedGate, Trainer, finished, platt, threads_of, weights_of

_KIND = 0.5
"""Share of what the best member explains, of the looks here, that a camera of this kind explains at least."""

_AS_GOOD = 2.0
"""How many times as much a member may leave unexplained as the best one, for its weights to be averaged with others.

On an easy scene weights that are drawn at random explain something, and may even better an average by a hair.
"""

_WORTH = 0.1
"""Share of what is not known without any network that the best member must explain, to be a beginning at all."""


class Adopted(NamedTuple):
    """What the group has given.

    Attributes:
        trained: as if it had been trained here.
        averaged: cameras whose weights it holds.
        alike: those of the same kind, with how far their visits lie apart.
        explained: of each member, the share of the uncertainty about these looks that its network takes away.
    """

    trained: TrainedGate
    averaged: tuple[str, ...]
    alike: tuple[Update, ...]
    explained: Mapping[str, float]


def adopt(examples: Examples, targets: Sequence[str], updates: Sequence[Update]) -> Adopted:
    """The best average of the members' gates, validated on this camera's looks.

    Args:
        examples: of this camera, none of which an update was trained on; in order of time.
        targets: classes that it shall look for.
        updates: of other cameras, which fit this one: `together.received` sees to that.

    Raises:
        ConfigError: there are too few looks or members, or none of these says anything of the looks here.
    """
    check_shared(examples, targets)
    updates = [one for one in updates if _fits(one)]
    if not updates:
        raise ConfigError(f"stream {examples.stream}: no other camera of the group has a gate yet")
    began = time.process_time()
    size = next(size for size in SIZES if size.name == updates[0].architecture)
    shown = examples.shows(targets)
    with threads_of(1):
        trial = _Trial(examples, shown, Trainer(examples, shown, size, 0, lambda step: None))
        explained = {one.stream: trial.explained(one.weights) for one in updates}
        ranked = sorted(updates, key=lambda one: -explained[one.stream])
        best = explained[ranked[0].stream]
        if best < _WORTH:
            raise ConfigError(f"stream {examples.stream}: no gate of the group says anything of what is seen here")
        soup = [ranked[0]]
        weights = soup[0].weights
        reached = best
        for one in ranked[1:]:
            if 1 - explained[one.stream] > _AS_GOOD * (1 - best):
                break
            tried = average([*soup, one])
            found = trial.explained(tried)
            if found >= reached:
                soup, weights, reached = [*soup, one], tried, found
        net, logits = trial.placed(weights)
    calibrated = Calibrated(net, *platt(logits, shown, examples.weight))
    trained = finished(examples, targets, size, calibrated, logits, np.ones(len(examples), bool), began)
    alike = tuple(one for one in ranked if explained[one.stream] >= _KIND * best)
    return Adopted(trained, tuple(one.stream for one in soup), alike, explained)


def _fits(update: Update) -> bool:
    """Whether the weights are those of the network that an update names."""
    size = next((size for size in SIZES if size.name == update.architecture), None)
    if size is None:
        return False
    shapes = {name: one.shape for name, one in weights_of(GateNet(size, np.zeros((1, 1), np.float32))).items()}
    return {name: values.shape for name, values in update.weights.items()} == shapes


class _Trial:
    """Tries networks on the looks of one camera."""

    def __init__(self, examples: Examples, shown: NDArray[np.bool_], trainer: Trainer) -> None:
        self._shown, self._weight, self._trainer = shown, examples.weight, trainer
        self._all = np.ones(len(examples), bool)
        share = np.average(shown, weights=self._weight)
        self._unknown = float(-(share * np.log(share) + (1 - share) * np.log(1 - share)))

    def placed(self, weights: Mapping[str, NDArray[np.float32]]) -> tuple[GateNet, NDArray[np.float64]]:
        """The network in this scene, normalised by its pictures, and its logits: float64 [n]."""
        net = self._trainer.placed(weights)
        return net, self._trainer.logits(net, self._all)

    def explained(self, weights: Mapping[str, NDArray[np.float32]]) -> float:
        """The share of the uncertainty about these looks that a network takes away; 0 or less: it says nothing."""
        _, logits = self.placed(weights)
        if not np.isfinite(logits).all():
            return -np.inf
        slope, offset = platt(logits, self._shown, self._weight)
        z = slope * logits + offset
        loss = np.average(np.logaddexp(0, z) - self._shown * z, weights=self._weight)
        return 1 - float(loss) / self._unknown
