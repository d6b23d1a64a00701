"""Pictures that come and yet show nothing: frozen, or a placeholder that is all black or grey."""

from __future__ import annotations

import numpy as np

from vidpipe.core.frame import Image

FROZEN_S = 60.0  # without any change at all: a sensor's noise changes every picture, but a good encoder may hide that
FLAT_S = 10.0
_FLAT = 2.0  # standard deviation in grey levels; a dark night has more, by its noise


class AnomalyDetector:
    """Tells of a picture that is frozen to the last pixel, or shows one grey, for longer than is plausible."""

    def __init__(self, *, frozen_s: float = FROZEN_S, flat_s: float = FLAT_S) -> None:
        self._frozen_s, self._flat_s = frozen_s, flat_s
        self._last: Image | None = None
        self._changed_at = 0.0
        self._flat_since: float | None = None

    def see(self, preview: Image, now: float) -> str:
        """What is wrong with the picture, or "".

        Args:
            preview: uint8 [h, w].
            now: seconds of the monotonic clock.
        """
        import cv2

        if self._last is None or not np.array_equal(preview, self._last):
            self._last, self._changed_at = preview, now
        if float(cv2.meanStdDev(preview)[1][0, 0]) >= _FLAT:
            self._flat_since = None
        elif self._flat_since is None:
            self._flat_since = now
        if self._flat_since is not None and now - self._flat_since >= self._flat_s:
            return "the picture is all of one grey: a placeholder, or a covered lens"
        if now - self._changed_at >= self._frozen_s:
            return f"the picture is frozen: it has not changed at all for {self._frozen_s:g} s"
        return ""
