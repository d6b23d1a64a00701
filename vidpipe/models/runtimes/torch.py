"""torch, for Ultralytics' .pt files: the default for them on CUDA, where it runs in half precision and in batches."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.extras import extra, is_installed
from vidpipe.models.base import Precision
from vidpipe.models.runtimes import Output, Pixels, checkpoint

if TYPE_CHECKING:
    import torch

_BATCH = 8  # pictures in one call


def has_cuda() -> bool:
    """Whether torch can compute on a GPU; where there is no driver, tells so without the two seconds of its import."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    if not is_installed("torch"):
        return False
    import torch

    return bool(torch.cuda.is_available())


class TorchNetwork:
    """A checkpoint of Ultralytics as a torch module.

    Args:
        file: a .pt that is trusted: loading it unpickles.
        size: (height, width) of the input.
        threads: for inference on a CPU; torch has one number for the whole process.
        precision: auto (half on CUDA, f32 on a CPU) or f32.

    Raises:
        ModelError: the file is damaged or no detector.
        ConfigError: torch is not installed.
    """

    def __init__(self, file: Path, size: tuple[int, int], threads: int | None, precision: Precision = "auto") -> None:
        torch = extra("torch", "torch", f"model {file} on runtime torch")
        if threads is not None:
            torch.set_num_threads(threads)
        module, self.names = checkpoint.load(file)
        self._device = torch.device("cuda" if has_cuda() else "cpu")
        half = self._device.type == "cuda" and precision == "auto"
        self._type = torch.float16 if half else torch.float32
        self._module = module.to(self._device, self._type)
        self.size = size
        with torch.inference_mode():
            tried = _first(self._module(torch.zeros(1, 3, *size, device=self._device, dtype=self._type)))
        self.outputs: tuple[Output, ...] = (Output(("output",), tuple(tried.shape)),)

    def compile(self, pixels: Pixels) -> TorchSession:
        return TorchSession(self._module, self.size, pixels, self._device, self._type)


class TorchSession:
    """Runs a module that threads may share; the buffer is this one's own."""

    def __init__(
        self, module: torch.nn.Module, size: tuple[int, int], pixels: Pixels, device: torch.device, dtype: torch.dtype
    ) -> None:
        self._made_of = (module, size, pixels, device, dtype)
        self._module = module
        self._pixels = pixels
        self._device = device
        self._type = dtype
        self.pictures = np.zeros((_BATCH, *size, 3), np.uint8)

    def run(self, count: int) -> Sequence[NDArray[Any]]:
        import torch

        with torch.inference_mode():
            planes = torch.from_numpy(self.pictures[:count]).to(self._device).permute(0, 3, 1, 2)
            if self._pixels.rgb:
                planes = planes.flip(1)
            found = _first(self._module(planes.to(self._type).mul_(self._pixels.scale)))
            return [found.float().cpu().numpy()]

    def clone(self) -> TorchSession:
        return TorchSession(*self._made_of)


def _first(output: Any) -> torch.Tensor:
    """The decoded boxes: in inference Ultralytics' heads give them first, then what training needs."""
    return output[0] if isinstance(output, list | tuple) else output
