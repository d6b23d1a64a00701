"""`python -m benchmarks groups`: what it takes to watch floors of streams that are alike, on streams of mere figures.

How far little agrees with the last stage is given for each stream; each trial adds noise of its own. So it tells what
decisions cost and how soon they follow a change, not what a network sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import supervision as sv

from vidpipe.core.answer import Answer, How
from vidpipe.pipeline.yaml.load import load
from vidpipe.runtime.driver.status import Status, StreamNow
from vidpipe.runtime.shadow.ask import Shadow
from vidpipe.tuning.floor.configuration import CAREFUL, roles_of
from vidpipe.tuning.floor.profile import with_settings
from vidpipe.tuning.floor.tuner import Floor, FloorConfig

FLOOR = 0.9
LOOKS_A_S = 5.0  # of whoever looks at a stream
LITTLE = 0.5  # of a look of the last stage, that one of little costs
BOXES = 10  # that the last stage sees in each frame
NOISE = 0.03  # sd of what a frame adds to how far little agrees, beside the chance of each box
SECONDS = 1800
AGREES = (0.99, 0.97, 0.96)  # how far little agrees
UNLIKE = 0.7  # the same, of a stream that has changed
SEEDS = 5


@dataclass(slots=True)
class Watched:
    """One stream.

    Attributes:
        agrees: how far little agrees with the last stage, on average.
        by: looks so far, by stage.
        trials: media seconds of each trial.
        changes: media seconds, who looks from then on, and why.
    """

    agrees: float
    by: dict[str, float] = field(default_factory=lambda: {"big": 0.0, "little": 0.0})
    trials: list[float] = field(default_factory=list)
    changes: list[tuple[float, str, str]] = field(default_factory=list)

    @property
    def looker(self) -> str:
        """Who looks."""
        return self.changes[-1][1] if self.changes else "big"

    @property
    def f1(self) -> float:
        """Of what is published, as far as it depends on who looks."""
        return self.agrees if self.looker == "little" else 1.0

    @property
    def cost(self) -> float:
        """Of its looks so far, in looks of the last stage."""
        return self.by["big"] + LITTLE * self.by["little"]

    @property
    def share(self) -> float:
        """Of that, what trials have cost beside it."""
        return (1 + LITTLE) * len(self.trials) / self.cost


class Fleet:
    """Streams under one tuner, whose time is that of whoever calls `go`.

    Args:
        agrees: how far little agrees on each stream; may be changed in between (`streams`).
        near: see `FloorConfig`.
    """

    def __init__(self, agrees: Mapping[str, float], *, seed: int = 0, floor: float = FLOOR, **config: Any) -> None:
        self.streams = {name: Watched(value) for name, value in agrees.items()}
        self.pts = 0.0
        self._rng = np.random.default_rng(seed)
        self._floor = floor
        self._epochs: list[Any] = []
        self._tuner = Floor()
        self._tuner.config = FloorConfig(**config)
        roles = roles_of(load("follow", sources={name: f"{name}.mp4" for name in agrees}))
        self._tuner.begin(with_settings(roles, dict.fromkeys(agrees, (CAREFUL, floor))))
        self._tuner.ask = self._ask

    def go(self, seconds: float) -> None:
        """Let media time pass, a second at a time."""
        for _ in range(round(seconds)):
            self.pts += 1.0
            for each in self.streams.values():
                each.by[each.looker] += LOOKS_A_S
            for change in self._tuner.tune(self.status()):
                self._epochs.append(change)
                looker = "little" if change.stages["little"]["enabled"] else "big"
                for name in change.streams or self.streams:
                    self.streams[name].changes.append((self.pts, looker, change.reason))

    def status(self) -> Status:
        """The run as the tuner sees it."""
        accuracy = {"floor": self._floor, "want": "boxes"}
        streams = {
            name: StreamNow("live", 1, self.pts, {}, each.by, 0, {}, "", None, {}, accuracy, {})
            for name, each in self.streams.items()
        }
        return Status("running", self.pts, streams, {}, {}, tuple(self._epochs), 0, 0, is_held=False)

    def _ask(self, stream: str, variants: Sequence[Any]) -> Future[Shadow]:
        each = self.streams[stream]
        each.trials.append(self.pts)
        f1 = float(np.clip(each.agrees + self._rng.normal(0, NOISE), 0, 1))
        found = self._rng.binomial(BOXES, f1 / (2 - f1))  # F1 = 2 found / (found + BOXES)
        future: Future[Shadow] = Future()
        future.set_result(Shadow(stream, 0, self.pts, (_boxes(BOXES), _boxes(found)), (1.0, LITTLE)))
        return future


def _boxes(number: int) -> Answer:
    xyxy = np.array([[20 * n, 0, 20 * n + 10, 10] for n in range(number)], np.float32).reshape(-1, 4)
    return Answer(sv.Detections(xyxy, class_id=np.zeros(number, int)), How.MEASURED, "", 0)


class Told(NamedTuple):
    """Means over streams.

    Attributes:
        trials: until little is in force, of each stream.
        proven_s: media seconds until then.
        share, most: what trials cost over what looks cost: on average, and of the stream where that is most.
        cost: of looks, over those of the last stage at as many frames.
        left_s: media seconds from when one stream changes until the last stage looks there; the longest of all seeds.
        back: how often a stream that has not changed was taken back to the last stage.
    """

    trials: float
    proven_s: float
    share: float
    most: float
    cost: float
    left_s: float
    back: float


def told(count: int, agrees: float, near: Sequence[Sequence[str]] = (), seeds: int = SEEDS) -> Told:
    """So many streams of one kind, of which the first changes in the end."""
    rows = []
    for seed in range(seeds):
        fleet = Fleet({f"cam{n}": agrees for n in range(count)}, seed=seed, near=near)
        streams = list(fleet.streams.values())
        fleet.go(SECONDS)
        proven = [next((at for at, looker, _ in each.changes if looker == "little"), SECONDS) for each in streams]
        before = [sum(at < until for at in each.trials) for each, until in zip(streams, proven, strict=True)]
        shares = [each.share for each in streams]
        cost = [each.cost / (SECONDS * LOOKS_A_S) for each in streams]
        back = [sum(looker == "big" for _, looker, _ in each.changes) for each in streams]
        first = streams[0]
        left_s = float("nan")
        if first.looker == "little":
            first.agrees = UNLIKE
            changed_at = fleet.pts
            while first.looker == "little" and fleet.pts < changed_at + SECONDS:
                fleet.go(1)
            left_s = fleet.pts - changed_at
        rows.append(
            (np.mean(before), np.mean(proven), np.mean(shares), max(shares), np.mean(cost), left_s, np.mean(back))
        )
    *means, left, back = np.array(rows, float).T
    return Told(*(float(each.mean()) for each in means), float(np.nanmax(left, initial=0)), float(back.mean()))


def report(_names: Sequence[str], _: Path) -> Iterator[str]:
    """The table, a line each."""
    yield f"floor {FLOOR}; {LOOKS_A_S:g} looks a second, one of little costs {LITTLE:g} of one of the last stage"
    yield f"{'':38}{'trials':>8}{'proven s':>10}{'share':>8}{'most':>8}{'cost':>7}{'left s':>8}{'back':>6}"
    for agrees in AGREES:
        for count in (1, 2, 4, 8):
            for near, what in (((), "alike"), ([[f"cam{n}"] for n in range(count)], "each alone")):
                if count > 1 or not near:
                    row = told(count, agrees, near)
                    name = f"{count} {what}, little agrees to {agrees}"
                    yield (
                        f"{name:38}{row.trials:8.1f}{row.proven_s:10.0f}{row.share:8.3f}{row.most:8.3f}"
                        f"{row.cost:7.2f}{row.left_s:8.0f}{row.back:6.2f}"
                    )
