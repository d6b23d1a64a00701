"""What a clip shows: each picture's number, and when it is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import av

from tests import clips
from vidpipe.core.frame import Frame
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


def check(path: Path, frames: list[Frame], *, tolerance_s: float = TICK_S) -> list[Frame]:
    """The frames that a clip shows: each picture of it is, by its time, the frame whose number it carries.

    `frames` are those of the stream, as they were answered; all of them from the clip's first to its last are there.
    """
    begin = comment(path)["pts"]
    by_pts = {frame.pts: frame for frame in frames}
    found = []
    for seconds, number in shown(path):
        pts = min(by_pts, key=lambda pts: abs(pts - begin - seconds))
        assert abs(pts - begin - seconds) <= tolerance_s, (pts, begin, seconds)
        assert clips.number(by_pts[pts].luma()) == number
        found.append(by_pts[pts])
    seqs = [frame.seq for frame in found]
    assert seqs == list(range(seqs[0], seqs[-1] + 1))
    return found
