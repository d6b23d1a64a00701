"""What makes the figures of a clip doubtful, said in words that a reader can act on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from vidpipe.bench.clip import Clip
from vidpipe.bench.figures import CandidateResult, ReferenceFigures
from vidpipe.bench.scores.leak import leaked
from vidpipe.bench.series import Answers, Series

_NOISY = 0.25  # spread of the CPU cost over its median from which single figures say little
_STRANGERS = 0.5  # box F1 of the reference against labels under which the two are not about the same things


def validity_warnings(
    clip: Clip,
    truth: Series,
    answers: Mapping[str, Answers],
    reports: Mapping[str, Mapping[str, Any]],
    candidates: Sequence[CandidateResult],
    reference: ReferenceFigures,
) -> list[str]:
    """Everything that a reader should know before believing the figures.

    Args:
        truth: the reference on the scored part.
        answers, reports: of each candidate's first run, by name.
    """
    return [
        *_leaks(clip, truth, answers, reports, candidates),
        *_beaten(candidates, reference),
        *_unseen(truth),
        *_noise(candidates),
    ]


def _leaks(
    clip: Clip,
    truth: Series,
    answers: Mapping[str, Answers],
    reports: Mapping[str, Mapping[str, Any]],
    candidates: Sequence[CandidateResult],
) -> Iterator[str]:
    """Only what runs the user's stages: the baselines' are ours."""
    for candidate in candidates:
        if candidate.kind not in ("pipeline", "without", "ray"):
            continue
        calls = sum(
            work["calls"] for model, work in reports[candidate.name]["models"].items() if clip.is_reference(model)
        )
        if count := leaked(answers[candidate.name], truth, calls):
            yield (
                f"{candidate.name}: {count} answers repeat the reference's to a hundredth of a pixel, though its model "
                f"was asked for {calls} frames only: a stage sees the reference, and these scores are void"
            )


def _beaten(candidates: Sequence[CandidateResult], reference: ReferenceFigures) -> Iterator[str]:
    own = reference.labels.boxes.f1 if reference.labels else None
    if own is None:
        return
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


def _unseen(truth: Series) -> Iterator[str]:
    if unknown := int(np.count_nonzero(~truth.known)):
        yield f"{unknown} of {truth.frames} frames cannot be decoded and are left out of the scores"


def _noise(candidates: Sequence[CandidateResult]) -> Iterator[str]:
    noisy = [
        candidate.name
        for candidate in candidates
        if candidate.cost.cpu.high - candidate.cost.cpu.low > _NOISY * candidate.cost.cpu.median
    ]
    if noisy:
        yield f"the machine was busy or noisy: CPU seconds of {', '.join(noisy)} vary by more than {_NOISY:.0%}"
