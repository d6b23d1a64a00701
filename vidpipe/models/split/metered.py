"""Halves of a detector that count what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vidpipe.core.frame import Image
from vidpipe.models.meter import Meter
from vidpipe.models.split.coding import Features
from vidpipe.models.split.halves import Head, Tail

if TYPE_CHECKING:
    import supervision as sv


class MeteredHead:
    """A `Head` that counts its cost in `meter`."""

    def __init__(self, head: Head, meter: Meter) -> None:
        self._head = head
        self.meter = meter

    def features(self, image: Image, bits: int) -> Features:
        """See `Head.features`."""
        with self.meter.measure(1):
            return self._head.features(image, bits)


class MeteredTail:
    """A `Tail` that counts its cost in `meter`."""

    def __init__(self, tail: Tail, meter: Meter) -> None:
        self._tail = tail
        self.meter = meter

    def detect(self, features: Features, size: tuple[int, int], floor: float | None = None) -> sv.Detections:
        """See `Tail.detect`."""
        with self.meter.measure(1):
            return self._tail.detect(features, size, floor)
