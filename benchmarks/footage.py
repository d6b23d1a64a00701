"""Footage to measure on: the real clips where there are some, a generated street elsewhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import av

ASSETS = Path(os.environ.get("VIDPIPE_ASSETS", Path(__file__).parents[2] / "shared"))


def clip(name: str, folder: Path) -> Path:
    """A real clip; where it is missing, a generated minute."""
    path = ASSETS / "videos" / name
    if path.is_file():
        return path
    from vidpipe.testing.scene import SceneSpec, write

    generated = folder / "street.mp4"
    if not generated.is_file():
        write(SceneSpec(duration_s=60, width=768, height=432), generated)
    return generated


def joined(source: Path, times: int, target: Path) -> Path:
    """The clip so many times in a row, its packets as they are: no picture is encoded again."""
    with av.open(str(target), "w") as out:
        stream = None
        offset = 0
        for _ in range(times):
            with av.open(str(source)) as container:
                video = container.streams.video[0]
                stream = stream or out.add_stream_from_template(video)
                length = 0
                for packet in container.demux(video):
                    if packet.dts is None:
                        continue
                    length = max(length, packet.pts + (packet.duration or 1))
                    packet.pts += offset
                    packet.dts += offset
                    packet.stream = stream
                    out.mux(packet)
                offset += length
    return target


def model(name: str) -> Path | None:
    """A real model, or None."""
    path = ASSETS / "models" / name
    return path if path.is_file() else None


class Footage(NamedTuple):
    """A clip to bench on.

    Attributes:
        labelled: whether people drew boxes on it.
        fit_on: another clip, where this one is too short to be split.
    """

    name: str
    labelled: bool
    fit_on: str | None = None


FOOTAGE = (
    Footage("vtest.avi", labelled=True),
    Footage("car-detection.mp4", labelled=True),
    Footage("highway.avi", labelled=False),
    Footage("TUD-Stadtmitte.mp4", labelled=True, fit_on="vtest.avi"),
    Footage("junction.mp4", labelled=False, fit_on="highway.avi"),
)
