"""Chameleon's decisions, on streams whose accuracy under each configuration is known. What must hold:

- what is tried are the k cheapest configurations that are accurate enough, and the cheapest of them is in force;
- golden stays what it is, and a configuration costs its share of looks times what a look takes;
- an empty profile changes nothing;
- streams that are alike profile once; one that changes its kind leaves its group.
"""

from __future__ import annotations

from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tuning.chameleon_tables import CPU_MS, STRIDES, Kind, Street, space
from vidpipe.tuning.chameleon.groups import alike
from vidpipe.tuning.chameleon.policy import Policy, Rules
from vidpipe.tuning.chameleon.space import Configuration, Look, Space

EASY, MIDDLING, HARD = Kind(0.97), Kind(0.75), Kind(0.3, (0.5, 0.2), (0.6, 0.4, 0.1))
GOLDEN = Configuration("big", 0, 1)

shares = st.floats(0, 1)


def falling(count):
    return st.lists(shares, min_size=count, max_size=count).map(lambda values: tuple(sorted(values, reverse=True)))


kinds = st.builds(Kind, shares, falling(2), falling(3))
EVERY = [Configuration(*look, stride) for look in CPU_MS for stride in STRIDES]


def street(kinds, *, near=(), **rules):
    return Street(Policy(space(), Rules(**rules), near), dict(kinds))


def in_order(kind, alpha):
    """What is accurate enough, the cheapest first."""
    priced = [(CPU_MS[Look(each.model, each.level)] / each.stride, each) for each in EVERY if kind.f1(each) >= alpha]
    return [each for _, each in sorted(priced)]


@given(kinds, st.floats(0.05, 0.99), st.integers(1, 8))
def test_law_the_k_cheapest_that_are_accurate_enough_are_tried(kind, alpha, k):
    policy = Policy(space(), Rules(alpha=alpha, k=k))
    question = policy.question("cam", 0)
    policy.learn("cam", question, {each: kind.f1(each) for each in question.configurations})
    expected = in_order(kind, alpha)[:k]
    assert policy.chosen("cam") == expected[0]
    again = policy.question("cam", 1)
    assert (again.configurations if again else [GOLDEN]) == expected


@given(kinds, st.floats(0.05, 0.99))
def test_law_where_knobs_are_independent_what_is_in_force_holds(kind, alpha):
    cam = street({"cam": kind}, alpha=alpha)
    for _ in range(12):
        cam.go(1)
        assert cam.policy.chosen("cam") == in_order(kind, alpha)[0]


@given(st.lists(kinds, min_size=1, max_size=6))
def test_law_golden_stays_what_it_is(seen):
    """One knob at a time differs from it, also after many questions."""
    cam = street({"cam": None})
    for kind in seen:
        cam.kinds["cam"] = kind
        cam.go(3)
        question = cam.policy.question("other", cam.segment)
        assert question.golden == GOLDEN
        for each in question.configurations:
            assert sum(one != other for one, other in zip(each, GOLDEN, strict=True)) == 1


@given(kinds)
def test_law_an_accuracy_is_the_product_of_its_knobs(kind):
    measured = {each: kind.f1(each) for knob in space().knobs() for each in knob}
    estimated = space().estimated(measured)
    assert set(estimated) == set(EVERY)
    for model, level, stride in EVERY:
        parts = [(model, 0, 1), ("big", level, 1), ("big", 0, stride)]
        expected = prod(kind.f1(Configuration(*part)) for part in parts)
        assert estimated[Configuration(model, level, stride)] == pytest.approx(expected)


def test_what_golden_has_not_or_nobody_measured_is_in_no_configuration():
    lacking = Space({"big": 1, "little": 2}, (1, 2))
    assert lacking.looks == (Look("big", 0), Look("little", 0))
    estimated = lacking.estimated({Configuration("little", 0, 1): 0.9})
    assert set(estimated) == {Configuration("little", 0, 1), Configuration("big", 0, 1)}


def test_a_look_that_never_ran_is_priced_by_its_model_and_its_size():
    learning = Space({"big": 2, "little": 2}, (1, 4))
    for look, cpu_ms in ((Look("big", 0), 40), (Look("big", 1), 10), (Look("little", 0), 8)):
        learning.note(look, cpu_ms)
    assert learning.cost(Configuration("little", 1, 4)) == pytest.approx(8 * 10 / 40 / 4)
    learning.note(Look("little", 1), 6)
    assert learning.cost(Configuration("little", 1, 4)) == pytest.approx(6 / 4)


