"""OpenVINO: the default on a CPU; reads IR (.xml), ONNX, TFLite and frozen TensorFlow graphs.

On two cores it runs YOLO11n in 15 ms where ONNX Runtime takes 36 and torch 104.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.errors import ModelError
from vidpipe.core.extras import extra
from vidpipe.core.frame import Image
from vidpipe.models.base import Precision
from vidpipe.models.runtimes import Output, Pixels, Score, one_line
from vidpipe.models.runtimes.cuts import Cut, Graph
from vidpipe.models.runtimes.heads import with_classes

if TYPE_CHECKING:
    import openvino as ov

log = logging.getLogger(__name__)


class OpenVINONetwork:
    """A network read by OpenVINO.

    Args:
        file: .xml, .onnx, .tflite or .pb.
        size: (height, width) to reshape the input to; None takes it as it is.
        threads: for inference; None leaves it to OpenVINO (all cores).
        precision: that it computes in. A network that is int8 in its file stays that.

    Raises:
        ModelError: the file is damaged, has not one picture as input, or cannot take that size.
        ConfigError: OpenVINO is not installed.
    """

    def __init__(
        self, file: Path, size: tuple[int, int] | None, threads: int | None, precision: Precision = "auto"
    ) -> None:
        _library(f"model {file.name}")
        self._file = file
        self._precision = precision
        self._threads = threads
        self._model = _read(file)
        if len(self._model.inputs) != 1 or len(self._model.inputs[0].partial_shape) != 4:
            inputs = ", ".join(str(port.partial_shape) for port in self._model.inputs)
            raise ModelError(f"model {file}: expected one picture as input, found {inputs}")
        self._planar = _is_planar(self._model.inputs[0].partial_shape)
        self.names: tuple[str, ...] | None = None
        self.size = self._resize(size)
        self.outputs = tuple(_output(port) for port in self._model.outputs)

    def _resize(self, asked: tuple[int, int] | None) -> tuple[int, int]:
        shape = self._model.inputs[0].partial_shape
        sides = shape[2:4] if self._planar else shape[1:3]
        own = tuple(-1 if side.is_dynamic else side.get_length() for side in sides)
        size = asked or (own[0], own[1])
        if -1 in size:
            raise ModelError(f"model {self._file}: takes any size: say which by `size`")
        if size != own or shape.is_dynamic:
            self._reshape(size, own)
        return size

    def _reshape(self, size: tuple[int, int], own: tuple[int, ...]) -> None:
        try:
            self._model.reshape([1, 3, *size] if self._planar else [1, *size, 3])
        except RuntimeError as error:
            raise ModelError(
                f"model {self._file}: cannot take size {size[0]} x {size[1]}, only its own "
                f"{own[0]} x {own[1]} (height x width)"
            ) from error

    def compile(self, pixels: Pixels) -> OpenVINOSession:
        return OpenVINOSession(self._compiled(self._with_pixels(self._model, pixels)), self._file)

    @property
    def graph(self) -> Graph:
        """Its operations, and where it may be cut; raises ModelError where it cannot be."""
        return Graph(self._model, str(self._file))

    def head(self, cut: Cut, pixels: Pixels) -> OpenVINOSession:
        """The part that comes before a cut: its outputs are the tensors alive there."""
        head, _ = self.graph.halves(cut.behind)
        return OpenVINOSession(self._compiled(self._with_pixels(head, pixels)), self._file)

    def tail(self, cut: Cut) -> Callable[[Sequence[NDArray[Any]]], Sequence[NDArray[Any]]]:
        """The part that comes behind a cut: takes the tensors alive there, and gives the network's outputs."""
        _, tail = self.graph.halves(cut.behind)
        request = self._compiled(tail).create_infer_request()
        ports = range(len(tail.outputs))

        def run(tensors: Sequence[NDArray[Any]]) -> Sequence[NDArray[Any]]:
            request.infer(dict(enumerate(tensors)))
            return [np.asarray(request.get_output_tensor(port).data, np.float32) for port in ports]

        return run

    def _compiled(self, model: ov.Model) -> ov.CompiledModel:
        # OpenVINO would pin its threads to cores, in each process to the same ones: two processes would share a core.
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False}
        if self._threads is not None:
            settings["INFERENCE_NUM_THREADS"] = self._threads
        if self._precision in ("f32", "bf16"):
            settings["INFERENCE_PRECISION_HINT"] = supported(self._precision, self._file)
        try:
            return _core().compile_model(model, "CPU", settings)
        except RuntimeError as error:
            raise ModelError(f"model {self._file}: OpenVINO cannot compile it: {one_line(error)}") from error

    @property
    def is_int8(self) -> bool:
        """Whether the file holds a network that was quantised."""
        return any(op.get_type_name() == "FakeQuantize" for op in self._model.get_ops())

    def quantise(self, pixels: Pixels, pictures: Sequence[Image]) -> ov.Model:
        """The network in int8, calibrated on pictures; it takes what the network in the file takes.

        Args:
            pictures: uint8 BGR [h, w, 3] each, of this network's size.

        Raises:
            ModelError: NNCF is not installed, or cannot quantise this network.
        """
        from vidpipe.models.runtimes import nncf

        return nncf.quantised(self._file, self._model, list(self._tensors(pixels, pictures)))

    def quantise_most(
        self, pixels: Pixels, pictures: Sequence[Image], checked: Sequence[Image], score: Score, drop: float
    ) -> ov.Model:
        """As `quantise`, but that layers go back to float until the network loses no more than is allowed.

        Args:
            checked: pictures like the others, on which it is seen what the network loses.
            score: of the network's outputs for some of these, given their numbers.
            drop: how much lower than the float network's own the score may be.
        """
        from vidpipe.models.runtimes import nncf

        calibrated, seen = (list(self._tensors(pixels, each)) for each in (pictures, checked))
        return nncf.quantised_within(self._file, self._model, calibrated, seen, score, drop)

    def keep_classes(self, count: int, kept: Sequence[int], pixels: Pixels) -> None:
        """Cut the network's class heads down to some classes, by their indices.

        Raises:
            ModelError: its graph does not allow it.
        """
        self._model = with_classes(self._model, count, kept, str(self._file), pixels.scale)
        self.outputs = tuple(_output(port) for port in self._model.outputs)

    def write(self, target: Path) -> None:
        """Write the network, at the size that it has here, as `target` (.xml) and the .bin beside it."""
        save(self._model, target)

    def _tensors(self, pixels: Pixels, pictures: Sequence[Image]) -> Iterator[NDArray[Any]]:
        """Pictures as the network takes them without `_with_pixels`."""
        taken = self._model.inputs[0].element_type
        scale = 1.0 if not taken.is_real() else pixels.scale
        for picture in pictures:
            channels = picture[..., ::-1] if pixels.rgb else picture
            planes = channels.transpose(2, 0, 1) if self._planar else channels
            yield np.ascontiguousarray((planes * scale)[None], taken.to_dtype())

    def _with_pixels(self, model: ov.Model, pixels: Pixels) -> ov.Model:
        """The network with uint8 BGR [1, h, w, 3] as its input: cheaper inside than in numpy, by .8 ms at 256 x 256."""
        from openvino import Layout, Type
        from openvino.preprocess import ColorFormat, PrePostProcessor

        own_type = model.inputs[0].element_type
        builder = PrePostProcessor(model.clone())  # it writes into what it is given
        taken = builder.input()
        taken.tensor().set_element_type(Type.u8).set_layout(Layout("NHWC")).set_color_format(ColorFormat.BGR)
        taken.model().set_layout(Layout("NCHW" if self._planar else "NHWC"))
        steps = taken.preprocess()
        if pixels.rgb:
            steps.convert_color(ColorFormat.RGB)
        steps.convert_element_type(own_type)
        if pixels.scale != 1.0 and own_type != Type.u8:
            steps.scale(1.0 / pixels.scale)
        for index, port in enumerate(model.outputs):
            if port.element_type == Type.f16:
                builder.output(index).tensor().set_element_type(Type.f32)
        return builder.build()


