"""Which model measured boxes: most answers carry on what was measured before, some answers come late."""

from __future__ import annotations

import pytest

from tests.builders import answer
from vidpipe.core.answer import How
from vidpipe.core.settings import Knobs, ModelName, StageConfig
from vidpipe.runtime.streams.measured import MeasuringModels


class Detects(StageConfig):
    model: ModelName = "yolo"


KNOBS = Knobs(0, {"big": Detects(), "little": Detects(model="nano"), "own": StageConfig()})


def test_what_is_carried_on_has_the_model_of_its_frame() -> None:
    models = MeasuringModels()
    models.note(0, answer("big"), KNOBS)
    models.note(1, answer("track", how=How.TRACKED), KNOBS)
    assert models.of(0) == "yolo"
    models.note(2, answer("little"), KNOBS)
    assert (models.of(0), models.of(2), models.of(1), models.of(-1)) == ("yolo", "nano", None, None)


def test_a_late_answer_is_known_by_its_frame() -> None:
    models = MeasuringModels()
    models.note(7, answer("little"), KNOBS)
    models.note(3, answer("big"), KNOBS)  # it was asked before, and came behind
    assert (models.of(3), models.of(7)) == ("yolo", "nano")


def test_settings_that_change_name_another_model() -> None:
    models = MeasuringModels()
    models.note(0, answer("big"), KNOBS)
    models.note(1, answer("big"), Knobs(1, {"big": Detects(model="other")}))
    assert (models.of(0), models.of(1)) == ("yolo", "other")


@pytest.mark.parametrize("by", ["own", "source"])
def test_a_stage_without_a_model_measures_with_none(by: str) -> None:
    models = MeasuringModels()
    models.note(0, answer(by), KNOBS)
    assert models.of(0) is None


def test_a_scene_that_stays_for_hours_keeps_its_model() -> None:
    """Boxes of one frame are carried on for longer than frames are remembered."""
    models = MeasuringModels()
    models.resume(5, "yolo")
    assert models.of(5) == "yolo"
    for seq in range(6, 3000):
        models.note(seq, answer("big"), KNOBS)
        assert models.of(5) == "yolo"
