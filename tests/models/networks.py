"""Tiny ONNX networks that give what a test wants them to give; and a YOLO of random weights."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from vidpipe.models.runtimes import checkpoint


def constant_network(
    file: Path,
    outputs: Mapping[str, NDArray],
    size: tuple[int, int] = (64, 64),
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """A network [1, 3, h, w] that answers every picture with the same outputs."""
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
    ]
    weights = [numpy_helper.from_array(np.float32(0), "zero")]
    for name, array in outputs.items():
        weights.append(numpy_helper.from_array(np.asarray(array), f"{name}_value"))
        nodes.append(helper.make_node("Cast", ["nothing"], [f"{name}_zero"], to=_type(array)))
        nodes.append(helper.make_node("Add", [f"{name}_value", f"{name}_zero"], [name]))
    taken = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, *size])
    given = [helper.make_tensor_value_info(name, _type(array), array.shape) for name, array in outputs.items()]
    return saved(file, nodes, [taken], given, weights, metadata)


def following_network(
    file: Path, boxes: Sequence[tuple], names: Sequence[str], size: tuple[int, int] = (64, 64), shift_px: float = 20
) -> Path:
    """A YOLO whose boxes (as in `yolo_columns`) stand so much further right, the brighter the picture is (0..1)."""
    shift = np.zeros((1, 4 + len(names), _cells(size)), np.float32)
    shift[0, 0, : len(boxes)] = shift_px
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "shift"], ["moved"]),
        helper.make_node("Add", ["table", "moved"], ["out"]),
    ]
    weights = [
        numpy_helper.from_array(yolo_columns(boxes, len(names), size), "table"),
        numpy_helper.from_array(shift, "shift"),
    ]
    taken = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, *size])
    given = helper.make_tensor_value_info("out", TensorProto.FLOAT, shift.shape)
    return saved(file, nodes, [taken], [given], weights, {"names": str(dict(enumerate(names)))})


def waisted_network(
    file: Path, boxes: Sequence[tuple], names: Sequence[str], size: tuple[int, int] = (64, 64), shift_px: float = 20
) -> Path:
    """As `following_network`, but that it gets there by convolutions: between the first and the others it is thin."""
    shift = np.zeros((1, 4 + len(names), _cells(size)), np.float32)
    shift[0, 0, : len(boxes)] = shift_px
    kernels = {"w0": np.full((2, 3, 4, 4), 1 / 48), "w1": np.full((2, 2, 1, 1), 1 / 2)}
    nodes = [
        helper.make_node("Conv", ["image", "w0"], ["x0"], strides=[4, 4]),
        helper.make_node("Relu", ["x0"], ["thin"]),
        *(helper.make_node("Conv", [f"x{i}" if i else "thin", "w1"], [f"x{i + 1}"]) for i in range(48)),
        helper.make_node("ReduceMean", ["x48"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "shift"], ["moved"]),
        helper.make_node("Add", ["table", "moved"], ["out"]),
    ]
    weights = [numpy_helper.from_array(value.astype(np.float32), name) for name, value in kernels.items()]
    weights.append(numpy_helper.from_array(yolo_columns(boxes, len(names), size), "table"))
    weights.append(numpy_helper.from_array(shift, "shift"))
    taken = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, *size])
    given = helper.make_tensor_value_info("out", TensorProto.FLOAT, shift.shape)
    return saved(file, nodes, [taken], [given], weights, {"names": str(dict(enumerate(names)))})


def mean_network(
    file: Path, planar: bool = True, dtype: int = TensorProto.FLOAT, size: Sequence[object] = (8, 8)
) -> Path:
    """A network that gives the mean of each of its three channels: [1, 3]. A side of `size` may be a name: any."""
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["pixels", "axes"], ["mean"], keepdims=0),
    ]
    axes = numpy_helper.from_array(np.array([2, 3] if planar else [1, 2], np.int64), "axes")
    taken = helper.make_tensor_value_info("image", dtype, [1, 3, *size] if planar else [1, *size, 3])
    given = helper.make_tensor_value_info("mean", TensorProto.FLOAT, [1, 3])
    return saved(file, nodes, [taken], [given], [axes], None)


def busy_network(file: Path, channels: int = 48, size: int = 128) -> Path:
    """A network with milliseconds of work for several threads; gives [1, channels]."""
    rng = np.random.default_rng(0)
    weights = [numpy_helper.from_array(rng.normal(0, 0.1, (channels, 3, 3, 3)).astype(np.float32), "w0")]
    nodes = [helper.make_node("Conv", ["image", "w0"], ["x0"], pads=[1, 1, 1, 1])]
    for i in range(1, 6):
        weights.append(
            numpy_helper.from_array(rng.normal(0, 0.1, (channels, channels, 3, 3)).astype(np.float32), f"w{i}")
        )
        nodes.append(helper.make_node("Conv", [f"x{i - 1}", f"w{i}"], [f"x{i}"], pads=[1, 1, 1, 1]))
    nodes.append(helper.make_node("GlobalAveragePool", ["x5"], ["pooled"]))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["vector"]))
    taken = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, size, size])
    given = helper.make_tensor_value_info("vector", TensorProto.FLOAT, [1, channels])
    return saved(file, nodes, [taken], [given], weights, None)


def saved(file: Path, nodes, taken, given, weights, metadata) -> Path:
    graph = helper.make_graph(nodes, "network", taken, given, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    if metadata:
        helper.set_model_props(model, dict(metadata))
    onnx.save(model, file)
    return file


def _type(array: NDArray) -> int:
    return helper.np_dtype_to_tensor_dtype(np.asarray(array).dtype)


def yolo_columns(boxes: Sequence[tuple], classes: int, size: tuple[int, int] = (64, 64)) -> NDArray:
    """Output [1, 4 + classes, cells] of YOLOv8 and later, for boxes (cx, cy, w, h, class, score) in pixels."""
    table = np.zeros((1, 4 + classes, _cells(size)), np.float32)
    for cell, (*box, label, score) in enumerate(boxes):
        table[0, :4, cell] = box
        table[0, 4 + label, cell] = score
    return table


def yolo_rows(boxes: Sequence[tuple], classes: int, size: tuple[int, int] = (64, 64)) -> NDArray:
    """Output [1, 3 * cells, 5 + classes] of the first YOLOv5: objectness and class score are each the score's root."""
    table = np.zeros((1, 3 * _cells(size), 5 + classes), np.float32)
    for row, (*box, label, score) in enumerate(boxes):
        table[0, row, :4] = box
        table[0, row, [4, 5 + label]] = score**0.5
    return table