class OpenVINOSession:
    """An infer request whose input is memory of ours: nothing is copied on the way in."""

    def __init__(self, compiled: ov.CompiledModel, file: Path) -> None:
        import openvino as ov

        self._compiled = compiled
        self._file = file
        self.pictures = np.zeros(tuple(compiled.inputs[0].shape), np.uint8)
        self._request = compiled.create_infer_request()
        self._request.set_input_tensor(0, ov.Tensor(self.pictures, shared_memory=True))
        self._outputs = range(len(compiled.outputs))

    def run(self, count: int) -> Sequence[NDArray[Any]]:
        # start and wait skip what `infer` of the Python layer does to find out about inputs that are set already.
        self._request.start_async()
        self._request.wait()
        return [self._request.get_output_tensor(index).data for index in self._outputs]

    def clone(self) -> OpenVINOSession:
        return OpenVINOSession(self._compiled, self._file)


def convert(file: Path, target: Path) -> None:
    """Translate a network into IR: `target` and the .bin beside it."""
    library = _library(f"model {file.name}")
    try:
        save(library.convert_model(file), target)
    except Exception as error:  # a converter's frontends raise what they like
        raise ModelError(f"model {file.name}: OpenVINO cannot convert it: {one_line(error)}") from error


def save(model: ov.Model, target: Path) -> None:
    """Write a network as `target` (.xml) and the .bin beside it."""
    import openvino as ov

    ov.save_model(model, target, compress_to_fp16=False)


