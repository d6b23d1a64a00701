"""What a look at a camera says about how to set it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vidpipe.sources.base import BLIND_S

if TYPE_CHECKING:
    from vidpipe.sources.cameras.probe import Findings


def hints(found: Findings, address: str) -> Iterator[str]:
    """How a camera could be watched for less, or better."""
    from vidpipe.sources.cameras.probe import is_large, substream

    if is_large(found):
        other = substream(address)
        where = f"; its maker's may be called {other}" if other else ""
        yield f"decoding this costs more than a detector needs: give a smaller stream as url, this as record_url{where}"
    if found.group_s is not None and found.group_s > BLIND_S:
        yield (
            f"with a key frame at least every {BLIND_S:g} s (set in the camera) a still picture would cost a third "
            "to decode"
        )
    if found.b_frames:
        yield "B-frames make every picture late, and a still one as dear as any: turn them off in the camera"
    offset_s = found.sender_offset_s
    if offset_s is not None and abs(offset_s) > 2:
        yield "the camera's clock is off: let it take its time from a server (NTP)"
