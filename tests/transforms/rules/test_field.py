"""What goes wrong with zones and lines in the field, a test each. Positions are of the middle of the lower edge."""

from __future__ import annotations

import pickle
import random

import pytest

from tests.transforms.rules.script import CROSS, DOOR, ENTER, YARD, alone, kinds, rules, script, seen, tell, way
from vidpipe.core.event import Phase
from vidpipe.transforms.rules.engine import Engine

LEFT, LINE, RIGHT = (0.3, 0.6), (0.5, 0.6), (0.7, 0.6)
GONE = [{}] * 30  # three seconds in which nobody is seen


def test_an_object_that_sits_on_the_line_and_flickers_crosses_once_it_leaves() -> None:
    random.seed(1)
    flicker = [(0.5 + random.choice((-0.004, 0.004)), 0.6) for _ in range(300)]
    there = alone(1, [*way(LEFT, LINE), *flicker, *way(LINE, RIGHT)])
    assert kinds(tell(rules(CROSS), script([*there, *GONE]))) == ["line.cross in"]
    back = alone(1, [*way(LEFT, LINE), *flicker, *way(LINE, LEFT)])
    assert tell(rules(CROSS), script([*back, *GONE])) == []


def test_unconfirmed_ids_neither_enter_nor_cross() -> None:
    config = rules(CROSS, ENTER)
    without = alone(None, way(LEFT, RIGHT))
    assert tell(config, script([*without, *GONE])) == []
    shared = alone(-1, way(LEFT, RIGHT))
    assert tell(config, script([*shared, *GONE])) == []
    once = [{7: RIGHT}]  # a box that one look has found, and the next one has not
    assert tell(config, script([*once * 3, *GONE], as_of=0)) == []


def test_ids_that_are_reused_across_classes_are_two_objects() -> None:
    results = []
    for seq, (x, y) in enumerate(way(LEFT, RIGHT)):
        person = seen(seq, {1: (x, y)})
        car = seen(seq, {1: (1 - x, 0.9)}, name="car")
        results.append(
            person._replace(
                **{name: getattr(person, name) + getattr(car, name) for name in ("boxes", "scores", "classes", "ids")}
            )
        )
    told = tell(rules(CROSS), [*results, *script(GONE)[1:]])
    assert sorted((each.data["class"], each.data["direction"]) for each in told) == [("car", "out"), ("person", "in")]


@pytest.mark.parametrize("at", [0.44, 0.48, 0.5, 0.52, 0.56])
def test_an_id_that_is_switched_on_the_line_crosses_once(at: float) -> None:
    steps = [{1 if x < at else 2: (x, y)} for x, y in way(LEFT, RIGHT)]
    told = tell(rules(CROSS), script([*steps, *GONE]))
    assert kinds(told) == ["line.cross in"]
    assert told[0].data["track_id"] == 1


def test_an_id_that_is_lost_for_a_moment_on_the_line_crosses_once() -> None:
    points = way(LEFT, RIGHT)
    steps = [{} if 0.46 < x < 0.54 else {1 if x < 0.5 else 2: (x, y)} for x, y in points]
    assert kinds(tell(rules(CROSS), script([*steps, *GONE]))) == ["line.cross in"]


def test_crossing_again_after_leaving_counts_again() -> None:
    there_and_back = alone(1, way(LEFT, RIGHT, LEFT, RIGHT))
    told = tell(rules(CROSS), script([*there_and_back, *GONE]))
    assert kinds(told) == ["line.cross in", "line.cross out", "line.cross in"]
    assert [each.data["count"] for each in told] == [1, 1, 2]


def test_who_is_first_seen_beyond_the_line_has_not_crossed_it() -> None:
    assert tell(rules(CROSS), script([*alone(1, way((0.51, 0.6), RIGHT)), *GONE])) == []


def test_who_walks_around_the_end_of_a_line_has_not_crossed_it() -> None:
    short = {"lines": {"door": [(0.5, 0.5), (0.5, 0.0)]}}
    assert tell(rules(CROSS, **short), script([*alone(1, way(LEFT, (0.3, 0.8), (0.7, 0.8), RIGHT)), *GONE])) == []


def test_who_is_lost_while_crossing_is_interpolated() -> None:
    steps = [{} if 0.4 < x < 0.6 else {1: (x, y)} for x, y in way(LEFT, RIGHT)]
    (told,) = tell(rules(CROSS), script([*steps, *GONE]))
    assert told.data["started_pts"] == pytest.approx(1.0, abs=0.05)
    assert "uncertain" not in told.data


def test_who_is_lost_for_good_on_the_line_is_uncertain() -> None:
    steps = alone(1, way(LEFT, (0.505, 0.6), step=0.005))
    (told,) = tell(rules(CROSS), script([*steps, *GONE]))
    assert told.data["uncertain"] is True


def test_who_leaves_the_picture_right_behind_the_line_has_crossed_it() -> None:
    """A car that is gone before it could settle."""
    (told,) = tell(rules(CROSS), script([*alone(1, [LEFT, (0.45, 0.6), (0.6, 0.6)]), *GONE]))
    assert "uncertain" not in told.data


