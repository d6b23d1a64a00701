"""The difference detector answers while nothing changes, and only with what somebody measured."""

from __future__ import annotations

import pickle
from functools import partial

import cv2
import numpy as np
import pytest

from tests import builders, clips
from tests.stages.conftest import ask, frame, grey, opened
from vidpipe.core.answer import How
from vidpipe.core.errors import ConfigError
from vidpipe.core.frame import Frame
from vidpipe.core.settings import Knobs
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.files.file import FileSource
from vidpipe.stages.difference.difference import Difference

difference = partial(opened, Difference)
MEASURED = builders.answer("big", 0, as_of=0)


def taught(luma=None, **config):
    """A detector that has learnt a picture, even grey unless another is given."""
    stage = difference(**config)
    first = frame(grey() if luma is None else luma)
    assert ask(stage, first) is None  # nothing to go by
    stage.learn(first, MEASURED)
    return stage


def changed(answer):
    """The distance that a `reused` answer gives as its reason."""
    return float(answer.reason.removeprefix("changed ").split(" <= ")[0])


def with_patch(level, rows, columns):
    luma = grey()
    luma[rows, columns] = level
    return luma


@pytest.mark.parametrize(
    ("luma", "mse"),
    [
        (grey(100), 0.0),
        (grey(103), 9.0),
        (with_patch(110, slice(0, 12), slice(0, 16)), 100 * 12 * 16 / (120 * 160)),
        (with_patch(0, slice(0, 1), slice(0, 1)), 100**2 / (120 * 160)),
    ],
)
def test_distance_over_the_whole_frame(luma, mse):
    """Mean of the squared differences in grey levels; the preview of a picture of 160 columns is the picture itself."""
    stage = taught(blocks=1, threshold=1000)
    assert changed(ask(stage, frame(luma, 1))) == pytest.approx(mse, rel=5e-3)


def test_distance_of_the_worst_block():
    """In one of 10 x 10 blocks of 16 x 12 pixels, 48 of 192 pixels are 20 levels brighter: 400 / 4."""
    luma = with_patch(120, slice(24, 30), slice(32, 40))
    for threshold, answered in ((99.9, False), (100.1, True)):
        assert (ask(taught(blocks=10, threshold=threshold), frame(luma, 1)) is not None) == answered


@pytest.mark.parametrize(("threshold", "answered"), [(8.9, False), (9.0, True), (1000, True), (0, False)])
@pytest.mark.parametrize("blocks", [1, 10])
def test_threshold(blocks, threshold, answered):
    answer = ask(taught(blocks=blocks, threshold=threshold), frame(grey(103), 7))
    assert (answer is not None) == answered
    if answer is not None:
        assert (answer.how, answer.by, answer.as_of) == (How.REUSED, "difference", 0)
        assert answer.detections is MEASURED.detections


def test_a_small_object_moves_its_block_not_the_frame():
    """A person of 8 x 12 pixels far off: the whole frame differs less than by noise of two levels."""
    person = frame(with_patch(130, slice(50, 62), slice(70, 78)), 1)
    assert ask(taught(blocks=1, threshold=30), person) is not None
    assert ask(taught(blocks=10, threshold=30), person) is None


@pytest.mark.parametrize("blocks", [1, 3, 7, 10, 64])
def test_nothing_hides_between_blocks(blocks):
    """Wherever one pixel changes, some block has all of its error; also where blocks do not divide the picture."""
    rng = np.random.default_rng(blocks)
    for _ in range(20):
        y, x = rng.integers(120), rng.integers(160)
        luma = with_patch(255, slice(y, y + 1), slice(x, x + 1))
        largest = np.ceil(120 / blocks) * np.ceil(160 / blocks)
        assert ask(taught(blocks=blocks, threshold=0.99 * 155**2 / largest), frame(luma, 1)) is None


def test_it_learns_only_what_was_measured_on_the_frame():
    """An answer that was carried or moved on says nothing of the picture that it was published for."""
    stage = taught(threshold=9)
    moved = frame(grey(120), 1)
    assert ask(stage, moved) is None
    stage.learn(moved, builders.answer("track", 0, how=How.TRACKED, as_of=0))
    assert ask(stage, frame(grey(120), 2)) is None
    assert ask(stage, frame(grey(100), 3)).as_of == 0
    stage.learn(moved, builders.answer("big", 1, as_of=1))
    assert ask(stage, frame(grey(120), 4)).as_of == 1
    assert ask(stage, frame(grey(100), 5)) is None


