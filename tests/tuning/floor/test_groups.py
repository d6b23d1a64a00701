"""Streams that are alike share what trials say. What must hold:

- nobody goes by others who has not proven the floor by trials of its own, whatever theirs say;
- streams of two kinds never go by each other;
- eight alike streams take at most 4 % each for trials, and far fewer until a looker is proven than eight alone;
- one that changes, by its trials or by its audits, is out within two minutes, and goes by its own until these prove it;
- what has changed for all is found by all soon after it was found by one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.groups import Fleet
from vidpipe.results.accuracy import Evidence
from vidpipe.statistics.accuracy import Sums
from vidpipe.statistics.agreement import Matched
from vidpipe.tuning.floor.groups import alike, failed, judge, judged
from vidpipe.tuning.floor.tuner import FloorConfig

FLOOR = 0.9
LEAST = 0.95  # that a looker must agree with the last stage: half of the error is for the time between looks
EIGHT = [f"cam{number}" for number in range(8)]

trial = st.integers(1, 12).flatmap(lambda boxes: st.builds(Matched, st.integers(0, boxes), st.just(2 * boxes)))
trials = st.lists(trial, max_size=40)


def drawn(f1, count, seed, boxes=10):
    """Trials of a looker that finds each box of the last stage with the same chance."""
    found = np.random.default_rng(seed).binomial(boxes, f1 / (2 - f1), count)
    return [Matched(int(right), boxes + int(right)) for right in found]


def good(count):
    return [Matched(10, 20)] * count


@settings(deadline=None)
@given(trials, trials)
def test_likeness_is_mutual_and_nobody_is_unlike_itself(one, other):
    first, second = judge(one), judge(other)
    assert alike(first, second) == alike(second, first)
    assert alike(first, first) == (first.blocks >= 5)


@settings(deadline=None)
@given(trials, st.dictionaries(st.sampled_from("abcd"), trials), st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_whatever_others_say_a_stream_has_proven_its_floor_by_itself(own, others, floor):
    told = judged(own, others, floor)
    assert told.group == tuple(other for other in others if alike(judge(own), judge(others[other])))
    if told.proves(floor):
        assert len(own) >= 5
        assert told.own.low >= floor
        assert floor + (1 - floor) / 2 <= told.low <= told.own.value
    if not told.group:
        assert told.together == told.own == judge(own)
    assert told.proves(floor) or not told.proves_alone(floor)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.floats(0.85, 1.0), st.floats(0.0, 0.55), st.integers(0, 2**32))
def test_streams_of_two_kinds_are_never_alike(well, badly, seed):
    kinds = {"w1": well, "w2": well, "b1": badly, "b2": badly}
    said = {name: drawn(f1, 12, [seed, number]) for number, (name, f1) in enumerate(kinds.items())}
    for name, own in said.items():
        told = judged(own, {other: said[other] for other in said if other != name}, FLOOR)
        assert {other[0] for other in told.group} <= {name[0]}


@pytest.mark.parametrize(
    ("own", "others", "proves"),
    [
        (good(4), {"b": good(64)}, False),  # too few of its own
        (good(6), {"b": good(6)}, True),
        (good(6), {}, False),
        (good(12), {}, True),
        (good(6), {"b": good(3)}, False),  # too few to be alike
        ([Matched(6, 16)] * 6, {"b": good(64), "c": good(64)}, False),  # unlike them
        ([*good(3), *[Matched(8, 18)] * 3], {"b": good(64), "c": good(64)}, False),  # alike, and not good enough itself
    ],
)
def test_a_looker_is_proven_by_a_group_only_with_trials_of_ones_own_that_agree(own, others, proves):
    assert judged(own, others, FLOOR).proves(FLOOR) == proves


def test_who_has_run_for_long_does_not_outvote_a_stream_that_has_just_begun():
    told = judged(good(6), {"b": good(64), "c": good(64)}, FLOOR)
    assert told.together.blocks == 3 * 6


def test_the_newest_trials_tell_of_a_failure_that_those_before_would_hide():
    bad = [Matched(5, 15)] * 6
    assert failed(good(58) + bad, FLOOR).value == pytest.approx(2 / 3)
    assert failed(bad + good(58), FLOOR) is None


def lone(agrees, seed=0):
    fleet = Fleet({"cam": agrees}, seed=seed)
    until(fleet, lambda: fleet.streams["cam"].looker == "little")
    return len(fleet.streams["cam"].trials)


def until(fleet, holds, within_s=3000):
    """The media seconds that it takes."""
    begun = fleet.pts
    while not holds():
        fleet.go(1)
        assert fleet.pts - begun <= within_s
    return fleet.pts - begun


def lookers(fleet, streams=EIGHT):
    return Counter(fleet.streams[name].looker for name in streams)


def test_eight_alike_streams_take_little_for_trials_each_and_far_less_together_than_eight_alone():
    fleet = Fleet(dict.fromkeys(EIGHT, 0.97))
    until(fleet, lambda: lookers(fleet) == {"little": 8}, within_s=400)
    together = sum(len(each.trials) for each in fleet.streams.values())
    assert together < 0.5 * 8 * np.mean([lone(0.97, seed) for seed in range(4)])
    fleet.go(1800)
    assert max(each.share for each in fleet.streams.values()) <= 0.04
    assert np.mean([each.share for each in fleet.streams.values()]) <= 0.02  # alone each would take .024


def test_a_reason_names_the_group():
    fleet = Fleet(dict.fromkeys(EIGHT, 0.97))
    until(fleet, lambda: lookers(fleet) == {"little": 8})
    reasons = [each.changes[0][2] for each in fleet.streams.values()]
    assert any(", on cam1, cam2, cam3, cam4 and 3 more too, for a floor of 0.9" in reason for reason in reasons)


@pytest.mark.parametrize("agrees", [0.0, 0.5, 0.7])
@pytest.mark.parametrize("seed", range(3))
def test_one_that_changes_half_way_is_out_within_two_minutes_and_stays_out(agrees, seed):
    """At 0 its little model is damaged: it finds nothing any more."""
    fleet = Fleet(dict.fromkeys(EIGHT, 0.98), seed=seed)
    fleet.go(600)
    changed = fleet.streams["cam0"]
    until(fleet, lambda: changed.looker == "little")
    changed.agrees = agrees
    assert until(fleet, lambda: changed.looker == "big", within_s=120) >= 1
    fleet.go(900)
    assert changed.looker == "big"
    assert lookers(fleet, EIGHT[1:])["little"] >= 6  # now and then chance takes one back for a while
    assert changed.share <= 0.04


@pytest.mark.parametrize("agrees", [0.0, 0.6, 0.85])
def test_one_whose_little_model_was_bad_from_the_beginning_never_goes_by_the_others(agrees):
    fleet = Fleet({"bad": agrees, **dict.fromkeys(EIGHT, 0.98)})
    fleet.go(1200)
    assert fleet.streams["bad"].changes == []
    assert not any("bad" in reason for name in EIGHT for *_, reason in fleet.streams[name].changes)


def test_one_that_is_as_it_was_joins_again_when_its_own_trials_prove_it():
    fleet = Fleet(dict.fromkeys(EIGHT, 0.99))
    changed = fleet.streams["cam0"]
    fleet.go(600)
    changed.agrees = 0.5
    until(fleet, lambda: changed.looker == "big")
    changed.agrees = 0.99
    until(fleet, lambda: changed.looker == "little")
    assert "too" not in changed.changes[-1][2]  # nobody else's word was taken
    begun, count = fleet.pts, len(changed.trials)
    fleet.go(900)
    assert len(changed.trials) - count <= (fleet.pts - begun) / 50  # it takes turns again: alone each 30 s


def test_what_changes_for_all_is_found_by_all():
    """Night comes: whoever sees it first has the others look at once, though each asks but once a minute."""
    fleet = Fleet(dict.fromkeys(EIGHT, 0.98))
    fleet.go(900)
    night = fleet.pts
    for each in fleet.streams.values():
        each.agrees = 0.6
    until(fleet, lambda: any(each.changes[-1][0] > night for each in fleet.streams.values()), within_s=80)
    until(fleet, lambda: lookers(fleet) == {"big": 8}, within_s=25)


def test_groups_by_hand_bound_where_likeness_is_looked_for():
    fleet = Fleet(dict.fromkeys(EIGHT, 0.97), near=[EIGHT[:2], EIGHT[2:4], ["cam4"], ["cam5"]])
    until(fleet, lambda: lookers(fleet) == {"little": 8})
    named = {name: fleet.streams[name].changes[0][2].partition(", on ")[2].split(" too")[0] for name in EIGHT}
    pairs = [("cam0", "cam1"), ("cam2", "cam3"), ("cam6", "cam7")]  # who is not named may be like any other such
    allowed = {name: {"", *pair} - {name} for pair in pairs for name in pair} | {"cam4": {""}, "cam5": {""}}
    assert all(named[name] in allowed[name] for name in EIGHT)
    assert any(named.values())


@pytest.mark.parametrize("near", [[["a", "b"], ["b", "c"]], [["a", "a"]]])
def test_a_stream_of_two_places_is_a_mistake(near):
    with pytest.raises(ValueError, match="named more than once; a stream is in one place"):
        FloorConfig(near=near)


def test_of_a_place_that_names_a_stream_which_is_not_there_a_line_warns(caplog):
    Fleet({"gate": 0.97, "yard": 0.97}, near=[["gate", "yrad"]])
    (line,) = caplog.messages
    assert "there is no stream 'yrad' so far; did you mean 'yard'?" in line


class Audited(Fleet):
    """With audits of what is published, of which a share is right.

    Attributes:
        right: share of the audited boxes, by stream.
    """

    right: dict[str, float] = {}

    def status(self):
        told = super().status()
        streams = {name: replace(each, evidence=self.evidence(name)) for name, each in told.streams.items()}
        return replace(told, streams=streams)

    def evidence(self, name):
        if name not in self.right:
            return {}
        sums = Sums()
        for _ in range(200):
            sums = sums.and_frame(20 * self.right[name], 20)
        told = Evidence(audits={"track": {"boxes": sums}})
        told.frames["track"] += 2000
        return {10**6: told}


def test_one_whose_audits_disagree_leaves_and_neither_takes_nor_gives_until_it_proves_itself():
    fleet = Audited(dict.fromkeys(EIGHT, 0.97))
    until(fleet, lambda: lookers(fleet) == {"little": 8})
    fleet.right = {"cam0": 0.7}
    broken = fleet.streams["cam0"]
    until(fleet, lambda: broken.looker == "big", within_s=2)
    assert broken.changes[-1][2].startswith("measured 0.70")
    fleet.right = {}
    before = {name: len(each.changes) for name, each in fleet.streams.items()}
    until(fleet, lambda: broken.looker == "little")
    assert ", on " not in broken.changes[-1][2]
    given = [reason for name in EIGHT[1:] for *_, reason in fleet.streams[name].changes[before[name] :]]
    assert not any("cam0" in reason for reason in given)


def test_one_that_ends_leaves_the_others_as_they_are():
    fleet = Fleet(dict.fromkeys(EIGHT, 0.98))
    fleet.go(600)
    changes = {name: len(fleet.streams[name].changes) for name in EIGHT[2:]}
    del fleet.streams["cam0"], fleet.streams["cam1"]
    fleet.go(120)
    assert {name: len(fleet.streams[name].changes) for name in EIGHT[2:]} == changes
