"""Runtimes: what reads a network file and runs it. One file each, behind the two small classes below.

A runtime takes pictures as they come out of a resize, uint8 BGR [h, w, 3], and does itself what the network wants
besides (channel order, scale, layout, type), in the way that is cheapest to it: OpenVINO and torch inside the network,
ONNX Runtime before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from vidpipe.core.frame import Image


@dataclass(frozen=True, slots=True)
class Pixels:
    """What a network wants its pixels to be: order of the channels, and a factor on 0..255 (float inputs only)."""

    rgb: bool
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Output:
    """Names (a network may have several for one) and shape of an output; -1 is a dimension that varies."""

    names: tuple[str, ...]
    shape: tuple[int, ...]

    def __str__(self) -> str:
        name = min(self.names, key=len, default="output")
        return f"{name} [{','.join('?' if n < 0 else str(n) for n in self.shape)}]"


Score = Callable[[Sequence[tuple[int, Sequence[NDArray[Any]]]]], tuple[float, list[float]]]
"""Scores what a network gives for some of a list of inputs, each with its number: all together, and each by itself."""


class Session(Protocol):
    """A network ready to run. Belongs to one thread; `clone` makes one for another, on the same weights.

    Attributes:
        pictures: uint8 BGR [n, h, w, 3], to be written to before `run`; n is the most pictures of one call.
    """

    pictures: Image

    def run(self, count: int) -> Sequence[NDArray[Any]]:
        """The outputs for the first `count` pictures, in the order of `Network.outputs`; valid until the next `run`."""
        ...

    def clone(self) -> Session: ...


class Network(Protocol):
    """A network file that was read.

    Attributes:
        size: (height, width) of its input in pixels.
        outputs: what comes out, for one picture.
    """

    size: tuple[int, int]
    outputs: tuple[Output, ...]

    @property
    def names(self) -> tuple[str, ...] | None:
        """Its classes, where the runtime itself reads them off the file."""
        ...

    def compile(self, pixels: Pixels) -> Session: ...


def one_line(error: Exception) -> str:
    """What a runtime's exception means, without the places in its source that it names first."""
    noise = ("Exception from ", "Check '", "FrontEnd API failed", "While validating ")
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(noise)]
    return (telling or lines or [type(error).__name__])[0].rstrip(".!: ")
