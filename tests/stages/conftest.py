"""Frames from arrays, and stages opened as an engine would."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidpipe.cascade.stage import Context, Models, Stage
from vidpipe.core.answer import Answer
from vidpipe.core.frame import Frame
from vidpipe.core.picture import BgrPicture


class NoModels:
    """For stages that use none."""

    def detector(self, name: str, *variant: object) -> Any:
        raise AssertionError(f"asked for detector {name}")

    def embedder(self, name: str) -> Any:
        raise AssertionError(f"asked for embedder {name}")


def opened(
    kind: type[Stage[Any]],
    models: Models | None = None,
    *,
    last: bool = False,
    classes: tuple[str, ...] = (),
    live_streams: tuple[str, ...] = (),
    **config: Any,
) -> Any:
    """A stage with these settings, open; its id is the name of its class in lower case."""
    stage = kind()
    stage.id = kind.__name__.lower()
    stage.config = kind.Config(**config)
    stage.open(Context(stage.id, "cam", models or NoModels(), classes, last, live_streams=live_streams))
    return stage


def grey(level: int = 100, size: tuple[int, int] = (160, 120)) -> NDArray[np.uint8]:
    """An even grey picture [h, w] of (width, height)."""
    return np.full((size[1], size[0]), level, np.uint8)


def frame(luma: NDArray[np.uint8], seq: int = 0, *, pts: float = 0.0, stream: str = "cam", **options: Any) -> Frame:
    """A frame with this luma, to the grey level."""
    return Frame(stream, seq, pts, BgrPicture(np.dstack([luma] * 3)), luma.shape[1], luma.shape[0], **options)


def ask(stage: Any, asked: Frame) -> Answer | None:
    answers: list[Answer | None] = stage.answer([asked])
    (answer,) = answers
    return answer
