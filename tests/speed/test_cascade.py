"""What the cascade itself adds to a frame, over calling the stages by hand."""

import cv2
import pytest

from tests import builders
from tests.speed.conftest import fresh, noise
from vidpipe.cascade.cascade import Ticket
from vidpipe.core.answer import Answer, How, nothing


class Passes(builders.Told):
    """Passes every frame on, and keeps nothing."""

    def __init__(self, id):
        super().__init__(id, builders.passes)

    def answer(self, frames):
        return [None] * len(frames)


class Answers(Passes):
    """Answers every frame, with the same answer."""

    known = Answer(nothing(), How.REUSED, "first", 0)

    def answer(self, frames):
        return [self.known] * len(frames)


def _whole_plane(picture):
    luma = picture.luma()
    return lambda: cv2.resize(luma, (160, 120), interpolation=cv2.INTER_AREA)


def test_a_frame_that_the_first_stage_answers(ratio):
    """The cascade's own work on such a frame is a fifth of what reading the frame once costs."""
    picture = noise(768, 576)
    cascade = builders.cascade(Answers("first"), Passes("second"), Answers("last"))
    frame = fresh(picture)

    def go():
        ticket = Ticket(frame)
        cascade.ask([ticket])
        cascade.complete(ticket)

    assert ratio(go, _whole_plane(picture)) < 0.2


@pytest.mark.parametrize("stages", [1, 4, 8])
def test_a_frame_that_passes_stages(ratio, stages):
    """Each stage that is asked and learns adds a bounded share; none is dearer for standing behind others."""
    picture = noise(768, 576)
    cascade = builders.cascade(*[Passes(f"s{i}") for i in range(stages)], Answers("last"))
    frame = fresh(picture)

    def go():
        ticket = Ticket(frame)
        cascade.ask([ticket])
        cascade.complete(ticket)

    assert ratio(go, _whole_plane(picture)) < 0.1 + 0.1 * (stages + 1)
