"""Streets whose picture changes: days of four phases one after the other, and streams that break at a known time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from vidpipe.core.frame import Image
from vidpipe.testing.scene import Scene, SceneSpec

FPS = 10.0
_SIZE: dict[str, Any] = {"width": 640, "height": 480, "fps": FPS}
PHASES: dict[str, dict[str, Any]] = {
    "night": {"night": (0.0, 1.0), "quiet_share": 0.7, "busy_s": 9.0, "arrivals_per_minute": 30.0, "bus_every_s": 9.0},
    "day": {"quiet_share": 0.3, "arrivals_per_minute": 20.0},
    "rush": {"quiet_share": 0.0, "arrivals_per_minute": 80.0, "bus_every_s": 20.0},
    "rain": {"quiet_share": 0.3, "arrivals_per_minute": 20.0, "noise_sigma": 12.0, "light_drift": 0.1},
}
_DARK = np.clip(np.arange(256)[:, None] * np.array([0.36, 0.29, 0.27]), 0, 255).astype(np.uint8)[None]


def write_days(path: Path, seed: int, days: int, minutes: float) -> Path:
    """A recording of so many days in a row, each so long and of all phases, in one street; none repeats another."""
    seconds = minutes * 60 / len(PHASES)
    street = Scene(SceneSpec(seed=seed, **_SIZE)).street
    parts = []
    for number in range(days):
        for place, phase in enumerate(PHASES.values()):
            spec = SceneSpec(seed=1000 * seed + 10 * number + place + 1, duration_s=seconds, **_SIZE, **phase)
            scene = Scene(spec)
            scene.street = street
            parts.append(picture for picture, _ in scene)
    return _write(path, chain.from_iterable(parts))


def write_steady(path: Path, seed: int, minutes: float) -> Path:
    """A recording of one long day phase."""
    spec = SceneSpec(seed=seed, duration_s=60 * minutes, **_SIZE, **PHASES["day"])
    return _write(path, (picture for picture, _ in Scene(spec)))


def write_breach(path: Path, seed: int, seconds: float, at_s: float, breaks: Callable[[Image], Image]) -> Path:
    """A recording of one day phase, whose pictures are changed from a time on."""
    scene = Scene(SceneSpec(seed=seed, duration_s=seconds, **_SIZE, **PHASES["rush"]))
    pictures = (picture for picture, _ in scene)
    first = round(at_s * FPS)
    return _write(path, chain(islice(pictures, first), map(breaks, pictures)))


def darkened(picture: Image) -> Image:
    """The picture at night, by the tone curve of generated nights."""
    import cv2

    dark: Image = cv2.LUT(picture, _DARK)
    return dark


def turned(picture: Image) -> Image:
    """The picture of a camera that was turned: its mirror image, a fifth of it to the side."""
    return np.roll(picture[:, ::-1], picture.shape[1] // 5, axis=1)


def _write(path: Path, pictures: Iterable[Image]) -> Path:
    """H.264, as a camera would send it; a recording that is there already is kept."""
    if path.is_file():
        return path
    import av

    made = path.with_suffix(".part.mp4")
    with av.open(str(made), "w") as container:
        rate = Fraction(FPS).limit_denominator(1001)
        video = container.add_stream("libx264", rate, {"crf": "26", "preset": "veryfast", "threads": "1"})
        video.width, video.height, video.pix_fmt, video.gop_size = _SIZE["width"], _SIZE["height"], "yuv420p", 50
        for picture in pictures:
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")))
        container.mux(video.encode())
    made.rename(path)
    return path
