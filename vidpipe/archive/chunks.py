"""Where a recording is cut: plain arithmetic on the times of its pictures."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple


class Chunk(NamedTuple):
    """Neighbouring pictures of a recording that are answered in one go.

    Attributes:
        warm: `seq` of the picture that is asked first. What is answered from there to `begin` warms the stages up, and
            is not published.
        begin, end: `seq` of the first picture whose answer is published, and of the first one behind the chunk.
    """

    warm: int
    begin: int
    end: int


def cut(keys: Sequence[int], times: Sequence[float], chunk_s: float, warm_up_s: float) -> list[Chunk]:
    """Chunks that hold each picture once, in order.

    All but the first begin at a key frame. Each is `chunk_s` long at least, unless it is the only one, and is asked
    from the last picture on that lies `warm_up_s` or more before it, or from the beginning of the recording: that need
    be no key frame, as a source decodes from the one before it.

    Args:
        keys: `seq` of the key frames, rising.
        times: media seconds of each picture, rising; its place is its `seq`.
    """
    if not len(times):
        return []
    last_s = times[-1]
    begins = [0]
    for key in keys:
        long_enough = times[key] - times[begins[-1]] >= chunk_s and last_s - times[key] >= chunk_s
        if long_enough and key > begins[-1]:
            begins.append(key)
    before = [bisect_right(times, times[begin] - warm_up_s) if begin else 0 for begin in begins]
    warm = [max(0, count - 1) for count in before]
    return [Chunk(*places) for places in zip(warm, begins, [*begins[1:], len(times)], strict=True)]
