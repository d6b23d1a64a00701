"""A yard as previews: texture, light, noise, a tree that sways, a clock that counts; and now and then a thing."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

ROWS, COLUMNS = 120, 160
Picture = NDArray[np.uint8]


class Yard:
    """Pictures of one place; each is drawn with fresh noise.

    Args:
        seed: another seed is another place.
    """

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng([seed, 1])
        rough = rng.normal(0, 1, (ROWS, COLUMNS)).astype(np.float32)
        self.ground = np.clip(110 + 130 * cv2.GaussianBlur(rough, (0, 0), 3), 20, 200)
        self._leaves = rng.normal(0, 40, (ROWS, COLUMNS)).astype(np.float32)
        self._rng = np.random.default_rng([seed, 2])

    def picture(
        self,
        *,
        light: float = 1.0,
        noise: float = 1.0,
        tree: bool = False,
        clock: bool = False,
        thing: tuple[int, int] | None = None,
        contrast: float = 60.0,
    ) -> Picture:
        """One picture.

        Args:
            light: brightness, of 1.
            noise: grey levels.
            tree: leaves move in the upper left corner.
            clock: digits change in the lower right corner.
            thing: (x, y) of the corner of a thing of 12 x 20 pixels.
            contrast: of the thing against the ground, grey levels.
        """
        scene = self.ground.copy()
        if tree:
            scene[:36, :32] += np.roll(self._leaves, self._rng.integers(0, 40), axis=1)[:36, :32]
        if clock:
            digits = self._rng.integers(0, 2, (3, 8)).repeat(4, axis=0).repeat(3, axis=1) * 200
            scene[-12:, -24:] = digits
        if thing is not None:
            x, y = thing
            left, top = max(x, 0), max(y, 0)
            scene[top : max(y + 20, 0), left : max(x + 12, 0)] += contrast
        noisy = scene * light + self._rng.normal(0, noise, scene.shape)
        return np.clip(noisy, 0, 255).astype(np.uint8)
