"""What a clip shows: each picture's number, and when it is shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import av

from tests import clips
from vidpipe.core.frame import Frame, Missing
from vidpipe.media import mux
from vidpipe.sources.decoding.packets import Kept

TICK_S = 1 / mux.TICKS


def shown(path: Path) -> list[tuple[float, int]]:
    """Seconds and number of each picture of a clip, in the order in which a player shows them."""
    with av.open(str(path)) as container:
        frames = [(float(frame.pts * frame.time_base), frame) for frame in container.decode(video=0)]
        return [(seconds, clips.number(frame.to_ndarray()[: frame.height])) for seconds, frame in frames]


def comment(path: Path) -> Mapping[str, Any]:
    """What a clip says of itself."""
    with av.open(str(path)) as container:
        told = {name.lower(): text for name, text in container.metadata.items()}
        return json.loads(told["comment"])


def written(folder: Path, packets: list[Kept]) -> list[Path]:
    """These packets as files."""
    paths = []
    for number, part in enumerate(mux.parts(packets)):
        paths.append(folder / f"clip{number}{part[0].coding.suffix}")
        mux.write(paths[-1], part, {"pts": part[0].pts}, None)
    return paths


def check(
    path: Path, items: Iterable[Frame | Missing], *, tolerance_s: float = TICK_S, whole: bool = True
) -> list[Frame | Missing]:
    """What of a stream a clip shows: each picture of it is, by its time, the frame whose number it carries.

    Of a `Missing`, which a busy machine may make of a frame, only the time is known.

    Args:
        items: of the stream, as they were answered; all of them from the clip's first to its last.
        whole: no number is left out.
    """
    begin = comment(path)["pts"]
    by_pts = {item.pts: item for item in items}
    found = []
    for seconds, number in shown(path):
        pts = min(by_pts, key=lambda pts: abs(pts - begin - seconds))
        assert abs(pts - begin - seconds) <= tolerance_s, (pts, begin, seconds)
        item = by_pts[pts]
        if isinstance(item, Frame):
            assert clips.number(item.luma()) == number, item
        found.append(item)
    seqs = [item.seq for item in found]
    assert seqs == (list(range(seqs[0], seqs[-1] + 1)) if whole else sorted(seqs))
    return found
