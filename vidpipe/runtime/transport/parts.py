"""Which parts of a picture cross a link: those that the stage behind it asks for (`Stage.parts`), or all of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vidpipe.cascade.cascade import Ticket
from vidpipe.models.boxes import apart
from vidpipe.pipeline.plan import Link
from vidpipe.pipeline.spec import LinkSpec

_MOST = 0.5  # of the picture's area: more is not worth it, as parts have a head each, and are busier than the rest
_BLOCK = {"raw": 2, "jpeg": 16, "webp": 16}  # pixels that a codec takes together: parts begin and end between them
_BORDER = 2  # pixels around a part that change it when its colours are enlarged again


def parts_of(ticket: Ticket, link: Link, spec: LinkSpec, size: tuple[int, int]) -> NDArray[np.int64] | None:
    """Parts of the picture that are enough for this frame: xyxy [k, 4] in pixels as the link scales it; None: all.

    All of it crosses where somebody else looks at it: if the answer may be checked.

    Args:
        size: (width, height) of the picture beyond the link.
    """
    frame, first = ticket.frame, link.first
    if first is None or ticket.due or ticket.straight or link.audit.draws(frame.stream, frame.seq, first.id):
        return None
    asked = first.type.parts(frame.knobs.stages.get(first.id, first.config), frame, size)
    if asked is None or not len(asked):
        return None
    places = _whole_blocks(np.asarray(asked, np.int64), size, spec)
    area = np.prod(places[:, 2:] - places[:, :2], axis=1).sum()
    return places if area <= _MOST * size[0] * size[1] else None


def _whole_blocks(places: NDArray[np.int64], size: tuple[int, int], spec: LinkSpec) -> NDArray[np.int64]:
    block = _BLOCK[spec.codec]
    first = (places[:, :2] - _BORDER) // block * block
    last = -(-(places[:, 2:] + _BORDER) // block) * block
    return apart(np.concatenate([np.maximum(first, 0), np.minimum(last, size)], axis=1))
