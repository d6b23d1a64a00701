"""Rules of kind learnt. What must hold, whatever is seen:

- begin and end take turns, and what goes on outlives its process;
- what is missing is held for a while, then nothing is known, which is told; nothing is asked for;
- a random share of quiet windows and of events is asked about, the same in every run.
"""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.teaching.street import classifier
from tests.transforms.rules.script import seen
from vidpipe.core.event import Phase
from vidpipe.statistics.wilson import wilson
from vidpipe.transforms.learnt.smoothing import Smoothing
from vidpipe.transforms.rules.engine import Engine
from vidpipe.transforms.rules.spec import RulesConfig, RuleSpec

FEATURES = {"id": "meets", "kind": "learnt", "review": 0.0}


def engine(**more):
    return Engine(RulesConfig(rules=[RuleSpec.model_validate({**FEATURES, **more})]))


def by_feature(review=0.0):
    """Says yes where the first of two features is above 1, by the window's greatest."""
    event = classifier(-1.0, ("difference",), weights=[0, 0, 1, 0, 0, 0], window_s=0.4)
    return engine(event=event, review=review)


def results(values):
    """Two a second; None: nobody has computed anything."""
    for seq, value in enumerate(values):
        features = {} if value is None else {"difference": [float(value), 0.0]}
        yield seen(seq, {}, pts=seq / 2)._replace(features=features)


def told(values, rules=None):
    rules = rules or by_feature()
    return [each for result in results(values) for each in rules.see(result)]


def test_it_begins_with_k_of_n_and_ends_likewise():
    quiet, on = [0] * 6, [9] * 8
    begin, end = told([*quiet, *on, *quiet])
    assert (begin.kind, begin.phase, begin.data["event"], begin.data["started_pts"]) == (
        "learnt",
        Phase.BEGIN,
        "meets",
        3.0,
    )
    assert (end.phase, end.id) == (Phase.END, begin.id)
    assert 6.0 <= end.data["ended_pts"] <= 7.5
    assert begin.data["score"] > 0.99
    assert told([0, 0, 9, 0, 0, 0, 0]) == []  # one look alone


def test_what_is_missing_is_held_and_then_nothing_is_known():
    held = told([9] * 6 + [None] * 4 + [9] * 4)  # for two seconds, as long as `hold_s`
    assert [each.phase for each in held] == [Phase.BEGIN]
    lost = told([9] * 6 + [None] * 20 + [0] * 4)
    assert [(each.kind, each.phase, each.data.get("reason")) for each in lost] == [
        ("learnt", Phase.BEGIN, None),
        ("learnt", Phase.END, "unknown"),
        ("learnt.unknown", Phase.BEGIN, None),
        ("learnt.unknown", Phase.END, None),
    ]
    assert lost[2].data["detail"] == "no features of difference"


def test_boxes_that_are_too_old_are_none():
    rules = engine(event=classifier(1.0))
    found = [each for seq in range(60) for each in rules.see(seen(seq, {1: (0.5, 0.5)}, as_of=min(seq, 10)))]
    assert [(each.kind, each.phase) for each in found] == [
        ("learnt", Phase.BEGIN),
        ("learnt", Phase.END),
        ("learnt.unknown", Phase.BEGIN),
    ]


@pytest.mark.long
@settings(deadline=None)
@given(st.lists(st.sampled_from([None, 0, 9]), max_size=60), st.integers(0, 60))
def test_begin_and_end_take_turns_and_outlive_their_process(values, dies_at):
    once, again = by_feature(review=0.3), by_feature(review=0.3)
    first, second = [], []
    for number, result in enumerate(results(values)):
        first += once.see(result)
        if number == dies_at:
            again = pickle.loads(pickle.dumps(again))
        second += again.see(result)
    assert first == second
    if once.newest is not None:
        first += once.end("stream ended")
    for kind in ("learnt", "learnt.unknown"):
        phases = [(each.phase, each.id) for each in first if each.kind == kind]
        assert [phase for phase, _ in phases] == [Phase.BEGIN, Phase.END] * (len(phases) // 2)
        assert [id for _, id in phases[::2]] == [id for _, id in phases[1::2]]
        assert len({id for _, id in phases}) == len(phases) // 2


@settings(deadline=None)
@given(st.lists(st.floats(-3, 3), max_size=50), st.integers(1, 5), st.integers(0, 5), st.floats(0, 2))
def test_smoothing_turns_only_after_k_looks_that_say_so(scores, k, more, apart):
    smoothing = Smoothing(0.5, 0.5 - apart, k, k + more)
    since = 0
    for score in scores:
        was = smoothing.on
        since += 1
        if smoothing.look(score) != was:
            assert since >= k
            assert (score >= 0.5) if smoothing.on else (score < 0.5 - apart)
            since = 0


def test_a_share_of_quiet_windows_is_asked_about_the_same_ones_always():
    values = [0] * 4000
    asked = [told(values, by_feature(review=share)) for share in (0.1, 0.1, 1.0)]
    assert [each.id for each in asked[0]] == [each.id for each in asked[1]]
    assert {each.kind for each in asked[0]} == {"learnt.review"}
    low, high = wilson(len(asked[0]), len(asked[2]), 3.3)
    assert low < 0.1 < high
    first = asked[2][0].data
    assert first["said"] is False
    assert first["ended_pts"] - first["started_pts"] == pytest.approx(2, abs=0.6)
    both = told([0] * 10 + [9] * 10 + [0] * 10, by_feature(review=1.0))
    assert [each.data["said"] for each in both if each.kind == "learnt.review"].count(True) == 1


def test_streams_are_asked_about_other_windows():
    def asked(stream):
        rules = by_feature(review=0.2)
        rules.stream = stream
        return [each.id for each in told([0] * 1000, rules)]

    assert asked("gate") != asked("yard")


def test_a_stream_that_broke_off_begins_anew():
    rules = by_feature()
    before = [each for result in results([9] * 6) for each in rules.see(result)]
    late = seen(100, {}, pts=500.0)._replace(features={"difference": [9.0, 0.0]})
    assert [each.phase for each in before] == [Phase.BEGIN]
    assert [each.phase for each in rules.see(late)] in ([], [Phase.END])


def test_a_rule_names_its_file_and_holds_what_was_in_it(tmp_path: Path):
    file = tmp_path / "meets.event"
    classifier(1.0).write(file)
    rule = RuleSpec.model_validate({"id": "meets", "kind": "learnt", "event": str(file)})
    file.unlink()
    assert rule.event is not None
    assert rule.event.bias == 1.0
    assert RuleSpec.model_validate(rule.model_dump(mode="json", by_alias=True)) == rule  # as results tell it


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"kind": "learnt"}, "field 'event' is missing"),
        ({"kind": "learnt", "event": "none.event"}, "cannot be read: No such file"),
        ({"kind": "learnt", "features": ["difference"], "for_s": 1}, "'for_s' means nothing to a rule of kind learnt"),
        ({"kind": "presence", "features": ["difference"]}, "'features' means nothing to a rule of kind presence"),
    ],
)
def test_what_a_rule_lacks_is_said(rule, message):
    with pytest.raises(ValidationError, match=message):
        RuleSpec.model_validate({"id": "meets", **rule})