@pytest.mark.parametrize("apart", [0.04, 0.2])
def test_two_objects_that_swap_their_identities_on_the_line_cross_no_line(apart: float) -> None:
    left, right = (0.5 - apart, 0.6), (0.5 + apart, 0.6)
    before, after = [{1: left, 2: right}] * 20, [{2: left, 1: right}] * 20
    told = tell(rules(CROSS, ENTER), script([*before, *after, *GONE]))
    assert [each.kind for each in told] == ["zone.enter", "zone.exit"]
    assert {each.data["track_id"] for each in told} == {2}


def test_two_objects_that_pass_each_other_and_swap_cross_each_once() -> None:
    there, back = way(LEFT, RIGHT, step=0.05), way(RIGHT, LEFT, step=0.05)
    middle = len(there) // 2
    steps = [
        {1: one, 2: other} if place < middle else {2: one, 1: other}
        for place, (one, other) in enumerate(zip(there, back, strict=True))
    ]
    assert sorted(kinds(tell(rules(CROSS), script([*steps, *GONE])))) == ["line.cross in", "line.cross out"]


def test_a_zone_that_is_entered_between_two_looks() -> None:
    """A look a second; in between results repeat its boxes. Who was outside at one look is inside at the next one."""
    looks = [{1: (0.2, 0.6)}, {1: (0.45, 0.6)}, {1: (0.55, 0.6)}, {1: (0.6, 0.6)}, {1: (0.6, 0.6)}]
    results = [seen(seq, looks[seq // 10], as_of=seq // 10 * 10) for seq in range(50)]
    (told,) = tell(rules(ENTER), results)
    assert (told.data["started_pts"], told.kind) == (2.0, "zone.enter")


def test_a_line_that_is_crossed_between_two_looks() -> None:
    looks = [{1: (0.2, 0.6)}, {1: (0.45, 0.6)}, {1: (0.7, 0.6)}, {1: (0.9, 0.6)}]
    results = [seen(seq, looks[seq // 10], as_of=seq // 10 * 10) for seq in range(40)]
    assert kinds(tell(rules(CROSS), results)) == ["line.cross in"]


def test_a_camera_that_reconnects_ends_what_it_saw_and_begins_anew() -> None:
    """Half a minute is missing, and the camera comes back with another size of picture."""
    before = [seen(seq, {1: RIGHT}) for seq in range(20)]
    after = [seen(20 + seq, {2: RIGHT}, pts=32 + seq / 10, size=(1920, 1080)) for seq in range(20)]
    told = tell(rules(ENTER, {"id": "any", "kind": "presence"}), [*before, *after])
    assert [(each.kind, each.phase) for each in told] == [
        ("zone.enter", Phase.BEGIN),
        ("presence", Phase.BEGIN),
        ("zone.exit", Phase.END),
        ("presence", Phase.END),
        ("zone.enter", Phase.BEGIN),
        ("presence", Phase.BEGIN),
    ]
    assert [each.data["dwell_s"] for each in told if each.phase is Phase.END] == [1.9, 1.9]


def test_another_size_of_picture_alone_changes_nothing() -> None:
    before = [seen(seq, {1: RIGHT}) for seq in range(20)]
    after = [seen(seq, {1: RIGHT}, size=(1920, 1080)) for seq in range(20, 40)]
    assert kinds(tell(rules(ENTER, CROSS), [*before, *after])) == ["zone.enter"]


def test_time_that_goes_back_ends_everything() -> None:
    before = [seen(seq, {1: RIGHT}, pts=100 + seq / 10) for seq in range(20)]
    after = [seen(20 + seq, {1: RIGHT}, pts=seq / 10) for seq in range(20)]
    assert kinds(tell(rules(ENTER), [*before, *after])) == ["zone.enter", "zone.exit", "zone.enter"]


@pytest.mark.parametrize("restart", range(1, 60, 7))
def test_a_restart_in_the_midst_of_a_dwell_tells_nothing_twice_and_loses_nothing(restart: int) -> None:
    dwell = {"id": "loiter", "kind": "dwell", "zone": "yard", "after_s": 2, "again_s": 1}
    config = rules(dwell, ENTER, CROSS)
    results = script([*alone(1, [*way(LEFT, RIGHT), *[RIGHT] * 40]), *GONE])
    engine = Engine(config)
    told = [happened for result in results[:restart] for happened in engine.see(result)]
    again = pickle.loads(pickle.dumps(engine))
    told += [happened for result in results[restart:] for happened in again.see(result)]
    assert told == [each.happening for each in tell(config, results)]
    levels = [each.data["level"] for each in told if each.kind == "zone.dwell" and each.phase is not Phase.END]
    assert levels == [1, 2, 3, 4]


def test_feet_that_the_lower_edge_cuts_off_are_inside_and_count() -> None:
    """A zone and a line that reach down to the edge of the picture."""
    points = [(x, 1.0) for x, _ in way(LEFT, RIGHT)]
    told = tell(rules(ENTER, CROSS, zones={"yard": YARD}, lines={"door": DOOR}), script(alone(1, points)))
    assert sorted(kinds(told)) == ["line.cross in", "zone.enter"]
