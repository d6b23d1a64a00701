"""A budget before the run begins. What must hold:

- what is written wrongly is said in words;
- the streams get what makes them worth most together, by their weights, within every limit and above every floor;
- where that cannot be, the message says what it would take, and of which stream;
- a stream of which nothing is known is looked at carefully, and counts as that.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

import vidpipe
from tests.tuning.budget.profiles import FPS, FRONTIER, SAFE_ONE, known, tried, yard
from vidpipe.core.errors import ConfigError
from vidpipe.sources.base import DECODE_ALL, Decoding
from vidpipe.tuning.budget.apply import apply_budget
from vidpipe.tuning.budget.limits import parse
from vidpipe.tuning.budget.tuner import Budget
from vidpipe.tuning.floor.profile import read
from vidpipe.tuning.paths import TUNED, folder_of

PICTURE_MB = 320 * 240 * 1.5 * 8e-6  # as it crosses a link, megabits


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cpus=2", "there is no 'cpus'; did you mean 'cpu'?"),
        ("memory=2", "there is no 'memory'; there is cpu, latency_ms, mbps"),
        ("cpu", "--budget cpu: cpu is a number above 0, as in cpu=1.5"),
        ("cpu=two", "--budget cpu=two: cpu is a number above 0"),
        ("mbps=-1", "--budget mbps=-1: mbps is a number above 0"),
        ("cpu=nan", "--budget cpu=nan: cpu is a number above 0"),
        ("cpu=inf", "--budget cpu=inf: cpu is a number above 0"),
        ("cpu=1,cpu=2", "--budget names cpu twice"),
        ("cpu=1,", "there is no ''"),
        ("", "there is no ''"),
    ],
)
def test_what_is_written_wrongly_is_said(text, said):
    with pytest.raises(ConfigError, match=re.escape(said)):
        parse(text)


def test_a_budget_reads_back_as_it_was_written():
    assert str(parse(" latency_ms = 200 , cpu=1.5")) == "cpu=1.5,latency_ms=200"


def between(pipeline):
    """Seconds between looks that each stream has."""
    return {
        name: stream.configs["move"].refresh_s if not stream.configs["quick"].enabled else "quick"
        for name, stream in pipeline.streams.items()
    }


@pytest.fixture
def budgeted(tmp_path):
    """What streams get of a budget, and what is said of it."""

    def applied(budget, frontiers, **yard_of):
        pipeline = yard(tmp_path, *(yard_of.pop("streams", None) or frontiers), **yard_of)
        known(pipeline, tmp_path, **frontiers)
        return apply_budget(pipeline, parse(budget), tmp_path)

    return applied


@pytest.mark.parametrize(
    ("budget", "weights", "given"),
    [
        ("cpu=9", {}, {"a": 0.0, "b": 0.0}),
        ("cpu=0.8", {}, {"a": 0.2, "b": 0.2}),
        ("cpu=1.2", {"b": 2}, {"a": 0.2, "b": 0.0}),
        ("cpu=0.5", {"a": 3}, {"a": 0.2, "b": 1.0}),
        ("cpu=0.2", {}, {"a": 1.0, "b": 1.0}),
    ],
)
def test_streams_get_what_makes_them_worth_most_together(budgeted, budget, weights, given):
    specs = {name: {"weight": weight} for name, weight in weights.items()}
    pipeline, lines = budgeted(budget, {"a": FRONTIER, "b": FRONTIER}, **specs)
    assert between(pipeline) == given
    assert pipeline.tuner is not None
    assert pipeline.tuner.type is Budget
    assert lines[-1].startswith(f"budget {budget}: ")


def test_what_cannot_change_while_streams_run_is_no_part_of_a_plan(budgeted):
    less = replace(FRONTIER[1], configuration=replace(FRONTIER[1].configuration, decoding=Decoding("nokey")))
    cheap_and_good = replace(less, cpu_ms=1.0, estimate=FRONTIER[2].estimate)
    pipeline, _ = budgeted("cpu=0.4", {"a": (cheap_and_good, *FRONTIER)})
    assert between(pipeline) == {"a": 0.2}
    assert pipeline.streams["a"].spec.decoding == DECODE_ALL


def test_floors_go_first(budgeted):
    frontiers = {"a": FRONTIER, "b": FRONTIER}
    pipeline, _ = budgeted("cpu=0.5", frontiers, a={"floor": 0.88})
    assert between(pipeline) == {"a": 0.2, "b": 1.0}


def test_what_no_plan_can_keep_is_refused_with_what_it_would_take(budgeted):
    frontiers = {"a": FRONTIER, "b": FRONTIER}
    with pytest.raises(ConfigError) as refused:
        budgeted("cpu=0.45", frontiers, a={"floor": 0.88})
    said = str(refused.value)
    assert said.startswith(
        "a budget of cpu=0.45 cannot be kept with the floors of its streams; cpu must be 0.5 at least"
    )
    assert "stream a 0.4 (the last stage looks every 0.2 s" in said
    assert budgeted("cpu=0.5", frontiers, a={"floor": 0.88})
    with pytest.raises(ConfigError, match=r"cpu=0.1 cannot be kept; cpu must be 0.2 at least: stream a 0.1"):
        budgeted("cpu=0.1", frontiers)


def test_a_floor_that_footage_did_not_prove_is_kept_by_a_look_at_every_frame(budgeted):
    unproven = (tried(0.2, 20.0, 0.95, low=0.5), SAFE_ONE)
    pipeline, _ = budgeted("cpu=2", {"a": unproven, "b": unproven}, a={"floor": 0.9})
    assert between(pipeline)["a"] == 0.0


def test_looks_that_cross_a_link_count_for_it_and_others_do_not(budgeted):
    """Looks of the last stage cross it at 2, 5 and 20 a second, and audits of the little model's answers."""
    frontier = (*FRONTIER[1:3], tried(0.0, 30.0, 0.9, little=True), SAFE_ONE)
    plenty, tight = (f"cpu=4,mbps={looks * PICTURE_MB:.4f}" for looks in (20, 3))
    assert between(budgeted(plenty, {"a": frontier}, tier="cloud")[0]) == {"a": 0.0}
    assert between(budgeted(tight, {"a": frontier}, tier="cloud")[0]) == {"a": "quick"}
    alone, lines = budgeted(tight, {"a": frontier})
    assert between(alone) == {"a": 0.0}
    assert "all stages stand on one tier" in lines[-1]
    audits = 0.5 * 0.01 * FPS * PICTURE_MB
    with pytest.raises(ConfigError, match="mbps of device-cloud must be"):
        budgeted(f"mbps={audits}", {"a": frontier}, tier="cloud")