def test_slow_change_adds_up():
    """Dusk: each frame is near the one before it, but not near the one that was measured."""
    stage = taught(threshold=9)
    answered = [ask(stage, frame(grey(100 - step), step)) is not None for step in range(6)]
    assert answered == [True, True, True, True, False, False]


def test_what_it_keeps_is_its_own():
    """The decoder fills the same memory with the next picture."""
    luma = grey()
    stage = taught(luma, threshold=9)
    luma[:] = 200
    assert ask(stage, frame(grey(), 1)) is not None


def test_another_size_passes_on_and_is_learnt():
    """A camera that changes its resolution: no answer of the old pictures holds."""
    stage = taught(threshold=1000)
    wide = frame(grey(100, (200, 100)), 1)
    assert ask(stage, wide) is None
    stage.learn(wide, builders.answer("big", 1, as_of=1))
    assert ask(stage, frame(grey(100, (200, 100)), 2)).as_of == 1
    assert ask(stage, frame(grey(), 3)) is None


@pytest.mark.parametrize("blocks", [1, 10])
@pytest.mark.parametrize("visible", [1.0, 0.45, 0.05])
def test_hidden_parts_do_not_dilute(visible, blocks):
    """What is hidden is black in both pictures: the distance is that of the visible columns alone."""
    columns = round(160 * visible)
    seen, changed_to = grey(0), grey(0)
    seen[:, :columns], changed_to[:, :columns] = 100, 110
    hidden = np.zeros(seen.shape, bool)
    hidden[:, columns:] = True
    later = frame(changed_to, 1, visible=visible)
    later.hidden = hidden
    # A threshold between: neither the bound over the whole frame nor a diluted error passes for the real one.
    stage = taught(seen, blocks=blocks, threshold=100.5)
    assert changed(ask(stage, later)) == pytest.approx(100, rel=5e-3)


@pytest.mark.parametrize("config", [{}, {"earlier_s": 0.1}])
def test_after_a_restart_the_first_frame_is_looked_at(config):
    """What it compares with are pictures, and no snapshot holds any."""
    stage = taught(threshold=9, **config)
    after = difference(threshold=9, **config)
    after.restore(pickle.loads(pickle.dumps(stage.snapshot())))
    again = frame(grey(), 5, pts=5.0)
    assert ask(after, again) is None
    after.learn(again, builders.answer("big", 0, as_of=5))
    assert ask(after, frame(grey(102), 6, pts=5.1)).as_of == 5


@pytest.fixture
def empty_scene(tmp_path):
    """A picture of the scene with nobody in it, as a file of another size than the stream."""
    cv2.imwrite(str(tmp_path / "empty.png"), grey(100, (320, 240)))
    return str(tmp_path / "empty.png")


def test_a_reference_image_says_that_nothing_is_there(empty_scene):
    stage = difference(reference=empty_scene, threshold=9)
    answer = ask(stage, frame(grey(102)))
    assert (answer.how, answer.as_of, len(answer.detections)) == (How.REUSED, -1, 0)
    person = frame(with_patch(130, slice(50, 62), slice(70, 78)), 1)
    assert ask(stage, person) is None
    stage.learn(person, builders.answer("big", 0, as_of=1))  # nothing is learnt: the scene stays the empty one
    assert ask(stage, frame(person.luma(), 2)) is None
    assert ask(stage, frame(grey(100, (200, 100)), 3)) is not None


def test_a_reference_image_and_a_mask(tmp_path):
    """What the stream hides is black there; the image of the empty scene shows it all the same."""
    clip = clips.encode(tmp_path / "clip.mp4", frames=2)
    cv2.imwrite(str(tmp_path / "empty.png"), clips.scene(0))
    stage = difference(reference=str(tmp_path / "empty.png"), threshold=30)
    mask = [[(0.0, 0.0), (0.6, 0.0), (0.6, 1.0), (0.0, 1.0)]]
    first = next(iter(FileSource("cam", StreamSpec(url=str(clip), mask=mask), knobs=Knobs())))
    assert ask(stage, first) is not None


