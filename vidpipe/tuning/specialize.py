"""From footage of one stream to its profile: labels, fitting, the optimiser, and what speaks for it (NoScope).

What cannot be learnt from is refused with a message that says what to do: the pipeline runs on without filters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vidpipe.accuracy.reference.model import check_classes, choose_reference
from vidpipe.core.errors import ConfigError
from vidpipe.core.progress import Progress
from vidpipe.models.gate import Gate
from vidpipe.pipeline.models import models_of
from vidpipe.pipeline.spec import Pipeline
from vidpipe.stages.difference.masks import Proposal, propose
from vidpipe.stages.difference.scene import Scene
from vidpipe.stages.gate.decide import Decision, evidence, missed_under, presence_from
from vidpipe.stages.gate.enough import LEAST_S, LEAST_VISITS
from vidpipe.stages.gate.examples import Examples
from vidpipe.stages.gate.ongoing import EXAMPLES, MOST
from vidpipe.stages.gate.versions import Versions, with_thresholds
from vidpipe.statistics.wilson import wilson
from vidpipe.tuning.detector import Detector, fit_detector
from vidpipe.tuning.footage import Footage
from vidpipe.tuning.labels import labelled, refuse
from vidpipe.tuning.optimiser import Budget, Choice, Costs, Verdict, describe, optimise, with_perfect_gate
from vidpipe.tuning.profile import Settings, Version, add, model_digest

if TYPE_CHECKING:
    from vidpipe.stages.gate.training import TrainedGate

_GATE, _GATES = "gate.gate", "gates"  # of a profile: the gate, or the folder in which one goes on learning
_LEAST = 1e-6  # of a budget: a stage takes no zero
_DAY_S = 86_400
WORTH_TRAINING = (
    0.8  # of what the best costs without a gate, that a perfect one would cost at most, for minutes of work
)


@dataclass(frozen=True, slots=True)
class SpecializeOptions:
    """What the user asked for.

    Attributes:
        for_s: how much footage to learn from, media seconds; None: all of a recording, and 20 minutes of a camera.
        gates: whether gates are trained as well.
        learn: whether a gate goes on learning in every run, in the profile's folder.
    """

    budget: Budget
    profiles: Path
    for_s: float | None = None
    gates: bool = True
    learn: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True)
class SpecializeResult:
    """What came of one stream.

    Attributes:
        masks: parts of the picture that change without meaning anything.
        labels_cpu_s, training_cpu_s: what it has cost: looks of the big model (as if none had been known before), and
            all the rest.
        folder: of the profile's version.
    """

    stream: str
    footage: Footage
    verdict: Verdict
    gates: Sequence[TrainedGate]
    masks: Sequence[Proposal]
    labels_cpu_s: float
    training_cpu_s: float
    version: Version
    folder: Path

    @property
    def saves(self) -> float:
        """How many times less CPU the choice is expected to take."""
        return self.verdict.bare.cost_ms / self.verdict.choice.cost_ms

    @property
    def saved_a_day_s(self) -> float:
        """CPU seconds that the choice saves in a day of this stream, before what learning has cost."""
        saved_ms = self.verdict.bare.cost_ms - self.verdict.choice.cost_ms
        return saved_ms / 1000 * self.footage.fps * _DAY_S


def specialize(pipeline: Pipeline, stream: str, options: SpecializeOptions, progress: Progress) -> SpecializeResult:
    """Learn one stream of a pipeline, and write its profile.

    Raises:
        ConfigError: its footage cannot be learnt from; names what is missing.
        RunError: the profile cannot be written.
    """
    reference_model = choose_reference(pipeline, None, models_of(pipeline)[1])
    check_classes(reference_model, pipeline)
    footage, examples, look_ms = labelled(pipeline, stream, reference_model, options.for_s, progress)
    refuse(footage, stream)
    began = time.process_time()
    progress.step(f"{stream}: difference detector, {footage.frames} frames, {footage.visits} visits")
    detector = fit_detector(footage)
    costs = Costs(footage.decode_ms, footage.filter_ms, look_ms)
    progress.step(f"{stream}: searching")
    verdict = optimise(footage, detector, [], options.budget, costs, pipeline.audit)
    gates: list[TrainedGate] = []
    perfect_ms = with_perfect_gate(verdict.choice, footage, costs, pipeline.audit)
    pays = perfect_ms <= WORTH_TRAINING * verdict.choice.cost_ms
    if options.gates and pays:
        for gate in _gates(examples, targets_of(pipeline), options, stream, progress):
            gates.append(gate)
            verdict = optimise(footage, detector, gates, options.budget, costs, pipeline.audit)
            if perfect_ms > WORTH_TRAINING * verdict.choice.cost_ms:
                break  # a larger one could save little more
    no_gates = _why_no_gates(footage, options, perfect_ms / verdict.choice.cost_ms) if not gates else ""
    training_s = time.process_time() - began
    masks = propose(detector.scorer.usual, _touched(footage, detector))
    labels_s = look_ms / 1000 * footage.frames
    version, folder = add(
        options.profiles,
        stream,
        {
            "reason": "specialized",
            "size": footage.size,
            "classes": list(pipeline.classes.names),
            "model": model_digest(pipeline),
            "settings": _settings(verdict.choice, footage, options, targets_of(pipeline)),
            "says": says(verdict, gates),
            "evidence": _evidence(footage, verdict, gates, options, labels_s, training_s, no_gates),
        },
        _files(verdict.choice, footage, detector, gates, examples, options),
    )
    return SpecializeResult(stream, footage, verdict, gates, masks, labels_s, training_s, version, folder)


def targets_of(pipeline: Pipeline) -> tuple[str, ...]:
    """What a gate looks for: the class, where there is one, so that it may say that one is there; else anything."""
    names = pipeline.classes.names
    return tuple(names) if len(names) == 1 else ()


def says(verdict: Verdict, gates: Sequence[TrainedGate]) -> str:
    """A choice in one line."""
    choice = verdict.choice
    if not choice.filters:
        return "no filter pays: every frame is looked at"
    times = verdict.bare.cost_ms / choice.cost_ms
    return f"only {describe(choice, gates)}; {times:.1f} times less CPU expected"


def _gates(
    examples: Examples, targets: Sequence[str], options: SpecializeOptions, stream: str, progress: Progress
) -> Iterator[TrainedGate]:
    """One of each size, the cheapest first; none where there is too little to train on."""
    from vidpipe.stages.gate.network import SIZES  # torch takes seconds to import
    from vidpipe.stages.gate.training import train

    for size in SIZES:
        progress.step(f"{stream}: training gate {size.name}, which takes minutes (--no-gates leaves it out)")
        try:
            yield train(examples, targets, size=size, seed=options.seed)
        except ConfigError:  # too few visits, or seconds: the evidence tells
            return


def _why_no_gates(footage: Footage, options: SpecializeOptions, perfect: float) -> str:
    if not options.gates:
        return ""
    if perfect > WORTH_TRAINING:
        return f"gates: a perfect one would save {max(0.0, 1 - perfect):.0%} of what is left: none was trained"
    if footage.truth.video_s < LEAST_S or footage.visits < LEAST_VISITS:
        return f"gates: to train one takes {LEAST_S:g} s of footage and {LEAST_VISITS} visits"
    return "gates: too few frames with or without anything to train one and try it"


def _touched(footage: Footage, detector: Detector) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Blocks in which boxes of the big model have lain, bool [rows, columns]."""
    rows, columns = detector.scorer.usual.shape
    width, height = footage.size
    touched = np.zeros((rows, columns), bool)
    scale = np.array([columns / width, rows / height] * 2)
    for x0, y0, x1, y1 in footage.truth.boxes.xyxy * scale:
        touched[max(0, int(y0)) : int(np.ceil(y1)), max(0, int(x0)) : int(np.ceil(x1))] = True
    return touched


