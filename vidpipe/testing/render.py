"""How a generated scene gets onto pixels: things painted over the street, shadows, light and the sensor's noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.frame import Image
from vidpipe.testing.schedule import SHADOW, Crossing, pixels_a_metre
from vidpipe.testing.spec import SceneSpec

_SHADE, _SHADE_SOFT_PX = 0.5, 1.5
_BOB = 0.012  # how far a walker rises in the middle of a step, in heights
_NIGHT, _DUSK_S = (0.36, 0.29, 0.27), 8.0  # what is left of blue, green and red; how long dusk and dawn take
_NIGHT_NOISE = 2.0  # times the day's


class Box(NamedTuple):
    """Where one thing is in one picture.

    Attributes:
        id: the same in all pictures; no two things of a scene share one.
        kind: one of `CLASSES`.
        xyxy: pixels; what lies inside the picture, shadow excluded, whether or not something hides it.
        visibility: share of all its pixels that are inside the picture and not hidden, 0..1.
    """

    id: int
    kind: str
    xyxy: tuple[int, int, int, int]
    visibility: float


class _Placed(NamedTuple):
    """A thing in one picture: `pixels`, uint8 [h, w, 4], with its upper left corner at (x, y), in or outside it."""

    id: int
    kind: str
    pixels: Image
    x: int
    y: int
    foot: float


@dataclass(frozen=True, eq=False)
class Actor:
    """A crossing under way, with its looks made: held only while it is in the picture."""

    crossing: Crossing
    poses: list[Image]
    spec: SceneSpec

    @classmethod
    def of(cls, crossing: Crossing, spec: SceneSpec) -> Actor:
        nearest = max(crossing.foot0, crossing.foot1)
        tall_px = crossing.look.height_m * pixels_a_metre(nearest, spec.height)
        return cls(crossing, crossing.look.poses(tall_px, crossing.direction), spec)

    def place(self, time_s: float) -> _Placed:
        """Where it is now, to a fraction of a pixel, in its pose of now."""
        import cv2

        crossing, look, height = self.crossing, self.crossing.look, self.spec.height
        x, foot = crossing.at(time_s)
        stride = crossing.stride(x, foot, height)
        pose = self.poses[int(stride * len(self.poses))]
        tall = look.height_m * pixels_a_metre(foot, height)
        scale = tall / len(pose)
        rise = _BOB * tall * math.sin(math.pi * stride) if len(self.poses) > 1 else 0.0
        left, top = x - pose.shape[1] * scale / 2, foot * height - tall - rise
        corner_x, corner_y = math.floor(left), math.floor(top)
        size = (math.ceil(pose.shape[1] * scale) + 1, math.ceil(tall) + 1)
        shift_x, shift_y = left - corner_x + (scale - 1) / 2, top - corner_y + (scale - 1) / 2
        pixels = cv2.warpAffine(pose, np.array([[scale, 0, shift_x], [0, scale, shift_y]]), size)
        return _Placed(crossing.id, look.cutout.kind, pixels, corner_x, corner_y, foot * height)


class Canvas:
    """Puts actors onto the empty street.

    Args:
        street: uint8 [h, w, 3].
    """

    def __init__(self, street: Image, shadows: bool) -> None:
        self.street = street
        self.shadows = shadows
        self._owner = np.zeros(street.shape[:2], np.int32)  # id of the thing that each pixel shows

    def paint(self, actors: Sequence[Actor], time_s: float, shade: float) -> tuple[Image, list[Box]]:
        """A picture and the boxes of what is in it, far things first.

        Args:
            shade: how dark shadows are, 0..1.
        """
        picture = self.street.copy()
        placed = sorted((actor.place(time_s) for actor in actors), key=lambda thing: thing.foot)
        self._owner[:] = 0
        seen = []
        for thing in placed:
            if self.shadows and shade > 0:
                self._shadow(picture, thing, shade)
            box = self._thing(picture, thing)
            if box is not None:
                seen.append((thing, box))
        return picture, [self._box(thing, xyxy) for thing, xyxy in seen]

    def _thing(self, picture: Image, thing: _Placed) -> tuple[int, int, int, int] | None:
        import cv2

        cut = _inside(picture, thing.x, thing.y, thing.pixels.shape)
        if cut is None:
            return None
        there, here = cut
        pixels = thing.pixels[here]
        alpha = pixels[..., 3]
        _blend(picture[there], pixels)
        mask = (alpha > 127).astype(np.uint8)
        self._owner[there][mask > 0] = thing.id
        x, y, w, h = cv2.boundingRect(mask)
        if not w:
            return None
        x, y = x + there[1].start, y + there[0].start
        return x, y, x + w, y + h

    def _box(self, thing: _Placed, xyxy: tuple[int, int, int, int]) -> Box:
        x0, y0, x1, y1 = xyxy
        seen = np.count_nonzero(self._owner[y0:y1, x0:x1] == thing.id)
        return Box(thing.id, thing.kind, xyxy, float(seen / np.count_nonzero(thing.pixels[..., 3] > 127)))

    def _shadow(self, picture: Image, thing: _Placed, shade: float) -> None:
        """Darken what the thing keeps the sun from: its own outline, lying on the ground."""
        import cv2

        height, width = thing.pixels.shape[:2]
        across, down = SHADOW
        size = (math.ceil(width - across * height), math.ceil(down * height) + 4)
        # A pixel `up` rows above the foot lands across * up beside it and down * up below it.
        lie = np.array([[1, -across, 0], [0, -down, down * height]], np.float64)
        shadow = cv2.warpAffine(thing.pixels[..., 3], lie, size)
        shadow = cv2.GaussianBlur(shadow, (0, 0), _SHADE_SOFT_PX)
        x = thing.x + math.floor(across * height)
        cut = _inside(picture, x, round(thing.foot) - 2, shadow.shape)
        if cut is not None:
            there, here = cut
            light = 255 - (shadow[here] * shade).astype(np.uint8)
            picture[there] = cv2.multiply(picture[there], cv2.merge([light] * 3), scale=1 / 255)


class Exposure:
    """Light and noise of each picture, from the seed and the picture's number alone."""

    def __init__(self, spec: SceneSpec) -> None:
        self.spec = spec
        self._phases = np.random.default_rng([spec.seed, 3]).uniform(0, 2 * math.pi, 2)
        # 256 equally likely steps of the normal distribution: a random byte for each value is far cheaper to draw.
        self._steps = np.array([NormalDist().inv_cdf((step + 0.5) / 256) for step in range(256)])

    def darkness(self, time_s: float) -> float:
        """0 by day, 1 at night."""
        if self.spec.night is None:
            return 0.0
        begin, end = (part * self.spec.duration_s for part in self.spec.night)
        return min(1.0, max(0.0, min(time_s - begin, end - time_s) / _DUSK_S))

    def shade(self, time_s: float) -> float:
        """How dark shadows are now."""
        return _SHADE * (1 - self.darkness(time_s))

    def expose(self, picture: Image, index: int) -> Image:
        """The picture as the sensor gives it; changes `picture`."""
        import cv2

        time_s = index / self.spec.fps
        dark = self.darkness(time_s)
        slow, quick = np.sin(2 * math.pi * time_s / np.array([97.0, 23.0]) + self._phases)
        light = 1 + self.spec.light_drift * (0.6 * slow + 0.4 * quick)
        gains = light * (1 - dark * (1 - np.array(_NIGHT)))
        table = np.clip(np.arange(256)[:, None] * gains, 0, 255).astype(np.uint8)[None]
        picture = cv2.LUT(picture, table)
        sigma = self.spec.noise_sigma * (1 + dark * (_NIGHT_NOISE - 1))
        return self._noise(picture, sigma, index) if sigma else picture

    def _noise(self, picture: Image, sigma: float, index: int) -> Image:
        import cv2

        generator = np.random.Generator(np.random.SFC64([self.spec.seed, 4, index]))
        drawn = np.frombuffer(generator.bytes(picture.size), np.uint8).reshape(picture.shape)
        steps = np.rint(self._steps * sigma)
        cv2.add(picture, cv2.LUT(drawn, np.maximum(steps, 0).astype(np.uint8)), dst=picture)
        cv2.subtract(picture, cv2.LUT(drawn, np.maximum(-steps, 0).astype(np.uint8)), dst=picture)
        return picture


def _blend(ground: NDArray[np.uint8], pixels: Image) -> None:
    """Lay colours that are multiplied with their alpha over what is there."""
    import cv2

    rest = 255 - pixels[..., 3]
    through = cv2.multiply(ground, cv2.merge([rest] * 3), scale=1 / 255)
    ground[:] = cv2.add(through, pixels[..., :3])


def _inside(picture: Image, x: int, y: int, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], ...] | None:
    """Where a patch with its corner at (x, y) lies in the picture, and what part of it that is; None: outside."""
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + shape[1], width), min(y + shape[0], height)
    if x0 >= x1 or y0 >= y1:
        return None
    return (slice(y0, y1), slice(x0, x1)), (slice(y0 - y, y1 - y), slice(x0 - x, x1 - x))
