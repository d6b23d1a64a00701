"""A transform that keeps only those boxes that stand on the crossing, and tells when somebody is there."""

from dataclasses import replace

from pydantic import Field

from vidpipe import Answer, Frame, Moment, Phase, Polygon, StageConfig, Transform


class CrossingConfig(StageConfig):
    polygon: Polygon = Field(description="corner points (x, y) in parts of width and height")


class Crossing(Transform[CrossingConfig]):
    """Leaves in each result the boxes whose feet (middle of the lower edge) stand inside."""

    Config = CrossingConfig
    since: int | None = None  # the picture from which on somebody has been there

    def apply(self, frame: Frame | None, answer: Answer, moment: Moment) -> Answer:
        import numpy as np
        import supervision as sv

        corners = np.array(self.config.polygon) * (moment.width, moment.height)
        inside = sv.PolygonZone(corners.round().astype(int)).trigger(answer.detections)
        if inside.any() and self.since is None:
            self.since = moment.seq
            self.emit("crossing", moment, id=f"crossing/{self.since}", count=int(inside.sum()))
        elif not inside.any() and self.since is not None:
            self.emit("crossing", moment, phase=Phase.END, id=f"crossing/{self.since}", count=0)
            self.since = None
        return replace(answer, detections=answer.detections[inside])
