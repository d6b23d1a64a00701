"""Rules of kind degraded. What must hold, whatever answers come:

- it begins with a degraded answer and ends with a later look, once, and never twice at a time;
- the same results give the same events, also in a process that took over in between.
"""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.transforms.rules.script import rules, seen
from vidpipe.core.event import Phase
from vidpipe.transforms.rules.degradations import Degradations
from vidpipe.transforms.rules.engine import Engine
from vidpipe.transforms.rules.spec import RulesConfig, RuleSpec
from vidpipe.transforms.rules.watch import watches_of

TROUBLE = {"id": "trouble", "kind": "degraded", "grace_s": 0.5}
NOWHERE: dict[str, dict[str, list[tuple[float, float]]]] = {"zones": {}, "lines": {}}


def result(seq, degraded, as_of):
    return seen(seq, {}, as_of=as_of)._replace(degraded="cloud away for 1 s" if degraded else "")


def told(results, rule=TROUBLE):
    engine = Engine(rules(rule, **NOWHERE))
    return [each for one in results for each in engine.see(one)]


def test_boxes_that_are_moved_on_end_nothing_until_somebody_has_looked_again():
    results = [result(seq, seq in (10, 20), as_of=0) for seq in range(40)]
    assert [each.phase for each in told(results)] == [Phase.BEGIN]
    results += [result(seq, False, as_of=39) for seq in range(40, 50)]
    begin, end = told(results)
    assert (begin.kind, begin.data["started_pts"], begin.data["detail"]) == (
        "stream.degraded",
        1.0,
        "cloud away for 1 s",
    )
    assert (end.phase, end.data["ended_pts"], end.data["dwell_s"], end.id) == (Phase.END, 2.0, 1.0, begin.id)


def test_a_moment_is_told_only_where_no_time_is_asked_for():
    results = [result(seq, seq in (10, 11, 12), as_of=seq) for seq in range(40)]
    assert len(told(results)) == 2
    assert told(results, TROUBLE | {"for_s": 0.5}) == []


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8)), max_size=60), st.integers(0, 60))
def test_begin_and_end_take_turns_and_outlive_their_process(answers, dies_at):
    results = [result(seq, degraded, as_of=max(-1, seq - old)) for seq, (degraded, old) in enumerate(answers)]
    once, twice = (Degradations(list(watches_of(RulesConfig(rules=[RuleSpec(**TROUBLE)])))) for _ in range(2))
    told, again = [], []
    for one in results:
        if one.seq == dies_at:
            twice = pickle.loads(pickle.dumps(twice))
        told += once.see(one)
        again += twice.see(one)
    assert told == again
    if results:
        told += once.close(results[-1], {0: "stream ended"})
    phases = [each.phase for each in told]
    assert phases == [Phase.BEGIN, Phase.END] * (len(phases) // 2)
    assert [each.id for each in told[::2]] == [each.id for each in told[1::2]]
    assert bool(phases) == any(degraded for degraded, _ in answers)


@pytest.mark.parametrize("field", [{"zone": "yard"}, {"class": "person"}, {"after_s": 1}])
def test_what_it_has_no_use_for_is_refused(field):
    with pytest.raises(ValidationError, match=f"'{next(iter(field))}' means nothing to a rule of kind degraded"):
        RuleSpec.model_validate(TROUBLE | field)
