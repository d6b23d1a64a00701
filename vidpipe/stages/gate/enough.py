"""Whether there is enough to learn from: said before training, without loading what trains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.errors import ConfigError
from vidpipe.stages.gate.examples import Examples
from vidpipe.stages.gate.split import FOLDS, folds_in_time, visits

LEAST_S = 60.0  # of footage
LEAST_VISITS = 4
LEAST_SHARED_VISITS = 2


def check(examples: Examples, targets: Sequence[str]) -> None:
    """Raise ConfigError where examples are too few to train on, or show a target always or never."""
    shown = _shown(examples, targets, LEAST_VISITS)
    fold = folds_in_time(examples.pts, shown)
    for part in range(FOLDS):
        kinds = shown[fold == part]
        if kinds.all() or not kinds.any():
            what = " or ".join(targets) or "anything"
            raise ConfigError(
                f"stream {examples.stream}: too little footage: a third of it has no frame with or without {what}"
            )


def check_shared(examples: Examples, targets: Sequence[str]) -> None:
    """The same where other cameras' gates are there: examples need only validate, and none is left out for that."""
    _shown(examples, targets, LEAST_SHARED_VISITS)


def _shown(examples: Examples, targets: Sequence[str], least: int) -> NDArray[np.bool_]:
    """bool [n]: which show a target. Raises ConfigError where there are fewer visits than `least`."""
    shown = examples.shows(targets)
    what = " or ".join(targets) or "anything"
    stream, count = f"stream {examples.stream}", len(examples)
    length_s = float(np.ptp(examples.pts)) if count else 0.0
    if length_s < LEAST_S:
        raise ConfigError(f"{stream}: {length_s:.0f} s of footage are too little to learn from: give {LEAST_S:.0f} s")
    if not shown.any():
        raise ConfigError(f"{stream}: the last stage saw {what} in none of {count} frames: give footage with")
    if shown.all():
        raise ConfigError(f"{stream}: the last stage saw {what} in all of {count} frames: give footage without")
    many = int(visits(examples.pts, shown).max(initial=-1)) + 1
    if many < least:
        raise ConfigError(f"{stream}: {what} passed {many} times: to train and validate takes {least}")
    return shown
