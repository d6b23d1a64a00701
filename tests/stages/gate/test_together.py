"""What cameras of a group send each other: whole, signed, small, and refused where it does not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.yaml.load import load
from vidpipe.stages.gate.gate import GateConfig
from vidpipe.stages.gate.ongoing import Aim
from vidpipe.stages.gate.together import MOST_BYTES, Group, Update, average, change
from vidpipe.statistics.tolerance import Seen

KEY = b"sixteen bytes or more of it"


def update(stream="yard", *, level=0.5, visits=10, **other):
    values = {"weights": {"head": np.full((2, 3), level, np.float32)}, "seen": Seen(visits, 0.75, 0.5)}
    fields = {"targets": ("person",), "picture": (72, 96), "architecture": "53x2", "version": 0}
    return Update(stream, **{**fields, **values, **other})


@pytest.fixture
def group(tmp_path):
    return Group(tmp_path / "group", KEY)


def test_what_is_sent_is_received_by_the_others_alone(group):
    size = group.send(update())
    assert 0 < size <= MOST_BYTES
    (found,), refused, read = group.received(update("gate"))
    assert (found.stream, found.version, found.seen, read) == ("yard", 1, Seen(10, 0.75, 0.5), size)
    assert np.array_equal(found.weights["head"], update().weights["head"])
    assert not refused
    assert group.received(update("yard")).updates == []


@pytest.mark.parametrize(("level", "sent"), [(0.5, False), (0.504, False), (0.51, True), (-0.5, True)])
def test_a_gate_that_has_hardly_changed_is_not_sent_again(group, level, sent):
    group.send(update())
    assert (group.send(update(level=level)) > 0) is sent
    assert group.last("yard").version == 1 + sent


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"targets": ()}, "looks for anything, not person"),
        ({"picture": (90, 160)}, "sees pictures of 160 x 90, not 96 x 72"),
        ({"architecture": "80x3"}, "has the network 80x3, not 53x2"),
    ],
)
def test_a_gate_that_does_not_fit_is_refused_with_a_sentence(group, other, why):
    group.send(update(**other))
    received = group.received(update("gate"))
    assert not received.updates
    assert why in received.refused["yard"]


@pytest.mark.parametrize("other", [b"", b"another key of sixteen bytes"])
def test_what_is_not_signed_with_the_key_is_refused(tmp_path, other):
    Group(tmp_path, other).send(update())
    assert "not signed with the key" in Group(tmp_path, KEY).received(update("gate")).refused["yard"]


def test_an_update_under_the_name_of_another_camera_is_refused(group, tmp_path):
    group.send(update())
    (tmp_path / "group" / "yard.update").rename(tmp_path / "group" / "door.update")
    assert group.received(update("gate")).refused == {"door": "it is of stream yard"}


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_damage_anywhere_is_refused_and_harms_no_other(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("group")
    group = Group(folder)
    group.send(update())
    group.send(update("door"))
    path = folder / "yard.update"
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        content[at] ^= data.draw(st.integers(1, 255))
    else:
        del content[at:]
    path.write_bytes(bytes(content))
    received = group.received(update("gate"))
    assert [one.stream for one in received.updates] == ["door"]
    assert list(received.refused) == ["yard"]


@pytest.mark.parametrize("bad", [{"weights": {"head": np.full((2, 3), np.nan, np.float32)}}, {"seen": Seen(3, -1, 0)}])
def test_figures_that_no_training_gives_are_refused(group, bad):
    group.send(update(**bad))
    assert "no training gives" in group.received(update("gate")).refused["yard"]


def test_an_update_that_is_too_large_is_neither_sent_nor_read(group, tmp_path):
    chance = np.random.default_rng(0)
    with pytest.raises(ConfigError, match="more than the 60000"):
        group.send(update(weights={"head": chance.normal(size=MOST_BYTES).astype(np.float32)}))
    (tmp_path / "group").mkdir(exist_ok=True)
    (tmp_path / "group" / "yard.update").write_bytes(bytes(MOST_BYTES + 1))
    assert "more than 60000 bytes" in group.received(update("gate")).refused["yard"]


def test_an_average_is_worth_the_visits_behind_it():
    mean = average([update(level=0.0, visits=30), update("door", level=1.0, visits=10)])
    assert mean["head"] == pytest.approx(0.25)


def test_weights_of_other_shapes_have_changed_without_end():
    assert change(update().weights, {"head": np.zeros(3, np.float32)}) == np.inf


def test_a_key_is_never_told():
    config = GateConfig(weights="gates", learn=True, group="doors", group_key=KEY.decode())
    assert KEY.decode() not in f"{config!r} {config.model_dump_json()}"
    aim = Aim(frozenset(), 0.01, 0.01, 0.25, Path("doors"), KEY)
    assert repr(KEY) not in repr(aim)


def test_a_short_key_is_refused_and_not_told(tmp_path, monkeypatch):
    monkeypatch.setenv("VIDPIPE_TEST_KEY", "short-secret")
    path = tmp_path / "doors.yaml"
    path.write_text(
        "stages:\n"
        "  - {id: gate, type: gate, weights: gates, learn: true, group: doors, group_key: '${env:VIDPIPE_TEST_KEY}'}\n"
        "  - {id: read, type: benchmarks.stages:Nothing}\n"
    )
    with pytest.raises(ConfigError, match="16") as error:
        load(str(path))
    assert "group_key" in str(error.value)
    assert "short-secret" not in str(error.value)


@pytest.mark.parametrize(
    ("given_", "why"),
    [({"group": "g"}, "it needs `learn: true`"), ({"learn": True, "group_key": "k" * 16}, "needs `group`")],
)
def test_settings_that_share_nothing_are_refused(given_, why):
    with pytest.raises(ValueError, match=why):
        GateConfig(weights="gates", **given_)


def test_an_update_tells_its_own_version_only_once_sent(group):
    group.send(replace(update(), version=99))
    assert group.last("yard").version == 1
