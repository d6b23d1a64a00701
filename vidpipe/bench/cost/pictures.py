"""What pictures of a stream take on links, by each codec."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from vidpipe.cascade.cascade import Ticket
from vidpipe.core.errors import VidpipeError
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knobs
from vidpipe.models.library import Library
from vidpipe.pipeline.plan import Link, plan
from vidpipe.pipeline.spec import LinkSpec, Pipeline
from vidpipe.runtime.transport.codec import unpack
from vidpipe.runtime.transport.packing import Heads, packed
from vidpipe.sources.address import is_camera
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.open import open_source

_PICTURES = 12  # that are packed by each codec
_APART = 5  # frames between two of them
_QUALITIES = (50, 75, 85, 95)
_WIDTHS = (None, 960, 640, 416)


def pictures_on_links(stream: str, spec: StreamSpec, pipeline: Pipeline) -> Iterator[tuple[str, dict[str, float]]]:
    """What pictures of a stream take on links, by each codec; of none that cannot be had."""
    try:
        frames = list(_sampled(stream, spec))
    except VidpipeError:  # the run will say so
        return
    if not frames:
        return
    heads = Library(pipeline.models, pipeline.classes, tuple(map(Path, pipeline.search_paths)), 1).head
    specs = [LinkSpec()]
    specs += [
        LinkSpec(codec="jpeg", quality=quality, width=width)
        for quality in _QUALITIES
        for width in _WIDTHS
        if width is None or width < frames[0].width
    ]
    links = [Link("", "", spec) for spec in (*specs, *pipeline.links.values())]
    links += plan(pipeline).links  # pictures on these are as large as the stages behind them need
    for link in {each.spec.setting: each for each in links}.values():
        yield link.spec.setting, _packed(frames, link, heads)


def _sampled(stream: str, spec: StreamSpec) -> Iterator[Frame]:
    played = spec if is_camera(spec.url) else spec.recording
    with closing(open_source(stream, played, knobs=Knobs())) as source:
        taken = 0
        for number, each in enumerate(source):
            if number % _APART == 0 and isinstance(each, Frame):
                yield each
                taken += 1
            if taken == _PICTURES:
                return


def _packed(frames: Sequence[Frame], link: Link, heads: Heads) -> dict[str, float]:
    nbytes, packing, unpacking = [], [], []
    for frame in frames:
        began = time.thread_time_ns()
        item = packed(Ticket(frame, due=False, straight=False), link, link.spec, complete=False, heads=heads)
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
