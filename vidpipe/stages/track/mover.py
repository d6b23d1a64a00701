"""What moves the boxes of one stream at the moment, and the vectors that wait to move them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vidpipe.core.frame import Frame
from vidpipe.core.motion import Motion
from vidpipe.stages.track.choice import Choice
from vidpipe.stages.track.codec import Gathered
from vidpipe.stages.track.seen import By, Means
from vidpipe.stages.track.tracks import Tracks


class Mover:
    """Flow or vectors: what the settings say, as far as frames have vectors; with `auto`, what looks have proven.

    Attributes:
        tries: whether vectors move boxes as well until the next look, on trial, while flow does.
        lacks_vectors: whether the newest frame has none and should.
    """

    def __init__(self) -> None:
        self.tries = False
        self.lacks_vectors = False
        self._setting: By = "held"
        self._chosen: Means = "flow"
        self._gathered = Gathered()

    @property
    def by(self) -> Means:
        """What moves boxes to the newest frame and on from it: also flow where the codec should, and tells nothing."""
        if self.lacks_vectors:
            return "flow"
        return self._chosen if self._setting == "auto" else self._setting

    @property
    def has_vectors(self) -> bool:
        """Whether the newest frame has vectors, and somebody goes by them."""
        return self._wants_vectors and not self.lacks_vectors

    @property
    def _wants_vectors(self) -> bool:
        return self.by in ("codec", "both") or self.tries

    def meet(self, frame: Frame, setting: By) -> None:
        """A frame has come, under this setting."""
        self._setting, self.lacks_vectors = setting, False
        self.tries = self.tries and setting == "auto"
        self.lacks_vectors = self._wants_vectors and frame.motion() is None

    def gather(self, frame: Frame, seconds: float) -> None:
        """The vectors of the frame that was met, so long after the one before, move boxes at the next step."""
        if self.has_vectors and (motion := frame.motion()) is not None:
            self._gathered.add(motion, seconds)

    def is_far(self, velocity: NDArray[np.float32]) -> bool:
        """Whether boxes [n, 2] that move so fast must take a step now, or the gathered vectors are not theirs."""
        return self.has_vectors and self._gathered.is_far(velocity)

    def take(self) -> Motion | None:
        """What was gathered; where flow goes on as well, since what was before a step is no part of the next."""
        motion = self._gathered.take()
        return motion if self.has_vectors else None

    def choose(self, choice: Choice, old: int, boxes: int) -> None:
        """Settle what moves boxes until the next look.

        Args:
            old: frames that they will be about as old as by then.
            boxes: how many were known until now: where there are none nothing can be tried.
        """
        self.tries = self._setting == "auto" and boxes > 0 and choice.tries(old)
        self._chosen = "flow" if self.tries else choice.means(old)

    def needs_picture(self, tracks: Tracks) -> bool:
        """Whether points are followed to the newest frame, or on from it."""
        return self.by == "flow" or (self.by == "both" and bool(tracks.disunited.any()))