@pytest.mark.parametrize("tries", [True, False])
@given(st.lists(kinds, min_size=1, max_size=3), st.integers(1, 9))
def test_law_an_empty_second_changes_nothing(tries, seen, empty):
    cam = street({"cam": seen[0]}, tries=tries)
    for kind in seen:
        cam.kinds["cam"] = kind
        cam.go(2)
    chosen = cam.policy.chosen("cam")
    cam.kinds["cam"] = None
    cam.go(empty)
    assert cam.policy.chosen("cam") == chosen


def test_before_any_evidence_every_segment_is_profiled():
    """Nothing is in force but golden, which costs more than the profile."""
    cam = street({"cam": None})
    cam.go(3)
    assert cam.policy.chosen("cam") is None
    cam.kinds["cam"] = EASY
    cam.go(5)
    assert cam.profiled["cam"] == [0, 1, 2, 3, 7]


@pytest.mark.parametrize(("tries", "tried"), [(True, [1, 2, 3, 5, 6, 7, 8, 9, 10, 11]), (False, [])])
def test_a_window_gets_longer_while_nothing_changes(tries, tried):
    cam = street({"cam": EASY}, tries=tries)
    cam.go(12)
    assert cam.profiled["cam"] == [0, 4]
    assert cam.tried.get("cam", []) == tried
    cam.go(60)
    assert cam.profiled["cam"] == [0, 4, 12, 28, 44, 60]


def test_a_window_of_fixed_length():
    cam = street({"cam": EASY}, tries=False, windows=(4, 4))
    cam.go(16)
    assert cam.profiled["cam"] == [0, 4, 8, 12]


def test_where_nothing_that_was_found_is_enough_golden_answers_and_a_profile_follows():
    cam = street({"cam": EASY})
    cam.go(14)
    cam.kinds["cam"] = HARD
    cam.go(1)
    assert cam.policy.chosen("cam") == GOLDEN
    cam.go(8)
    assert cam.profiled["cam"][:4] == [0, 4, 12, 15]
    assert cam.accuracy("cam") >= 0.9
    cam.kinds["cam"] = EASY
    cam.go(30)
    assert cam.policy.chosen("cam") == in_order(EASY, 0.9)[0]


def test_fewer_are_tried_where_the_first_always_wins():
    cam = street({"cam": EASY}, windows=(2, 2), window=2)
    sizes = []
    for _ in range(6):
        cam.go(2)
        sizes.append(len(cam.policy.question("cam", cam.segment - 1).configurations))
    assert sizes == [5, 4, 3, 2, 1, 1]


def test_more_are_tried_after_all_of_them_failed():
    cam = street({"cam": EASY}, k=2)
    cam.go(2)
    cam.kinds["cam"] = Kind(0.97, strides=(0.5, 0.4, 0.3))  # only every frame will do
    cam.go(2)
    assert cam.policy.chosen("cam") == in_order(cam.kinds["cam"], 0.9)[0]
    assert len(cam.policy.question("cam", cam.segment).configurations) == 3


def test_streams_that_are_alike_profile_once():
    three = street({"a": EASY, "b": EASY, "c": EASY})
    three.go(40)
    assert len(set(three.groups().values())) == 1
    (leader,) = set(three.groups().values())
    for stream, profiled in three.profiled.items():
        if stream != leader:  # its first, and one in order to form groups anew
            assert len(profiled) <= 2
    assert all(three.policy.chosen(stream) == in_order(EASY, 0.9)[0] for stream in three.kinds)


def test_followers_check_themselves_now_and_then_where_later_segments_are_not_judged():
    pair = street({"a": EASY, "b": EASY}, tries=False, windows=(4, 4), regroup=100)
    pair.go(40)
    assert (pair.profiled["a"], pair.profiled["b"]) == (list(range(0, 40, 4)), [0])
    assert (pair.tried.get("a", []), pair.tried["b"]) == ([], [16, 32])


def test_between_checks_followers_go_with_their_leader():
    pair = street({"a": EASY, "b": EASY}, tries=False, windows=(4, 4), regroup=100)
    pair.go(3)
    slower = Kind(0.85)
    pair.kinds = {"a": slower, "b": slower}
    pair.go(3)
    assert pair.policy.chosen("a") == pair.policy.chosen("b") == in_order(slower, 0.9)[0]


