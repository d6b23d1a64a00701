"""ONNX Runtime: reads .onnx; slower than OpenVINO on the CPUs measured, and runs where that does not."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.errors import ModelError
from vidpipe.models.runtimes import Output, Pixels, one_line

if TYPE_CHECKING:
    import onnxruntime

_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


class OnnxNetwork:
    """A network read by ONNX Runtime; arguments and errors as of `OpenVINONetwork`."""

    def __init__(self, file: Path, size: tuple[int, int] | None, threads: int | None) -> None:
        self._session = _open(file, threads)
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in _TYPES:
            found = ", ".join(f"{port.type} {port.shape}" for port in inputs)
            raise ModelError(f"model {file}: expected one picture as input, found {found}")
        self._planar = inputs[0].shape[3] != 3
        own = tuple(inputs[0].shape[2:4] if self._planar else inputs[0].shape[1:3])
        fixed = all(isinstance(side, int) for side in own)
        if size is None and not fixed:
            raise ModelError(f"model {file}: takes any size: say which by `size`")
        if size is not None and fixed and size != own:
            raise ModelError(
                f"model {file}: cannot take size {size[0]} x {size[1]} in ONNX Runtime, only its own "
                f"{own[0]} x {own[1]} (height x width)"
            )
        self.names: tuple[str, ...] | None = None
        self.size = size or own
        self.outputs = self._try(inputs[0])

    def _try(self, taken: onnxruntime.NodeArg) -> tuple[Output, ...]:
        """The outputs with their shapes: a network of any size tells them only when it runs."""
        zeros = np.zeros((1, 3, *self.size) if self._planar else (1, *self.size, 3), _TYPES[taken.type])
        tried = self._session.run(None, {taken.name: zeros})
        return tuple(
            Output((port.name,), array.shape) for port, array in zip(self._session.get_outputs(), tried, strict=True)
        )

    def compile(self, pixels: Pixels) -> OnnxSession:
        return OnnxSession(self._session, self.size, self._planar, pixels)


class OnnxSession:
    """Runs an `InferenceSession`, which threads may share; the buffers are this one's own."""

    def __init__(
        self, session: onnxruntime.InferenceSession, size: tuple[int, int], planar: bool, pixels: Pixels
    ) -> None:
        self._made_of = (session, size, planar, pixels)
        self._session = session
        self._input = session.get_inputs()[0].name
        self._planar = planar
        self._rgb = pixels.rgb
        dtype = _TYPES[session.get_inputs()[0].type]
        self._scale = 1.0 if dtype == np.uint8 else pixels.scale
        self.pictures = np.zeros((1, *size, 3), np.uint8)
        self._tensor = np.empty((1, 3, *size) if planar else (1, *size, 3), dtype)

    def run(self, count: int) -> Sequence[NDArray[Any]]:
        pixels = self.pictures[..., ::-1] if self._rgb else self.pictures
        np.copyto(self._tensor, pixels.transpose(0, 3, 1, 2) if self._planar else pixels)
        if self._scale != 1.0:
            self._tensor *= self._scale
        outputs = self._session.run(None, {self._input: self._tensor})
        return [array.astype(np.float32) if array.dtype == np.float16 else array for array in outputs]

    def clone(self) -> OnnxSession:
        return OnnxSession(*self._made_of)


def _open(file: Path, threads: int | None) -> onnxruntime.InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or len(os.sched_getaffinity(0))
    # Idle threads would otherwise burn a core each, for 50 ms and more after a call of 9 ms.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its classes derive from Exception alone
        raise ModelError(f"model {file}: ONNX Runtime cannot read it: {one_line(error)}") from error
