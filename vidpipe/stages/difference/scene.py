"""The learnt scene of one camera: what it looks like empty, what of it may change, and from where change matters."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.arrays import read_arrays, write_arrays
from vidpipe.core.errors import ModelError
from vidpipe.stages.difference.blocks import Blocks, Grid
from vidpipe.stages.difference.scorer import Scorer

ALIKE = 0.15  # correlation of edges from which a picture may be of the same place, whatever is in front of it
_FORMAT = 1


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """What was learnt of one camera.

    Attributes:
        size: (width, height) of the camera's pictures in pixels.
        image: float32 preview of the empty scene.
        usual, weights: float32 [rows, columns] of blocks, as of `Scorer`.
        empty_below: score against the empty scene under which nothing is there; -inf: never.
        same_below: score against the last measured picture under which its answer still holds; -inf: never.
        max_miss: share of the frames with something in them that may be missed.
    """

    size: tuple[int, int]
    image: NDArray[np.float32]
    usual: Grid
    weights: Grid
    empty_below: float = -np.inf
    same_below: float = -np.inf
    max_miss: float = 0.01

    @property
    def scorer(self) -> Scorer:
        return Scorer(self.usual, self.weights)

    def differs(self, size: tuple[int, int], image: NDArray[np.float32]) -> str:
        """Why pictures of that size, with that preview, are not of this scene; empty if they may be."""
        if size != self.size:
            return f"pictures of {size[0]}x{size[1]}, learnt on {self.size[0]}x{self.size[1]}"
        alike = likeness(image, self.image)
        return "" if alike >= ALIKE else f"another view: {alike:.2f} alike, {ALIKE} are needed"

    def save(self, path: Path) -> None:
        """Write it, for its owner alone to read: it shows the scene. Raises RunError."""
        arrays = {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}
        write_arrays(path, "scene", {"format": np.array(_FORMAT), **arrays})

    @classmethod
    def read(cls, path: Path) -> Scene:
        """Read what `save` wrote; raises ModelError where it is damaged or of another version of vidpipe."""

        def made(arrays: dict[str, NDArray[Any]]) -> Scene:
            if int(arrays["format"]) != _FORMAT:
                raise ModelError(f"scene {path}: of another version of vidpipe")
            width, height = arrays["size"].tolist()
            image, usual, weights = (arrays[name].astype(np.float32) for name in ("image", "usual", "weights"))
            if (image.ndim, usual.ndim, weights.shape) != (2, 2, usual.shape):
                raise ValueError("shapes")
            limits = (float(arrays[name]) for name in ("empty_below", "same_below", "max_miss"))
            return cls((width, height), image, usual, weights, *limits)

        return read_arrays(path, "scene", made)


def likeness(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Correlation of two previews' edges, -1..1: what stays of a place by day and by night."""
    if one.shape != other.shape:
        return 0.0
    edges = [_edges(image) for image in (one, other)]
    norms = [float(np.linalg.norm(edge)) for edge in edges]
    return float(np.vdot(*edges)) / (norms[0] * norms[1]) if min(norms) > 0 else float(norms[0] == norms[1])


def _edges(image: NDArray[np.float32]) -> NDArray[np.float32]:
    import cv2

    smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), 1.5)
    x, y = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    edges = np.stack([x, y])
    # By their square root: a few hard edges must not speak for the whole picture.
    signed: NDArray[np.float32] = np.sign(edges) * np.sqrt(np.abs(edges))
    return signed


class Watch:
    """Compares the pictures of one stream with its scene, which it keeps up to date, and with one another.

    Attributes:
        image: of the empty scene, as it looks now.
        empty_below: threshold that is in force now.
    """

    def __init__(self, scene: Scene, blocks: Blocks) -> None:
        self.empty_below = scene.empty_below
        self._scorer = scene.scorer
        self._blocks = blocks
        self._changed: NDArray[np.uint8] | None = None  # the last picture, if it was empty and unlike the scene
        self.image = scene.image
        self._level = float(scene.image.mean())

    def against_empty(self, preview: NDArray[np.uint8]) -> float:
        """Score of a picture's change against the empty scene."""
        return self._scorer.score(self._blocks.residuals(preview, self.image, self._level))

    def against(self, preview: NDArray[np.uint8], known: NDArray[np.uint8]) -> float:
        """Score of a picture's change against another one."""
        reference = known.astype(np.float32)
        return self._scorer.score(self._blocks.residuals(preview, reference, float(reference.mean())))

    def found_empty(self, preview: NDArray[np.uint8]) -> None:
        """A model found nothing in this picture: the empty scene looks so now, unless something moves in it.

        What moves may be a thing that is only half in the picture yet. What has changed and stays so is believed
        quickly: light was switched on, a chair was moved.
        """
        if self.against_empty(preview) < self.empty_below:
            self._changed = None
            share = 0.15
        else:
            before, self._changed = self._changed, preview.copy()
            if before is None or self.against(preview, before) >= self.empty_below:
                return
            share = 0.5
        self.show(self.image + np.float32(share) * (preview - self.image))

    def show(self, image: NDArray[np.float32]) -> None:
        """The empty scene looks so from now on."""
        self.image = np.ascontiguousarray(image, np.float32)
        self._level = float(self.image.mean())
