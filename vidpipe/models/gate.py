"""A stream's own small network that says whether a target is in the picture (NoScope's specialised CNN, FFS-VA's SNM).

A gate is one file: OpenVINO's IR, the camera and classes that it was trained for, its thresholds, what is normal for
the scene, and the evidence for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.arrays import packed, read_arrays, unpacked, write_arrays
from vidpipe.core.errors import ModelError
from vidpipe.core.extras import extra
from vidpipe.core.frame import Image
from vidpipe.models.runtimes import one_line

VERSION = 1
SUFFIX = ".gate"


@dataclass(frozen=True, slots=True, eq=False)
class Normal:
    """What pictures of the scene look like as far as the gate was trained on them: what drift is held against.

    Attributes:
        scene: float32 [h, w], the mean of standardised pictures without a target.
        low, high: float32 [k], lowest and highest normal value of each of `vidpipe.statistics.drift.FIGURES`.
    """

    scene: NDArray[np.float32]
    low: NDArray[np.float32]
    high: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """A trained gate, as it is kept in a file.

    Attributes:
        stream: the camera that it was trained on.
        size: (width, height) of that camera's pictures in pixels.
        targets: the pipeline's classes that it looks for; empty: anything that the last stage finds.
        low: under this score no target is there; None: no frame may be answered so.
        high: from this score on there is one; None: no frame may be answered so.
        normal: what the scene looks like.
        xml, weights: OpenVINO's IR. Input: the preview, uint8 [1, 1, h, w]; output: the score, float32 [1, 1].
        picture: (height, width) of that preview.
        evidence: figures for humans and tools: how it was trained, and what validation found.
    """

    stream: str
    size: tuple[int, int]
    targets: tuple[str, ...]
    low: float | None
    high: float | None
    normal: Normal
    xml: bytes
    weights: bytes
    picture: tuple[int, int]
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write it, for its owner alone to read: the weights hold a blurred view of the scene. Raises RunError."""
        header = {
            "version": VERSION,
            "stream": self.stream,
            "size": self.size,
            "targets": self.targets,
            "low": self.low,
            "high": self.high,
            "picture": self.picture,
            "evidence": self.evidence,
        }
        arrays: dict[str, NDArray[Any]] = {
            "header": packed(header),
            "xml": np.frombuffer(self.xml, np.uint8),
            "weights": np.frombuffer(self.weights, np.uint8),
            "scene": self.normal.scene,
            "normal_low": self.normal.low,
            "normal_high": self.normal.high,
        }
        write_arrays(path, "gate", arrays)

    @classmethod
    def load(cls, path: Path) -> Gate:
        """Read what `save` wrote; raises ModelError where it is damaged or of another version of vidpipe."""

        def made(arrays: dict[str, NDArray[Any]]) -> Gate:
            header = unpacked(arrays["header"])
            if header["version"] != VERSION:
                raise ModelError(f"gate {path}: of version {header['version']}, wanted is {VERSION}: train it anew")
            return cls(
                stream=header["stream"],
                size=tuple(header["size"]),
                targets=tuple(header["targets"]),
                low=header["low"],
                high=header["high"],
                normal=Normal(arrays["scene"], arrays["normal_low"], arrays["normal_high"]),
                xml=arrays["xml"].tobytes(),
                weights=arrays["weights"].tobytes(),
                picture=tuple(header["picture"]),
                evidence=header["evidence"],
            )

        return read_arrays(path, "gate", made)


class GateNetwork:
    """A gate ready to run, for one thread: one picture at a time, without a thread of its own.

    Raises:
        ModelError: OpenVINO cannot read what the gate holds.
        ConfigError: OpenVINO is not installed.
    """

    def __init__(self, gate: Gate) -> None:
        ov = extra("openvino", "openvino", "a gate")
        # One stream, one thread, no hyper-threads: the calling thread infers itself. bf16, OpenVINO's choice where a
        # CPU has it, would leave scores of three digits, and thresholds lie near 0 and 1.
        settings: dict[str, Any] = {
            "INFERENCE_NUM_THREADS": 1,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": "f32",
            "ENABLE_CPU_PINNING": False,  # see `runtimes.openvino`
        }
        core = ov.Core()
        try:
            compiled = core.compile_model(core.read_model(gate.xml, gate.weights), "CPU", settings)
        except (RuntimeError, TypeError) as error:
            raise ModelError(f"gate of stream {gate.stream}: OpenVINO cannot read it: {one_line(error)}") from error
        self.gate = gate
        self._input = np.zeros((1, 1, *gate.picture), np.uint8)
        self._request = compiled.create_infer_request()
        self._request.set_input_tensor(0, ov.Tensor(self._input, shared_memory=True))
        self._output = self._request.get_output_tensor(0)
        self.score(self._input[0, 0])

    def score(self, picture: Image) -> float:
        """How likely a target is in the picture, 0..1.

        Args:
            picture: uint8 [h, w], of the size that the gate was trained on.
        """
        self._input[0, 0] = picture
        self._request.infer()
        return float(self._output.data[0, 0])

    def scores(self, pictures: Sequence[Image] | Image) -> NDArray[np.float64]:
        """The same for many: float64 [n]."""
        return np.array([self.score(picture) for picture in pictures], np.float64)