@pytest.mark.parametrize("content", [None, b"no picture"])
def test_a_reference_image_that_cannot_be_read(tmp_path, content):
    file = tmp_path / "empty.png"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"^reference image .*empty.png: cannot be read as a picture$"):
        difference(reference=str(file))


def test_a_late_answer_does_not_turn_back_the_reference():
    stage = difference(threshold=10)
    early, newer = frame(grey(50), 1), frame(grey(100), 2)
    for seen in (early, newer):
        assert ask(stage, seen) is None
    stage.learn(newer, builders.answer("big", 0, as_of=2))
    stage.learn(early, builders.answer("big", 1, as_of=1))
    assert ask(stage, frame(grey(100), 3)).as_of == 2


def test_against_the_frame_some_seconds_ago():
    """Each frame is held against that of a second ago, whoever answered it, and repeats its answer."""
    stage = difference(earlier_s=1.0, threshold=9)
    for seq in range(10):
        seen = frame(grey(100), seq, pts=seq / 10)
        assert ask(stage, seen) is None, "a second ago there was nothing yet"
        stage.learn(seen, builders.answer("big", 0, as_of=seq))
    repeated = [ask(stage, frame(grey(102), seq, pts=seq / 10)) for seq in range(10, 15)]
    assert [answer.as_of for answer in repeated] == [0, 1, 2, 3, 4]
    assert ask(stage, frame(grey(110), 15, pts=1.5)) is None


def test_change_that_is_slower_than_the_earlier_frame_goes_unnoticed():
    """Dusk: the price of this kind, and what it is good for. The last measured frame would notice in time."""
    stage = difference(earlier_s=0.5, threshold=9)
    passed = []
    for seq in range(60):
        seen = frame(grey(200 - seq // 4), seq, pts=seq / 10)
        if ask(stage, seen) is None:
            passed.append(seq)
            stage.learn(seen, builders.answer("big", 0, as_of=seq))
    assert passed == [0, 1, 2, 3, 4]


def test_after_a_gap_the_earlier_frame_is_forgotten():
    stage = difference(earlier_s=1.0, threshold=9)
    for seq in range(11):
        seen = frame(grey(), seq, pts=seq / 10)
        if ask(stage, seen) is None:
            stage.learn(seen, builders.answer("big", 0, as_of=seq))
    assert ask(stage, frame(grey(), 12, pts=60.0)) is None


def test_off_it_passes_every_frame_on():
    stage = taught(enabled=False)
    assert ask(stage, frame(grey(), 1)) is None


@pytest.mark.parametrize("earlier_s", [None, 0.1])
def test_while_it_is_off_it_makes_no_picture_and_what_it_knew_is_forgotten(earlier_s, monkeypatch):
    stage = taught(earlier_s=earlier_s)
    on, off = stage.config, stage.config.model_copy(update={"enabled": False})
    stage.config = off
    with monkeypatch.context() as patched:
        patched.setattr(Frame, "preview", lambda _: pytest.fail("nobody compares it with anything"))
        unseen = frame(grey(), 1, pts=0.1)
        assert ask(stage, unseen) is None
        stage.learn(unseen, builders.answer("big", 0, as_of=1))
    stage.config = on
    again = frame(grey(), 2, pts=0.2)
    assert ask(stage, again) is None, "what it knew is from before"
    stage.learn(again, builders.answer("big", 0, as_of=2))
    assert ask(stage, frame(grey(), 3, pts=0.3)).as_of == 2


def test_only_one_thing_to_compare_with():
    with pytest.raises(ValueError, match="reference and earlier_s each say what to compare with"):
        difference(reference="empty.png", earlier_s=1.0)


def test_where_the_stream_breaks_off_nothing_is_known():
    """A camera that was away has the same picture, but what happened meanwhile nobody saw."""
    stage = taught()
    assert ask(stage, frame(grey(), 1)) is not None
    anew = frame(grey(), 2, discontinuity=1)
    assert ask(stage, anew) is None
    stage.learn(frame(grey(), 1), builders.answer("big", 0, as_of=1))
    assert ask(stage, frame(grey(), 3, discontinuity=1)) is None, "a late answer from before"
    stage.learn(anew, builders.answer("big", 0, as_of=2))
    assert ask(stage, frame(grey(), 4, discontinuity=1)).as_of == 2
