"""`python -m benchmarks together`: when the gate of one more camera is in force, alone and in a group of five others.

Six generated cameras: other people, other times, other light and noise, half of them in a mirror; a bus is nearly
always about, and people are looked for. Five have learnt fifteen minutes each. The sixth is asked for a gate when
somebody has come 2, 4, 8, 16 times, as a gate that is refused is trained again after twice the time. What is in force
then is scored on all that comes later. Labels are the generator's own, so looks are counted, not made.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import supervision as sv

from vidpipe.core.errors import ConfigError
from vidpipe.core.frame import Frame
from vidpipe.core.picture import BgrPicture
from vidpipe.models.gate import GateNetwork
from vidpipe.stages.gate.adopting import adopt
from vidpipe.stages.gate.decide import seen, thresholds
from vidpipe.stages.gate.examples import Collector, Examples
from vidpipe.stages.gate.split import visits
from vidpipe.stages.gate.together import Update
from vidpipe.stages.gate.training import TrainedGate, train
from vidpipe.statistics import tolerance
from vidpipe.testing.scene import COUNTS_FROM, Scene
from vidpipe.testing.spec import CLASSES, SceneSpec

CAMERAS = 6
TARGETS = ("person",)
TRIED = (2, 4, 8, 16)  # visits
BUDGETS = (0.01, 0.05)
FPS = 2.5
LEARNT_S = 900.0  # of each camera
ALL_S = 1500.0  # of the camera that is the sixth
POISONED = 20


class InForce(NamedTuple):
    """A gate, as it came into force.

    Attributes:
        visits, looks: that it has learnt from.
        cpu_s: of all trainings until then, those that came to nothing included.
        missed: share of the frames with a target that come later which it answers `empty`.
        empty: share of the others which it answers so.
    """

    visits: int
    looks: int
    cpu_s: float
    missed: float
    empty: float


def camera(number: int, seconds: float, *, vehicles: bool = False) -> Examples:
    """Looks of a generated camera; `vehicles`: one of another kind, whose people are what others call vehicles."""
    spec = SceneSpec(
        width=480,
        height=360,
        fps=FPS,
        duration_s=seconds,
        seed=140 + number,
        quiet_share=0.6,
        busy_s=10,
        arrivals_per_minute=10,
        bus_every_s=12,
        cast="a" if number % 2 else "b",
        light_drift=(0.03, 0.1, 0.2)[number % 3],
        noise_sigma=(1.5, 3.0, 4.5)[number % 3],
    )
    collector = Collector(f"camera-{number}", CLASSES)
    for seq, (bgr, boxes) in enumerate(Scene(spec)):
        kinds = [box.kind for box in boxes if box.visibility >= COUNTS_FROM]
        if vehicles:
            kinds = [{"person": "vehicle", "vehicle": "person"}.get(kind, kind) for kind in kinds]
        labels = sv.Detections(
            xyxy=np.zeros((len(kinds), 4), np.float32),
            confidence=np.ones(len(kinds), np.float32),
            class_id=np.array([CLASSES.index(kind) for kind in kinds], int),
            data={"class_name": np.array(kinds, dtype=str)},
        )
        picture = BgrPicture(bgr)
        collector.add(Frame(f"camera-{number}", seq, seq / FPS, picture, spec.width, spec.height), labels)
    return collector.examples()


def update_of(trained: TrainedGate, budget: float) -> Update:
    """What a camera tells the others."""
    halves = {name: values.astype(np.float16).astype(np.float32) for name, values in trained.weights.items()}
    gate = trained.gate
    return Update(gate.stream, 1, gate.targets, gate.picture, trained.size.name, halves, seen(trained, budget))


def first_visits(examples: Examples, count: int) -> Examples:
    """What is known when somebody has come so many times, and a minute has passed."""
    visit = visits(examples.pts, examples.shows(TARGETS))
    end = max(60.0, float(examples.pts[visit == count - 1].max()) + 3)
    return examples.take(examples.pts <= end)


def scored(trained: TrainedGate, low: float, later: Examples) -> tuple[float, float]:
    """Shares of the frames with a target, and of those without, that are answered `empty`."""
    empty = GateNetwork(trained.gate).scores(later.pictures) < low
    shown = later.shows(TARGETS)
    return float(empty[shown].mean()), float(empty[~shown].mean())


def alone(examples: Examples) -> dict[float, InForce]:
    """By budget, the first gate that a camera gets by itself."""
    found: dict[float, InForce] = {}
    cpu_s = 0.0
    for count in TRIED:
        known = first_visits(examples, count)
        began = time.process_time()
        try:
            trained = train(known, TARGETS)
        except ConfigError:  # too few visits: found out before anything is trained
            continue
        cpu_s += time.process_time() - began
        _decide(found, trained, dict.fromkeys(BUDGETS, tolerance.LOG_ODDS), examples, len(known), count, cpu_s)
        if len(found) == len(BUDGETS):
            break
    return found


def together(examples: Examples, others: Mapping[float, Sequence[Update]]) -> tuple[dict[float, InForce], list[str]]:
    """The same with what others have learnt; and whose weights it began from, at each try."""
    found: dict[float, InForce] = {}
    cpu_s = 0.0
    begun = []
    for count in TRIED:
        known = first_visits(examples, count)
        began = time.process_time()
        adopted = adopt(known, TARGETS, others[BUDGETS[0]])
        cpu_s += time.process_time() - began
        alike = {one.stream for one in adopted.alike}
        usual = {
            budget: tolerance.shared(tolerance.LOG_ODDS, [one.seen for one in updates if one.stream in alike])
            for budget, updates in others.items()
        }
        _decide(found, adopted.trained, usual, examples, len(known), count, cpu_s)
        begun.append("+".join(name[-1] for name in adopted.averaged))
        if len(found) == len(BUDGETS):
            break
    return found, begun


def _decide(
    found: dict[float, InForce],
    trained: TrainedGate,
    usual: dict[float, tolerance.Spreads],
    examples: Examples,
    looks: int,
    count: int,
    cpu_s: float,
) -> None:
    for budget in BUDGETS:
        if budget in found:
            continue
        try:
            low = thresholds(trained, budget, budget, usual[budget]).low
        except ConfigError:
            continue
        later = examples.take(np.arange(len(examples)) >= looks)
        found[budget] = InForce(count, looks, cpu_s, *scored(trained, low, later))


def poisoned(update: Update, chance: np.random.Generator) -> Update:
    """The update with weights that would spoil an average: turned around, drawn anew, shuffled, or of huge size."""
    kind = int(chance.integers(4))
    weights = {}
    for name, values in update.weights.items():
        drawn = chance.normal(0, values.std() + 1e-3, values.shape)
        changed = (-values, drawn, chance.permutation(values.ravel()).reshape(values.shape), 100 * drawn)[kind]
        weights[name] = changed.astype(np.float32)
    return replace(update, stream=f"{update.stream}-poisoned", weights=weights)


def report(names: Sequence[str], _: Path) -> Iterator[str]:
    """Lines of the section; with names, numbers of the cameras that are the sixth in turn."""
    sixths = [int(name) for name in names] or list(range(CAMERAS))
    gates = [train(camera(number, LEARNT_S), TARGETS) for number in range(CAMERAS)]
    updates = {budget: [update_of(gate, budget) for gate in gates] for budget in BUDGETS}
    yield "| the sixth | may miss | | visits | looks | training, CPU s | missed later | empty frames answered |"
    yield "|---|---:|---|---:|---:|---:|---:|---:|"
    for number in sixths:
        examples = camera(number, ALL_S)
        others = {budget: [one for one in each if one.stream != examples.stream] for budget, each in updates.items()}
        found, begun = together(examples, others)
        for what, gate in (("alone", alone(examples)), ("together", found)):
            for budget in BUDGETS:
                yield _row(number, budget, what, gate.get(budget))
        yield f"<!-- camera {number} began from {', '.join(begun)} -->"
    yield ""
    yield from _refused(updates[BUDGETS[0]], camera(sixths[0], LEARNT_S))


def _row(number: int, budget: float, what: str, gate: InForce | None) -> str:
    if gate is None:
        return f"| {number} | {budget:.0%} | {what} | none within {TRIED[-1]} | | | | |"
    return (
        f"| {number} | {budget:.0%} | {what} | {gate.visits} | {gate.looks} | {gate.cpu_s:.1f} | {gate.missed:.2%} | "
        f"{gate.empty:.0%} |"
    )


def _refused(updates: Sequence[Update], examples: Examples) -> Iterator[str]:
    chance = np.random.default_rng(7)
    known = first_visits(examples, 4)
    others = [one for one in updates if one.stream != examples.stream]
    taken = 0
    for turn in range(POISONED):
        bad = poisoned(others[turn % len(others)], chance)
        taken += bad.stream in adopt(known, TARGETS, [*others, bad]).averaged
    yield f"Poisoned updates refused: {POISONED - taken} of {POISONED}."
    other_kind = update_of(train(camera(7, LEARNT_S, vehicles=True), TARGETS), BUDGETS[0])
    adopted = adopt(known, TARGETS, [*others, other_kind])
    refused = other_kind.stream not in adopted.averaged
    explained = ", ".join(f"{name} {share:.2f}" for name, share in adopted.explained.items())
    yield f"A camera of another kind is {'left out' if refused else 'averaged'}: share explained: {explained}."
