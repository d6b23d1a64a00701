"""Training a gate on what the last stage said (NoScope section 4; FFS-VA's SNM; JITL's training where frames are)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidpipe.calibration import drift
from vidpipe.learning.enough import check
from vidpipe.learning.examples import Examples
from vidpipe.learning.network import SIZES, Calibrated, GateNet, Size, shrunk, to_openvino
from vidpipe.learning.split import Split, in_time, passages
from vidpipe.models.gate import Gate, GateNetwork, Normal

if TYPE_CHECKING:
    from torch import Tensor

STEPS = 800
BATCH = 64
_RATE = 3e-3
_DECAY = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class TrainedGate:
    """A gate and what validation found, on passages and stretches of time that it was not trained on.

    Attributes:
        gate: without thresholds: those are the caller's choice, by `scores`.
        size: its architecture.
        seq, pts, scores, present, weight: of the validation's frames, in order of time: number, media seconds, score
            as the exported network gives it, whether the last stage saw a target, frames that it stands for; [n] each.
        passage: int64 [n], which passage of a target a frame is part of, -1 where there is none: frames of one passage
            are right or wrong together, so that bounds which take them for independent are too narrow.
        cpu_ms: mean CPU time of the network for one frame, on this machine; the preview not counted.
        training_cpu_s: what training and validation cost.
    """

    gate: Gate
    size: Size
    seq: NDArray[np.int64]
    pts: NDArray[np.float64]
    scores: NDArray[np.float64]
    present: NDArray[np.bool_]
    weight: NDArray[np.float32]
    passage: NDArray[np.int64]
    cpu_ms: float
    training_cpu_s: float


def train(
    examples: Examples,
    targets: Sequence[str],
    *,
    size: Size = SIZES[-1],
    seed: int = 0,
    steps: int = STEPS,
    threads: int = 1,
    split: Split | None = None,
    step_done: Callable[[int], None] = lambda step: None,
) -> TrainedGate:
    """Train one gate; equal arguments give an equal gate on one machine.

    Args:
        examples: of one stream, in order of time.
        targets: classes that it shall look for; none: anything that the last stage finds.
        size: one of `network.SIZES`.
        threads: that torch may use.
        split: which examples train and which validate; by default blocks of time in turn (`split.in_time`).
        step_done: is called after each step with its number: for progress, or to rest in between.

    Raises:
        ConfigError: a target is no class, there is too little footage, or none with or without a target.
    """
    import torch

    shown = examples.shows(targets)
    split = split or in_time(examples.pts, shown)
    check(examples, targets, split)
    began = time.process_time()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            net = _fitted(examples, shown, split.fit, size, steps, step_done)
        validate = np.flatnonzero(split.validate)
        logits = _logits(net, examples.pictures[validate])
    finally:
        torch.set_num_threads(before)
    present, weight = shown[validate], examples.weight[validate]
    slope, offset = platt(logits, present, weight)
    xml, weights = to_openvino(Calibrated(net, slope, offset), _side(examples))
    gate = Gate(
        examples.stream,
        examples.size,
        tuple(targets),
        None,
        None,
        normal_of(examples, shown),
        xml,
        weights,
        _side(examples),
        _evidence(examples, shown, split, size, seed),
    )
    network = GateNetwork(gate)
    timed = time.process_time()
    scores = network.scores(examples.pictures[validate])
    done = time.process_time()
    return TrainedGate(
        gate,
        size,
        examples.seq[validate],
        examples.pts[validate],
        scores,
        present,
        weight,
        passages(examples.pts, shown)[validate],
        cpu_ms=1000 * (done - timed) / len(validate),
        training_cpu_s=done - began,
    )


def normal_of(examples: Examples, shown: NDArray[np.bool_]) -> Normal:
    """What the scene looks like in these examples."""
    scene: NDArray[np.float32] = drift.standardised(examples.pictures[~shown]).mean(axis=0)
    low, high = drift.normal_range(np.stack([drift.figures(picture, scene) for picture in examples.pictures]))
    return Normal(scene, low, high)


def platt(logits: NDArray[np.float64], present: NDArray[np.bool_], weight: NDArray[np.float32]) -> tuple[float, float]:
    """Slope and offset that make scores of logits, by the share of targets at each (Platt 1999)."""
    from scipy.optimize import minimize

    positives, negatives = weight[present].sum(), weight[~present].sum()
    # Not quite 0 and 1, as Platt has it: otherwise logits that separate cleanly have no best slope.
    wanted = np.where(present, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(numbers: NDArray[np.float64]) -> float:
        z = numbers[0] * logits + numbers[1]
        return float((weight * (np.logaddexp(0, z) - wanted * z)).sum() / weight.sum())

    slope, offset = minimize(loss, [1.0, 0.0], method="Nelder-Mead", options={"maxiter": 400}).x
    return max(float(slope), 1e-3), float(offset)


def _fitted(
    examples: Examples,
    shown: NDArray[np.bool_],
    fit: NDArray[np.bool_],
    size: Size,
    steps: int,
    step_done: Callable[[int], None],
) -> GateNet:
    import torch

    pictures = torch.from_numpy(examples.pictures[fit])[:, None]
    labels = torch.from_numpy(shown[fit])
    empty = examples.pictures[fit & ~shown]
    net = GateNet(size, _scene(empty, size))
    kinds = [torch.nonzero(labels)[:, 0], torch.nonzero(~labels)[:, 0]]
    optimiser = torch.optim.AdamW(net.parameters(), _RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=steps)
    wanted = torch.cat([torch.ones(BATCH // 2), torch.zeros(BATCH // 2)])[:, None]
    net.train()
    for step in range(steps):
        # Half with a target and half without, however rare they are.
        rows = torch.cat([kind[torch.randint(len(kind), (BATCH // 2,))] for kind in kinds])
        logits = net.decide(_flipped(net.prepare(_varied(pictures[rows]))))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        step_done(step)
    net.eval()
    return net


def _varied(pictures: Tensor) -> Tensor:
    """Other exposures, more noise, a camera that shakes: float [n, 1, h, w] in grey levels."""
    import torch

    count = len(pictures)
    grey = pictures.float() / 255
    gamma = torch.empty(count, 1, 1, 1).uniform_(-0.35, 0.35).exp()
    gain = torch.empty(count, 1, 1, 1).uniform_(-0.5, 0.3).exp()
    noise = torch.randn_like(grey) * torch.empty(count, 1, 1, 1).uniform_(0, 0.02)
    grey = (grey.clamp_min(1e-4).pow(gamma) * gain + noise).clamp(0, 1) * 255
    down, right = torch.randint(-1, 2, (2,)).tolist()
    return torch.roll(grey, (down, right), dims=(2, 3))


def _flipped(unlike: Tensor) -> Tensor:
    """Half of them mirrored: what goes left may go right. The scene is out of them already, so nothing else is."""
    import torch

    every_other = (torch.arange(len(unlike)) % 2 == 0)[:, None, None, None]
    return torch.where(every_other, unlike.flip(3), unlike)


def _scene(empty: NDArray[np.uint8], size: Size) -> NDArray[np.float32]:
    scene: NDArray[np.float32] = drift.standardised(shrunk(empty.astype(np.float32), size.shrink)).mean(axis=0)
    return scene


def _logits(net: GateNet, pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    import torch

    with torch.no_grad():
        batches = np.array_split(pictures, len(pictures) // 256 + 1)
        parts = [net(torch.from_numpy(batch)[:, None])[:, 0] for batch in batches]
        logits: NDArray[np.float64] = torch.cat(parts).double().numpy()
    return logits


def _side(examples: Examples) -> tuple[int, int]:
    height, width = examples.pictures.shape[1:]
    return height, width


def _evidence(examples: Examples, shown: NDArray[np.bool_], split: Split, size: Size, seed: int) -> dict[str, object]:
    of = passages(examples.pts, shown)
    return {
        "architecture": size.name,
        "seed": seed,
        "from_s": round(float(examples.pts[0]), 3),
        "to_s": round(float(examples.pts[-1]), 3),
        "trained_on": {"frames": int(split.fit.sum()), "with_target": int(shown[split.fit].sum())},
        "validated_on": {
            "frames": int(split.validate.sum()),
            "with_target": int(shown[split.validate].sum()),
            "passages": len(np.unique(of[split.validate & shown])),
        },
    }
