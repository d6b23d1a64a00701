"""A motion gate as Frigate has it: the detector looks where the picture differs from a running average of itself.

The mechanism is that of Frigate's `ImprovedMotionDetector` (github.com/blakeblackshear/frigate,
frigate/motion/improved_motion.py), its settings and their defaults those of frigate/config/camera/motion.py and of
docs.frigate.video/configuration/motion_detection, as of Frigate 0.16. For each frame at the detect rate (5 a second):

1. the luma plane is scaled down to 100 rows, nearest pixel;
2. contrast is stretched: what lies between the 4th and the 96th percentile, both averaged over 50 frames, becomes
   0..255;
3. hidden parts become 0, and a 3 x 3 Gaussian of sigma 1 blurs the rest;
4. pixels that differ from the running average by more than 30 are changed; they are dilated by 3 x 3 and joined to
   contours, and a contour of more than 10 pixels is motion;
5. the frame is averaged in with weight 0.01; while there is motion, only from its tenth frame in a row on;
6. the gate calibrates itself at the start and after a change of more than 80 % of the picture (lightning, a switch to
   infrared): it averages with weight 0.2 until less than 5 % has changed, in at most 4 places, and motion counts for
   nothing meanwhile.

`skip_motion_threshold`, off unless set, and `delta_alpha`, which that detector does not read, are left out. Frigate
begins the 50 frames of step 2 as 0 and 255, and for ten seconds sees its own stretching as motion; here they begin as
the first frame's, for a clip of a camera that has long been running must not be judged by that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vidpipe.cascade.stage import Context, Stage
from vidpipe.core.answer import Answer, How
from vidpipe.core.frame import Frame, Image
from vidpipe.core.settings import StageConfig

DETECT_FPS = 5.0
"""Frames a second that Frigate looks for motion and objects in."""

NOTE = (
    "Frigate's motion detection with its default settings, at 5 frames a second. It differs from Frigate in that the "
    "detector sees the whole frame, not crops around motion and tracked objects; that objects which stand still are "
    "not looked at again; that after a change of light, when motion counts for nothing, it looks on while the last "
    "answer has objects, for Frigate would follow them; and that until the gate has calibrated itself for the first "
    "time (4 seconds, in a busy scene much more) all 5 frames a second go to the detector."
)

_PERCENTILES = (4, 96)
_CONTRASTS = 50  # frames that the percentiles are averaged over
_PERSISTENT = 10  # frames of motion in a row from which it is averaged in
_CALIBRATING_ALPHA = 0.2
_CALIBRATED_SHARE = 0.05
_CALIBRATED_PLACES = 4


class MotionGateConfig(StageConfig):
    """Names, bounds and defaults are Frigate's."""

    threshold: int = Field(default=30, ge=1, le=255, description="grey levels from which on a pixel has changed")
    contour_area: int = Field(default=10, ge=0, description="pixels that a changed place must exceed to be motion")
    lightning_threshold: float = Field(
        default=0.8, ge=0.3, le=1, description="share of the picture whose change is taken for a change of light"
    )
    improve_contrast: bool = Field(default=True, description="stretch contrast before comparing")
    frame_alpha: float = Field(default=0.01, gt=0, le=1, description="weight of a frame in the running average")
    frame_height: int = Field(default=100, ge=10, description="rows that motion is looked for in")


class MotionGate(Stage[MotionGateConfig]):
    """Passes a frame on where there is motion; otherwise the last answer learnt is `reused`.

    `NOTE` says what it does while it calibrates itself. A camera in service has done so long ago: the first seconds of
    a clip must not count against it.
    """

    can_be_last = False
    Config = MotionGateConfig

    def open(self, context: Context) -> None:
        self._motion: Motion | None = None
        self._known: Answer | None = None
        self._calibrated = False

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        (frame,) = frames
        luma = frame.luma()
        if self._motion is None or self._motion.source != luma.shape:
            self._motion = Motion(self.config, luma.shape, frame.hidden)
        moved, blind = self._motion.seen(luma), self._motion.calibrating
        self._calibrated = self._calibrated or not blind
        known = self._known
        if moved or known is None or not self._calibrated or (blind and len(known.detections)):
            return [None]
        return [Answer(known.detections, How.REUSED, self.id, known.as_of, "change of light" if blind else "no motion")]

    def learn(self, frame: Frame, answer: Answer) -> None:
        if answer.as_of == frame.seq:
            self._known = answer


