"""Pictures that may not leave their device: held where they could leave, whatever a pipeline was made by."""

from __future__ import annotations

from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.plan import Plan
from vidpipe.pipeline.spec import Tier


def stays(plan: Plan, stream: str) -> bool:
    """Whether nothing of this stream's pictures may leave the device."""
    return plan.pipeline.streams[stream].spec.leaves_device == "never"


def check_stages(plan: Plan, stream: str) -> None:
    """Raises ConfigError where a stage elsewhere would get pictures of a stream that stays; to be asked before any."""
    if not stays(plan, stream) or plan.way_out is not None:  # the link to a server keeps them back itself
        return
    for segment in plan.segments:
        if segment.tier is not Tier.DEVICE:
            raise ConfigError(
                f"stream {stream} says leaves_device: never, but stage {segment.stages[0].id} on {segment.tier.value} "
                "is sent its pictures: put it on device"
            )


def check_pictures(plan: Plan) -> None:
    """Raises ConfigError where results bring pictures of a stream that stays to another machine."""
    for stream in plan.pipeline.streams if plan.pictures else ():
        if stays(plan, stream):
            raise ConfigError(
                f"stream {stream} says leaves_device: never, and results with pictures would bring them here: leave "
                "pictures=True out"
            )