def yolo_suppressed(boxes: Sequence[tuple], count: int = 20) -> NDArray:
    """Output [1, n, 6] of networks with suppression inside, padded with zeros; boxes as in `yolo_columns`."""
    table = np.zeros((1, count, 6), np.float32)
    for row, (cx, cy, w, h, label, score) in enumerate(boxes):
        table[0, row] = (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, score, label)
    return table


def yolox_rows(boxes: Sequence[tuple], classes: int, size: tuple[int, int] = (64, 64)) -> NDArray:
    """Output [1, cells, 5 + classes] of YOLOX; each box is put into the stride-8 cell that holds its centre."""
    table = np.zeros((1, _cells(size), 5 + classes), np.float32)
    for cx, cy, w, h, label, score in boxes:
        column, line = int(cx // 8), int(cy // 8)
        row = table[0, line * (size[1] // 8) + column]
        row[:4] = (cx / 8 - column, cy / 8 - line, np.log(w / 8), np.log(h / 8))
        row[[4, 5 + label]] = score**0.5
    return table


def ssd_table(boxes: Sequence[tuple], size: tuple[int, int] = (64, 64), count: int = 10) -> NDArray:
    """Output [1, 1, n, 7] of SSD: the list ends with image -1; behind it lies a box of an earlier picture."""
    table = np.zeros((1, 1, count, 7), np.float32)
    height, width = size
    for row, (cx, cy, w, h, label, score) in enumerate(boxes):
        corners = ((cx - w / 2) / width, (cy - h / 2) / height, (cx + w / 2) / width, (cy + h / 2) / height)
        table[0, 0, row] = (0, label, score, *corners)
    table[0, 0, len(boxes) :, 0] = -1
    table[0, 0, len(boxes) + 1] = (0, 0, 0.99, 0.1, 0.1, 0.9, 0.9)
    return table


def atss_outputs(boxes: Sequence[tuple]) -> dict[str, NDArray]:
    """Outputs of ATSS: boxes [n, 5] and labels [n]."""
    rows = [(cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, score) for cx, cy, w, h, _, score in boxes]
    return {"boxes": np.array(rows, np.float32), "labels": np.array([box[4] for box in boxes], np.int64)}


def tfod_outputs(boxes: Sequence[tuple], size: tuple[int, int] = (64, 64)) -> dict[str, NDArray]:
    """Outputs of TensorFlow's Object Detection API; classes count from 1."""
    height, width = size
    corners = [
        ((cy - h / 2) / height, (cx - w / 2) / width, (cy + h / 2) / height, (cx + w / 2) / width)
        for cx, cy, w, h, _, _ in boxes
    ]
    return {
        "detection_boxes": np.array([corners], np.float32),
        "detection_classes": np.array([[box[4] + 1 for box in boxes]], np.float32),
        "detection_scores": np.array([[box[5] for box in boxes]], np.float32),
        "num_detections": np.array([len(boxes)], np.float32),
    }


def _cells(size: tuple[int, int]) -> int:
    return sum((size[0] // stride) * (size[1] // stride) for stride in (8, 16, 32))


def random_yolo(file: Path) -> Path:
    """A YOLO11n of random weights, saved as Ultralytics does; its classes are called 0 to 79."""
    with checkpoint.quiet(), warnings.catch_warnings():
        import torch
        from ultralytics import YOLO

        torch.manual_seed(0)
        model = YOLO("yolo11n.yaml")
        for layer in model.model.model[-1].cv3:  # random weights are sure of nothing: let some boxes count
            torch.nn.init.normal_(layer[-1].bias, -2.0, 1.5)
        model.save(file)
    return file


def frozen_graph(file: Path) -> Path:
    """A frozen TensorFlow graph that gives back its picture, float [1, 8, 8, 3]; written without TensorFlow."""
    sides = b"".join(_field(2, b"\x08" + bytes([side])) for side in (1, 8, 8, 3))
    kind, shape = b"\x30\x01", _field(7, sides)  # DT_FLOAT

    def attribute(name: bytes, value: bytes) -> bytes:
        return _field(5, _field(1, name) + _field(2, value))

    taken = _field(1, b"image") + _field(2, b"Placeholder") + attribute(b"dtype", kind) + attribute(b"shape", shape)
    given = _field(1, b"out") + _field(2, b"Identity") + _field(3, b"image") + attribute(b"T", kind)
    file.write_bytes(_field(1, taken) + _field(1, given))
    return file


def _field(number: int, content: bytes) -> bytes:
    """A field of a protobuf message; its length fits in one byte."""
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content
