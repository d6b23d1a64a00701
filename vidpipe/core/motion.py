"""How the picture moves, as the encoder of a stream has seen it: a coarse field of velocities."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CELL = 16  # pixels of the source, a side: a macroblock of H.264 and MPEG-4


class Motion(NamedTuple):
    """Where what a picture shows is on its way to, in square cells of `CELL` pixels.

    Encoders seek what saves bytes, not what moves: in flat parts of a picture a vector may point anywhere.

    Attributes:
        velocity: float32 [rows, columns, 2], pixels of the source a second, (x, y); 0 where it is not known.
        known: bool [rows, columns]: cells that have a vector; what was coded anew has none.
        origin: (x, y) of the upper left corner of the first cell, in pixels of the source: 0, or up to a cell less in a
            picture that was mirrored.
        reach_s: media seconds before this picture that the vectors go back to: of what was before, nothing is known.
    """

    velocity: NDArray[np.float32]
    known: NDArray[np.bool_]
    origin: tuple[int, int]
    reach_s: float

    @classmethod
    def unknown(cls, width: int, height: int) -> Motion:
        """Of a picture that is coded all anew, such as a key frame; its size in pixels."""
        shape = -(-height // CELL), -(-width // CELL)
        return cls(np.zeros((*shape, 2), np.float32), np.zeros(shape, bool), (0, 0), 0.0)

    def at(self, points: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Velocities at points, and whether each is known, which outside of the picture none is.

        Args:
            points: (x, y) in pixels of the source, [2, ...].

        Returns:
            Float32 [2, ...] and bool [...].
        """
        rows, columns = self.known.shape
        if any(self.origin):
            points = points - np.array(self.origin, np.float32).reshape(2, *[1] * (points.ndim - 1))
        x, y = (points * np.float32(1 / CELL)).astype(np.intp)
        inside = (x.view(np.uintp) < columns) & (y.view(np.uintp) < rows)  # what is negative is far too large
        place = y * columns + x
        velocity = self.velocity.transpose(2, 0, 1).reshape(2, -1).take(place, axis=1, mode="clip")
        return velocity, self.known.ravel().take(place, mode="clip") & inside
