"""Whether a pipeline's audits tell the truth: their interval against what the last stage sees in every frame."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from vidpipe.accuracy.figures import Coverage
from vidpipe.accuracy.series import Answers, Series
from vidpipe.core.answer import How


def coverage(answers: Answers, last: Answers, audits: Mapping[str, Mapping[str, float]]) -> list[Coverage]:
    """Compare what each audited stage was said to miss with what it missed in the frames that nobody audited.

    What can be audited is what `Cascade` withholds: every answer of a stage but `failed`, so also `skipped`, which
    carries the last published boxes. A replay publishes the check in place of an audited answer, under the last
    stage's name, so the frames under a stage's own name were not audited. Live, the audited answer stands, and counts
    here too: as audits are drawn by chance, the true rate stays what it is. Frames that the last stage failed at or
    was not asked for say nothing.

    Args:
        answers: what the pipeline published.
        last: the same frames, with the last stage at each of them.
        audits: the report's `streams[NAME]["audits"]`.
    """
    missed = np.any(_sees(last.series) & ~_sees(answers.series), axis=0)
    looked = ~np.isin(last.how, [how.value for how in How if how.carried])
    judged = looked & (answers.how != How.FAILED.value)
    told = []
    for stage, audit in audits.items():
        of_stage = missed[judged & (answers.by == stage)]
        covered = bool(audit["low"] <= of_stage.mean() <= audit["high"]) if audit["audited"] and len(of_stage) else None
        told.append(
            Coverage(
                stage=stage,
                audited=int(audit["audited"]),
                rate=audit["rate"],
                low=audit["low"],
                high=audit["high"],
                answered=len(of_stage),
                missed=int(of_stage.sum()),
                covered=covered,
            )
        )
    return told


def _sees(series: Series) -> NDArray[np.bool_]:
    """Bool [classes, frames]: whether there is a box."""
    there = np.zeros((len(series.classes), series.frames), bool)
    there[series.boxes.label, series.boxes.frame] = True
    return there
