"""Who crosses a generated scene, when, and along which line: all of it completed before the first picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from vidpipe.testing import street
from vidpipe.testing.cutout import Cutout, Look, read_folder
from vidpipe.testing.spec import SceneSpec

# The camera hangs 3.8 m above the pavement; its horizon lies a little below the picture's upper edge.
_CAMERA_M, _HORIZON = 3.8, 0.06
_PAVEMENT, _ROAD = (0.66, 0.97), (0.535, 0.585)  # where feet and wheels stand, as shares of the picture's height
_PERSON_MPS, _BIKE_MPS, _VEHICLE_MPS = (1.0, 1.5), (3.0, 5.0), (4.0, 8.0)
_PAUSES, _PAUSE_S = 0.15, (2.0, 8.0)
_STEP_M = 0.72
SHADOW = (-0.6, 0.2)  # where the shadow of a thing's top falls, in its heights right of and below its foot


@dataclass(frozen=True, eq=False)
class Crossing:
    """One thing's way through the picture, at an even pace but for one pause.

    Attributes:
        id: counts from 1.
        look: what it looks like.
        start_s, end_s: when it is just outside, shadow included.
        x0, x1: of its middle at these times, in pixels.
        foot0, foot1: where it stands at these times, as a share of the picture's height.
        pause_at_s, pause_s: when and how long it stands still, counted from `start_s`.
        step_phase: where in its gait it starts, 0..1.
    """

    id: int
    look: Look
    start_s: float
    end_s: float
    x0: float
    x1: float
    foot0: float
    foot1: float
    pause_at_s: float
    pause_s: float
    step_phase: float

    @property
    def direction(self) -> int:
        """-1: to the left, 1: to the right."""
        return 1 if self.x1 > self.x0 else -1

    def at(self, time_s: float) -> tuple[float, float]:
        """Middle (pixels) and foot line (share of the height) at a time between start and end."""
        gone = time_s - self.start_s
        walked = gone - min(max(gone - self.pause_at_s, 0.0), self.pause_s)
        done = walked / (self.end_s - self.start_s - self.pause_s)
        return self.x0 + (self.x1 - self.x0) * done, self.foot0 + (self.foot1 - self.foot0) * done

    def stride(self, x: float, foot: float, height: int) -> float:
        """How far in the gait's half cycle it is at this place, 0..1."""
        steps = abs(x - self.x0) / (pixels_a_metre(foot, height) * _STEP_M) + self.step_phase
        return steps % 1.0


def pixels_a_metre(foot: float, height: int) -> float:
    """How many pixels a metre has where something stands at `foot` (a share of the picture's height)."""
    return (foot - _HORIZON) * height / _CAMERA_M


def busy_spells(spec: SceneSpec, rng: np.random.Generator) -> list[tuple[float, float]]:
    """The times in which something may be in the picture; with the quiet ones between they fill the scene exactly.

    Without quiet ones the street is busy before and after the scene too: it begins with people in the picture.
    """
    busy = spec.duration_s * (1 - spec.quiet_share)
    if busy == 0:
        return []
    if spec.quiet_share == 0:
        return [(-spec.busy_s, spec.duration_s + spec.busy_s)]
    count = max(1, round(busy / spec.busy_s))
    lengths = np.sort(rng.uniform(0.5, 1.5, count))  # none is so short that nothing could cross in it
    lengths = rng.permutation(lengths) * busy / lengths.sum()
    gaps = rng.exponential(1.0, count + 1) + 0.05
    gaps *= (spec.duration_s - busy) / gaps.sum()
    starts = np.cumsum(gaps[:-1]) + np.concatenate([[0.0], np.cumsum(lengths[:-1])])
    return [(float(start), float(start + length)) for start, length in zip(starts, lengths, strict=True)]


def plan(spec: SceneSpec) -> list[Crossing]:
    """All crossings in order of their start.

    Within a busy spell they begin by a Poisson process; where a quiet one follows, each is over by then, so that it is
    empty to the last pixel.
    """
    rng = np.random.default_rng([spec.seed, 1])
    always, half = (-math.inf, math.inf), spec.duration_s / 2
    shifts = [("a", -math.inf, half), ("b", half, math.inf)] if spec.cast == "halves" else [(spec.cast, *always)]
    casts = [(_Cast.of(spec, name), first, last) for name, first, last in shifts]
    crossings: list[Crossing] = []
    for start, end in busy_spells(spec, rng):
        for cast, first, last in casts:
            crossings += _spell(spec, rng, cast, max(start, first), min(end, last))
    crossings.sort(key=lambda crossing: crossing.start_s)
    return [replace(crossing, id=number) for number, crossing in enumerate(crossings, 1)]


