"""What it costs to decode a stream whole, and to leave some of its pictures undecoded."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from itertools import islice

from vidpipe.accuracy.reference.predictions import timed
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import DECODE_ALL, Decoding, StreamSpec
from vidpipe.sources.open import open_source

LESS = (Decoding("nonref"), Decoding("nokey"), Decoding(max_blind_s=10.0))
"""What a search may choose in place of that. Not the loop filter: looks that were made before say nothing of it."""

_TURN = 16  # pictures at a time, in turns: a machine is faster one minute than the next


def decode_shares(stream: str, specs: Sequence[StreamSpec], decodings: Sequence[Decoding]) -> list[float]:
    """CPU time of decoding stretches of a recording so, each as a share of that of decoding every picture.

    Raises:
        SourceError: it cannot be opened.
    """
    spent_ns = [0] * (1 + len(decodings))
    for spec in specs:
        with ExitStack() as stack:
            sources = [
                stack.enter_context(closing(open_source(stream, spec.waiting.decoded(each), knobs=Knobs())))
                for each in (DECODE_ALL, *decodings)
            ]
            pictures = [timed(source) for source in sources]
            going = True
            while going:
                going = False
                for which, each in enumerate(pictures):
                    for _, took_ns in islice(each, _TURN):
                        spent_ns[which] += took_ns
                        going = True
    whole_ns = max(1, spent_ns[0])
    return [each / whole_ns for each in spent_ns[1:]]
