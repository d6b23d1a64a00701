"""What it costs a decoder to tell the motion vectors of a stream beside its pictures."""

from __future__ import annotations

from contextlib import closing
from itertools import islice

from vidpipe.accuracy.reference.predictions import timed
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.open import open_source
from vidpipe.stages.track.track import TrackConfig

_PICTURES = 96  # that are decoded for a price
_TURN = 16  # of them at a time, with vectors and without in turns: a machine is faster one minute than the next

WANTED = Knobs(0, {"track": TrackConfig(motion="codec")})
"""Settings with which a source has vectors exported."""


def export_ms(stream: str, spec: StreamSpec) -> float | None:
    """CPU milliseconds a picture that vectors cost, besides making a field of them; None: this codec has none to tell.

    Args:
        spec: a stretch of a recording.

    Raises:
        SourceError: it cannot be opened.
    """
    spent_ns, count, told = [0, 0], [0, 0], False
    with (
        closing(open_source(stream, spec.recording, knobs=Knobs())) as plain,
        closing(open_source(stream, spec.recording, knobs=WANTED)) as telling,
    ):
        pictures = [timed(plain), timed(telling)]
        for _ in range(_PICTURES // _TURN):
            for which, each in enumerate(pictures):
                for picture, took_ns in islice(each, _TURN):
                    spent_ns[which] += took_ns
                    count[which] += 1
                    told = told or (isinstance(picture, Frame) and picture.motion() is not None)
    if not told or not all(count):
        return None
    return max(0.0, spent_ns[1] / count[1] - spent_ns[0] / count[0]) / 1e6
