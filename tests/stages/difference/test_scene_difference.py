"""The difference detector with a learnt scene: empty where nothing is, the last look while it holds, else passed on."""

from __future__ import annotations

import logging
import pickle
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from tests import builders
from tests.stages.conftest import ask, frame, opened
from tests.stages.difference.yard import Yard
from vidpipe.core.answer import Answer, How, nothing
from vidpipe.core.errors import ConfigError
from vidpipe.stages.difference.blocks import Blocks
from vidpipe.stages.difference.difference import Difference
from vidpipe.stages.difference.scene import Scene
from vidpipe.stages.difference.scorer import usual

PLAIN = {"thing": (70, 50), "contrast": 120}  # scores 3.4 against the empty scene
FAINT = {"thing": (70, 50), "contrast": 45}  # 3.0: fog


@pytest.fixture
def yard():
    return Yard()


@pytest.fixture
def scene(yard, tmp_path):
    """The yard, learnt from forty empty pictures; writes scenes with other thresholds, too."""
    image = np.mean([yard.picture() for _ in range(40)], axis=0).astype(np.float32)
    blocks = Blocks(image.shape, 10)
    level = usual(np.array([blocks.residuals(yard.picture(), image, float(image.mean())) for _ in range(40)]))

    def write(empty_below=1.0, same_below=-np.inf, size=(160, 120)):
        path = tmp_path / "scene.npz"
        Scene(size, image, level, np.ones_like(level), empty_below, same_below).save(path)
        return opened(Difference, scene=str(path))

    return write


def measured(seq, *classes):
    return builders.answer("big", *classes, as_of=seq) if classes else Answer(nothing(), How.MEASURED, "big", seq)


def test_the_empty_scene_is_answered_empty(scene, yard):
    answer = ask(scene(), frame(yard.picture(light=0.8), 7))
    assert (answer.how, answer.by, answer.as_of, len(answer.detections)) == (How.EMPTY, "difference", 7, 0)
    assert answer.reason.startswith("empty scene ")


def test_a_thing_is_passed_on_also_while_it_stands_still(scene, yard):
    stage = scene()
    for seq in range(3):
        seen = frame(yard.picture(thing=(70, 50)), seq)
        assert ask(stage, seen) is None
        stage.learn(seen, measured(seq, 0))


def test_the_last_look_holds_while_the_thing_stands_still(scene, yard):
    stage = scene(same_below=1.0)
    seen = frame(yard.picture(thing=(70, 50)), 0)
    assert ask(stage, seen) is None
    stage.learn(seen, measured(0, 0))
    again = ask(stage, frame(yard.picture(thing=(70, 50)), 1))
    assert (again.how, again.as_of, len(again.detections)) == (How.REUSED, 0, 1)
    assert ask(stage, frame(yard.picture(thing=(90, 50)), 2)) is None
    assert ask(stage, frame(yard.picture(), 3)).how is How.EMPTY


def test_it_learns_only_from_looks(scene, yard):
    """An answer that was carried says nothing of this picture; a thing is no part of the empty scene."""
    stage = scene()
    thing = frame(yard.picture(thing=(70, 50)), 0)
    stage.learn(thing, Answer(nothing(), How.EMPTY, "gate", 0))
    stage.learn(thing, measured(0, 0))
    assert ask(stage, frame(yard.picture(thing=(70, 50)), 1)) is None


def test_what_was_found_empty_is_the_empty_scene(scene, yard):
    """Snow has fallen on a car: the big model finds nothing in what looks changed, and soon nobody asks it again."""
    stage = scene()
    asked = 0
    for seq in range(20):
        seen = frame(yard.picture(thing=(70, 50)), seq)
        if ask(stage, seen) is None:
            asked += 1
            stage.learn(seen, measured(seq))
    assert 1 <= asked <= 8


def test_another_camera_is_told_and_nothing_is_answered(scene, caplog):
    stage = scene()
    elsewhere = Yard(5)
    with caplog.at_level(logging.WARNING):
        answers = [ask(stage, frame(elsewhere.picture(), seq)) for seq in range(3)]
    assert answers == [None] * 3
    (said,) = caplog.messages
    assert said.startswith("stream cam: its learnt scene is not used: another view: ")


def test_another_size_is_told_and_nothing_is_answered(scene, yard, caplog):
    stage = scene(size=(640, 480))
    with caplog.at_level(logging.WARNING):
        assert ask(stage, frame(yard.picture())) is None
    assert "pictures of 160x120, learnt on 640x480" in caplog.text


def test_a_camera_that_is_turned_is_told(scene, yard, caplog):
    """Its pictures are unlike the scene, and yet nothing is found in them: it is no longer that scene."""
    stage = scene()
    assert ask(stage, frame(yard.picture(), 0)).how is How.EMPTY
    with caplog.at_level(logging.WARNING):
        for seq in range(1, 8):
            turned = frame(np.roll(yard.picture(), 13 * seq, axis=1), seq)
            assert ask(stage, turned) is None
            stage.learn(turned, measured(seq))
    assert "it shows another view now" in caplog.text
    assert ask(stage, frame(yard.picture(), 9)) is None