def _settings(choice: Choice, footage: Footage, options: SpecializeOptions, targets: Sequence[str]) -> Settings:
    """What the profile sets; filters that are not chosen are left as the pipeline has them, or off."""
    settings: Settings = {}
    if choice.skip > 1:
        settings["sample"] = {"fps": round(footage.fps / choice.skip, 4)}
    if choice.detects:
        settings["difference"] = {"scene": "scene.npz"}
    if choice.gate is not None:
        settings["gate"] = {"weights": _GATE, "max_false": max(_false_left(choice, options), _LEAST)}
        if options.learn:
            settings["gate"] |= {
                "weights": _GATES,
                "learn": True,
                "targets": list(targets),
                "max_miss": choice.gate_miss,
            }
    return settings


def _false_left(choice: Choice, options: SpecializeOptions) -> float:
    """What the other filters leave of the budget of false alarms, for a gate that is asked for presence."""
    return max(0.0, options.budget.false - choice.false_high)


def _files(
    choice: Choice,
    footage: Footage,
    detector: Detector,
    gates: Sequence[TrainedGate],
    examples: Examples,
    options: SpecializeOptions,
) -> dict[str, Callable[[Path], None]]:
    """What writes each file of the profile's version."""
    files: dict[str, Callable[[Path], None]] = {}
    if choice.detects:
        scorer = detector.scorer
        limits = choice.empty_below, choice.same_below, options.budget.miss
        scene = Scene(footage.size, footage.image, scorer.usual, scorer.weights, *limits)
        files["scene.npz"] = scene.save
    if choice.gate is not None:
        gate = _gate(gates[choice.gate], choice, options)
        files |= {_GATES: lambda folder: _begin(folder, gate, examples)} if options.learn else {_GATE: gate.save}
    return files


