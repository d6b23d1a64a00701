"""A small network that is taught to see one camera's scene by what the big model says of it (JITNet, 2019; AMS, 2021).

A picture and how far it is from the scene's background go in; a heatmap of centres for each class and the distances to
the four sides of a box come out, at a quarter of the size (CenterNet, Zhou et al. 2019; as in TTFNet, 2020, every place
near a centre learns the box, by how well it overlaps). It has some 0.18 million weights.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import supervision as sv
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

from vidpipe.core.frame import Image
from vidpipe.models.boxes import suppress

WIDTH = 384  # of the input in pixels; its height is what keeps the picture's shape, in steps of 16
STRIDE = 4  # pixels of the input to a place of the output
LEAST = 0.1  # score of a box that is told at all
_BATCH = 8
_RATE = 2e-3
_SIDES = 2.0  # weight of the loss of sides
_NEAR = 0.3  # height of the bump round a centre from which a place learns the box
_SHIFT = 0.06  # of the picture's sides, by which pictures are moved in training
_LIGHT = 0.25  # log of the gain by which they are re-lit
_SAME = 0.6  # overlap of two boxes of a class from which they are one thing
_MIDDLE = torch.tensor([2.0, 2.0, 2.0, 0.5])[:, None, None]  # of what comes in, in 64 grey levels
_STEM = (16, 32, 48, 64)  # filters at a half, a quarter, an eighth and a sixteenth of the size

Rows = NDArray[np.float32]
"""Boxes of a picture, [n, 6]: xyxy in pixels, score, class."""


class LearnerNet(nn.Module):
    """Float [n, 4, h, w] to logits [n, classes, h / 4, w / 4], and logs of distances [n, 4, h / 4, w / 4] in places."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        half, quarter, eighth, sixteenth = _STEM
        self.stem = nn.Sequential(_layer(4, half, 2), _layer(half, quarter, 2))
        self.mid = nn.Sequential(_layer(quarter, eighth, 2), _layer(eighth, eighth))
        self.low = nn.Sequential(
            _layer(eighth, sixteenth, 2), _layer(sixteenth, sixteenth), _layer(sixteenth, sixteenth)
        )
        self.up1, self.up0 = _layer(sixteenth, eighth, side=1), _layer(eighth, quarter, side=1)
        self.m, self.h = _layer(eighth, eighth), _layer(quarter, quarter)
        self.out = nn.Conv2d(quarter, classes + 4, 1)
        self.classes = classes
        with torch.no_grad():  # at first nothing is anywhere
            self.out.bias.zero_()
            self.out.bias[:classes] = -4.0

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        quarter = self.stem(pictures)
        eighth = self.mid(quarter)
        below = self.low(eighth)
        eighth = self.m(eighth + interpolate(self.up1(below), size=eighth.shape[2:], mode="nearest"))
        quarter = self.h(quarter + interpolate(self.up0(eighth), size=quarter.shape[2:], mode="nearest"))
        out = self.out(quarter)
        return out[:, : self.classes], out[:, self.classes :]


def _layer(taken: int, given: int, stride: int = 1, side: int = 3) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(taken, given, side, stride, side // 2, bias=False), nn.BatchNorm2d(given), nn.ReLU(inplace=True)
    )


def input_size(width: int, height: int) -> tuple[int, int]:
    """(height, width) of the input for pictures of this size."""
    return max(1, round(WIDTH * height / width / 16)) * 16, WIDTH


def shrunk(picture: Image) -> Image:
    """A picture at the size of the input."""
    height, width = input_size(picture.shape[1], picture.shape[0])
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def background(pictures: NDArray[np.uint8]) -> Image:
    """The median of some 40 of these pictures, uint8 [h, w, 3]."""
    some = np.linspace(0, len(pictures) - 1, min(len(pictures), 41)).astype(int)
    return np.median(pictures[some], axis=0).astype(np.uint8)


def with_difference(picture: Image, scene: Image) -> NDArray[np.uint8]:
    """uint8 [h, w, 4]: the picture, and the most that any colour is off the background."""
    blue, green, red = cv2.split(cv2.absdiff(picture, scene))
    return cv2.merge([*cv2.split(picture), cv2.max(cv2.max(blue, green), red)])


