"""A little YOLOX: three strides, and a class head for each, of random filters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino as ov
from openvino import opset13


def headed_network(file: Path, count: int, likely: tuple[int, ...] = (), side: int = 64) -> Path:
    """Write it as an .xml: each cell is sure of a box of its own size.

    Args:
        count: of its classes.
        likely: those that each box is one of; none: all.
    """
    random = np.random.default_rng(count)
    picture = opset13.parameter([1, 3, side, side], np.float32)
    bias = np.where(np.isin(np.arange(count), likely or np.arange(count)), 4.0, -4.0)
    levels = []
    for stride in (8, 16, 32):
        filters = 0.02 * random.normal(size=(16, 3, stride, stride)) / stride
        features = opset13.convolution(picture, filters.astype(np.float32), [stride] * 2, [0, 0], [0, 0], [1, 1])
        boxes = _head(features, np.zeros((4, 16)), np.zeros(4))
        sure = opset13.sigmoid(_head(features, np.zeros((1, 16)), np.full(1, 4.0)))
        classes = opset13.sigmoid(_head(features, 0.1 * random.normal(size=(count, 16)), bias))
        level = opset13.concat([boxes, sure, classes], 1)
        levels.append(opset13.reshape(level, np.array([1, 5 + count, -1]), special_zero=False))
    table = opset13.transpose(opset13.concat(levels, 2), np.array([0, 2, 1]))
    ov.save_model(ov.Model([table], [picture]), file, compress_to_fp16=False)
    return file


def _head(features: ov.Node, filters: np.ndarray, bias: np.ndarray) -> ov.Node:
    weights = filters.astype(np.float32)[:, :, None, None]
    convolved = opset13.convolution(features, weights, [1, 1], [0, 0], [0, 0], [1, 1])
    return opset13.add(convolved, bias.astype(np.float32)[None, :, None, None])
