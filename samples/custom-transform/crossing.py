"""A transform that keeps only those boxes that stand on the crossing, and tells when somebody is there."""

from dataclasses import replace

from pydantic import Field

from vidpipe import Answer, Frame, Moment, Phase, StageConfig, Transform
from vidpipe.sources.base import Polygon


class CrossingConfig(StageConfig):
    polygon: Polygon = Field(description="corner points (x, y) in parts of width and height")


class Crossing(Transform[CrossingConfig]):
    """Leaves in each result the boxes whose feet (middle of the lower edge) stand inside."""

    Config = CrossingConfig
    busy = False

    def apply(self, frame: Frame | None, answer: Answer, moment: Moment) -> Answer:
        import numpy as np
        import supervision as sv

        corners = np.array(self.config.polygon) * (moment.width, moment.height)
        inside = sv.PolygonZone(corners.round().astype(int)).trigger(answer.detections)
        if inside.any() != self.busy:
            self.busy = bool(inside.any())
            self.emit("crossing", moment, phase=Phase.BEGIN if self.busy else Phase.END, count=int(inside.sum()))
        return replace(answer, detections=answer.detections[inside])
