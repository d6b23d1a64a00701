"""The sentences of a bench: gains, ties and losses, each said as what it is."""

import pytest

from tests.bench.report.figures import around, big, candidate, clip, pipeline, static
from vidpipe.bench.figures import Spread
from vidpipe.bench.report.verdict import best_static, compared, dominating, verdict

ONCE = Spread(median=0.2, low=0.2, high=0.2)


@pytest.mark.parametrize(
    ("own", "other", "said"),
    [
        (around(0.2), around(0.6), "3.0 times less CPU than"),
        (around(0.6), around(0.2), "3.0 times more CPU than"),
        (around(0.2, 0.1), around(0.22, 0.1), "as much CPU (level within the spread) as"),
        (around(0.22, 0.1), around(0.2, 0.1), "as much CPU (level within the spread) as"),
        (ONCE, Spread(median=0.205, low=0.205, high=0.205), "as much CPU (level within 5 %) as"),
        (ONCE, Spread(median=0.22, low=0.22, high=0.22), "1.1 times less CPU than"),
        (ONCE, Spread(median=0.0, low=0.0, high=0.0), "CPU that cannot be compared with"),
    ],
)
def test_cost_beside_another(own, other, said):
    assert compared(own, other) == said


STATIC = "the best static configuration as accurate (big 864x480, every 2nd frame, held)"
ITS = "its box F1 is 0.930 (95 % interval 0.910 to 0.950), its presence F1 0.950."


@pytest.mark.parametrize(
    ("candidates", "headline"),
    [
        (
            [pipeline(), big(), static()],
            f"pair needs 3.0 times less CPU than big every frame and 2.0 times less CPU than {STATIC}; {ITS}",
        ),
        (
            [pipeline(), big(0.1), static(0.1)],
            f"pair needs 2.0 times more CPU than big every frame and 2.0 times more CPU than {STATIC}; {ITS}",
        ),
        (
            [pipeline(), big(0.201), static()],
            "pair needs as much CPU (level within the spread) as big every frame and "
            f"2.0 times less CPU than {STATIC}; {ITS}",
        ),
        (
            [pipeline(), big(), static(f1=0.9)],
            "pair needs 3.0 times less CPU than big every frame and 2.0 times less CPU than the nearest static "
            f"configuration (big 864x480, every 2nd frame, held: box F1 0.900; none is as accurate); {ITS}",
        ),
        (
            [pipeline()],
            f"pair was measured beside no big model and no static configuration; {ITS}",
        ),
        ([pipeline(), static()], f"pair needs 2.0 times less CPU than {STATIC}; {ITS}"),
        (
            [pipeline(f1=None), big(f1=None), static(f1=None)],
            "pair needs 3.0 times less CPU than big every frame and 2.0 times less CPU than the static configuration "
            "big 864x480, every 2nd frame, held; its box F1 is undefined, its presence F1 undefined.",
        ),
        ([big()], "The pipeline itself was not measured on this clip."),
    ],
    ids=["less", "more", "level", "none as accurate", "alone", "no big", "undefined", "no pipeline"],
)
def test_headline(candidates, headline):
    assert verdict(clip(*candidates)).headline == headline


def test_a_rival_that_does_better_is_named_with_its_figures():
    said = verdict(
        clip(pipeline(), big(), candidate("little", "little every frame", 0.1, 0.94, what="little, 256x256"))
    )
    assert said.losses == (
        "little every frame (little, 256x256) does better: 2.0 times less CPU, box F1 0.940, presence F1 0.950.",
    )


@pytest.mark.parametrize(
    ("kind", "cpu", "f1", "dominates"),
    [
        ("little", 0.1, 0.94, True),
        ("little", 0.1, 0.93, True),  # as accurate, and cheaper
        ("static", 0.2, 0.94, True),  # as cheap, and more accurate
        ("little", 0.2, 0.93, False),  # the same
        ("little", 0.1, 0.92, False),
        ("little", 0.3, 0.99, False),
        ("little", 0.1, None, False),
        ("without", 0.1, 0.94, True),
        ("ray", 0.1, 0.94, False),  # the pipeline itself
    ],
)
def test_who_dominates(kind, cpu, f1, dominates):
    other = candidate(kind, "other", cpu, f1)
    assert dominating(clip(pipeline(), other)) == ([other] if dominates else [])


def test_nobody_dominates_what_is_undefined():
    assert dominating(clip(pipeline(f1=None), big(0.1))) == []


def test_the_most_accurate_rival_comes_first():
    little, faster = candidate("little", "little", 0.1, 0.94), candidate("static", "static", 0.05, 0.95)
    assert dominating(clip(little, pipeline(), faster)) == [faster, little]


def test_the_best_static_configuration_is_the_cheapest_as_accurate():
    cheap, accurate, dear = static(0.1, 0.9, name="a"), static(0.3, 0.94, name="b"), static(0.4, 0.99, name="c")
    assert best_static(pipeline(), clip(pipeline(), dear, accurate, cheap)) is accurate