def test_kinds_do_not_mix():
    four = street({"a": EASY, "b": HARD, "c": EASY, "d": HARD})
    four.go(20)
    leaders = four.groups()
    assert leaders["a"] == leaders["c"] != leaders["b"] == leaders["d"]
    assert all(four.accuracy(stream) >= 0.9 for stream in four.kinds)


@pytest.mark.parametrize(("before", "after"), [(EASY, HARD), (HARD, EASY), (EASY, MIDDLING)])
def test_a_stream_that_changes_its_kind_leaves(before, after):
    three = street({"a": before, "b": before, "c": before})
    three.go(3)
    follower = next(stream for stream, leader in three.groups().items() if stream != leader)
    three.kinds[follower] = after
    three.go(60)
    leaders = three.groups()
    assert leaders[follower] == follower
    assert len({leader for stream, leader in leaders.items() if stream != follower}) == 1
    assert three.policy.chosen(follower) == in_order(after, 0.9)[0]


def test_a_follower_that_nothing_fits_stays_with_golden_until_its_next_check():
    """It is like its leader, but just under what is asked for."""
    leading, following = Kind(0.97, (1.0, 1.0), (1.0, 1.0, 1.0)), Kind(0.85, (0.85, 0.85), (0.85, 0.85, 0.85))
    pair = street({"a": leading, "b": following}, tries=False, windows=(4, 4), regroup=100)
    for _ in range(14):
        pair.go(1)
        assert pair.groups() == {"a": "a", "b": "a"}
        assert pair.policy.chosen("b") == GOLDEN


@pytest.mark.parametrize("tries", [True, False])
def test_a_leader_that_changes_does_not_drag_the_others_along(tries):
    three = street({"a": EASY, "b": EASY, "c": EASY}, tries=tries)
    three.go(3)
    (leader,) = set(three.groups().values())
    three.kinds[leader] = HARD
    for _ in range(40):
        three.go(1)
        assert all(three.policy.chosen(each) == in_order(EASY, 0.9)[0] for each in three.kinds if each != leader)
    leaders = three.groups()
    assert len(set(leaders.values())) == 2
    assert leaders[leader] == leader


def test_a_stream_that_changed_joins_those_that_are_now_like_it():
    four = street({"a": EASY, "b": EASY, "c": HARD, "d": HARD})
    four.go(3)
    four.kinds["b"] = HARD
    four.go(60)
    leaders = four.groups()
    assert leaders["b"] == leaders["c"] == leaders["d"] != leaders["a"]


def test_nearness_bounds_where_likeness_is_looked_for():
    four = street({"a": EASY, "b": EASY, "c": EASY, "d": HARD}, near=[["a", "d"], ["b", "c"]])
    four.go(20)
    leaders = four.groups()
    assert leaders["b"] == leaders["c"]
    assert (leaders["a"], leaders["d"]) == ("a", "d")


def test_those_whose_leader_ends_get_another():
    three = street({"a": EASY, "b": EASY, "c": EASY})
    three.go(3)
    (leader,) = set(three.groups().values())
    three.policy.remove(leader)
    del three.kinds[leader]
    profiled = {stream: len(segments) for stream, segments in three.profiled.items()}
    three.go(2)
    (heir,) = set(three.groups().values())
    assert heir in three.kinds
    assert len(three.profiled[heir]) == profiled[heir] + 1


@given(st.dictionaries(st.sampled_from("abcdefgh"), falling(3), min_size=1), st.floats(0.01, 0.5))
def test_law_groups_are_of_all_and_alike(profiles, within):
    groups = alike(profiles, within)
    assert sorted(name for group in groups for name in group) == sorted(profiles)
    for group in groups:
        for values in zip(*(profiles[name] for name in group), strict=True):
            assert max(values) - min(values) <= within


def test_identical_streams_are_one_group_and_order_is_no_matter():
    profiles = {"a": [1, 1], "b": [0, 0.2], "c": [1, 1], "d": [0, 0.2]}
    backwards = dict(reversed(profiles.items()))
    assert {frozenset(group) for group in alike(profiles, 0.1)} == {frozenset("ac"), frozenset("bd")}
    assert {frozenset(group) for group in alike(backwards, 0.1)} == {frozenset("ac"), frozenset("bd")}
    assert alike({}, 0.1) == []
