"""Class heads of a detector cut down to the classes that somebody asks for.

The last convolution of each head of YOLO and YOLOX has one filter for each class. Filters nobody asks for are left out,
and what comes behind is told the new number of channels. This is structured pruning of the last layer alone: the
filters that stay are the same, so no training is needed to recover.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vidpipe.core.errors import ModelError
from vidpipe.models.runtimes.cuts import folded

if TYPE_CHECKING:
    import openvino as ov

_CONVOLUTION = "Convolution"
_CLOSE = 1e-3  # of an output, that rounding may change


def with_classes(model: ov.Model, count: int, kept: Sequence[int], name: str, scale: float) -> ov.Model:
    """A network with only some classes in its heads; it computes the same for them.

    Args:
        model: of one picture of a fixed size; it stays as it is. Its output has the classes as the last of its
            channels.
        count: of its classes.
        kept: indices of those that stay, in order.
        name: as errors call it.
        scale: what pixels are multiplied with before they go in.

    Raises:
        ModelError: its graph has no such heads, or what it computes would change.
    """
    cut = folded(model)
    heads = [each for each in cut.get_ordered_ops() if _is_head(each, count)]
    try:
        for head in heads:
            _narrow(head, count, kept)
        cut.validate_nodes_and_infer_types()
        cut = folded(cut)
    except RuntimeError:
        heads = []
    if not heads or not _same(model, cut, count, kept, scale):
        raise ModelError(f"model {name}: its class heads cannot be cut: they are not those of YOLO or YOLOX")
    return cut


def _is_head(operation: ov.Node, count: int) -> bool:
    """Whether a convolution gives a channel for each class, and no other convolution comes behind it.

    Boxes have four channels, as four classes would: what is joined last are the classes.
    """
    if operation.get_type_name() != _CONVOLUTION or operation.output(0).get_partial_shape()[1] != count:
        return False
    return _is_last(operation) and all(each.get_type_name() != _CONVOLUTION for each in _behind(operation))


def _is_last(operation: ov.Node) -> bool:
    """Whether what it gives is joined last with what else there is of a cell."""
    node = operation
    while len(targets := list(node.output(0).get_target_inputs())) == 1:
        node = targets[0].get_node()
        if node.get_type_name() == "Concat":
            return bool(targets[0].get_index() == len(node.inputs()) - 1)
    return True


def _behind(operation: ov.Node) -> Iterator[ov.Node]:
    """All operations that need this one, each once, the nearest first."""
    seen, waiting = set(), [operation]
    while waiting:
        for port in waiting.pop(0).outputs():
            for target in port.get_target_inputs():
                node = target.get_node()
                if node.get_friendly_name() not in seen:
                    seen.add(node.get_friendly_name())
                    waiting.append(node)
                    yield node


def _narrow(head: ov.Node, count: int, kept: Sequence[int]) -> None:
    """Leave out filters of a head, and what is added to their channels; tell it to what lies behind."""
    _take(head, 1, 0, kept)
    for node in _behind(head):
        kind = node.get_type_name()
        if kind in ("Add", "Multiply", "Subtract"):
            for index, port in enumerate(node.inputs()):
                shape = port.get_partial_shape()
                if _constant(port) is not None and len(shape) == 4 and shape[1] == count:
                    _take(node, index, 1, kept)
        elif kind in ("Reshape", "VariadicSplit"):
            _retell(node, count, len(kept))


def _retell(node: ov.Node, count: int, left: int) -> None:
    """Channels of a new shape or of the parts of a split: the classes among them have become fewer.

    A node behind several heads is told once: then it has the new number already.
    """
    from openvino import opset13

    port = node.input(1 if node.get_type_name() == "Reshape" else 2)
    told = _constant(port)
    if told is None:
        return
    channels = node.input(0).get_partial_shape()[1].get_length()
    changed = told.copy()
    if node.get_type_name() == "Reshape":
        changed[told == channels] -= count - left
    else:
        changed[told == count] = left
    constant = opset13.constant(changed)
    port.replace_source_output(constant.output(0))


def _take(node: ov.Node, index: int, axis: int, kept: Sequence[int]) -> None:
    """Put rows of an input in its place."""
    from openvino import opset13

    port = node.input(index)
    rows = opset13.gather(port.get_source_output(), np.array(kept, np.int64), np.int64(axis))
    port.replace_source_output(rows.output(0))


def _constant(port: ov.Input) -> np.ndarray | None:
    node = port.get_source_output().get_node()
    return np.array(node.data) if node.get_type_name() == "Constant" else None


def _same(model: ov.Model, cut: ov.Model, count: int, kept: Sequence[int], scale: float) -> bool:
    """Whether the cut network gives of noise what the whole one does, but for the classes that are gone."""
    import openvino as ov

    given = model.inputs[0]
    noise = np.random.default_rng(0).integers(0, 256, tuple(given.shape)).astype(given.element_type.to_dtype())
    if given.element_type.is_real():
        noise *= scale
    core, settings = ov.Core(), {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    whole, less = (core.compile_model(each, "CPU", settings)(noise)[0] for each in (model, cut))
    axes = [axis for axis, (one, other) in enumerate(zip(whole.shape, less.shape, strict=True)) if one != other]
    if len(axes) != 1:
        return False
    before = whole.shape[axes[0]] - count
    expected = np.take(whole, [*range(before), *(before + each for each in kept)], axes[0])
    return less.shape == expected.shape and np.allclose(less, expected, _CLOSE, _CLOSE)
