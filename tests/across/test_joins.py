"""One alarm for one person, end to end on generated walks: ways are learnt by the command from the store of one walk,
and a rule goes by them on another one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.across.walked import looks, stored, walk
from tests.results.store.told import result
from tests.transforms.rules.script import YARD
from vidpipe.across.subjects import AT_ONCE_S, Seen, confused
from vidpipe.cli.commands.across import AcrossOptions, show_graph
from vidpipe.core.errors import ConfigError
from vidpipe.core.event import Event, Phase
from vidpipe.core.ways import Ways
from vidpipe.results.joins import Joins, sighted
from vidpipe.results.records import Result
from vidpipe.testing.walk import Stay, WalkScene, WalkSpec
from vidpipe.transforms.rules.rules import Rules
from vidpipe.transforms.rules.spec import RulesConfig, RuleSpec

SECOND = 10  # results are ten a second in `told`, of which these tests give every tenth


def learnt(folder: Path, hours: float = 6, **walked: float) -> Ways:
    folder.mkdir()
    assert show_graph(AcrossOptions(stored(walk(hours, **walked), folder), json=True), folder / "ways.json") == 0
    return Ways.read(folder / "ways.json")


def shown(scene: WalkScene) -> Iterator[Result]:
    """A result of each camera each second, with all who are there, described: each looks a little otherwise."""
    rng = np.random.default_rng(scene.spec.seed)
    by_camera = {camera: [stay for stay in scene.stays if stay.camera == camera] for camera in scene.cameras}
    for second in range(int(scene.stays[-1].last) + 5):
        for camera in scene.cameras:
            here = [stay for stay in by_camera[camera] if stay.first <= second <= stay.last]
            seen = result(second * SECOND, *["person"] * len(here), stream=camera, ids=[stay.number for stay in here])
            vectors = [(looks(stay.person) - 128).ravel() + rng.normal(0, 12, 36) for stay in here]
            seen.answer.detections.data["embedding"] = np.array(
                [each / np.linalg.norm(each) for each in vectors], np.float32
            ).reshape(len(here), 36)
            seen.answer.detections.xyxy[:] = [400, 100, 420, 200]
            yield seen._replace(size=(640, 480))


def alarms(scene: WalkScene, ways: Ways) -> list[tuple[Stay, Event]]:
    """The event of each stay that was told of."""
    rule = RuleSpec.model_validate({"id": "stays", "kind": "dwell", "zone": "yard", "after_s": 2, "joins": ways})
    streams = {}
    for camera in scene.cameras:
        rules = streams[camera] = Rules()
        rules.id, rules.config = "rules", RulesConfig(rules=[rule], zones={"yard": YARD})
        rules.begin()
    joins, stays = Joins(), {stay.number: stay for stay in scene.stays}
    told = []
    for seen in shown(scene):
        rules = streams[seen.stream]
        rules.apply(None, seen.answer, seen.moment)
        told += joins.join(sighted([seen]), rules.take_events())
    return [(stays[event.data["track_id"]], event) for event in told if event.phase is Phase.BEGIN]


@pytest.mark.long
def test_who_goes_on_by_a_known_way_is_no_alarm_again_and_nobody_else_is_left_out(tmp_path):
    ways = learnt(tmp_path / "before")
    assert {(way.begin, way.end) for way in ways.ways} == {
        ("gate", "yard"),
        ("yard", "shop"),
        ("yard", "gate"),
        ("shop", "yard"),
    }
    scene = walk(2, seed=8)
    told = alarms(scene, ways)
    first = {f"{event.stream}/{event.id}": stay.person for stay, event in told}
    begun = {stay.person: stay.number for stay, _ in reversed(told)}
    again = [stay for stay, _ in told if begun[stay.person] != stay.number]
    joined = [(stay, event.data["joins"]) for stay, event in told if event.data.get("joins")]
    assert all(first[alarm] == stay.person for stay, alarm in joined)
    people = {stay.person for stay, _ in told}
    assert {stay.person for stay, event in told if not event.data.get("joins")} == people
    assert len(joined) >= 0.95 * len(again) > 100


def test_until_it_is_known_that_looks_tell_people_apart_no_ways_are_written(tmp_path):
    store = stored(walk(2), tmp_path)
    with pytest.raises(ConfigError, match="0 of 76 pairs of tracks that were in view at once"):
        show_graph(AcrossOptions(store), tmp_path / "ways.json")
    assert not (tmp_path / "ways.json").exists()


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["gate", "yard"]), st.integers(0, 60), st.integers(1, 30), st.integers(0, 2)),
        max_size=12,
    ),
    st.randoms(),
)
def test_two_who_are_in_view_at_once_are_two_people(stays, chance):
    """As counted pair by pair; on two cameras they must be for longer than somebody may be seen by both."""
    tracks = [
        Seen((1, camera, number), camera, first, first + length, np.eye(3, dtype=np.float32)[clothes])
        for number, (camera, first, length, clothes) in enumerate(stays)
    ]
    expected = Counter[bool]()
    for one, other in combinations(tracks, 2):
        together_s = min(one.last, other.last) - max(one.first, other.first)
        if together_s > (0 if one.camera == other.camera else AT_ONCE_S):
            expected[bool(one.vector @ other.vector)] += 1
    chance.shuffle(tracks)
    assert confused(tracks, 0.5) == (expected.total(), expected[True])


def test_where_nobody_walks_no_ways_are_written(tmp_path):
    store = stored(WalkScene(WalkSpec({"gate": 1.0, "dock": 1.0}, (), 1800.0, 1.0, 5)), tmp_path)
    with pytest.raises(ConfigError, match="of no way enough is known yet"):
        show_graph(AcrossOptions(store), tmp_path / "ways.json")
    assert not (tmp_path / "ways.json").exists()
