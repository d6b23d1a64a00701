"""Training a gate on what the last stage said (NoScope section 4; FFS-VA's SNM; JITL's training where frames are)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vidpipe.models.gate import Gate, GateNetwork, Normal
from vidpipe.stages.gate.enough import check
from vidpipe.stages.gate.examples import Examples
from vidpipe.stages.gate.network import SIZES, Calibrated, GateNet, Size, to_openvino
from vidpipe.stages.gate.split import FOLDS, folds_in_time, visits
from vidpipe.stages.gate.together import Weights
from vidpipe.statistics import drift

STEPS = 500
BATCH = 64
_RATE = 3e-3
_DECAY = 1e-3
_AT_ONCE = 256  # pictures
_NORMALISED_BY = 20  # batches


@dataclass(frozen=True, slots=True, eq=False)
class TrainedGate:
    """A gate and what validation found.

    The network that is kept was trained on all examples. What validates are its siblings, each trained alike but for
    one part of the footage, and asked about that part (cross-validation in blocks of time): so each visit counts,
    and none was seen by the network that scores it.

    Attributes:
        gate: without thresholds: those are the caller's choice, by `scores`.
        size: its architecture.
        seq, pts, scores, present, weight: of all validated frames, in order of time: number, media seconds, score,
            whether the last stage saw a target, frames that it stands for; [n] each.
        visit: int64 [n], which visit of a target a frame is part of, -1 where there is none: frames of one visit
            are right or wrong together, so that bounds which take them for independent are too narrow.
        cpu_ms: mean CPU time of the network for one frame, on this machine; the preview not counted.
        training_cpu_s: what training and validation cost.
        weights: what other cameras may begin from, see `weights_of`.
    """

    gate: Gate
    size: Size
    seq: NDArray[np.int64]
    pts: NDArray[np.float64]
    scores: NDArray[np.float64]
    present: NDArray[np.bool_]
    weight: NDArray[np.float32]
    visit: NDArray[np.int64]
    cpu_ms: float
    training_cpu_s: float
    weights: Weights = field(default_factory=dict)


def train(
    examples: Examples,
    targets: Sequence[str],
    *,
    size: Size = SIZES[1],
    seed: int = 0,
    steps: int = STEPS,
    threads: int = 1,
    step_done: Callable[[int], None] = lambda step: None,
) -> TrainedGate:
    """Train one gate and validate it; equal arguments give an equal gate on one machine.

    Args:
        examples: of one stream, in order of time.
        targets: classes that it shall look for; none: anything that the last stage finds.
        size: one of `network.SIZES`.
        steps: of each of the `split.FOLDS` + 1 networks.
        threads: that torch may use. On a busy machine two wait for each other at every layer: six times the CPU and
            three times as long as one, for networks this small.
        step_done: is called after each step with its number, of `steps * (FOLDS + 1)`: for progress, or to rest.

    Raises:
        ConfigError: a target is no class, there is too little footage, or none with or without a target.
    """
    check(examples, targets)
    began = time.process_time()
    shown = examples.shows(targets)
    fold = folds_in_time(examples.pts, shown)
    with threads_of(threads):
        trainer = Trainer(examples, shown, size, steps, step_done)
        logits = np.full(len(examples), np.nan)
        for part in range(FOLDS):
            sibling = trainer.fit((fold != part) & (fold >= 0), seed)
            logits[fold == part] = trainer.logits(sibling, fold == part)
        net = trainer.fit(np.ones(len(examples), bool), seed)
    rows = fold >= 0
    calibrated = Calibrated(net, *platt(logits[rows], shown[rows], examples.weight[rows]))
    return finished(examples, targets, size, calibrated, logits, rows, began, seed)


def finished(
    examples: Examples,
    targets: Sequence[str],
    size: Size,
    net: Calibrated,
    logits: NDArray[np.float64],
    rows: NDArray[np.bool_],
    began: float,
    seed: int = 0,
) -> TrainedGate:
    """A network as a gate, with what validated it.

    Args:
        logits: float64 [n], of networks that had not seen the example, or nothing of this camera.
        rows: bool [n], which examples validate.
        began: CPU time of this process when the work on it began, seconds.
    """
    shown = examples.shows(targets)
    gate = _gate(examples, targets, shown, size, net, seed)
    return TrainedGate(
        gate,
        size,
        examples.seq[rows],
        examples.pts[rows],
        1 / (1 + np.exp(-(net.slope * logits[rows] + net.offset))),
        shown[rows],
        examples.weight[rows],
        visits(examples.pts, shown)[rows],
        cpu_ms=_cpu_ms(gate, examples),
        training_cpu_s=time.process_time() - began,
        weights=weights_of(net.net),
    )


def weights_of(net: GateNet) -> Weights:
    """What a network has learnt, but for what is of its own camera: the scene, and how layers are normalised."""
    return {name: values.detach().numpy().astype(np.float32, copy=True) for name, values in net.named_parameters()}


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


class Trainer:
    """Trains networks of one size on parts of the examples, or places others among them."""

    def __init__(
        self,
        examples: Examples,
        shown: NDArray[np.bool_],
        size: Size,
        steps: int,
        step_done: Callable[[int], None],
    ) -> None:
        # At the network's own size from here on: what is done to pictures in training costs less so.
        net = GateNet(size, np.zeros((1, 1), np.float32))
        batches = np.array_split(examples.pictures, len(examples) // _AT_ONCE + 1)
        self._small = torch.cat([net.shrink(torch.from_numpy(batch)[:, None]) for batch in batches])
        self._shown = shown
        self._size = size
        self._steps = steps
        self._step_done = step_done
        self._done = 0

    def fit(self, part: NDArray[np.bool_], seed: int) -> GateNet:
        """A network trained on these examples, half of them with a target and half without, however rare they are."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            kinds = [torch.from_numpy(np.flatnonzero(part & kind)) for kind in (self._shown, ~self._shown)]
            net = GateNet(self._size, self._scene(kinds[1]))
            optimiser = torch.optim.AdamW(net.parameters(), _RATE, weight_decay=_DECAY)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=self._steps)
            wanted = torch.cat([torch.ones(BATCH // 2), torch.zeros(BATCH // 2)])[:, None]
            net.train()
            for _ in range(self._steps):
                rows = torch.cat([kind[torch.randint(len(kind), (BATCH // 2,))] for kind in kinds])
                logits = net.decide(_mirrored(net.compare(_varied(self._small[rows]))))
                loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                self._done += 1
                self._step_done(self._done)
        net.eval()
        return net

    def placed(self, weights: Weights) -> GateNet:
        """A network of other cameras in this scene, its layers normalised by this camera's pictures.

        These are as in training: half of them with a target.
        """
        kinds = [torch.from_numpy(np.flatnonzero(kind)) for kind in (self._shown, ~self._shown)]
        net = GateNet(self._size, self._scene(kinds[1]))
        net.load_state_dict({name: torch.from_numpy(values) for name, values in weights.items()}, strict=False)
        for layer in net.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.momentum = None  # the mean over all batches
        net.train()
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            for _ in range(_NORMALISED_BY):
                rows = torch.cat([kind[torch.randint(len(kind), (BATCH // 2,))] for kind in kinds])
                net.decide(net.compare(self._small[rows]))
        net.eval()
        return net

    def logits(self, net: GateNet, part: NDArray[np.bool_]) -> NDArray[np.float64]:
        """What a network says of these examples: float64 [n]."""
        small = self._small[torch.from_numpy(part)]
        with torch.no_grad():
            logits = torch.cat([net.decide(net.compare(batch)) for batch in small.split(_AT_ONCE)])
        return np.asarray(logits[:, 0], np.float64)

    def _scene(self, empty: Tensor) -> NDArray[np.float32]:
        scene: NDArray[np.float32] = drift.standardised(self._small[empty][:, 0].numpy()).mean(axis=0)
        return scene


def _varied(grey: Tensor) -> Tensor:
    """Other exposures, more noise, a camera that shakes: float [n, 1, h, w] in grey levels."""
    count = len(grey)
    gamma = torch.empty(count, 1, 1, 1).uniform_(-0.35, 0.35).exp()
    gain = torch.empty(count, 1, 1, 1).uniform_(-0.5, 0.3).exp()
    noise = torch.randn_like(grey) * torch.empty(count, 1, 1, 1).uniform_(0, 4)
    varied = ((grey / 255).clamp_min(1e-4).pow(gamma) * (255 * gain) + noise).clamp(0, 255)
    down, right = torch.randint(-1, 2, (2,)).tolist()
    return torch.roll(varied, (down, right), dims=(2, 3))


def _mirrored(unlike: Tensor) -> Tensor:
    """Every other one: what goes left may go right. The scene is out of them already, so nothing else changes."""
    every_other = (torch.arange(len(unlike)) % 2 == 0)[:, None, None, None]
    return torch.where(every_other, unlike.flip(3), unlike)


@contextmanager
def threads_of(count: int) -> Iterator[None]:
    """So many threads for torch meanwhile."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _gate(
    examples: Examples,
    targets: Sequence[str],
    shown: NDArray[np.bool_],
    size: Size,
    net: Calibrated,
    seed: int,
) -> Gate:
    height, width = examples.pictures.shape[1:]
    xml, weights = to_openvino(net, (height, width))
    evidence = {
        "architecture": size.name,
        "seed": seed,
        "from_s": round(float(examples.pts[0]), 3),
        "to_s": round(float(examples.pts[-1]), 3),
        "frames": len(examples),
        "with_target": int(shown.sum()),
        "visits": int(visits(examples.pts, shown).max()) + 1,
    }
    return Gate(
        examples.stream,
        examples.size,
        tuple(targets),
        None,
        None,
        normal_of(examples, shown),
        xml,
        weights,
        (height, width),
        evidence,
    )


def _cpu_ms(gate: Gate, examples: Examples) -> float:
    """Mean of the network for one picture, of some hundred."""
    network = GateNetwork(gate)
    pictures = examples.pictures[:500]
    began = time.thread_time()
    network.scores(pictures)
    return 1000 * (time.thread_time() - began) / len(pictures)