def test_looks_that_come_too_late_are_left_out(budgeted):
    frontier = (*FRONTIER, tried(0.0, 30.0, 0.9, little=True))
    slow = "late: wait\nlinks: {device-cloud: {shaper: {delay_ms: 150}}}"
    assert between(budgeted("latency_ms=200", {"a": frontier}, tier="cloud", more=slow)[0]) == {"a": 0.0}
    assert between(budgeted("latency_ms=100", {"a": frontier}, tier="cloud", more=slow)[0]) == {"a": "quick"}
    with pytest.raises(ConfigError, match="stream a cannot keep to it: links alone add 150 ms"):
        budgeted("latency_ms=100", {"a": FRONTIER}, tier="cloud", more=slow)
    detour = slow.replace("wait", "detour")  # nobody waits for a look
    assert between(budgeted("latency_ms=100", {"a": frontier}, tier="cloud", more=detour)[0]) == {"a": 0.0}


def test_a_stream_of_which_nothing_is_known_is_looked_at_carefully_and_counts_as_that(budgeted):
    frontiers = {"a": FRONTIER}
    pipeline, lines = budgeted("cpu=1", frontiers, streams=("a", "new"))
    assert between(pipeline) == {"a": 0.5, "new": 0.0}  # 0.8 of the core are gone
    assert lines[0].startswith("stream new was never tuned: `vidpipe tune` it first; meanwhile every frame")
    with pytest.raises(ConfigError, match="stream b was never tuned: `vidpipe tune` it first"):
        budgeted("cpu=1", {}, streams=("b",))


def test_from_python_it_is_the_same(tmp_path):
    pipeline = yard(tmp_path, "a", "b")
    known(pipeline, tmp_path, a=FRONTIER, b=FRONTIER)
    assert (
        vidpipe.keep_budget(pipeline, cpu=0.8, profiles=tmp_path)
        == apply_budget(pipeline, parse("cpu=0.8"), tmp_path)[0]
    )
    with pytest.raises(ConfigError, match="a budget needs one of cpu, mbps, latency_ms"):
        vidpipe.keep_budget(pipeline, profiles=tmp_path)
    with pytest.raises(ConfigError, match="cpu: Input should be greater than 0"):
        vidpipe.keep_budget(pipeline, cpu=-1, profiles=tmp_path)


def test_audits_take_a_small_share_of_what_a_stream_gets(budgeted):
    """A look of the last stage costs 0.04 s; where a stream gets 0.1 s a second, a few in a thousand are enough."""
    pipeline, _ = budgeted("cpu=0.2", {"a": FRONTIER, "b": FRONTIER})
    assert pipeline.audit.rate == pytest.approx(0.03 * 0.1 / 0.8)


def test_another_tuner_and_a_budget_exclude_each_other(budgeted):
    with pytest.raises(ConfigError, match="the pipeline has a tuner already, Static"):
        budgeted("cpu=1", {"a": FRONTIER}, more="tuner: {type: static, stages: {}}")


def test_a_profile_of_an_earlier_vidpipe_is_of_use(tmp_path):
    """It does not say how many pictures came a second; those that do are near enough."""
    pipeline = yard(tmp_path, "old", "new")
    known(pipeline, tmp_path, old=FRONTIER, new=FRONTIER)
    file = folder_of(tmp_path, "old") / TUNED
    plain = json.loads(file.read_text())
    del plain["fps"], plain["picture"]
    file.write_text(json.dumps(plain))
    assert read(tmp_path, "old").fps is None
    assert between(apply_budget(pipeline, parse("cpu=0.8"), tmp_path)[0]) == {"old": 0.2, "new": 0.2}
