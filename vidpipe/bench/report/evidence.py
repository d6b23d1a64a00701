"""What the page of a bench draws beyond figures: the answers themselves, and where the pictures are."""

from __future__ import annotations

from dataclasses import dataclass

from vidpipe.accuracy.series import Answers, Series
from vidpipe.sources.base import StreamSpec


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Of one clip's scored part; both series have the same frames.

    Attributes:
        stream: to decode its pictures again; as the scored runs had it, so that frames are numbered alike.
        truth: the reference, with the boxes that it is sure of.
        published: the pipeline's answers.
        stages: ids, in the cascade's order.
    """

    stream: StreamSpec
    truth: Series
    published: Answers
    stages: tuple[str, ...]
