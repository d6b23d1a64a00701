"""From a network's file to the network, by the runtime that suits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vidpipe.models.base import Precision
from vidpipe.models.runtimes import Network

Runtime = Literal["openvino", "onnxruntime", "torch"]


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """What a network is opened from; attributes as of the runtimes' own classes.

    Attributes:
        runtime: that reads it.
    """

    file: Path
    size: tuple[int, int] | None
    threads: int | None
    precision: Precision
    runtime: Runtime

    def open(self) -> Network:
        """Read it.

        Raises:
            ModelError: it is damaged, or is not what is asked for.
        """
        if self.runtime == "torch":
            from vidpipe.models.runtimes.torch import TorchNetwork

            assert self.size is not None
            return TorchNetwork(self.file, self.size, self.threads, self.precision)
        if self.runtime == "onnxruntime":
            from vidpipe.models.runtimes.onnxruntime import OnnxNetwork

            return OnnxNetwork(self.file, self.size, self.threads)
        from vidpipe.models.runtimes.openvino import OpenVINONetwork

        return OpenVINONetwork(self.file, self.size, self.threads, self.precision)


Opens = Callable[[NetworkFile], Network]
"""What gives the network of a file: that itself, or one that another process runs."""
