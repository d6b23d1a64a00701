"""Streams of which it is known what each of three configurations takes: profiles as `tune` writes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.models.networks import constant_network, yolo_columns
from vidpipe.accuracy.series import Boxes, Series
from vidpipe.pipeline.spec import Pipeline
from vidpipe.pipeline.yaml.load import load
from vidpipe.statistics.blocks import Estimate
from vidpipe.tuning.floor.configuration import SAFE, Configuration, roles_of
from vidpipe.tuning.floor.profile import tuned_of, write
from vidpipe.tuning.floor.search import Search, Tried
from vidpipe.tuning.floor.trial import Trial
from vidpipe.tuning.looks import Variant

FPS = 20.0
YARD = """
classes: {thing: thing}
models:
  big: {path: big.onnx, family: yolo, names: [thing], threads: 1}
  little: {path: little.onnx, family: yolo, names: [thing]}
stages:
  - {id: move, type: track, on: device}
  - {id: quick, type: detect, model: little, on: device}
  - {id: sure, type: detect, model: big, on: TIER}
audit: {rate: 0.01}
MORE
"""


def yard(folder: Path, *streams: str, tier: str = "device", more: str = "", **specs: dict[str, object]) -> Pipeline:
    """A pipeline of a tracker and two models; its streams are live, and nobody opens them.

    Args:
        specs: what is written of a stream beside its address.
    """
    for model in ("big", "little"):
        constant_network(folder / f"{model}.onnx", {"out": yolo_columns([(30, 30, 20, 20, 0, 0.9)], 1)})
    (folder / "yard.yaml").write_text(YARD.replace("TIER", tier).replace("MORE", more))
    sets = [f"streams.{name}.{field}={value}" for name, fields in specs.items() for field, value in fields.items()]
    return load(
        folder / "yard.yaml", sources={name: f"live+file:{folder / f'{name}.mp4'}" for name in streams}, sets=sets
    )


def tried(between_s: float, cpu_ms: float, f1: float, *, little: bool = False, low: float | None = None) -> Tried:
    """A configuration that looks at even distances; `low`: its lower bound, 0.05 below by default."""
    looker = Variant("little") if little else None
    configuration = Configuration(looker, 1.0, "held", 0.0, between_s)
    estimate = Estimate(f1, f1 - 0.05 if low is None else low, min(1.0, f1 + 0.05), 0.05, 20)
    return Tried(configuration, estimate, cpu_ms, 1.0 if not between_s else 1 / (between_s * FPS), guarded=False)


SAFE_ONE = Tried(SAFE, Estimate(1.0, 1.0, 1.0, 0.0, 20), 40.0, 1.0, guarded=False)
"""Looks at every frame, for 0.8 of a core."""

FRONTIER = (tried(1.0, 5.0, 0.6), tried(0.5, 10.0, 0.8), tried(0.2, 20.0, 0.95), SAFE_ONE)
"""For 0.1, 0.2, 0.4 and 0.8 of a core."""


def known(pipeline: Pipeline, profiles: Path, **frontiers: tuple[Tried, ...]) -> None:
    """Write what was tried of each of these streams."""
    truth = Series(("thing",), 320, 240, np.arange(40) / FPS, np.ones(40, bool), Boxes.of([], np.zeros((0, 4))))
    for stream, frontier in frontiers.items():
        found = Search(frontier, frontier[-1], frontier[-1], frontier[-1])
        tuned = tuned_of(
            roles_of(pipeline),
            stream,
            0.9,
            "boxes",
            found,
            Trial(1.0, 1.0, 1.0, 0.0, 0.0, None),
            key="",
            refused="",
            dropped={},
            seconds=(60.0, 60.0, None),
            cost={},
            footage=truth,
        )
        write(profiles, tuned)