def test_snapshot_and_restore(scene, yard):
    """A chair was put there, which the file does not know: the empty scene is known as it looked last, no look is."""
    chair = {"thing": (120, 80), "contrast": 60}
    stage = scene(same_below=1.0)
    for seq in range(10):
        seen = frame(yard.picture(**chair), seq)
        ask(stage, seen)
        stage.learn(seen, measured(seq))
    after = scene(same_below=1.0)
    after.restore(pickle.loads(pickle.dumps(stage.snapshot())))
    answers = [ask(each, frame(yard.picture(**chair), 10)) for each in (stage, after, scene())]
    assert [answer and answer.how for answer in answers] == [How.EMPTY, How.EMPTY, None]
    there = [frame(yard.picture(thing=(70, 50), contrast=120), seq) for seq in (11, 12)]
    assert ask(after, there[0]) is None
    after.learn(there[0], measured(11, 0))
    assert ask(after, there[1]).as_of == 11


def test_a_scene_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"scene .*gone\.npz: there is no such file"):
        opened(Difference, scene=str(tmp_path / "gone.npz"))


def test_hidden_parts_are_no_change(scene, yard):
    """A mask was added after learning: what it hides is black now, and costs a few looks at most."""
    stage = scene()
    hidden = np.zeros((120, 160), bool)
    hidden[:30, :40] = True
    ask_masked = partial(_masked, stage, yard, hidden)
    asked = sum(ask_masked(seq) for seq in range(15))
    assert asked <= 8
    assert not ask_masked(15)


def _masked(stage, yard, hidden, seq):
    """Whether a masked empty picture was passed on; then it is found empty."""
    picture = yard.picture()
    picture[hidden] = 0
    seen = frame(picture, seq)
    seen.hidden = hidden
    if ask(stage, seen) is not None:
        return False
    stage.learn(seen, measured(seq))
    return True


def loosens_at(stage, yard, caplog, *, forced=False):
    """Which audited miss makes it loosen, where one in ten answers is audited and shows a thing in fog; None: none."""
    for audit in range(1, 6):
        for seq in range(10 * audit, 10 * audit + 10):
            seen = frame(yard.picture(**FAINT), seq)
            assert ask(stage, seen).how is How.EMPTY
        stage.learn(seen, replace(measured(seq, 0), audit_of="" if forced else "difference"))
        if "are missed" in caplog.text:
            return audit
    return None


def shows(stage, yard, frames):
    """So many frames with a thing that is plain to see come by."""
    for seq in range(-frames, 0):
        seen = frame(yard.picture(**PLAIN), seq)
        if ask(stage, seen) is None:
            stage.learn(seen, measured(seq, 0))


@pytest.mark.parametrize(("shown", "audit"), [(0, 1), (100, 1), (600, 2), (1500, 4)])
def test_it_loosens_as_soon_as_audits_are_sure_of_too_many_misses(scene, yard, caplog, shown, audit):
    """One miss is little among hundreds of things that were passed on; where nothing else is seen, it is all."""
    stage = scene(empty_below=3.2)
    shows(stage, yard, shown)
    assert loosens_at(stage, yard, caplog) == audit
    assert ask(stage, frame(yard.picture(**FAINT | {"contrast": 50}), 99)) is None


def test_what_the_last_look_answers_is_no_miss(scene, yard, caplog):
    """A car stands before the camera for minutes, and one look is enough."""
    stage = scene(empty_below=3.2, same_below=3.0)
    shows(stage, yard, 600)
    assert loosens_at(stage, yard, caplog) == 2


def test_forced_looks_do_not_loosen_it(scene, yard, caplog):
    """They are no random sample, and what they find is no frame that was passed on."""
    stage = scene(empty_below=3.2)
    assert loosens_at(stage, yard, caplog, forced=True) is None
    assert loosens_at(stage, yard, caplog) == 1


def test_a_later_run_goes_by_what_audits_taught(scene, yard, tmp_path, caplog):
    """It missed the same again after each start. A threshold that is damaged is told and left out."""
    foggy = frame(yard.picture(**FAINT | {"contrast": 50}), 5)
    stage = scene(empty_below=3.2)
    assert ask(stage, foggy).how is How.EMPTY
    assert loosens_at(stage, yard, caplog) is not None
    after = opened(Difference, scene=str(tmp_path / "scene.npz"))
    assert ask(after, foggy) is None
    assert ask(after, frame(yard.picture(), 6)).how is How.EMPTY
    (tmp_path / "scene.loosened.json").write_text("[")
    assert ask(opened(Difference, scene=str(tmp_path / "scene.npz")), foggy).how is How.EMPTY
    assert "scene.loosened.json is damaged or cannot be read (JSONDecodeError): beginning without it" in caplog.text


def test_looks_at_parts_are_no_judge_of_it(scene, yard):
    """The rest of such an answer is the little model's: it makes nothing of a frame that may show something."""
    stage = scene(empty_below=3.2)
    for seq in range(20):
        seen = frame(yard.picture(**PLAIN), seq)
        assert ask(stage, seen) is None
        stage.learn(seen, replace(measured(seq), partial=True))


def test_audits_that_find_nothing_change_nothing(scene, yard):
    stage = scene(empty_below=4.5)
    for seq in range(60):
        seen = frame(yard.picture(), seq)
        assert ask(stage, seen).how is How.EMPTY
        stage.learn(seen, replace(measured(seq), audit_of="difference"))
