"""Footage made of numbers: visits of known strength over a scene of known noise, and clips of a yard."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from tests.stages.difference.yard import Yard
from vidpipe.accuracy.series import Boxes, Series
from vidpipe.stages.gate.split import visits
from vidpipe.tuning.footage import LAGS, Footage, Pairs

FPS = 10.0


def footage(
    rng: np.random.Generator,
    *,
    count: int = 12,
    frames: int = 2000,
    length: int = 20,
    strength: float = 200.0,
    spread: float = 0.3,
    busy: bool = False,
) -> Footage:
    """A stream in which `count` things pass, each visible in three blocks, `strength` times what is usual there.

    Args:
        spread: of the visits' strengths, as natural logarithms.
        busy: what looks just like things, and is none, passes before the camera in nine of ten other frames.
    """
    residuals = rng.gamma(20, 0.05, (frames, 10, 10)).astype(np.float32)
    present = np.zeros(frames, bool)
    for start in np.linspace(40, frames - 40 - length, count).astype(int):
        power = strength * np.exp(rng.normal(0, spread))
        present[start : start + length] = True
        for frame in range(start, start + length):
            column = (frame - start) * 7 // length
            residuals[frame, 4, column : column + 3] *= power
    if busy:
        like = np.flatnonzero(~present & (rng.random(frames) < 0.9))
        power = strength * np.exp(rng.normal(0, spread, len(like)))
        residuals[like[:, None], 4, rng.integers(0, 8, len(like))[:, None] + np.arange(3)] *= power[:, None]
    pts = np.arange(frames) / FPS
    things = np.flatnonzero(present)
    truth = Series(
        ("thing",), 160, 120, pts, np.ones(frames, bool), Boxes.of(things, np.tile([10, 10, 30, 40], (len(things), 1)))
    )
    lags = np.array(LAGS)
    return Footage(
        truth=truth,
        size=(160, 120),
        present=present,
        visit=visits(pts, present),
        known=np.arange(frames) > 0,
        fresh=np.ones(frames, bool),
        residuals=residuals,
        image=np.full((120, 160), 100, np.float32),
        pairs=Pairs(
            np.repeat(things, len(lags)),
            np.tile(lags, len(things)),
            np.repeat(residuals[things], len(lags), axis=0),
            np.zeros(len(things) * len(lags), bool),
        ),
        moved=0.0,
        decode_ms=0.4,
        filter_ms=0.1,
    )


def clip(
    path: Path,
    *,
    seconds: float = 60,
    visits: int = 6,
    pan: int = 0,
    everywhere: bool = False,
    busy: bool = False,
    delay: int = 0,
    seed: int = 0,
    fps: Fraction = Fraction(10),
    lasts: int = 20,
    copies: int = 0,
) -> Path:
    """A clip of a yard, 160x120 at 10 frames a second; a thing passes, brighter than all else, for two seconds each.

    Args:
        lasts: frames that a thing takes to pass.
        copies: of each picture that stand behind it, as frames of their own.
        pan: pixels that the camera turns a second.
        everywhere: a thing stands in every picture.
        busy: what is as large and as fast as a thing, but black, passes all the time, each time elsewhere.
        delay: frames by which things come later.
    """
    yard = Yard(seed)
    frames = round(seconds * fps)
    edge = min(30, frames // 6)
    begins = np.linspace(edge, frames - edge - lasts, visits).astype(int) + delay if visits else []
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", fps, {"crf": "18", "preset": "veryfast", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for frame in range(frames):
            since = next((frame - begin for begin in begins if 0 <= frame - begin < lasts), None)
            thing = (70, 50) if everywhere else None if since is None else (5 + 7 * since, 30 + 3 * since)
            if frame % (copies + 1) == 0:
                picture = yard.picture(thing=thing, contrast=250)
            if busy:
                x, top = 7 * (frame % 25) - 12, frame // 25 * 37 % 100
                picture[top : top + 20, max(x, 0) : max(x + 12, 0)] = 0
            if pan:
                picture = np.roll(picture, round(pan * frame / FPS), axis=1)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.dstack([picture] * 3), format="bgr24")))
        out.mux(stream.encode(None))
    return path