def _gate(trained: TrainedGate, choice: Choice, options: SpecializeOptions) -> Gate:
    """The chosen gate with its thresholds, and what speaks for them."""
    low = choice.gate_low
    high = presence_from(trained, _false_left(choice, options), low)
    decided = Decision(low, high, choice.gate_empty, missed_under(trained, low))
    return with_thresholds(trained.gate, low, high, **evidence(trained, decided, choice.gate_miss))


def _begin(folder: Path, gate: Gate, examples: Examples) -> None:
    """The folder of a gate that goes on learning: its first version, and what that was trained on."""
    Versions(folder).add(gate, "specialized")
    examples.thinned(MOST).save(folder / EXAMPLES)


def _evidence(
    footage: Footage,
    verdict: Verdict,
    gates: Sequence[TrainedGate],
    options: SpecializeOptions,
    labels_s: float,
    training_s: float,
    no_gates: str,
) -> dict[str, Any]:
    """Everything that a doubter would ask for, as plain data."""
    choice = verdict.choice
    whole = footage.seen_visits
    return {
        "frames": footage.frames,
        "seconds": round(footage.truth.video_s, 1),
        "fps": round(footage.fps, 3),
        "with_something": round(float(footage.present.mean()), 4),
        "pictures": int(footage.fresh.sum()),
        "visits": whole,
        "moved": round(footage.moved, 5),
        "budget": {"miss": options.budget.miss, "false": options.budget.false},
        "cpu_ms": {
            "decoding": round(footage.decode_ms, 3),
            "difference": round(footage.filter_ms, 3),
            "look": round((verdict.bare.cost_ms - footage.decode_ms), 3),
            "gates": {gate.size.name: round(gate.cpu_ms, 3) for gate in gates},
        },
        "chosen": _figures(choice),
        "without": _figures(verdict.bare),
        "tried": {name: _figures(one) for name, one in verdict.tried.items()},
        "why_not": [
            *verdict.why_not,
            *([no_gates] if no_gates else []),
        ],
        # What visits alone say, without any assumption on how faint the next one may be.
        "visits_missed_at_most": round(wilson(0, whole, 1.645)[1], 4),
        "cost": {"labels_cpu_s": round(labels_s, 1), "training_cpu_s": round(training_s, 1)},
    }


def _figures(choice: Choice) -> dict[str, float]:
    """Of a choice, rounded for reading."""
    return {
        "cpu_ms": round(choice.cost_ms, 3),
        "passes": round(choice.passes, 4),
        "looks": round(choice.looks, 4),
        "missed": round(choice.missed, 4),
        "missed_at_most": round(choice.missed_high, 4),
        "false": round(choice.false, 4),
        "false_at_most": round(choice.false_high, 4),
    }