@dataclass(frozen=True)
class _Cast:
    """Who may appear, and in which colours: hues from `hue`, over `spread` radians."""

    walkers: Sequence[Cutout]
    vehicles: Sequence[Cutout]
    hue: float
    spread: float

    @classmethod
    def of(cls, spec: SceneSpec, name: str) -> _Cast:
        part = {"all": slice(None), "a": slice(0, None, 2), "b": slice(1, None, 2)}[name]
        added = [cutout for folder in spec.folders for cutout in read_folder(folder)[part]]
        walkers = [*street.people()[part], *(cutout for cutout in added if cutout.kind != "vehicle")]
        vehicles = [street.bus(), *(cutout for cutout in added if cutout.kind == "vehicle")]
        hue, spread = {"all": (0.0, 2 * math.pi), "a": (0.0, 0.8 * math.pi), "b": (math.pi, 0.8 * math.pi)}[name]
        return cls(walkers, vehicles, hue, spread)

    def look(self, rng: np.random.Generator, among: Sequence[Cutout]) -> Look:
        cutout = among[int(rng.integers(len(among)))]
        hues = self.hue + rng.uniform(0, self.spread, 2)
        spread = 0.04 if cutout.kind == "person" else 0.0
        return Look(
            cutout,
            height_m=cutout.height_m * float(np.clip(rng.normal(1, spread), 0.88, 1.12)),
            girth=float(rng.uniform(1 - 2 * spread, 1 + 2 * spread)),
            hues=(float(hues[0]), float(hues[1])),
            tone=float(rng.uniform(-1, 1)),
        )


def _spell(spec: SceneSpec, rng: np.random.Generator, cast: _Cast, start: float, end: float) -> list[Crossing]:
    if end <= start:
        return []
    walkers = rng.poisson((end - start) * spec.arrivals_per_minute / 60)
    buses = rng.poisson((end - start) / spec.bus_every_s) if spec.bus_every_s is not None else 0
    crossings: list[Crossing] = []
    for among, count in ((cast.walkers, walkers), (cast.vehicles, buses)):
        for _ in range(count):
            crossing = _crossing(spec, rng, cast.look(rng, among), start, end)
            if crossing is not None and not _collides(crossing, crossings):
                crossings.append(crossing)
    return crossings


def _crossing(spec: SceneSpec, rng: np.random.Generator, look: Look, start: float, end: float) -> Crossing | None:
    """A way from one side to the other; None where it must end with the spell and that is too short for it."""
    kind = look.cutout.kind
    direction = 1 if rng.random() < 0.5 else -1
    if kind == "vehicle":
        foot0 = foot1 = _ROAD[direction == 1]
    else:
        foot0 = rng.uniform(*_PAVEMENT)
        foot1 = float(np.clip(foot0 + rng.normal(0, 0.04), *_PAVEMENT))
    speed = rng.uniform(*{"person": _PERSON_MPS, "bike": _BIKE_MPS, "vehicle": _VEHICLE_MPS}[kind])
    tall = look.height_m * pixels_a_metre(max(foot0, foot1), spec.height)
    margin = tall * look.aspect() / 2 + 2
    left, right = -margin, spec.width + margin + (tall * -SHADOW[0] if spec.shadows else 0)
    moving_s = (right - left) / (speed * pixels_a_metre((foot0 + foot1) / 2, spec.height))
    pause = rng.uniform(*_PAUSE_S) if kind == "person" and rng.random() < _PAUSES else 0.0
    pause_at = moving_s * rng.uniform(0.3, 0.7)
    if spec.quiet_share:
        end -= moving_s
        if end < start:
            return None
        pause = min(pause, end - start)
        end -= pause
    begin = rng.uniform(start, max(start, end))  # a pause of all that is left may round to more than that
    x0, x1 = (left, right) if direction == 1 else (right, left)
    return Crossing(
        0, look, begin, begin + moving_s + pause, x0, x1, foot0, foot1, pause_at, pause, float(rng.random())
    )


def _collides(crossing: Crossing, others: Sequence[Crossing]) -> bool:
    """Whether a vehicle would drive through one that is on its lane at the same time."""
    return crossing.look.cutout.kind == "vehicle" and any(
        other.foot0 == crossing.foot0 and other.start_s < crossing.end_s and crossing.start_s < other.end_s
        for other in others
    )
