"""A larger search: knobs together that are too many, or too fine, for every combination to be tried.

Optuna proposes configurations by what the earlier ones came to, cost against error (multi-objective TPE), and the same
replay judges them. What it finds has no tracker that adapts meanwhile, so it counts by its lower bound alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from vidpipe.core.extras import extra
from vidpipe.stages.track.seen import By
from vidpipe.statistics.blocks import Estimate
from vidpipe.tuning.floor.configuration import Configuration

if TYPE_CHECKING:
    import optuna

_BATCH = 4  # configurations that are proposed at once, and replayed over one decoding
_RANDOM = 0.3  # share of the trials that are drawn at random, before the others go by them
_LONGEST_S = 3.0  # between looks
_LONGEST_STEP_S = 0.3  # of flow
_TRIGGERS = (0.05, 0.95)  # shares of change, and of lost tracks
_STILL = (2.0, 200.0)  # mean squared error that counts as no change, grey levels squared


class Judged(Protocol):
    """What a configuration came to."""

    @property
    def cpu_ms(self) -> float: ...

    @property
    def estimate(self) -> Estimate: ...


Tried = TypeVar("Tried", bound=Judged)


def explore(
    replayed: Callable[[Sequence[Configuration]], Sequence[Tried]],
    lookers: Mapping[str, Configuration],
    frame_s: float,
    trials: int,
    motions: Sequence[By] = ("held", "flow"),
    *,
    difference: bool,
    seed: int = 0,
) -> list[Tried]:
    """Try so many configurations, and give those that none of them beats in both cost and accuracy.

    Args:
        replayed: what configurations come to.
        lookers: a configuration for each variant that may look, by a name of it.
        frame_s: media seconds from one frame to the next.
        motions: how boxes may be moved.
        difference: whether there is a difference detector.
    """
    optuna = extra("optuna", "optuna", "--search optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(
            seed=seed, multivariate=True, group=True, n_startup_trials=max(1, round(_RANDOM * trials))
        )
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    tried: list[Tried] = []
    while len(tried) < trials:
        asked = [study.ask() for _ in range(min(_BATCH, trials - len(tried)))]
        proposed = [_proposal(trial, lookers, frame_s, motions, difference=difference) for trial in asked]
        for trial, one in zip(asked, replayed(proposed), strict=True):
            study.tell(trial, [one.cpu_ms, 1 - (one.estimate.value or 0.0)])
            tried.append(one)
    return [tried[trial.number] for trial in study.best_trials]


def _proposal(
    trial: optuna.Trial,
    lookers: Mapping[str, Configuration],
    frame_s: float,
    motions: Sequence[By],
    *,
    difference: bool,
) -> Configuration:
    chosen = lookers[trial.suggest_categorical("looker", list(lookers))]
    chosen = replace(chosen, between_s=trial.suggest_float("between_s", frame_s, _LONGEST_S, log=True))
    motion = cast("By", trial.suggest_categorical("motion", list(motions)))
    chosen = replace(chosen, motion=motion)
    if motion == "flow":
        chosen = replace(chosen, step_s=trial.suggest_float("step_s", 0.0, _LONGEST_STEP_S))
    if trial.suggest_categorical("triggers", [False, True]):
        change, failing = (trial.suggest_float(name, *_TRIGGERS, log=True) for name in ("change", "failing"))
        chosen = replace(chosen, triggers=True, change=change, failing=failing)
    if difference and trial.suggest_categorical("difference", [False, True]):
        chosen = replace(chosen, difference=True, still=trial.suggest_float("still", *_STILL, log=True))
    return chosen
