"""Leaving out what lies in hidden parts of a picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from vidpipe.core.answer import Answer
from vidpipe.core.frame import Frame
from vidpipe.sources.view import View


def hiding(view: View) -> Callable[[Answer, Frame], Answer]:
    """What leaves boxes out of an answer to a frame that this view hides."""
    return partial(_hide, view)


def _hide(view: View, answer: Answer, frame: Frame) -> Answer:
    left = view.without_hidden(answer.detections, frame.width, frame.height)
    return answer if left is answer.detections else replace(answer, detections=left)
