"""Things cut out of pictures, and what makes two appearances of one of them look different."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vidpipe.core.errors import ConfigError
from vidpipe.core.frame import Image
from vidpipe.testing.spec import CLASSES

POSES = 8  # of a walk's half cycle: legs apart, together, apart
_HEAD, _HIP = 0.17, 0.54  # as shares of a person's height, from the top
_TALL_M = {"person": 1.75, "vehicle": 1.55, "bike": 1.7}
_SUFFIXES = {".png", ".webp", ".jpg", ".jpeg", ".bmp"}


@dataclass(frozen=True, eq=False)
class Cutout:
    """A thing cut from a picture.

    Attributes:
        name: says which one it is.
        kind: one of `CLASSES`.
        pixels: uint8 [h, w, 4], BGR and alpha, cropped to what is visible; it stands on the last row.
        height_m: in the world.
        faces: the side that it looks and moves to, -1 left, 1 right.
    """

    name: str
    kind: str
    pixels: Image
    height_m: float
    faces: int = 1


@dataclass(frozen=True)
class Look:
    """One appearance of a cut-out.

    Attributes:
        cutout: what appears.
        height_m: this one's.
        girth: its width against the cut-out's.
        hues: radians; of a person's upper and lower clothes, or (the first) of a vehicle's paint.
        tone: how much lighter (above 0) or darker clothes are, -1..1.
    """

    cutout: Cutout
    height_m: float
    girth: float
    hues: tuple[float, float]
    tone: float

    def aspect(self) -> float:
        """Width over height."""
        height, width = self.cutout.pixels.shape[:2]
        return float(width / height * self.girth)

    def poses(self, height_px: float, direction: int) -> list[Image]:
        """The appearance at this height, moving left (-1) or right (1): one picture for each step of the gait.

        uint8 [h, w, 4], colours multiplied with alpha already, so that scaling them leaves no fringe.
        """
        import cv2

        rows = max(4, round(height_px))
        columns = max(2, round(height_px * self.aspect()))
        pixels = self.cutout.pixels
        alpha = pixels[..., 3:].astype(np.float32) / 255
        flat = np.dstack([pixels[..., :3] * alpha, pixels[..., 3]]).astype(np.uint8)
        flat = cv2.resize(flat, (columns, rows), interpolation=cv2.INTER_AREA)
        flat = np.dstack([self._coloured(flat), flat[..., 3]])
        if direction != self.cutout.faces:
            flat = np.ascontiguousarray(flat[:, ::-1])
        if self.cutout.kind != "person":
            return [flat]
        return [_stride(flat, pose / POSES) for pose in range(POSES)]

    def _coloured(self, flat: Image) -> Image:
        import cv2

        colours = np.ascontiguousarray(flat[..., :3])
        if self.cutout.kind != "person":
            hsv = cv2.cvtColor(colours, cv2.COLOR_BGR2HSV)
            turned = hsv[..., 0].astype(np.int32) + round(math.degrees(self.hues[0]) / 2)  # OpenCV counts hue to 180
            hsv[..., 0] = turned % 180
            painted: Image = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
            return painted
        lab = cv2.cvtColor(colours, cv2.COLOR_BGR2LAB).astype(np.float32)
        rows = np.linspace(0, 1, len(lab), dtype=np.float32)[:, None]
        covered = flat[..., 3].astype(np.float32) / 255
        upper = np.clip((rows - _HEAD) / 0.03, 0, 1) * np.clip((_HIP + 0.04 - rows) / 0.04, 0, 1) * covered
        lower = np.clip((rows - _HIP) / 0.04, 0, 1) * np.clip((0.93 - rows) / 0.02, 0, 1) * covered
        for part, hue in zip((upper, lower), self.hues, strict=True):
            lab[..., 0] += part * (self.tone * 26 + 8)
            lab[..., 1] += part * 16 * math.cos(hue)
            lab[..., 2] += part * 16 * math.sin(hue)
        dyed: Image = cv2.cvtColor(np.clip(lab, 0, 255).astype(np.uint8), cv2.COLOR_LAB2BGR)
        return dyed


def _stride(flat: Image, phase: float) -> Image:
    """A walker's legs, nearer together in the middle of the half cycle: rows below the hip are drawn in."""
    import cv2

    rows, columns = flat.shape[:2]
    apart = 0.65 + 0.35 * abs(math.cos(math.pi * phase))
    below = np.clip((np.linspace(0, 1, rows, dtype=np.float32) - _HIP) / (1 - _HIP), 0, 1)
    width = 1 - (1 - apart) * below
    weight = flat[int(rows * _HIP), :, 3].astype(np.float32)
    middle = float((weight * np.arange(columns)).sum() / max(1.0, weight.sum()))
    across = middle + (np.arange(columns, dtype=np.float32)[None] - middle) / width[:, None]
    down = np.repeat(np.arange(rows, dtype=np.float32)[:, None], columns, axis=1)
    pose: Image = cv2.remap(flat, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return pose


def read_folder(folder: Path) -> list[Cutout]:
    """Every picture in a folder as a cut-out, in order of file name; the folder's name is the class.

    Raises:
        ConfigError: the folder is not there, has another name, or holds no picture that can be read.
    """
    if folder.name not in CLASSES:
        raise ConfigError(f"scene: folder {folder} must be named after what it holds: {', '.join(CLASSES)}")
    if not folder.is_dir():
        raise ConfigError(f"scene: {folder} is no folder")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    if not files:
        raise ConfigError(f"scene: folder {folder} holds no pictures ({', '.join(sorted(_SUFFIXES))})")
    return [_read(path, folder.name) for path in files]


def _read(path: Path, kind: str) -> Cutout:
    import cv2

    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 3 or pixels.dtype != np.uint8 or min(pixels.shape[:2]) < 8:
        raise ConfigError(f"scene: {path} is no 8-bit colour picture of at least 8x8 pixels")
    if pixels.shape[2] == 3:
        pixels = np.dstack([pixels, _object_mask(pixels)])
    x, y, w, h = cv2.boundingRect((pixels[..., 3] > 127).astype(np.uint8))
    if not w:
        raise ConfigError(f"scene: {path} is transparent all over")
    return Cutout(str(path), kind, pixels[y : y + h, x : x + w], _TALL_M[kind])


def _object_mask(crop: Image) -> Image:
    """What a crop shows, by GrabCut; an ellipse where that finds next to nothing or all of it."""
    import cv2

    height, width = crop.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    inset = (max(1, width // 20), max(1, height // 40))
    inside = (*inset, width - 2 * inset[0], height - 2 * inset[1])
    cv2.setRNGSeed(0)  # GrabCut starts from OpenCV's own generator: the same crop must give the same mask
    cv2.grabCut(crop, mask, inside, np.zeros((1, 65)), np.zeros((1, 65)), 4, cv2.GC_INIT_WITH_RECT)
    alpha = np.where((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD), 255, 0).astype(np.uint8)
    if not 0.25 < np.count_nonzero(alpha) / alpha.size < 0.85:
        alpha[:] = 0
        cv2.ellipse(alpha, (width // 2, height // 2), (width * 9 // 20, height * 49 // 100), 0, 0, 360, 255, -1)
    soft: Image = cv2.GaussianBlur(alpha, (0, 0), 1.0)
    return soft
