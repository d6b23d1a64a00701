"""What a generated scene shall be like."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vidpipe.core.errors import ConfigError

CLASSES = ("person", "vehicle", "bike")

Cast = Literal["all", "a", "b", "halves"]


@dataclass(frozen=True)
class SceneSpec:
    """A street, seen by a fixed camera. Equal specs give equal scenes, to the byte.

    Attributes:
        width, height: of the picture in pixels; even, as 4:2:0 video needs.
        fps: pictures a second.
        duration_s: length in media seconds.
        seed: of everything that is left to chance: who comes when, their looks, which stretch of the street is seen,
            and the noise, which is drawn afresh for every picture and so is never the same in two of them.
        arrivals_per_minute: people (and what `folders` add to the pavement) that begin to cross, a minute of busy time.
        bus_every_s: mean seconds of busy time between buses; None: no buses.
        quiet_share: part of the time, 0..1, that lies in spells in which nothing at all is in the picture.
        busy_s: mean length of the busy spells in between. What has not the time to cross in one does not come: a person
            needs 5 to 10 s, more in a wide picture.
        light_drift: how far brightness wanders, as a share of itself.
        noise_sigma: of the sensor's noise, in grey levels.
        shadows: whether things cast shadows; boxes never include them.
        night: the part of the scene, from and to in 0..1, that is dark; the camera turns up its gain, and its noise.
        cast: who may appear. "a" and "b" share nobody from the photograph and no file of `folders`, and their clothes
            have other colours; of the bus there is only one, painted differently in each. "a" sees the street as
            it is, "b" its mirror image. "halves": "a" in the first half of the scene, "b" in the second, one street.
        folders: more to see: each named person, vehicle or bike, and holding pictures of those: with transparency, or
            plain crops, from which the object is cut by GrabCut.
    """

    width: int = 768
    height: int = 576
    fps: float = 10.0
    duration_s: float = 60.0
    seed: int = 0
    arrivals_per_minute: float = 20.0
    bus_every_s: float | None = 40.0
    quiet_share: float = 0.3
    busy_s: float = 20.0
    light_drift: float = 0.06
    noise_sigma: float = 2.5
    shadows: bool = True
    night: tuple[float, float] | None = None
    cast: Cast = "all"
    folders: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        bounds: list[tuple[str, float, float, float]] = [
            ("width", self.width, 64, 8192),
            ("height", self.height, 64, 8192),
            ("fps", self.fps, 0.1, 240),
            ("duration_s", self.duration_s, 1 / self.fps if self.fps > 0 else 0, 1e7),
            ("seed", self.seed, 0, 2**63),
            ("arrivals_per_minute", self.arrivals_per_minute, 0, 600),
            ("bus_every_s", self.bus_every_s if self.bus_every_s is not None else 1, 0.1, 1e7),
            ("quiet_share", self.quiet_share, 0, 1),
            ("busy_s", self.busy_s, 1, 1e7),
            ("light_drift", self.light_drift, 0, 0.9),
            ("noise_sigma", self.noise_sigma, 0, 40),
        ]
        for name, value, low, high in bounds:
            if not low <= value <= high:
                raise ConfigError(f"scene: {name} is {value:g}, not in {low:g}..{high:g}")
        if self.width % 2 or self.height % 2:
            raise ConfigError(f"scene: size is {self.width}x{self.height}; both must be even")
        if self.night is not None and not 0 <= self.night[0] < self.night[1] <= 1:
            raise ConfigError(f"scene: night is {self.night}; it goes from and to parts of the scene, 0..1")
        if self.cast not in ("all", "a", "b", "halves"):
            raise ConfigError(f"scene: cast is {self.cast!r}, not one of all, a, b, halves")

    @property
    def frames(self) -> int:
        """How many pictures the scene has."""
        return round(self.duration_s * self.fps)
