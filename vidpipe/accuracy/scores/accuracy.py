"""All scores of one set of answers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from vidpipe.accuracy.figures import Accuracy, BoxScore
from vidpipe.accuracy.scores.box_score import box_score, by_class, count, moving
from vidpipe.accuracy.scores.precision import ap50
from vidpipe.accuracy.scores.presence import presence
from vidpipe.accuracy.scores.staleness import newest
from vidpipe.accuracy.scores.tracks import track_score
from vidpipe.accuracy.series import Answers, Series
from vidpipe.sources.base import Polygon


def accuracy(predictions: Series, truth: Series, zones: Mapping[str, Polygon], *, labels: bool = False) -> Accuracy:
    """How boxes agree with those of the reference, or of people.

    Args:
        labels: people made `truth`: average precision and identities are scored too.
    """
    counts = count(predictions, truth)
    presence_all, by_place = presence(predictions, truth, zones)
    return Accuracy(
        boxes=box_score(counts, truth.pts),
        by_class=by_class(counts, truth.classes),
        moving=box_score(count(predictions, moving(truth)), truth.pts),
        presence_all=presence_all,
        presence=by_place,
        ap50=ap50(predictions, truth) if labels else None,
        tracks=track_score(predictions, truth) if labels else None,
    )


def streaming_score(answers: Answers, truth: Series) -> BoxScore | None:
    """Boxes against the newest answer at the moment at which each frame was captured; None for a replay."""
    if np.isnan(answers.captured_at).any():
        return None
    return box_score(count(newest(answers, answers.captured_at), truth), truth.pts)