def supported(precision: Precision, file: Path) -> str:
    """The same, or f32 on a CPU that cannot compute in it; then the log says so, once for each model.

    A pipeline goes from machine to machine: an answer that is slower is worth more than none.
    """
    if precision == "bf16" and not has_bf16():
        _tell_fallback(file)
        return "f32"
    return precision


@cache
def has_bf16() -> bool:
    """Whether this CPU computes in bf16."""
    return "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@cache
def usual() -> Precision:
    """What `auto` comes to on this CPU."""
    return "bf16" if str(_core().get_property("CPU", "INFERENCE_PRECISION_HINT").get_type_name()) == "bf16" else "f32"


def devices() -> list[str]:
    """What OpenVINO can infer on here."""
    return list(_core().available_devices)


@cache
def _tell_fallback(file: Path) -> None:
    log.warning("model %s: this CPU does not compute in bf16: it runs in f32", file.name)


@cache
def _core() -> ov.Core:
    return _library().Core()


def _library(what: str = "this") -> ModuleType:
    """OpenVINO, which the light installation has not: then a ConfigError says what needs it."""
    return extra("openvino", "openvino", what)


_FRONTENDS = {".xml": "ir", ".onnx": "onnx", ".tflite": "tflite"}


def _read(file: Path) -> ov.Model:
    core = _core()
    from openvino.frontend import FrontEndManager

    kind = _FRONTENDS.get(file.suffix)
    # Asked first, because OpenVINO would ask all its frontends, and TensorFlow's writes its opinion to stderr.
    if kind and not FrontEndManager().load_by_framework(kind).supported(str(file)):
        raise ModelError(f"model {file}: OpenVINO cannot read it: damaged, or no {file.suffix} file at all")
    try:
        return core.read_model(file)
    except RuntimeError as error:
        raise ModelError(f"model {file}: OpenVINO cannot read it: {one_line(error)}") from error


def _is_planar(shape: ov.PartialShape) -> bool:
    return not (shape[3].is_static and shape[3].get_length() == 3)


def _output(port: ov.Output) -> Output:
    shape = tuple(-1 if side.is_dynamic else side.get_length() for side in port.partial_shape)
    return Output(tuple(sorted(port.names)), shape)
