"""The table of a bench on a terminal and in a pipe: every figure whole, every name, warning and loss there."""

from __future__ import annotations

import re

import pytest

from tests.bench.report.figures import UNDEFINED, accuracy, bench, big, candidate, clip, pipeline, static
from vidpipe.bench.figures import ReferenceFigures
from vidpipe.cli.terminal.bench_table import print_bench

LONG = "Ultralytics' loop, sampled, of a model with quite a long name"
LABELLED = clip(
    pipeline(labels=accuracy(0.8, labels=True)),
    big(labels=UNDEFINED),
    reference=ReferenceFigures(what="big at 864x480", looked=477, cached=318, labels=accuracy(0.91, labels=True)),
)


@pytest.fixture
def printed(capsys, monkeypatch):
    """What is printed of a bench into a pipe, or on a terminal of so many columns."""

    def print_it(found, *, columns=None):
        for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE"):
            monkeypatch.delenv(name, raising=False)
        if columns is not None:
            monkeypatch.setenv("COLUMNS", str(columns))
            monkeypatch.setenv("FORCE_COLOR", "1")
            monkeypatch.setenv("TERM", "xterm-256color")
        print_bench(found)
        return capsys.readouterr().out

    return print_it


def rows(text, title):
    """The lines of a table, split at two blanks or more."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.strip().startswith(title))
    table = []
    for line in lines[start:]:
        if not line.strip() or line.startswith("["):
            break
        table.append(re.split(r" {2,}", line.strip()))
    return table


def test_figures_of_a_clip(printed):
    found = clip(
        pipeline(), big(), static(), candidate("little", "little every frame", 1.2, 0.7, notes=["slow", "odd"])
    )
    assert rows(printed(bench(found)), "CPU s/s") == [
        ["CPU s/s", "x less", "box F1 (95 %)", "moving", "presence", "stale s", "peak MB"],
        ["pair", "0.200 ±2 %", "3.0", "0.930 (0.910 to 0.950)", "0.920", "0.950", "0.30", "640"],
        ["big every frame", "0.600 ±2 %", "1.0", "1.000 (0.980 to 1.000)", "0.990", "0.950", "0.30", "640"],
        ["static", "0.400 ±2 %", "1.5", "0.940 (0.920 to 0.960)", "0.930", "0.950", "0.30", "640"],
        ["little every frame [1] [2]", "1.200 ±2 %", "0.5", "0.700 (0.680 to 0.720)", "0.690", "0.950", "0.30", "640"],
    ]


def test_scores_against_labels_stand_below_with_the_references_own(printed):
    assert rows(printed(bench(LABELLED)), "against labels") == [
        ["against labels", "AP50", "box F1 (95 %)", "moving", "presence", "MOTA", "IDF1", "HOTA"],
        ["pair", "0.750", "0.800 (0.780 to 0.820)", "0.790", "0.950", "0.700", "0.600", "0.500"],
        ["big every frame", "-", "-", "-", "-", "-", "-", "-"],
        ["reference", "0.860", "0.910 (0.890 to 0.930)", "0.900", "0.950", "0.810", "0.710", "0.610"],
    ]


def test_nothing_is_said_of_labels_nor_of_signs_where_there_are_none(printed):
    text = printed(bench())
    assert "against labels" not in text
    assert "undefined" not in text
    assert "x less under 1" not in text


def test_what_has_to_be_said_is_said(printed):
    found = clip(
        pipeline(f1=None),
        big(notes=["a note"]),
        static(),
        candidate("without", "without little", 0.9, 0.5, notes=["a note", "another"]),
        warnings=["doubtful", "[bold]not markup[/bold]"],
        notes=["no loop of anybody"],
    )
    lines = printed(bench(found)).splitlines()
    for line in (
        "street: 160x120, 10 fps; scored frames 318 to 794 (31.8 to 79.5 s)",
        "warning: doubtful",
        "warning: [bold]not markup[/bold]",
        "[1] a note",
        "[2] another",
        "- undefined: there was nothing to count",
        "x less under 1: more CPU than the big model takes",
        "reference: big at 864x480 (477 frames looked at now, 318 from the cache)",
        "static: big 864x480, every 2nd frame, held",
        "static configurations were chosen on frames 0 to 317 (0.0 to 31.8 s), which no score counts",
        "no loop of anybody",
        "median of 3 runs of each, engine inline, on A processor",
    ):
        assert line in lines


def test_a_loss_is_said_before_the_table(printed):
    text = printed(bench(clip(pipeline(), big(0.1), static())))
    loss = "big every frame (what big every frame is) does better: 2.0 times less CPU, box F1 1.000, presence F1 0.950."
    assert text.index(loss) < text.index("CPU s/s")


def test_of_several_clips_each_has_its_table(printed):
    found = bench(*(clip(clip=f"street{number}") for number in range(5)))
    text = printed(found)
    assert re.findall(r"^(street\d): ", text, re.MULTILINE) == [one.clip for one in found.clips]
    assert text.count("CPU s/s  ") == 5


@pytest.mark.parametrize("columns", [None, 60, 100, 200])
def test_no_figure_is_cut_at_any_width(printed, columns):
    found = clip(pipeline(), big(), static(), candidate("ultralytics", LONG, 12.345, 0.94))
    text = re.sub(r"\x1b\[[0-9;]*m", "", printed(bench(found), columns=columns))
    assert "…" not in text
    for figure in ("0.200 ±2 %", "12.345 ±2 %", "0.930 (0.910 to 0.950)", "0.940 (0.920 to 0.960)", "640"):
        assert figure in text
    assert set(LONG.split()) <= set(text.split())


def test_a_pipe_gets_no_colours_and_a_terminal_of_100_columns_no_longer_lines_of_the_table(printed):
    assert "\x1b" not in printed(bench(LABELLED))
    shown = printed(bench(clip(pipeline(), big(), candidate("ultralytics", LONG, 12.345, 0.94))), columns=100)
    assert "\x1b" in shown
    assert max(map(len, re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines())) <= 100


def test_where_there_is_nobody(printed):
    text = printed(bench(clip(candidates=[], grid=[], coverage=[], fitted=None)))
    assert "The pipeline itself was not measured on this clip." in text
    assert "CPU s/s" in text
