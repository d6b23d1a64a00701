"""How large the pictures are that cross a link."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knobs, StageConfig
from vidpipe.models.letterbox import NetworkInput, enough
from vidpipe.pipeline.plan import Link
from vidpipe.pipeline.spec import LinkSpec

_NO_KNOBS = Knobs()


def scaled(size: tuple[int, int], spec: LinkSpec) -> tuple[int, int]:
    """A picture's (width, height) beyond a link of that width."""
    if spec.codec == "raw" or spec.width is None or size[0] <= spec.width:
        return size
    return spec.width, max(1, round(size[1] * spec.width / size[0]))


def own_size(frame: Frame, spec: LinkSpec) -> tuple[int, int]:
    """(width, height) of the frame's picture as it is packed."""
    height, width = frame.luma().shape if spec.codec == "raw" else frame.bgr().shape[:2]
    return width, height


def picture_size(
    frame: Frame, link: Link, spec: LinkSpec, shadowed: Mapping[str, Sequence[StageConfig]] | None = None
) -> tuple[int, int]:
    """(width, height) of the frame's picture beyond a link: enough for all networks that it may come to there, where
    the link goes by these, and no wider than asked.

    Args:
        spec: of the link, or of one of its rungs.
        shadowed: only these stages look at it, by id, with these settings; None: all below, with the frame's own.
    """
    own = own_size(frame, spec)
    networks = networks_behind(link, frame.knobs, shadowed)
    return scaled(enough(own, networks) if networks else own, spec)


def networks_behind(
    link: Link, knobs: Knobs = _NO_KNOBS, shadowed: Mapping[str, Sequence[StageConfig]] | None = None
) -> Sequence[NetworkInput]:
    """All that a picture may come to behind a link that goes by them; none where a stage needs it as it is."""
    networks: list[NetworkInput] = []
    for stage in link.below if link.inputs is not None else ():
        own = [knobs.stages.get(stage.id, stage.config)]
        for config in own if shadowed is None else shadowed.get(stage.id, ()):
            if link.inputs is None or (seen := stage.type.sees(config, link.inputs)) is None:
                return ()
            networks += seen
    return networks
