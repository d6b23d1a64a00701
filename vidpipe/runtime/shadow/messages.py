"""What goes to the process that answers shadow asks, and comes from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vidpipe.models.base import Classes, ModelSpec
from vidpipe.pipeline.spec import PlacedStage
from vidpipe.runtime.shadow.ask import Reply, ShadowAsk
from vidpipe.runtime.transport import codec
from vidpipe.sources.view import View


class Setup(NamedTuple):
    """What the process has to know of the pipeline; nothing of its streams, whose addresses may be secret."""

    models: Mapping[str, ModelSpec]
    classes: Classes
    search_paths: Sequence[str]
    stages: Sequence[PlacedStage]


class Question(NamedTuple):
    """A frame, what it hides, and the variants that are asked of it."""

    frame: codec.PackedFrame
    view: View | None
    asks: Sequence[ShadowAsk]


class Replies(NamedTuple):
    """What came of a question.

    Attributes:
        cpu_ns: that the process has used since it began.
    """

    replies: Sequence[Reply]
    cpu_ns: int
