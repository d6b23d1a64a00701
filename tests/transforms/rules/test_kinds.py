"""What each kind of rule tells, and when: as tables of what is seen and what is told."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests.transforms.rules.script import CROSS, ENTER, alone, kinds, rules, script, seen, tell, way
from vidpipe.cascade.audit import Audit
from vidpipe.core.event import Phase
from vidpipe.transforms.rules.engine import Engine
from vidpipe.transforms.rules.schedule import Schedule
from vidpipe.transforms.rules.seen import Ages, MissRate
from vidpipe.transforms.rules.spec import SpanSpec

OUT, IN = (0.3, 0.6), (0.7, 0.6)


def phases(told):
    return [(each.pts, each.phase.value, each.data["count"]) for each in told]


def test_a_visit_is_dated_with_the_first_and_last_time_inside() -> None:
    steps = [*alone(1, [OUT] * 10), *alone(1, [IN] * 20), *alone(1, [OUT] * 20)]
    enter, leave = tell(rules(ENTER), script(steps))
    assert (enter.pts, enter.phase, enter.data["started_pts"]) == (1.2, Phase.BEGIN, 1.0)
    assert (leave.pts, leave.phase, leave.data["started_pts"]) == (3.9, Phase.END, 1.0)
    assert (leave.data["ended_pts"], leave.data["dwell_s"]) == (2.9, 1.9)
    assert enter.id == leave.id


def test_what_only_brushes_a_zone_does_not_enter_and_a_step_outside_is_no_exit() -> None:
    brushed = [*alone(1, [OUT] * 5), *alone(1, [IN]), *alone(1, [OUT] * 5), *alone(1, [IN]), *alone(1, [OUT] * 20)]
    assert tell(rules(ENTER), script(brushed)) == []
    stepped = [*alone(1, [IN] * 10), *alone(1, [OUT] * 9), *alone(1, [IN] * 10)]
    assert kinds(tell(rules(ENTER), script(stepped))) == ["zone.enter"]


def test_who_comes_back_after_the_grace_has_made_another_visit_also_where_results_are_rare() -> None:
    results = [seen(seq, {1: place}, pts=float(seq)) for seq, place in enumerate([IN, IN, OUT, IN, IN, IN])]
    assert kinds(tell(rules({**ENTER, "grace_s": 1.5}), results)) == ["zone.enter", "zone.exit", "zone.enter"]
    assert kinds(tell(rules({**ENTER, "grace_s": 2.5}), results)) == ["zone.enter"]
    presence = {"id": "any", "kind": "presence", "zone": "yard"}
    phases = [each.phase.value for each in tell(rules({**presence, "grace_s": 1.5}), results)]
    assert phases == ["begin", "end", "begin"]
    assert [each.phase.value for each in tell(rules({**presence, "grace_s": 2.5}), results)] == ["begin"]


def test_dwell_tells_once_it_is_long_enough_then_again_and_at_the_end() -> None:
    rule = {"id": "long", "kind": "dwell", "zone": "yard", "after_s": 1, "again_s": 2, "grace_s": 0.5}
    told = tell(rules(rule), script([*alone(1, [IN] * 40), *[{}] * 30]))
    assert [(each.pts, each.phase.value, each.data.get("level")) for each in told] == [
        (1.0, "begin", 1),
        (3.0, "update", 2),
        (4.4, "end", None),
    ]
    assert {each.kind for each in told} == {"zone.dwell"}
    assert told[-1].data["dwell_s"] == 3.9
    assert len({each.id for each in told}) == 1


def test_dwell_goes_on_over_a_loss_within_its_grace() -> None:
    rule = {"id": "long", "kind": "dwell", "zone": "yard", "after_s": 2, "grace_s": 1.5}
    steps = [*alone(1, [IN] * 10), *[{}] * 13, *alone(1, [IN] * 10)]
    assert [each.phase for each in tell(rules(rule), script(steps))] == [Phase.BEGIN]
    short = {**rule, "grace_s": 1}
    assert tell(rules(short), script(steps)) == []


def test_occupancy_begins_grows_and_ends() -> None:
    rule = {"id": "full", "kind": "occupancy", "zone": "yard", "at_least": 2, "for_s": 0.5, "grace_s": 0.3}
    one, two, three = ({k: (0.6 + k / 20, 0.6) for k in range(count)} for count in (1, 2, 3))
    told = tell(rules(rule), script([one] * 5 + [two] * 10 + [one] + [three] * 5 + [one] * 10))
    assert phases(told) == [(1.0, "begin", 2), (1.6, "update", 3), (2.3, "end", 1)]
    assert told[-1].data["most"] == 3


def test_presence_and_absence_need_no_identities() -> None:
    somebody, nobody = [{None: IN}] * 10, [{}] * 30
    presence = {"id": "any", "kind": "presence", "zone": "yard"}
    assert phases(tell(rules(presence), script(somebody + nobody))) == [(0.2, "begin", 1), (1.9, "end", 0)]
    absence = {"id": "none", "kind": "absence", "zone": "yard", "for_s": 2}
    told = tell(rules(absence), script(nobody + somebody))
    assert phases(told) == [(2.0, "begin", 0), (3.1, "end", 1)]
    assert told[-1].data["dwell_s"] == 2.9


def test_the_whole_picture_is_a_zone_without_a_name() -> None:
    (told,) = tell(rules({"id": "any", "kind": "presence"}), script([{None: OUT}] * 5))
    assert told.data["zone"] is None


@pytest.mark.parametrize(
    ("asks", "shown", "counts"),
    [
        ({"class": "person"}, {"name": "person"}, True),
        ({"class": ["car", "bike"]}, {"name": "person"}, False),
        ({"least_score": 0.9}, {"score": 0.9}, True),
        ({"least_score": 0.9}, {"score": 0.89}, False),
        ({"least_height": 0.19}, {}, True),
        ({"least_height": 0.21}, {}, False),
    ],
)
@pytest.mark.parametrize("rule", [ENTER, CROSS, {"id": "any", "kind": "presence", "zone": "yard"}])
def test_whom_a_rule_is_about(rule, asks, shown, counts: bool) -> None:
    told = tell(rules({**rule, **asks}), script(alone(1, way(OUT, IN)), **shown))
    assert bool(told) == counts


def test_an_object_counts_from_its_best_score_on() -> None:
    """Scores of boxes that are moved on fall until the next look."""
    results = [seen(seq, {1: IN}, score=0.95 - seq / 50) for seq in range(30)]
    rule = {"id": "long", "kind": "dwell", "zone": "yard", "after_s": 2, "least_score": 0.9}
    assert [each.phase for each in tell(rules(rule), results)] == [Phase.BEGIN]


def test_the_anchor_may_be_the_centre() -> None:
    upper = {"zones": {"yard": [(0.0, 0.0), (1.0, 0.0), (1.0, 0.52), (0.0, 0.52)]}}
    at = script([{1: (0.5, 0.6)}] * 10)
    assert tell(rules(ENTER, **upper), at) == []
    assert kinds(tell(rules({**ENTER, "anchor": "centre"}, **upper), at)) == ["zone.enter"]


def test_outside_of_its_hours_a_rule_sees_nobody() -> None:
    midnight = datetime(2026, 11, 30, tzinfo=UTC).timestamp()
    active = [SpanSpec(begin="00:01", end="00:02")]
    results = [seen(seq, {1: IN}, at=midnight + seq / 10) for seq in range(1500)]
    told = tell(rules({**ENTER, "active": active}), results)
    assert [(each.kind, each.data["started_at"], each.data.get("ended_at")) for each in told] == [
        ("zone.enter", midnight + 60, None),
        ("zone.exit", midnight + 60, pytest.approx(midnight + 119.9)),
    ]


@pytest.mark.parametrize(
    ("time", "holds"),
    [
        ("2026-11-30 21:59", False),  # a Monday
        ("2026-11-30 22:00", True),
        ("2026-12-01 05:59", True),  # still Monday's night
        ("2026-12-01 06:00", False),
        ("2026-12-01 23:00", False),
        ("2026-11-30 05:00", False),
    ],
)
def test_a_span_over_midnight_is_of_the_day_on_which_it_begins(time: str, holds: bool) -> None:
    at = datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp()
    assert Schedule([SpanSpec(days=["mon"], begin="22:00", end="06:00")]).holds(at) == holds


def test_times_of_day_are_those_of_their_place_in_summer_and_winter() -> None:
    schedule = Schedule([SpanSpec(begin="08:00", end="09:00", timezone="Europe/Berlin")])
    summer, winter = (datetime(2026, month, 15, 6, 30, tzinfo=UTC).timestamp() for month in (7, 1))
    assert (schedule.holds(summer), schedule.holds(winter)) == (True, False)
    assert schedule.holds(None)  # a recording that does not say


def test_the_age_is_that_of_the_look_that_measured_the_boxes() -> None:
    ages = Ages()
    as_of = [-1, 1, 1, 1, 3, 3, 3]
    told = [ages.age_s(seen(seq, {}, as_of=measured)) for seq, measured in enumerate(as_of)]
    assert told == [
        None,
        0,
        pytest.approx(0.1),
        pytest.approx(0.2),
        pytest.approx(0.1),
        pytest.approx(0.2),
        pytest.approx(0.3),
    ]
    for seq in range(7, 3000):  # a still scene, for minutes
        age = ages.age_s(seen(seq, {}, as_of=3))
    assert age == pytest.approx(299.6)


def test_the_miss_rate_is_of_all_audits_with_its_interval() -> None:
    rate = MissRate()
    assert rate.told() == {"estimate": None, "low": 0.0, "high": 1.0}
    rate.learn([Audit("track", True, False), *[Audit("gate", False, True)] * 9])
    told = rate.told()
    assert told["estimate"] == 0.1
    assert 0 < told["low"] < 0.1 < told["high"] < 0.5


def test_a_result_before_the_first_picture_tells_nothing() -> None:
    engine = Engine(rules(ENTER, CROSS, {"id": "any", "kind": "presence"}))
    assert engine.see(seen(0, {}, size=(0, 0), as_of=-1)) == []
