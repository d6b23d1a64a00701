"""Keeps those boxes that stand in a part of the picture: on a crossing, before a door, on the rails.

A stream's `regions` black out the rest of the picture for every stage, and with it half of whoever stands on the edge.
Here detectors see everybody whole, and the place where a box stands decides.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vidpipe.core.answer import Answer
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knob, StageConfig
from vidpipe.sources.base import Polygon
from vidpipe.transforms.base import Moment, Transform

if TYPE_CHECKING:
    import supervision as sv

ANCHORS = {"feet": (0.5, 1.0), "centre": (0.5, 0.5)}
"""Points of a box that tell where it stands, in parts of its width and height from its upper left corner."""


class RegionConfig(StageConfig):
    polygon: Polygon = Knob(..., description="corner points (x, y) in parts of width and height")
    anchor: Literal["feet", "centre"] = Field(
        default="feet", description="the point of a box that must lie inside: middle of the lower edge, or centre"
    )


class Region(Transform[RegionConfig]):
    """Leaves in each result the boxes that stand inside the polygon."""

    needs_frame = False
    Config = RegionConfig

    def apply(self, frame: Frame | None, answer: Answer, moment: Moment) -> Answer | None:
        boxes = answer.detections
        if not len(boxes):
            return None
        inside = self._inside(boxes.xyxy, (moment.width, moment.height))
        return None if inside.all() else replace(answer, detections=cast("sv.Detections", boxes[inside]))

    def _inside(self, xyxy: NDArray[np.number], size: tuple[int, int]) -> NDArray[np.bool_]:
        import cv2

        corners = (np.array(self.config.polygon) * size).astype(np.float32)
        points = xyxy[:, :2] + (xyxy[:, 2:] - xyxy[:, :2]) * ANCHORS[self.config.anchor]
        return np.array([cv2.pointPolygonTest(corners, (float(x), float(y)), False) >= 0 for x, y in points])