class Motion:
    """Looks for motion in pictures of one size; see the module for how.

    Args:
        source: (rows, columns) of the luma planes to come.
        hidden: bool of that shape, what is left out; None: nothing.

    Attributes:
        calibrating: motion counts for nothing at present.
    """

    def __init__(self, config: MotionGateConfig, source: tuple[int, ...], hidden: NDArray[np.bool_] | None) -> None:
        self.source = source
        self.calibrating = True
        self._config = config
        self._shape = config.frame_height, max(1, config.frame_height * source[1] // source[0])
        self._hidden = None if hidden is None else self._small(hidden.astype(np.uint8)).astype(bool)
        self._average = np.zeros(self._shape, np.float32)
        self._contrasts: NDArray[np.float64] | None = None
        self._contrast_at = 0
        self._moving_frames = 0

    def seen(self, luma: Image) -> bool:
        """Whether something moves in the next picture, uint8 [rows, columns]."""
        picture = self._prepared(luma)
        places, share = self._changed(picture)
        if share > self._config.lightning_threshold:
            self.calibrating = True
        elif share < _CALIBRATED_SHARE and places <= _CALIBRATED_PLACES:
            self.calibrating = False
        self._learn(picture, moving=places > 0)
        return places > 0 and not self.calibrating

    def _prepared(self, luma: Image) -> Image:
        import cv2

        picture = self._small(luma)
        if self._config.improve_contrast:
            picture = self._stretched(picture)
        if self._hidden is not None:
            picture = np.where(self._hidden, np.uint8(0), picture)
        return np.asarray(cv2.GaussianBlur(picture, (3, 3), 1), np.uint8)

    def _small(self, plane: Image) -> Image:
        import cv2

        return np.asarray(cv2.resize(plane, self._shape[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)

    def _stretched(self, picture: Image) -> Image:
        shown = picture if self._hidden is None else picture[~self._hidden]
        low, high = np.percentile(shown, _PERCENTILES).astype(np.uint8) if shown.size else (0, 0)
        if low >= high:  # of one grey: nothing to stretch
            return picture
        if self._contrasts is None:
            self._contrasts = np.tile(np.array([low, high], np.float64), (_CONTRASTS, 1))
        self._contrasts[self._contrast_at] = low, high
        self._contrast_at = (self._contrast_at + 1) % _CONTRASTS
        least, most = self._contrasts.mean(axis=0)
        grey = np.arange(256)
        table = ((np.clip(grey, least, most) - least) / (most - least) * 255).astype(np.uint8)
        stretched: Image = table[picture]
        return stretched

    def _changed(self, picture: Image) -> tuple[int, float]:
        """Places in which something moves, and the share of the picture that all changed places cover."""
        import cv2

        difference = cv2.absdiff(picture, cv2.convertScaleAbs(self._average))
        _, changed = cv2.threshold(difference, self._config.threshold, 255, cv2.THRESH_BINARY)
        changed = cv2.dilate(changed, np.ones((3, 3), np.uint8))
        contours, _ = cv2.findContours(changed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        areas = [cv2.contourArea(contour) for contour in contours]
        return sum(area > self._config.contour_area for area in areas), sum(areas) / picture.size

    def _learn(self, picture: Image, *, moving: bool) -> None:
        import cv2

        self._moving_frames = self._moving_frames + 1 if moving else 0
        if not moving or self._moving_frames >= _PERSISTENT:
            alpha = _CALIBRATING_ALPHA if self.calibrating else self._config.frame_alpha
            cv2.accumulateWeighted(picture, self._average, alpha)
