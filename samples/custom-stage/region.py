"""A stage that keeps only those boxes that stand in a region: on a crossing, before a door, on the rails."""

from collections.abc import Sequence
from dataclasses import replace

from pydantic import Field

from vidpipe import Answer, Frame, Stage, StageConfig
from vidpipe.sources.base import Polygon


class RegionConfig(StageConfig):
    polygon: Polygon = Field(description="corner points (x, y) in parts of width and height")


class Region(Stage[RegionConfig]):
    """Passes every frame on; leaves in its answer the boxes whose feet (middle of the lower edge) stand inside."""

    can_be_last = False
    Config = RegionConfig

    def answer(self, frames: Sequence[Frame]) -> list[Answer | None]:
        return [None] * len(frames)

    def learn(self, frame: Frame, answer: Answer) -> Answer | None:
        import numpy as np
        import supervision as sv

        boxes = answer.detections
        corners = np.array(self.config.polygon) * (frame.width, frame.height)
        inside = sv.PolygonZone(corners.round().astype(int)).trigger(boxes)
        return replace(answer, detections=boxes[inside])
