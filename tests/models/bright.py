"""A network that finds one thing where the picture has a bright spot, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tests.models.networks import saved, yolo_columns


def bright_network(file: Path, names: tuple[str, ...] = ("thing",), above: float = 0.92) -> Path:
    """A YOLO with one box, of score 1 where any pixel is brighter than `above` (0..1), of score 0 elsewhere."""
    table = yolo_columns([(32, 32, 16, 16, 0, 0.0)], len(names))
    which = np.zeros_like(table)
    which[0, 4, 0] = 1
    nodes = [
        helper.make_node("ReduceMax", ["image"], ["brightest"], keepdims=0),
        helper.make_node("Sub", ["brightest", "above"], ["over"]),
        helper.make_node("Mul", ["over", "steep"], ["steeply"]),
        helper.make_node("Clip", ["steeply", "zero", "one"], ["score"]),
        helper.make_node("Mul", ["which", "score"], ["scored"]),
        helper.make_node("Add", ["table", "scored"], ["out"]),
    ]
    constants = {"above": above, "steep": 1000.0, "zero": 0.0, "one": 1.0}
    weights = [
        numpy_helper.from_array(table, "table"),
        numpy_helper.from_array(which, "which"),
        *(numpy_helper.from_array(np.float32(value), name) for name, value in constants.items()),
    ]
    taken = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 64, 64])
    given = helper.make_tensor_value_info("out", TensorProto.FLOAT, table.shape)
    return saved(file, nodes, [taken], [given], weights, {"names": str(dict(enumerate(names)))})
