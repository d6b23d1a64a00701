"""Where a network of OpenVINO may be cut, and its two halves.

A cut lies behind an operation, counted in the order in which the network computes: what was computed up to there and is
needed later is alive at the cut, and is what crosses. Constants are on both sides and never cross.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from itertools import accumulate
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from vidpipe.core.errors import ModelError

if TYPE_CHECKING:
    import openvino as ov

MOST_TENSORS = 4
"""Alive at a cut that is worth a look: behind a thin waist there are few."""


MOST_WORK = 0.7
"""Of the network's multiplications in the head: with more of them the whole network may as well be there."""


class Cut(NamedTuple):
    """A place to cut at.

    Attributes:
        behind: index of the last operation of the head.
        shapes: of the tensors that cross, for one picture.
        share: of the network's multiplications that are in the head, 0..1.
    """

    behind: int
    shapes: tuple[tuple[int, ...], ...]
    share: float

    @property
    def values(self) -> int:
        """How many numbers cross."""
        return sum(map(prod, self.shapes))


class _Tensor(NamedTuple):
    """What an operation computes.

    Attributes:
        made, used: the operation, and the last one that needs it.
    """

    port: ov.Output
    made: int
    used: int


class Graph:
    """The operations of a network that depend on the picture, in order.

    Args:
        model: it stays as it is.
        name: as errors call it.

    Raises:
        ModelError: it takes pictures of any size, so that nobody can say what crosses.
    """

    def __init__(self, model: ov.Model, name: str) -> None:
        self._model = folded(model)
        self._name = name
        self._operations, self._tensors = _computed(self._model)
        if self._tensors[0].port.partial_shape.is_dynamic:
            raise ModelError(f"model {name}: cannot be cut: it takes pictures of any size: say which by `size`")
        self._work = list(accumulate(map(_multiplications, self._operations)))

    def __len__(self) -> int:
        return len(self._operations)

    @property
    def fingerprint(self) -> str:
        """The same wherever the same operations are in the same order: there, a cut is the same place."""
        told = "\n".join(f"{each.get_type_name()} {each.output(0).partial_shape}" for each in self._operations[:-1])
        return blake2b(told.encode(), digest_size=8).hexdigest()

    def best(self) -> Cut:
        """Where least crosses, of the cuts that leave the tail enough to be worth it.

        Raises:
            ModelError: nowhere does less cross than the picture.
        """
        worth = [cut for cut in self.candidates() if cut.share <= MOST_WORK]
        if not worth:
            raise ModelError(f"model {self._name}: cannot be cut: nowhere is it thinner than the picture that it takes")
        return min(worth, key=lambda cut: cut.values)

    def at(self, behind: int) -> Cut:
        """The cut behind an operation.

        Raises:
            ModelError: there is none.
        """
        cut = self._cut(behind) if 0 < behind < len(self) - 1 else None
        if cut is None:
            raise ModelError(f"model {self._name}: cannot be cut behind operation {behind} of {len(self)}")
        return cut

    def candidates(self) -> list[Cut]:
        """Cuts worth a look, from the earliest on: at each less crosses than at all before it and than of the picture.

        Of neighbours at which as much crosses it is the last, behind an activation: that squeezes half of its range.
        """
        least = prod(self._tensors[0].port.shape)
        found: list[Cut] = []
        for behind in range(1, len(self) - 1):
            cut = self._cut(behind)
            if cut is None or len(cut.shapes) > MOST_TENSORS:
                continue
            if cut.values < least:
                found.append(cut)
                least = cut.values
            elif (
                found and cut.shapes == found[-1].shapes and _is_activation(self._operations, found[-1].behind, behind)
            ):
                found[-1] = cut
        return found

    def _cut(self, behind: int) -> Cut | None:
        """The cut there; None where nothing crosses, or tensors whose shape depends on what is seen."""
        ports = [tensor.port for tensor in _alive(self._tensors, behind)]
        if not ports or any(port.partial_shape.is_dynamic for port in ports):
            return None
        share = self._work[behind] / max(1, self._work[-1])
        return Cut(behind, tuple(tuple(port.shape) for port in ports), share)

    def halves(self, behind: int) -> tuple[ov.Model, ov.Model]:
        """The head, whose outputs are the tensors alive at a cut, and the tail, whose inputs they are."""
        import openvino as ov
        from openvino import opset13

        self.at(behind)
        head = self._model.clone()
        _, tensors = _computed(head)
        head = ov.Model([tensor.port for tensor in _alive(tensors, behind)], head.get_parameters(), "head")
        tail = self._model.clone()
        operations, tensors = _computed(tail)
        index = {operation.get_friendly_name(): number for number, operation in enumerate(operations)}
        parameters = []
        for tensor in _alive(tensors, behind):
            parameter = opset13.parameter(tensor.port.partial_shape, tensor.port.element_type)
            for target in list(tensor.port.get_target_inputs()):
                if index.get(target.get_node().get_friendly_name(), 0) > behind:
                    target.replace_source_output(parameter.output(0))
            parameters.append(parameter)
        return head.clone(), ov.Model(tail.get_results(), parameters, "tail")


def folded(model: ov.Model) -> ov.Model:
    """A copy in which all that does not depend on the picture is a constant."""
    from openvino.passes import ConstantFolding, Manager

    copy = model.clone()
    manager = Manager()
    manager.register_pass(ConstantFolding())
    manager.run_passes(copy)
    return copy


def _computed(model: ov.Model) -> tuple[Sequence[ov.Node], list[_Tensor]]:
    """The operations that depend on the picture, in order, and what they compute for others."""
    index: dict[str, int] = {}
    operations: list[ov.Node] = []
    for operation in model.get_ordered_ops():
        needs = (port.get_source_output().get_node().get_friendly_name() for port in operation.inputs())
        if operation.get_type_name() == "Parameter" or any(name in index for name in needs):
            index[operation.get_friendly_name()] = len(operations)
            operations.append(operation)
    tensors = []
    for made, operation in enumerate(operations):
        for port in operation.outputs():
            users = [index.get(target.get_node().get_friendly_name(), -1) for target in port.get_target_inputs()]
            if users and max(users) > made:
                tensors.append(_Tensor(port, made, max(users)))
    return operations, tensors


def _multiplications(operation: ov.Node) -> int:
    """What an operation takes; all but convolutions and products of matrices take next to nothing."""
    if operation.get_type_name() not in ("Convolution", "GroupConvolution", "MatMul"):
        return 0
    port, weights = operation.output(0), operation.input_value(1)
    if port.partial_shape.is_dynamic or weights.partial_shape.is_dynamic:
        return 0
    outputs = port.shape[-1] if operation.get_type_name() == "MatMul" else port.shape[1]
    return int(prod(port.shape) * prod(weights.shape) // max(1, outputs))


def _alive(tensors: Sequence[_Tensor], behind: int) -> list[_Tensor]:
    return [tensor for tensor in tensors if tensor.made <= behind < tensor.used]


_ACTIVATIONS = ("Multiply", "Swish", "Relu", "PRelu", "Clamp", "HSwish", "Sigmoid", "Add")


def _is_activation(operations: Sequence[ov.Node], first: int, last: int) -> bool:
    """Whether between two cuts there is nothing but what shifts, scales and squeezes."""
    return all(operation.get_type_name() in _ACTIVATIONS for operation in operations[first + 1 : last + 1])
