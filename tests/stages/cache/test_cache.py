"""A frame like an earlier one has its answer, once experience says that this is right."""

from __future__ import annotations

import logging
from functools import partial

import numpy as np
import pytest
from pydantic import ValidationError

from tests.models.networks import mean_network
from tests.stages.conftest import ask, opened
from tests.stages.track.conftest import found, measured, texture
from vidpipe.core.answer import Answer, How
from vidpipe.core.frame import Frame
from vidpipe.core.picture import BgrPicture
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.library import Library
from vidpipe.stages.cache.cache import Cache

BOX = (40, 80, 80, 160)
cache = partial(opened, Cache, classes=("person", "vehicle"))


def view(kind, seq=0, size=(160, 120), noise=0.0):
    """A frame that shows place number `kind`; blotches are large, as a scene's are."""
    luma = np.kron(texture(kind, 40, 30), np.ones((size[1] // 30, size[0] // 40), np.float32))
    luma = luma + np.random.default_rng(seq).normal(0, noise, luma.shape)
    picture = BgrPicture(np.dstack([np.clip(luma, 0, 255).astype(np.uint8)] * 3))
    return Frame("cam", seq, seq / 10, picture, *size)


def look(stage, frame, *boxes, **columns):
    assert ask(stage, frame) is None
    stage.learn(frame, measured(frame.seq, found(*boxes, **columns)))


def completed(stage, kinds=4, rounds=30):
    """The stage has seen some places often enough to trust what it remembers of them."""
    for seq in range(kinds * rounds):
        frame = view(seq % kinds, seq, noise=2)
        if ask(stage, frame) is None:
            stage.learn(frame, measured(seq, found((10 + 20 * (seq % kinds), 20, 25 + 20 * (seq % kinds), 60))))
    return stage


def test_what_was_seen_before_is_answered():
    stage = completed(cache())
    frame = view(2, 1000, noise=2)
    answer = ask(stage, frame)
    assert (answer.how, answer.by, answer.as_of) == (How.REUSED, "cache", 1000)
    assert answer.reason.startswith("cache entry ")
    np.testing.assert_allclose(answer.detections.xyxy, [[50, 20, 65, 60]], atol=1e-3)
    assert answer.detections.data["class_name"].tolist() == ["person"]
    assert ask(stage, view(99, 1001)) is None


def test_nothing_is_trusted_before_there_is_evidence():
    stage = cache()
    for seq in range(10):
        look(stage, view(1, seq, noise=2), BOX)


def test_frames_alike_with_different_answers_are_never_reused():
    """What is looked for cannot be seen in the key: answers alternate while the picture stays."""
    stage = cache()
    for seq in range(200):
        look(stage, view(1, seq, noise=2), *([BOX] if seq % 2 else []))


def test_streams_of_another_size_share_what_is_known():
    stage = completed(cache())
    answer = ask(stage, view(1, 1000, size=(320, 240), noise=2))
    np.testing.assert_allclose(answer.detections.xyxy, [[60, 40, 90, 120]], atol=1e-3)


@pytest.mark.parametrize(("live", "knows"), [(("cam", "yard"), True), ((), False)])
def test_what_another_stream_has_learnt_is_for_live_streams(live, knows):
    """A recording must be answered alike however its frames and another's happen to follow each other."""
    stage = completed(cache(live_streams=live))
    frame = view(2, 1000, noise=2)
    frame.stream = "yard"
    assert (ask(stage, frame) is not None) == knows


def test_audits_close_what_has_become_wrong():
    stage = completed(cache())
    for seq in range(1000, 1040):
        frame = view(0, seq, noise=2)
        ask(stage, frame)
        stage.learn(frame, measured(seq, found(BOX, BOX, labels=[0, 1])))  # audit or miss: something new stands there
    assert stage.counts["audited"] > stage.counts["agreed"] == 0
    again = completed(cache())
    frame = view(0, 1000, noise=2)
    assert ask(again, frame) is not None
    again.learn(frame, measured(1000, found((10, 20, 25, 60))))
    assert (again.counts["audited"], again.counts["agreed"]) == (1, 1)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(found(BOX), How.TRACKED, "track", 3),
        Answer(found(BOX), How.REUSED, "difference", 3),
        Answer(found(BOX), How.MEASURED, "regions", 5, partial=True),
    ],
)
def test_what_nobody_measured_is_not_learnt(answer):
    stage = cache()
    frame = view(1, 5)
    assert ask(stage, frame) is None
    stage.learn(frame, answer)
    assert stage.counts["added"] == 0


def test_empty_answers_are_answers_too():
    stage = cache()
    for seq in range(60):
        frame = view(1, seq, noise=2)
        if ask(stage, frame) is None:
            stage.learn(frame, measured(seq, found()))
    assert len(ask(stage, view(1, 100)).detections) == 0


def test_blank_frames_and_small_ones_are_passed_on():
    stage = cache()
    for size in [(2, 2), (160, 120)]:
        blank = Frame("cam", 0, 0.0, BgrPicture(np.full((size[1], size[0], 3), 16, np.uint8)), *size)
        assert ask(stage, blank) is None
        stage.learn(blank, measured(0, found()))
    assert stage.counts["added"] == 0


def test_hundreds_of_objects():
    stage = cache()
    corners = np.random.default_rng(0).uniform(0, 100, (400, 2))
    boxes = np.concatenate([corners, corners + 15], axis=1)
    answers = []
    for seq in range(80):
        frame = view(1, seq, noise=1)
        answers.append(ask(stage, frame))
        if answers[-1] is None:
            stage.learn(frame, measured(seq, found(*boxes)))
    assert {len(answer.detections) for answer in answers if answer is not None} == {400}


def test_it_stays_within_its_bound():
    stage = cache(entries=20)
    for seq in range(100):
        look(stage, view(seq, seq), *([BOX] if seq % 2 else []))
    assert stage.counts["added"] - stage.counts["evicted"] <= 20


def test_an_embedder_may_make_the_keys(tmp_path):
    models = Library(
        {"mean": ModelSpec(path=str(mean_network(tmp_path / "mean.onnx")), family="embedder")}, Classes({})
    )
    stage = cache(models=models, model="mean", path=str(tmp_path / "a.cache"))
    colour = np.zeros((60, 80, 3), np.uint8) + np.array([200, 10, 10], np.uint8)
    for seq in range(60):
        frame = Frame("cam", seq, 0.0, BgrPicture(colour), 80, 60)
        if ask(stage, frame) is None:
            stage.learn(frame, measured(seq, found(BOX)))
    assert ask(stage, Frame("cam", 99, 0.0, BgrPicture(colour), 80, 60)).how is How.REUSED
    stage.close()


@pytest.mark.parametrize("spelling", ["feature", "note"])
def test_a_feature_may_be_the_key(spelling):
    stage = cache(**{spelling: "clip"})
    frames = [view(1, seq) for seq in range(60)]
    for frame in frames:
        frame.features["clip"] = np.array([1.0, 2.0, 0.0])
        if ask(stage, frame) is None:
            stage.learn(frame, measured(frame.seq, found(BOX)))
    assert stage.counts["hits"] > 0
    assert ask(stage, view(1, 99)) is None  # without a feature
    frame = view(1, 100)
    frame.features["clip"] = np.ones(5)
    with pytest.raises(Exception, match="has 5 values, before 3"):
        ask(stage, frame)


def test_it_is_kept_from_run_to_run(tmp_path):
    first = completed(cache(path=str(tmp_path / "street.cache")))
    known = first.counts["added"]
    first.close()
    second = cache(path=str(tmp_path / "street.cache"))
    assert ask(second, view(2, 0)) is None  # entries are kept, trust is earned anew
    look(second, view(9, 1), BOX)
    second.close()
    third = cache(path=str(tmp_path / "all.cache"), exchange=True)
    assert third.counts["taken"] == known + 1
    third.close()


def test_damaged_and_foreign_files_are_left_out(tmp_path, caplog):
    path = tmp_path / "street.cache"
    path.write_bytes(b"PK\x03\x04 no cache at all")
    stage = cache(path=str(path))
    assert stage.counts["unreadable"] == 1
    look(stage, view(1, 0), BOX)
    stage.close()
    with caplog.at_level(logging.WARNING):
        other = opened(Cache, classes=("dog",), path=str(path))
    assert "its classes is ['person', 'vehicle'], wanted is ['dog']" in caplog.text
    assert (other.counts["unreadable"], other.counts["lookups"]) == (1, 0)
    other.close()


def test_edges_exchange_through_a_folder(tmp_path):
    first = completed(cache(path=str(tmp_path / "edge1.cache")))
    first.close()
    second = cache(path=str(tmp_path / "edge2.cache"), exchange=True)
    assert second.counts["taken"] == first.counts["added"]
    second.close()


def test_settings_that_contradict():
    wrong = [({"model": "m", "feature": "n"}, "model and feature"), ({"exchange": True}, "needs a path")]
    for settings, message in wrong:
        with pytest.raises(ValidationError, match=message):
            Cache.Config(**settings)
