"""The scripted source plays its list to the letter."""

import numpy as np
import pytest

from vidpipe.core.answer import How
from vidpipe.core.frame import Frame, Image, Missing
from vidpipe.sources.base import Resume
from vidpipe.testing.source import ScriptedSource


def picture(value: int) -> Image:
    return np.full((4, 6, 3), value, np.uint8)


DAMAGED = Missing("", 0, 0.0, How.DROPPED, "damaged")


def test_pictures_and_gaps_are_numbered_and_timed() -> None:
    source = ScriptedSource([picture(1), DAMAGED, (0.5, picture(2)), picture(3)], name="gate", fps=10)
    played = [(item.stream, item.seq, round(item.pts, 3), type(item)) for item in source]
    assert played == [
        ("gate", 0, 0.0, Frame),
        ("gate", 1, 0.1, Missing),
        ("gate", 2, 0.5, Frame),
        ("gate", 3, 0.6, Frame),
    ]
    assert (source.info.width, source.info.height, source.info.frames) == (6, 4, 4)


def test_an_exception_is_raised_where_it_stands() -> None:
    playing = iter(ScriptedSource([picture(1), OSError("cable"), picture(2)]))
    assert next(playing).seq == 0
    with pytest.raises(OSError, match="cable"):
        next(playing)


def test_closing_ends_the_iteration() -> None:
    source = ScriptedSource([picture(1), picture(2)])
    seen = []
    for frame in source:
        seen.append(frame.seq)
        source.close()
    assert seen == [0]


def test_it_goes_on_behind_a_picture() -> None:
    steps = [picture(1), OSError("seen before"), picture(2), picture(3)]
    assert [item.seq for item in ScriptedSource(steps, resume=Resume(1, 0.04))] == [2]
