"""What makes the figures of a clip doubtful, said in words that a reader can act on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from vidpipe.accuracy.scores.leak import leaked
from vidpipe.accuracy.series import Answers, Series
from vidpipe.bench.clip import Clip
from vidpipe.bench.figures import CandidateResult, ReferenceFigures

_NOISY = 0.25  # spread of the CPU cost over its median from which single figures say little
_STRANGERS = 0.5  # box F1 of the reference against labels under which the two are not about the same things


def validity_warnings(
    clip: Clip,
    truth: Series,
    answers: Mapping[str, Answers],
    reports: Mapping[str, Mapping[str, Any]],
    candidates: Sequence[CandidateResult],
    reference: ReferenceFigures,
) -> Iterator[str]:
    """Everything that a reader should know before believing the figures.

    Args:
        truth: the reference on the scored part.
        answers, reports: of each candidate's first run, by name.
    """
    for name in (each.name for each in candidates if each.kind in ("pipeline", "without", "ray")):  # others are ours
        calls = sum(work["calls"] for model, work in reports[name]["models"].items() if clip.is_reference(model))
        if copied := leaked(answers[name], truth, calls):
            yield (
                f"{name}: {copied} answers repeat the reference's to a hundredth of a pixel, though its model was "
                f"asked for {calls} frames only: a stage sees the reference, and these scores are void"
            )
    if reference.labels and reference.labels.boxes.f1 is not None:
        yield from _beaten(candidates, reference.labels.boxes.f1)
    if unknown := int(np.count_nonzero(~truth.known)):
        yield f"{unknown} of {truth.frames} frames cannot be decoded and are left out of the scores"
    costs = {each.name: each.cost.cpu for each in candidates}
    noisy = [name for name, cpu in costs.items() if cpu.high - cpu.low > _NOISY * cpu.median]
    if noisy:
        yield f"the machine was busy or noisy: CPU seconds of {', '.join(noisy)} vary by more than {_NOISY:.0%}"


def _beaten(candidates: Sequence[CandidateResult], own: float) -> Iterator[str]:
    """Where the reference, which scores this F1 against labels, is no sign of accuracy."""
    if own < _STRANGERS:
        yield (
            f"labels and reference hardly agree (box F1 {own:.2f}): are they about the same objects, "
            "frames and size of picture?"
        )
    for candidate in candidates:
        scored = candidate.labels.boxes.f1 if candidate.labels else None
        if candidate.kind in ("little", "big", "static") and scored is not None and scored > own:
            yield (
                f"against the labels {candidate.what} scores {scored:.3f} and the reference {own:.3f}: "
                "agreement with this reference is no sign of accuracy here"
            )
