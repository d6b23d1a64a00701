"""What pictures of a stream take on links, by each codec."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import closing

import numpy as np

from vidpipe.cascade.cascade import Ticket
from vidpipe.core.errors import VidpipeError
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knobs
from vidpipe.pipeline.plan import Link, plan
from vidpipe.pipeline.spec import LinkSpec, Pipeline
from vidpipe.runtime.transport.codec import unpack
from vidpipe.runtime.transport.packing import packed
from vidpipe.sources.address import is_camera
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.open import open_source
from vidpipe.tuning.planner.ways import PICTURES

_PICTURES = 24  # that are packed by each codec
_APART_S = 1.0
_WIDTHS = (960, 640, 416)


def pictures_on_links(frames: Sequence[Frame], pipeline: Pipeline) -> Iterator[tuple[str, dict[str, float]]]:
    """What pictures of a stream take on links, by each codec."""
    if not frames:
        return
    specs = [LinkSpec(), *PICTURES]
    narrower = [width for width in _WIDTHS if width < frames[0].width]
    specs += [spec.model_copy(update={"width": width}) for spec in PICTURES for width in narrower]
    links = [Link("", "", spec) for spec in specs]
    links += plan(pipeline).links  # pictures on these are as large as the stages behind them need
    for link in {each.spec.setting: each for each in links}.values():
        yield link.spec.setting, _packed(frames, link)


def sampled(stream: str, spec: StreamSpec) -> list[Frame]:
    """Some pictures of a stream, a second apart; none where it does not open: the run will say so."""
    try:
        return list(_sampled(stream, spec))
    except VidpipeError:
        return []


def _sampled(stream: str, spec: StreamSpec) -> Iterator[Frame]:
    played = spec if is_camera(spec.url) else spec.recording
    with closing(open_source(stream, played, knobs=Knobs())) as source:
        taken, due_s = 0, -math.inf
        for each in source:
            if isinstance(each, Frame) and each.pts >= due_s:
                yield each
                taken, due_s = taken + 1, each.pts + _APART_S
            if taken == _PICTURES:
                return


def _packed(frames: Sequence[Frame], link: Link) -> dict[str, float]:
    nbytes, packing, unpacking = [], [], []
    for frame in frames:
        began = time.thread_time_ns()
        item = packed(Ticket(frame, due=False, straight=False), link, link.spec, complete=False)
        between = time.thread_time_ns()
        unpack(item, Knobs())
        nbytes.append(item.nbytes)
        packing.append(between - began)
        unpacking.append(time.thread_time_ns() - between)
    return {
        "bytes": float(np.mean(nbytes)),
        "pack_ms": float(np.median(packing)) / 1e6,
        "unpack_ms": float(np.median(unpacking)) / 1e6,
    }
