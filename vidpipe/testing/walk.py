"""People who walk from camera to camera, with exact identities and times, and what each camera sees of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vidpipe.core.frame import Image
from vidpipe.testing import street
from vidpipe.testing.cutout import Look

_TALL_PX = (110, 170)  # of a person in a camera's picture
_STAY_S = (4.0, 12.0)
_LIGHT = 0.15  # how far the brightness of a camera's pictures goes from those of others, at most
_NOISE = 4.0  # grey levels


class Walk(NamedTuple):
    """A way between two cameras.

    Attributes:
        share: of those who leave the first one; what is left of 1 goes home.
        mean_s, spread_s: seconds that it takes, log-normal.
        since_s: seconds of the scene from which anybody takes it; its share is then taken off the others'.
    """

    begin: str
    end: str
    share: float
    mean_s: float
    spread_s: float
    since_s: float = 0.0


class Stay(NamedTuple):
    """A person before a camera: `first` and `last` in seconds of the scene; `number` counts up in order of `first`."""

    number: int
    person: int
    camera: str
    first: float
    last: float


@dataclass(frozen=True)
class WalkSpec:
    """Cameras, ways and people. Equal specs give equal scenes.

    Attributes:
        entries: by camera, the share of people who come in there.
        arrivals_per_minute: people who come in.
    """

    entries: Mapping[str, float]
    walks: tuple[Walk, ...]
    duration_s: float = 3600.0
    arrivals_per_minute: float = 2.0
    seed: int = 0


class WalkScene:
    """The stays of all people, and pictures of them.

    Attributes:
        stays: in order of their beginning.
        cameras: in order of their names.
    """

    def __init__(self, spec: WalkSpec) -> None:
        self.spec = spec
        self.cameras = sorted({*spec.entries, *(name for walk in spec.walks for name in (walk.begin, walk.end))})
        rng = np.random.default_rng([spec.seed, 1])
        stays = sorted(self._stays(rng), key=lambda stay: stay.first)
        self.stays = [stay._replace(number=number) for number, stay in enumerate(stays)]
        light = np.random.default_rng([spec.seed, 2]).uniform(1 - _LIGHT, 1 + _LIGHT, len(self.cameras))
        places = {camera: number / len(self.cameras) for number, camera in enumerate(self.cameras)}
        self._streets = {name: street.backdrop(480, 360, place, False) for name, place in places.items()}
        self._light = dict(zip(self.cameras, light.tolist(), strict=True))

    def look(self, person: int) -> Look:
        """What a person looks like, everywhere and always."""
        rng = np.random.default_rng([self.spec.seed, 3, person])
        among = street.people()
        cutout = among[int(rng.integers(len(among)))]
        upper, lower = rng.uniform(0, 2 * math.pi, 2).tolist()
        tone, girth = float(rng.uniform(-1, 1)), float(rng.uniform(0.92, 1.08))
        return Look(cutout, height_m=cutout.height_m, girth=girth, hues=(upper, lower), tone=tone)

    def crop(self, stay: Stay) -> Image:
        """What a detector cuts out of a picture of that stay: a person in any pose before the camera's street."""
        rng = np.random.default_rng([self.spec.seed, 4, stay.number])
        tall = int(rng.integers(*_TALL_PX))
        poses = self.look(stay.person).poses(tall, 1 if rng.integers(2) else -1)
        pose = poses[int(rng.integers(len(poses)))].astype(np.float32)
        height, width = pose.shape[:2]
        rows, columns = self._streets[stay.camera].shape[:2]
        top, left = int(rng.integers(rows - height)), int(rng.integers(columns - width))
        behind = self._streets[stay.camera][top : top + height, left : left + width]
        alpha = pose[..., 3:] / 255
        picture = (pose[..., :3] + behind * (1 - alpha)) * self._light[stay.camera]
        picture += rng.normal(0, _NOISE, picture.shape)
        seen: Image = np.clip(picture, 0, 255).astype(np.uint8)
        return seen

    def _stays(self, rng: np.random.Generator) -> Iterator[Stay]:
        spec = self.spec
        entries, shares = zip(*sorted(spec.entries.items()), strict=True)
        at = 0.0
        person = 0
        while (at := at + float(rng.exponential(60 / spec.arrivals_per_minute))) < spec.duration_s:
            camera: str | None = str(rng.choice(entries, p=np.array(shares) / sum(shares)))
            first = at
            while camera is not None and first < spec.duration_s:
                last = first + float(rng.uniform(*_STAY_S))
                yield Stay(0, person, camera, first, last)
                walk = self._next(camera, last, rng)
                if walk is None:
                    break
                sigma = math.sqrt(math.log(1 + (walk.spread_s / walk.mean_s) ** 2))
                took_s = math.exp(rng.normal(math.log(walk.mean_s) - sigma * sigma / 2, sigma))
                camera, first = walk.end, last + took_s
            person += 1

    def _next(self, camera: str, at: float, rng: np.random.Generator) -> Walk | None:
        open_ = [walk for walk in self.spec.walks if walk.begin == camera and walk.since_s <= at]
        new = sum(walk.share for walk in open_ if walk.since_s)
        draw = float(rng.random())
        for walk in open_:
            draw -= walk.share if walk.since_s else walk.share * (1 - new)
            if draw < 0:
                return walk
        return None