class Lessons:
    """Looks of the big model to learn from.

    Args:
        pictures: uint8 [n, h, w, 3], at the size of the input.
        looks: of each picture, in pixels of the source.
        least: score from which a box is sure, by class; places of unsure boxes teach nothing.
        size: (width, height) of the source.
    """

    def __init__(
        self,
        pictures: NDArray[np.uint8],
        looks: Sequence[Rows],
        least: NDArray[np.float64],
        size: tuple[int, int],
    ) -> None:
        scene = background(pictures)
        self._pictures = [with_difference(picture, scene) for picture in pictures]
        height, width = pictures.shape[1:3]
        scale = np.array([width / size[0], height / size[1]] * 2)
        self._boxes = [np.column_stack([rows[:, :4] * scale, rows[:, 5]]) for rows in looks]
        self._sure = [rows[:, 4] >= least[rows[:, 5].astype(int)] for rows in looks]
        self._classes = len(least)

    def __len__(self) -> int:
        return len(self._pictures)

    def batch(self, rng: np.random.Generator, *, mirrored: bool, zoom: float) -> tuple[Tensor, list[Tensor]]:
        """Pictures at random, moved, zoomed and re-lit, and what is to be said of them.

        Args:
            mirrored: whether every other one is mirrored: for scenes that are not this one.
            zoom: log of the most by which they are made larger or smaller.
        """
        pictures, wanted = [], []
        for one in rng.integers(0, len(self), _BATCH):
            picture, boxes, sure = self._pictures[one], self._boxes[one].copy(), self._sure[one]
            height, width = picture.shape[:2]
            scale = float(np.exp(rng.uniform(-zoom, zoom)))
            right, down = ((1 - scale) * side / 2 + side * rng.uniform(-_SHIFT, _SHIFT) for side in (width, height))
            turn = np.array([[scale, 0, right], [0, scale, down]], np.float32)
            picture = cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
            boxes[:, :4] = boxes[:, :4] * scale + [right, down, right, down]
            if mirrored and rng.random() < 0.5:
                picture = picture[:, ::-1]
                boxes[:, [0, 2]] = width - boxes[:, [2, 0]]
            whole = _areas(boxes)
            boxes[:, :4] = boxes[:, :4].clip(0, [width, height, width, height])
            inside = _areas(boxes) > 0.4 * whole
            pictures.append(picture)
            wanted.append(_targets(boxes[inside], sure[inside], (height, width), self._classes))
        gain = np.exp(rng.uniform(-_LIGHT, _LIGHT, (_BATCH, 1, 1, 1))).repeat(4, axis=1)
        gain[:, 3] = 1
        lit = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
        lit = (lit * torch.from_numpy(gain.astype(np.float32))).clamp_(0, 255)
        return _normal(lit), [torch.from_numpy(np.stack(part)) for part in zip(*wanted, strict=True)]


def train(
    net: LearnerNet,
    lessons: Sequence[Lessons],
    steps: int,
    *,
    seed: int = 0,
    mirrored: bool = False,
    zoom: float = 0.1,
) -> float:
    """Train on looks, with one thread; returns the CPU seconds that it took.

    Args:
        lessons: of one scene, or of several that take turns at random.
        mirrored, zoom: see `Lessons.batch`.
    """
    rng = np.random.default_rng(seed)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    began = time.process_time()
    net.train().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(net.parameters(), _RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=steps, pct_start=0.15)
    for _ in range(steps):
        pictures, wanted = lessons[rng.integers(len(lessons))].batch(rng, mirrored=mirrored, zoom=zoom)
        with torch.autocast("cpu", torch.bfloat16):
            logits, sides = net(pictures.contiguous(memory_format=torch.channels_last))
        loss = _loss(logits.float(), sides.float(), *wanted)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimiser.step()
        schedule.step()
    net.eval().to(memory_format=torch.contiguous_format)
    took_s = time.process_time() - began
    torch.set_num_threads(threads)
    return took_s


class Learner:
    """A trained net in OpenVINO, with one thread, as a detector of whole pictures.

    Args:
        scene: the background, uint8 [h, w, 3] at the size of the input.
        least: score of a box that is sure, by class.
    """

    def __init__(self, net: LearnerNet, scene: Image, least: NDArray[np.float64]) -> None:
        import openvino as ov

        self.scene = scene
        self.least = least
        shape = (1, *scene.shape[:2], 4)
        example: Any = torch.zeros(shape, dtype=torch.uint8)
        with torch.no_grad():
            traced = torch.jit.trace(_Exported(net.eval()), example, check_trace=False)
            model = ov.convert_model(traced, example_input=example, input=list(shape))
        settings: Mapping[str, Any] = {"INFERENCE_NUM_THREADS": 1, "PERFORMANCE_HINT": "LATENCY"}
        self._request = ov.Core().compile_model(model, "CPU", settings).create_infer_request()

    def detect(self, images: Sequence[Image], floor: float | None = None) -> list[sv.Detections]:
        """Boxes that reach their class's least score, or this one, in pixels of the pictures."""
        found = []
        for image in images:
            rows = self.look(shrunk(image), (image.shape[1], image.shape[0]))
            rows = rows[rows[:, 4] >= (self.least[rows[:, 5].astype(int)] if floor is None else floor)]
            found.append(sv.Detections(rows[:, :4], confidence=rows[:, 4], class_id=rows[:, 5].astype(int)))
        return found

    def look(self, small: Image, size: tuple[int, int]) -> Rows:
        """All boxes of a picture at the size of the input, in pixels of a source of this (width, height)."""
        self._request.infer([with_difference(small, self.scene)[None]])
        scores, sides = (self._request.get_output_tensor(number).data[0] for number in (0, 1))
        rows = _decoded(scores, sides)
        rows[:, :4] *= np.array([size[0] / small.shape[1], size[1] / small.shape[0]] * 2, np.float32)
        return rows


