"""How old published answers are: what reuse, skipping and overload cost in time."""

from __future__ import annotations

import numpy as np

from vidpipe.bench.figures import Staleness
from vidpipe.bench.series import Answers


def staleness(answers: Answers) -> Staleness:
    """Media seconds from the frame that the boxes were measured on to the frame that they were published for.

    Where nothing has been measured yet, nothing is known since the beginning of the stretch. `fresh` is the share of
    frames that something looked at themselves: a model, or a gate or cache that answered for it.
    """
    pts, frames = answers.series.pts, np.arange(answers.series.frames)
    age_s = pts - pts[np.maximum(answers.as_of, 0)]
    return Staleness(
        mean_s=float(age_s.mean()),
        p95_s=float(np.percentile(age_s, 95)),
        max_s=float(age_s.max()),
        fresh=float((answers.as_of == frames).mean()),
    )
