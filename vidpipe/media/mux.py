"""Encoded pictures into a file, as they are: nothing is decoded, nothing is encoded again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from itertools import groupby, pairwise
from pathlib import Path
from statistics import median
from typing import Any

import av
from av.packet import Packet

from vidpipe.sources.decoding.packets import Kept

TICKS = 90_000
"""A second, of times in an MP4 file; Matroska has milliseconds."""


def parts(packets: Sequence[Kept]) -> Iterator[list[Kept]]:
    """Runs of packets that go into one file: another coding begins another, with its first key frame."""
    for _, run in groupby(packets, key=lambda kept: kept.coding):
        part = list(run)
        first = next((place for place, kept in enumerate(part) if kept.key), len(part))
        if part[first:]:
            yield part[first:]


def write(path: Path, packets: Sequence[Kept], told: Mapping[str, Any], at: float | None) -> None:
    """Write packets of one coding, in the order of decoding, each with its media time; the file begins at 0.

    Frames are shown at the media times that results name, less that of the first. A packet is copied while it is
    written, as a muxer changes it.

    Args:
        told: what stands in the file as its `comment`, as JSON.
        at: UTC seconds of the first picture, if they are known.

    Raises:
        OSError, ValueError: it cannot be written: FFmpeg's errors are of these kinds.
    """
    coding = packets[0].coding
    shown = show_times([kept.pts or 0.0 for kept in packets])
    with av.open(str(path), "w", format=coding.container) as output:
        into = output.add_stream_from_template(coding.stream)
        output.metadata["comment"] = json.dumps(told)
        if at is not None:
            output.metadata["creation_time"] = datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")
        period = _period(shown)
        for kept, pts, dts in zip(packets, shown, decode_times(shown), strict=True):
            packet = Packet(bytes(kept.packet))
            packet.stream = into
            packet.time_base = Fraction(1, TICKS)
            packet.pts, packet.dts = pts, dts
            packet.duration = period  # that of the last one matters: without it players leave that out
            packet.is_keyframe = kept.key
            output.mux(packet)


def _period(shown: Sequence[int]) -> int:
    """Ticks from picture to picture, in the middle."""
    order = sorted(shown)
    return int(median([b - a for a, b in pairwise(order)] or [TICKS // 25]))


def show_times(pts: Sequence[float]) -> list[int]:
    """Ticks since the first of these media seconds, no two the same."""
    times = [0] * len(pts)
    last = -1
    for place in sorted(range(len(pts)), key=pts.__getitem__):
        last = times[place] = max(last + 1, round((pts[place] - pts[0]) * TICKS))
    return times


def decode_times(shown: Sequence[int]) -> list[int]:
    """When pictures are to be decoded that are shown at these times: rising, and never after they are shown.

    Args:
        shown: in the order of decoding, no two the same.
    """
    order = sorted(shown)
    rank = {time: place for place, time in enumerate(order)}
    ahead = max((place - rank[time] for place, time in enumerate(shown)), default=0)
    return [order[0] - ahead + place if place < ahead else order[place - ahead] for place in range(len(shown))]