class _Exported(nn.Module):
    """A net that takes uint8 [1, h, w, 4], and gives scores."""

    def __init__(self, net: LearnerNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        logits, sides = self.net(_normal(pictures.permute(0, 3, 1, 2).float()))
        return torch.sigmoid(logits), sides


def _normal(pictures: Tensor) -> Tensor:
    """Grey levels about zero; the difference from the background is none of them, and begins at zero."""
    return pictures / 64 - _MIDDLE


def _areas(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def _targets(
    boxes: NDArray[np.float64], sure: NDArray[np.bool_], size: tuple[int, int], classes: int
) -> tuple[NDArray[np.float32], ...]:
    """What the net should say of a picture.

    Args:
        boxes: [n, 5], xyxy in pixels of the input, class.
        size: (height, width) of the input.

    Returns:
        Heat [classes, h, w], whether a place counts [classes, h, w], box [4, h, w] and its weight [h, w], in places.
    """
    height, width = size[0] // STRIDE, size[1] // STRIDE
    heat, counts = np.zeros((classes, height, width), np.float32), np.ones((classes, height, width), np.float32)
    box, weight = np.zeros((4, height, width), np.float32), np.zeros((height, width), np.float32)
    for one in np.argsort(-_areas(boxes)):  # where two meet the smaller is learnt
        xyxy, label = boxes[one, :4] / STRIDE, int(boxes[one, 4])
        spread = np.maximum((xyxy[2:] - xyxy[:2]) * 0.09, 0.6)
        centre = np.clip(np.round((xyxy[:2] + xyxy[2:]) / 2 - 0.5), 0, [width - 1, height - 1])
        first = np.maximum(centre - np.ceil(3 * spread), 0).astype(int)
        behind = np.minimum(centre + np.ceil(3 * spread) + 1, [width, height]).astype(int)
        across, down = (
            np.exp(-((np.arange(first[axis], behind[axis]) - centre[axis]) ** 2) / (2 * spread[axis] ** 2))
            for axis in (0, 1)
        )
        bump = np.outer(down, across).astype(np.float32)
        place = slice(first[1], behind[1]), slice(first[0], behind[0])
        near = bump > _NEAR
        if sure[one]:
            np.maximum(heat[label][place], bump, out=heat[label][place])
            box[(slice(None), *place)][:, near] = xyxy[:, None]
            weight[place][near] = bump[near] / bump[near].sum()
        else:
            counts[label][place][near] = 0
    counts[heat == 1] = 1
    return heat, counts, box, weight


def _loss(logits: Tensor, sides: Tensor, heat: Tensor, counts: Tensor, box: Tensor, weight: Tensor) -> Tensor:
    """CenterNet's focal loss of the heatmap, and 1 - GIoU of the boxes near centres."""
    score = torch.sigmoid(logits).clamp(1e-4, 1 - 1e-4)
    centre = (heat == 1).float()
    hits = centre * (1 - score) ** 2 * score.log()
    rest = (1 - centre) * counts * (1 - heat) ** 4 * score**2 * (1 - score).log()
    heat_loss = -(hits + rest).sum() / centre.sum().clamp_min(1)
    rows, columns = torch.meshgrid(*(torch.arange(side) + 0.5 for side in weight.shape[-2:]), indexing="ij")
    far = sides.clamp(-3, 5).exp()
    x0, y0, x1, y1 = columns - far[:, 0], rows - far[:, 1], columns + far[:, 2], rows + far[:, 3]
    left, top, right, bottom = box.unbind(1)
    both = (torch.minimum(x1, right) - torch.maximum(x0, left)).clamp_min(0) * (
        torch.minimum(y1, bottom) - torch.maximum(y0, top)
    ).clamp_min(0)
    either = (x1 - x0) * (y1 - y0) + (right - left) * (bottom - top) - both
    hull = (torch.maximum(x1, right) - torch.minimum(x0, left)) * (torch.maximum(y1, bottom) - torch.minimum(y0, top))
    giou = both / either.clamp_min(1e-6) - (hull - either) / hull.clamp_min(1e-6)
    return heat_loss + _SIDES * ((1 - giou) * weight).sum() / weight.sum().clamp_min(1e-6)


def _decoded(scores: NDArray[np.float32], sides: NDArray[np.float32], most: int = 100) -> Rows:
    """The boxes of peaks of the heatmaps, in pixels of the input, best first."""
    peaks = np.stack([cv2.dilate(one, np.ones((3, 3), np.uint8)) for one in scores])
    label, row, column = np.nonzero((scores >= LEAST) & (scores == peaks))
    score = scores[label, row, column]
    best = np.argsort(-score)[:most]
    label, row, column, score = label[best], row[best], column[best], score[best]
    far = np.exp(sides[:, row, column].clip(-3, 5))
    x, y = column + 0.5, row + 0.5
    xyxy = np.stack([x - far[0], y - far[1], x + far[2], y + far[3]], axis=1).astype(np.float32) * STRIDE
    kept = suppress(xyxy, score, label, _SAME)
    return np.column_stack([xyxy[kept], score[kept], label[kept]]).astype(np.float32).reshape(-1, 6)
