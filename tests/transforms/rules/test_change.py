"""Rules that change while results come. What must hold, whatever comes and whichever rules change:

- a rule that stays tells the same, to the last digit, as if nothing had changed;
- what was told of a rule that goes has ended, once, with the reason for it, at the result of the change;
- a rule that comes tells what it would have told had results begun there, except what objects were known before;
- what a result is told under can be told from `version`.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.transforms.rules.plain import PlainGeometry
from tests.transforms.rules.script import CROSS, ENTER, Places, Told, alone, rules, script, seen, way
from vidpipe.core.event import Phase
from vidpipe.transforms.rules import engine
from vidpipe.transforms.rules.engine import Engine
from vidpipe.transforms.rules.seen import Seen
from vidpipe.transforms.rules.spec import RulesConfig

LAWN = [(0.1, 0.2), (0.6, 0.3), (0.4, 0.9)]
LEFT = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]
ZONES = {"yard": LEFT, "lawn": LAWN}
LINES = {"door": [(0.5, 1.0), (0.5, 0.0)], "fence": [(0.0, 0.6), (1.0, 0.5)]}
WRITTEN: Sequence[Mapping[str, Any]] = (
    {"id": "enters", "kind": "zone", "zone": ["yard", "lawn"]},
    {"id": "stays", "kind": "dwell", "zone": "lawn", "after_s": 0.5, "again_s": 0.5},
    {"id": "full", "kind": "occupancy", "zone": "yard", "at_least": 2, "for_s": 0.3},
    {"id": "anybody", "kind": "presence", "anchor": "centre"},
    {"id": "empty", "kind": "absence", "zone": "lawn", "for_s": 0.5},
    {"id": "goes", "kind": "line", "line": ["door", "fence"]},
)


def made(places: Sequence[int], moved: bool = False) -> RulesConfig:
    """Some of the rules; with `moved` the lawn lies elsewhere."""
    zones = ZONES | ({"lawn": LEFT} if moved else {})
    return rules(*(WRITTEN[place] for place in places), zones=zones, lines=LINES)


def crowd(seed: int, results: int = 80, step: float = 0.04) -> list[Seen]:
    rng = np.random.default_rng(seed)
    feet = np.abs((rng.random((1, 5, 2)) + np.cumsum(rng.normal(0, step, (results, 5, 2)), axis=0) + 1) % 2 - 1)
    there = rng.random((results, 5)) > 0.1
    steps: list[Places] = [
        {int(k): (float(feet[seq, k, 0]), float(feet[seq, k, 1])) for k in np.flatnonzero(there[seq])}
        for seq in range(results)
    ]
    return script(steps)


def tell(results: Sequence[Seen], first: RulesConfig, then: RulesConfig, at: int) -> list[Told]:
    """What is told where rules change at a result, and the engine moves to another process just before."""
    held = Engine(first)
    told = []
    for result in results:
        if result.seq == at:
            held = pickle.loads(pickle.dumps(held))
        happened = held.go_by(then if result.seq >= at else first, result) + held.see(result)
        told += [Told(result.seq, result.pts, *each) for each in happened]
    return told


def _by_rule(told: list[Told], versions: set[str]) -> list[Told]:
    """What rules of these versions tell, each in its own order: rules that change places tell in another order."""
    return sorted((each for each in told if each.version in versions), key=lambda each: each.version)


SOME = st.lists(st.sampled_from(range(len(WRITTEN))), unique=True)


@pytest.mark.long
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**20), before=SOME, after=SOME, moved=st.booleans(), at=st.integers(1, 79))
def test_rules_that_stay_do_not_notice(seed: int, before: list[int], after: list[int], moved: bool, at: int) -> None:
    results, first, then = crowd(seed), made(before), made(after, moved)
    told = tell(results, first, then, at)
    staying = {watch.version for watch in Engine(first)._watches} & {watch.version for watch in Engine(then)._watches}  # noqa: SLF001
    if before and after:  # without any rule nobody looks who is there
        alone_told = tell(results, first, first, at)
        assert _by_rule(told, staying) == _by_rule(alone_told, staying)
    ended = [each for each in told if "reason" in each.data]
    assert all(each.seq == at and each.phase is Phase.END and each.version not in staying for each in ended)
    ids = [each.id for each in told if each.phase is Phase.END]
    assert len(ids) == len(set(ids))
    over = {watch.version for watch in Engine(first)._watches} - staying  # noqa: SLF001
    lasting = [each for each in told if each.version in over and not each.kind.startswith("line")]
    assert {each.id for each in lasting if each.phase is Phase.BEGIN} == {
        each.id for each in lasting if each.phase is Phase.END
    }
    assert all(each.seq <= at for each in told if each.version in over)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**20), before=SOME)
def test_what_goes_on_ends_with_the_stream(seed: int, before: list[int]) -> None:
    held, told = Engine(made(before)), []
    for result in crowd(seed):
        told += [Told(result.seq, result.pts, *each) for each in held.see(result)]
    told += [Told(79, 7.9, *each) for each in held.end("stream ended")]
    lasting = [each for each in told if not each.kind.startswith("line")]
    assert sorted(each.id for each in lasting if each.phase is Phase.BEGIN) == sorted(
        each.id for each in lasting if each.phase is Phase.END
    )
    assert held.end("stream ended") == []


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        (rules(CROSS), "rule removed"),
        (rules({**ENTER, "grace_s": 3.0}), "rule changed"),
        (rules(ENTER, zones={"yard": [(0.4, 0.0), (1.0, 0.0), (1.0, 1.0), (0.4, 1.0)]}), "rule changed"),
        (rules({**ENTER, "class": "person"}), "rule changed"),
        (rules({**ENTER, "active": [{"from": "00:00", "to": "12:00"}]}), "rule changed"),
        (rules({**ENTER, "streams": ["gate"]}), None),
        (rules({**ENTER, "zone": ["yard", "porch"]}, zones={"yard": rules().zones["yard"], "porch": LAWN}), None),
        (rules(ENTER, CROSS), None),
    ],
)
def test_a_visit_ends_only_where_its_rule_is_another(then: RulesConfig, reason: str | None) -> None:
    results = script(alone(1, [(0.8, 0.9)] * 20))
    told = tell(results, rules(ENTER), then, 10)
    ended = [(each.seq, each.data["reason"], each.data["ended_pts"]) for each in told if each.phase is Phase.END]
    assert ended == ([] if reason is None else [(10, reason, 0.9)])
    begun = [each.id for each in told if each.phase is Phase.BEGIN and each.rule == "yard"]
    again = reason == "rule changed"  # he stands there still: he is told anew, as another event
    assert len(begun) == len(set(begun)) == 1 + again


def test_a_line_goes_on_counting() -> None:
    there_and_back = way((0.3, 0.9), (0.7, 0.9), (0.3, 0.9), (0.7, 0.9))
    told = tell(script(alone(1, there_and_back)), rules(CROSS), rules(ENTER, CROSS), 25)
    crossed = [(each.data["direction"], each.data["count"]) for each in told if each.kind == "line.cross"]
    assert crossed == [("in", 1), ("out", 1), ("in", 2)]


def test_a_new_line_counts_who_crosses_it_from_then_on() -> None:
    """How far an object might go until the nearest line was known of the lines of before."""
    results = script(alone(1, way((0.3, 0.9), (0.7, 0.9))))
    assert [
        each.data["count"] for each in tell(results, rules(ENTER), rules(ENTER, CROSS), 5) if each.rule == "door"
    ] == [1]


def test_without_rules_audits_and_ages_go_on() -> None:
    held, config = Engine(rules()), rules({"id": "anybody", "kind": "presence"})
    for result in script(alone(1, [(0.8, 0.9)] * 5), as_of=0):
        assert held.see(result) == []
    late = seen(5, {1: (0.8, 0.9)}, as_of=0)
    held.go_by(config, late)
    held.see(late)
    assert held.age_s == pytest.approx(0.5)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**20), step=st.floats(0.0, 0.1), some=SOME)
def test_what_is_left_out_would_have_told_nothing(seed: int, step: float, some: list[int]) -> None:
    """Objects that cannot have changed zones or crossed a line are left alone; the plain form looks at each of them."""
    results = crowd(seed, step=step)
    quick = Engine(made(some))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "Geometry", PlainGeometry)
        plain = Engine(made(some))
    assert [quick.see(result) for result in results] == [plain.see(result) for result in results]
