"""Which part of a clip is fitted on, and which is scored."""

from __future__ import annotations

import numpy as np

from vidpipe.bench.figures import Part
from vidpipe.bench.series import Series
from vidpipe.core.errors import ConfigError

SHORTEST_S = 5.0  # presence is counted to a second: less tells nothing


def split(clip: str, series: Series, fit: float) -> tuple[Part | None, Part]:
    """The fitted and the scored part: the first `fit` of the frames, and the rest.

    In one clip the two share their background, and maybe an object that stands on the border: fit on another clip
    where there is one.

    Args:
        fit: share of the frames, 0..1; 0: all of the clip is scored, nothing is fitted on.

    Raises:
        ConfigError: a part would be shorter than `SHORTEST_S`.
    """
    border = round(series.frames * fit)
    scored = part(series, border, series.frames)
    fitted = part(series, 0, border) if border else None
    for truth, made in (("fit on", fitted), ("score", scored)):
        if made is not None and made.end_s - made.start_s < SHORTEST_S:
            raise ConfigError(
                f"clip {clip} is too short to split: of its {series.video_s:.1f} s --fit {fit:g} leaves "
                f"{made.end_s - made.start_s:.1f} s to {truth}, and {SHORTEST_S:g} s are needed; "
                "fit on another clip with --fit-on CLIP, or not at all with --fit 0"
            )
    return fitted, scored


def part(series: Series, start: int, stop: int) -> Part:
    """Frames start to stop - 1 of a series; the last lasts as long as frames do on average."""
    step_s = series.video_s / series.frames
    return Part(start=start, stop=stop, start_s=float(series.pts[start]), end_s=float(series.pts[stop - 1] + step_s))


def rate(series: Series) -> float:
    """Frames a second of media time; the median step, as one gap must not count for many frames."""
    return 1.0 / float(np.median(np.diff(series.pts))) if series.frames > 1 else 1.0
