"""Replaying recorded looks is what a run under the same settings does, frame by frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.tuning.floor.conftest import ALONE, PAIR, looks_of
from vidpipe.core.errors import ConfigError
from vidpipe.runtime.driver.session import Run
from vidpipe.tuning.floor.configuration import CAREFUL, SAFE, Configuration, roles_of
from vidpipe.tuning.floor.decoding import LESS
from vidpipe.tuning.floor.profile import with_settings
from vidpipe.tuning.floor.replay import replay
from vidpipe.tuning.looks import Variant

LITTLE = Configuration(Variant("little"), 0.95)
MASK = "[[[0.335, 0], [0.5, 0], [0.5, 0.5], [0.335, 0.5]]]"  # what is found moves into it and out of it
CONFIGURATIONS = [
    (SAFE, None),
    (CAREFUL, 0.8),
    (CAREFUL, 0.5),
    (replace(SAFE, between_s=0.2), None),
    (replace(SAFE, between_s=0.2), 0.7),
    (replace(CAREFUL, between_s=0.3, step_s=0.0), None),
    (replace(CAREFUL, between_s=0.3, triggers=True), 0.6),
    (replace(SAFE, difference=True), None),
    (replace(CAREFUL, between_s=0.4, triggers=True, difference=True), 0.6),
    (replace(SAFE, motion="codec", between_s=0.3), None),
    (replace(SAFE, motion="codec", between_s=0.3, triggers=True), 0.6),
    (replace(SAFE, motion="auto", between_s=0.3), 0.6),
    (LITTLE, None),
    (replace(LITTLE, motion="flow", between_s=0.3), 0.6),
    (replace(LITTLE, difference=True, between_s=0.2), 0.6),
]


@pytest.mark.long
@pytest.mark.parametrize(
    ("text", "stream"),
    [(PAIR, {"start_s": 1.0, "end_s": 4.0, "mask": MASK}), (ALONE, {"end_s": 1.5})],
    ids=["a part, masked", "one model"],
)
def test_a_replay_is_a_run(made, text, stream):
    """Boxes with identities, who looked, and how often each model did: of every frame, under every configuration."""
    roles = roles_of(made(text, **stream))
    spec = roles.pipeline.streams["cam"].spec
    looks = looks_of(roles)
    asked = [each for each in CONFIGURATIONS if each[0].looker is None or roles.little is not None]
    assert_runs(roles, spec, looks, asked)


@pytest.mark.long
@pytest.mark.parametrize("decoding", LESS, ids=str)
def test_a_replay_is_a_run_where_less_is_decoded(made, decoding):
    roles = roles_of(made(clip="b_frames.mp4"))
    spec = roles.pipeline.streams["cam"].spec.decoded(decoding)
    some = CONFIGURATIONS[LESS.index(decoding) :: len(LESS)]  # each configuration with one decoding
    asked = [(replace(configuration, decoding=decoding), floor) for configuration, floor in some]
    assert_runs(roles, spec, looks_of(roles), asked)


def assert_runs(roles, spec, looks, asked):
    pipeline = roles.pipeline
    replays = replay(pipeline, "cam", spec, looks, [roles.settings(*each) for each in asked])
    for (configuration, floor), replayed in zip(asked, replays, strict=True):
        with Run(with_settings(roles, {"cam": (configuration, floor)}), engine="inline") as run:
            results = list(run)
            report = run.join().report
        said = f"{configuration}, floor {floor}"
        assert len(results) == replayed.series.frames, said
        looked = [result.answer.by in (roles.last, roles.little) for result in results]
        assert looked == replayed.looked.tolist(), said
        boxes = replayed.series.boxes
        for frame, result in enumerate(results):
            own = boxes[boxes.frame == frame]
            found = result.answer.detections
            assert np.array_equal(own.xyxy, np.asarray(found.xyxy, np.float32)), f"{said}: frame {frame}"
            assert own.label.tolist() == np.asarray(found.class_id).tolist(), f"{said}: frame {frame}"
            assert np.array_equal(own.score, np.asarray(found.confidence, np.float32)), f"{said}: frame {frame}"
            named = np.full(len(found), -1) if found.tracker_id is None else found.tracker_id
            assert own.track.tolist() == named.tolist(), f"{said}: frame {frame}"
        made_looks = {name: each["calls"] for name, each in report["models"].items() if each["calls"]}
        assert {variant.model: count for variant, count in replayed.looks.items()} == made_looks, said


def test_a_look_that_nobody_made_is_told(made):
    roles = roles_of(made())
    looks = looks_of(roles)
    del looks[Variant("little")]
    with pytest.raises(ConfigError, match="little was asked, and has not looked at this footage"):
        replay(roles.pipeline, "cam", roles.pipeline.streams["cam"].spec, looks, [roles.settings(LITTLE, None)])
