"""Examples come back as they went in, in order of time, and never grow beyond their bound."""

from __future__ import annotations

import stat

import numpy as np
import pytest
import supervision as sv

from tests.stages.gate import yard
from vidpipe.core.errors import ConfigError
from vidpipe.core.frame import Frame
from vidpipe.core.picture import BgrPicture
from vidpipe.stages.gate.examples import Collector, Examples, join


def _same(one: Examples, other: Examples) -> bool:
    names = [name for name in Examples.__slots__ if name not in ("stream", "size", "classes")]
    heads = [(each.stream, each.size, each.classes) for each in (one, other)]
    return heads[0] == heads[1] and all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def test_a_file_holds_all_of_them_and_is_for_the_owner_alone(tmp_path):
    examples = yard.examples(20)
    examples.save(tmp_path / "examples.npz")
    assert _same(Examples.load(tmp_path / "examples.npz"), examples)
    assert stat.S_IMODE((tmp_path / "examples.npz").stat().st_mode) == 0o600


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-200], lambda data: b"no archive at all"])
def test_a_damaged_file_is_told(tmp_path, damage):
    file = tmp_path / "examples.npz"
    yard.examples(5).save(file)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ConfigError, match=r"^examples .*examples.npz: damaged or cannot be read"):
        Examples.load(file)


def test_what_is_shown_by_class():
    examples = yard.examples(20)
    there = np.array([yard.picture(seq)[1] for seq in examples.seq])
    assert there.any()
    assert not there.all()
    np.testing.assert_array_equal(examples.shows(["person"]), there)
    np.testing.assert_array_equal(examples.shows([]), there)
    assert not examples.shows(["vehicle"]).any()


def test_a_class_that_nobody_knows():
    with pytest.raises(ConfigError, match=r"^there is no class 'persn' among the examples; nearest: person$"):
        yard.examples(5).shows(["persn"])


def test_rows_keep_what_was_seen_in_them():
    examples = yard.examples(30)
    rows = np.flatnonzero(examples.shows([]))[::2]
    taken = examples.take(rows)
    np.testing.assert_array_equal(taken.seq, examples.seq[rows])
    assert taken.shows(["person"]).all()


def test_without_classes_it_is_known_whether_there_is_anything():
    """A pipeline that lists no classes has those of its model, which only the model knows."""
    collector = Collector("yard", ())
    truth = []
    for frame, there in yard.footage(20):
        collector.add(frame, yard.seen(there))
        truth.append(there)
    assert any(truth)
    assert collector.examples().shows([]).tolist() == truth


def test_thinned_examples_stand_for_all():
    """The rare kind stays whole, and the weights say how many frames each example stands for."""
    examples = yard.examples(120)
    shown = examples.shows([])
    thinned = examples.thinned(240)
    assert len(thinned) == 240
    assert thinned.shows([]).sum() == shown.sum()
    assert thinned.weight[~thinned.shows([])].sum() == pytest.approx((~shown).sum())
    assert thinned.weight.sum() == pytest.approx(len(examples))
    assert np.ptp(thinned.pts) > 0.95 * np.ptp(examples.pts)


def test_a_collector_is_bounded():
    collector = Collector("yard", yard.CLASSES, most=50)
    for frame, there in yard.footage(60):
        collector.add(frame, yard.seen(there))
        assert len(collector) < 100
    assert len(collector.examples()) == 50


def test_late_answers_are_sorted_in():
    frames = dict(enumerate(yard.footage(3)))
    in_order, late = Collector("yard", yard.CLASSES), Collector("yard", yard.CLASSES)
    for index in range(12):
        in_order.add(frames[index][0], yard.seen(frames[index][1]))
    for index in (0, 3, 1, 2, *range(11, 3, -1)):
        late.add(frames[index][0], yard.seen(frames[index][1]))
    assert _same(late.examples(), in_order.examples())


def test_joined_examples_are_in_order_of_time():
    examples = yard.examples(40)
    even, odd = (examples.take(np.arange(first, len(examples), 2)) for first in (0, 1))
    assert _same(join([odd, even]), examples)


def test_a_camera_that_changes_its_size_is_told():
    collector = Collector("yard", yard.CLASSES)
    collector.add(next(yard.footage(1))[0], yard.seen(False))
    other = Frame("yard", 1, 1.0, BgrPicture(np.zeros((40, 40, 3), np.uint8)), 40, 40)
    with pytest.raises(ConfigError, match=r"^stream yard: its pictures were \(96, 72\), and are \(40, 40\) now$"):
        collector.add(other, sv.Detections.empty())


def test_nothing_was_looked_at():
    with pytest.raises(ConfigError, match=r"^stream yard: no frame was looked at: there is nothing to learn from$"):
        Collector("yard", yard.CLASSES).examples()
