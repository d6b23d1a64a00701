"""The page of a bench: everybody is on it, at the place that the figures say, and it needs nothing from elsewhere."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from tests import clips
from tests.bench.builders import answers, at, series
from tests.bench.report.figures import (
    COVERAGE,
    GRID,
    UNDEFINED,
    accuracy,
    around,
    bench,
    big,
    candidate,
    clip,
    cost,
    pipeline,
    static,
)
from tests.bench.report.html.parsed import Element, parse
from vidpipe.bench.figures import Bench, Coverage, PresenceScore, ReferenceFigures, Spread
from vidpipe.bench.report.evidence import Evidence
from vidpipe.bench.report.html.frontier import PLOT, Axes
from vidpipe.bench.report.html.page import page
from vidpipe.bench.report.verdict import verdict
from vidpipe.sources.base import StreamSpec

FRAMES = 30
NASTY = "<b>\"&'</b>"
EVIL = '<img src=x onerror="alert(1)">'


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    """Three seconds at 10 frames a second: a person is there from the start, and is published from frame 10 on."""
    path = clips.encode(tmp_path_factory.mktemp("page") / "street.mp4", frames=FRAMES, fps=10)
    size = (clips.WIDTH, clips.HEIGHT)
    truth = series(FRAMES, *(at(frame, 50) for frame in range(FRAMES)), size=size)
    published = series(
        FRAMES,
        *(at(frame, 50, score=0.8) for frame in range(10, FRAMES)),
        at(25, 100, score=0.7, label=1),
        size=size,
    )
    by = ["difference"] * 10 + ["little"] * 10 + ["big"] * 9 + ["source"]
    how = ["reused"] * 10 + ["measured"] * 19 + ["dropped"]
    return Evidence(
        StreamSpec(url=str(path)), truth, answers(published, how=how, by=by), None, ("difference", "little", "big")
    )


def drawn(evidence: Evidence, found: Bench) -> Element:
    return parse(page(found, {one.clip: evidence for one in found.clips}))


ALONE = clip(pipeline(), grid=[], coverage=[], fitted=None)
NOTHING = clip(
    pipeline(f1=None, by={}, how={}, cost=cost(Spread(median=0, low=0, high=0), models={}, links={})),
    big(f1=None, labels=UNDEFINED),
    static(f1=None),
    coverage=[],
    reference=ReferenceFigures(what="big", looked=0, cached=0, labels=UNDEFINED),
)
UNAUDITED = Coverage(stage="little", audited=0, rate=0, low=0, high=1, answered=0, missed=0, covered=None)
LABELLED = clip(
    pipeline(labels=accuracy(0.8, labels=True)),
    big(labels=accuracy(0.9, labels=True)),
    reference=ReferenceFigures(what="big", looked=477, cached=0, labels=accuracy(0.91, labels=True)),
)
HOSTILE = clip(
    pipeline(name=NASTY, what=EVIL, notes=[EVIL]),
    big(name=EVIL),
    clip=NASTY,
    warnings=[EVIL],
    notes=["no loop", f"no {EVIL}"],
)
CASES = {
    "plain": bench(),
    "alone": bench(ALONE),
    "nothing defined": bench(NOTHING),
    "no audits": bench(clip(coverage=[UNAUDITED])),
    "no candidate": bench(clip(candidates=[])),
    "with labels": bench(LABELLED),
    "names that are markup": bench(HOSTILE, pipeline=NASTY, command=EVIL),
    "five clips": bench(*(clip(clip=f"street{number}") for number in range(5))),
    "energy": bench(clip(pipeline(cost=cost(0.2, energy_j=around(30.0))))),
}


@pytest.mark.parametrize("found", CASES.values(), ids=CASES)
def test_everybody_and_every_warning_is_there(found, evidence):
    root = drawn(evidence, found)
    sections = list(root.all("section"))
    assert [section.one("h2").text for section in sections] == [one.clip for one in found.clips]
    for one, section in zip(found.clips, sections, strict=True):
        names = [row.one("th").children[0] for row in section.one("table", "candidates").one("tbody").all("tr")]
        assert names[: len(one.candidates)] == [candidate.name for candidate in one.candidates]
        assert section.one("p", "headline").text == verdict(one).headline
        for text in (*one.warnings, *verdict(one).losses):
            assert text in [item.text for item in section.all("li")]
        for note in one.notes:
            assert any(note[1:] in item.text for item in section.one("ul", "footnotes").all("li"))
        for member in one.candidates:
            assert all(any(note in item.text for item in section.all("li")) for note in member.notes)
    assert found.command in root.one("footer").text


@pytest.mark.parametrize("found", CASES.values(), ids=CASES)
def test_it_needs_nothing_from_elsewhere(found, evidence):
    text = page(found, {one.clip: evidence for one in found.clips})
    root = parse(text)
    for name in ("script", "link", "iframe", "object", "base"):
        assert not list(root.all(name)), f"<{name}>"
    for element in _all(root):
        assert not any(attribute.startswith("on") for attribute in element.attributes)
        for attribute in ("href", "src", "xlink:href", "srcset"):
            place = element.attributes.get(attribute, "#")
            assert place.startswith(("#", "data:image/jpeg;base64,"))
    assert not re.search(r"https?:|url\(|@import", text)
    assert len(text) < 600_000 * len(found.clips)


@pytest.mark.parametrize("found", CASES.values(), ids=CASES)
def test_names_within_the_page_are_unique_and_lead_somewhere(found, evidence):
    elements = list(_all(drawn(evidence, found)))
    names = [element.attributes["id"] for element in elements if "id" in element.attributes]
    assert len(names) == len(set(names))
    for element in elements:
        place = element.attributes.get("href", "")
        if place.startswith("#"):
            assert place[1:] in names


def test_points_stand_where_their_figures_are(evidence):
    found = clip(pipeline(), big(), static(), candidate("little", "little every frame", 0.1, 0.7))
    svg = drawn(evidence, bench(found)).one("svg", "frontier")
    marks = {mark.one("text").text: mark for mark in svg.all("g", "candidate")}
    assert marks.keys() == {member.name for member in found.candidates}
    # The frame is known from the ticks alone: what lies between two of them lies in proportion.
    rows = _ticks(svg, "end", "y")
    columns = {math.log(value): pixel for value, pixel in _ticks(svg, "mid", "x").items()}
    for member in found.candidates:
        circle = marks[member.name].one("circle")
        x, y = circle.number("cx"), circle.number("cy")
        assert PLOT.x0 <= x <= PLOT.x1
        assert PLOT.y0 <= y <= PLOT.y1
        assert x == pytest.approx(_along(columns, math.log(member.cost.cpu.median)), abs=0.1)
        assert y == pytest.approx(_along(rows, member.agreement.boxes.f1), abs=0.1)
        upright, flat = marks[member.name].all("line", "bar")
        assert upright.number("y1") == pytest.approx(_along(rows, member.agreement.boxes.high), abs=0.1)
        assert upright.number("y2") == pytest.approx(_along(rows, member.agreement.boxes.low), abs=0.1)
        assert flat.number("x1") == pytest.approx(_along(columns, math.log(member.cost.cpu.low)), abs=0.1)
        assert flat.number("x2") == pytest.approx(_along(columns, math.log(member.cost.cpu.high)), abs=0.1)


def test_static_configurations_beyond_the_plot_are_counted(evidence):
    found = clip()
    svg = drawn(evidence, bench(found)).one("svg", "frontier")
    shown = len(list(svg.all("circle", "choice")))
    axes = Axes.of(found.candidates, GRID)
    assert shown == sum(axes.y.low <= choice.f1 <= axes.y.high for choice in GRID)
    assert 0 < shown < len(GRID)
    captions = [caption.text for caption in drawn(evidence, bench(found)).all("figcaption")]
    assert any(f"{len(GRID) - shown} of them lie outside this plot" in caption for caption in captions)


def test_what_is_undefined_is_not_drawn_but_named(evidence):
    found = clip(pipeline(), big(), candidate("little", "little every frame", 0.1, None))
    root = drawn(evidence, bench(found))
    assert "little every frame" not in root.one("svg", "frontier").text
    assert any(
        "Not drawn, as their box F1 is undefined: little every frame" in one.text for one in root.all("figcaption")
    )


def test_the_band_shares_its_height_and_time_among_those_who_answered(evidence):
    """Ten frames of difference, ten of little, nine of big, and one that was dropped."""
    svg = drawn(evidence, bench()).one("svg", "timeline")
    outline = svg.one("rect", "outline")
    left, width = outline.number("x"), outline.number("width")
    spans = {path.one("title").text: _span(path) for path in svg.all("path")}
    expected = {
        "reused by difference": (0, 10),
        "measured by little": (10, 20),
        "measured by big": (20, 29),
        "dropped by source": (29, 30),
    }
    assert spans.keys() == expected.keys()
    for name, (start, stop) in expected.items():
        x0, x1, y0, y1 = spans[name]
        assert (x0, x1) == pytest.approx((left + width * start / FRAMES, left + width * stop / FRAMES), abs=0.1)
        assert y1 - y0 == pytest.approx(outline.number("height"), abs=0.1)


def test_columns_of_several_frames_are_stacked_by_share(evidence):
    """Of four thousand frames every fourth is answered by big: a quarter of the height, all along."""
    count = 4000
    by = ["big" if frame % 4 == 0 else "little" for frame in range(count)]
    empty = series(count, size=(clips.WIDTH, clips.HEIGHT))
    many = replace(evidence, truth=empty, published=answers(empty, by=by))
    svg = drawn(many, bench()).one("svg", "timeline")
    height = svg.one("rect", "outline").number("height")
    paths = {path.one("title").text: path for path in svg.all("path")}
    assert paths.keys() == {"measured by little", "measured by big"}
    shares = [
        (float(floor) - float(top)) / height
        for top, floor in re.findall(r"M[\d.]+ ([\d.]+)H[\d.]+V([\d.]+)H", paths["measured by big"].attributes["d"])
    ]
    assert len(shares) <= 1000
    assert min(shares) >= 1 / 5 - 0.01
    assert max(shares) <= 2 / 5 + 0.01


def test_what_was_missed_and_what_was_false_is_marked_in_time(evidence):
    """The person is published a second late. One frame of a vehicle is a flicker, and makes no presence."""
    svg = drawn(evidence, bench()).one("svg", "timeline")
    said = {cls: [rect.one("title").text for rect in svg.all("rect", cls)] for cls in ("wanted", "missed", "false")}
    assert said == {
        "wanted": ["person, wanted: 0.00 to 3.00 s"],
        "missed": ["person, missed: 0.00 to 1.00 s"],
        "false": [],
    }


def test_the_worst_frames_are_shown_side_by_side(evidence):
    """Frame 0 misses the person; 25 is next, more than 2 s later, with a vehicle that is not there."""
    root = drawn(evidence, bench()).one("div", "frames")
    first, second = root.all("figure")
    assert "frame 0, 0.00 s: reused by difference. 0 right, 1 missed, none false." in first.one("figcaption").text
    assert "frame 25, 2.50 s: measured by big. 1 right, none missed, 1 false." in second.one("figcaption").text
    boxes = [[group.classes for group in svg.all("g")] for one in (first, second) for svg in one.all("svg")]
    assert boxes == [[["missed"]], [], [["agreed"]], [["agreed"], ["false"]]]
    box = next(first.all("g", "missed")).children[0]
    assert [box.number(name) for name in ("x", "y", "width", "height")] == [50, 10, 20, 40]


def test_the_pictures_are_those_of_their_frames(evidence):
    import base64

    import cv2

    root = drawn(evidence, bench()).one("div", "frames")
    shown = []
    for picture in root.all("image"):
        data = base64.b64decode(picture.attributes["href"].partition(",")[2])
        grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
        shown.append(clips.number(grey))
    assert shown == [0, 25]


def test_agreement_on_every_frame_is_said(evidence):
    same = replace(evidence, published=answers(evidence.truth))
    assert "Pipeline and reference agree on every frame." in drawn(same, bench()).one("main").text


def test_the_funnel_counts_down(evidence):
    rows = drawn(evidence, bench()).one("table", "funnel").one("tbody").all("tr")
    cells = {row.one("th").text: [cell.text for cell in row.all("td")][1:] for row in rows}
    assert cells == {
        "difference": ["477100 %", "20042 %", "277", "0.31±2 %", "1 of 120.015 to 0.354", "9 of 1980.045", "yes"],
        "little": ["27758 %", "15054 %", "127", "11.00±2 %", "-", "-", "-"],
        "big": ["12727 %", "127100 %", "0", "58.00±2 %", "-", "-", "-"],
    }


@pytest.mark.parametrize(
    ("coverage", "cells"),
    [
        (UNAUDITED, ["none audited", "0 of 0-", "-"]),
        (
            COVERAGE.model_copy(update={"stage": "little", "covered": False}),
            ["1 of 120.015 to 0.354", "9 of 1980.045", "no"],
        ),
    ],
)
def test_audits_that_were_wrong_or_were_none(evidence, coverage, cells):
    rows = list(drawn(evidence, bench(clip(coverage=[coverage]))).one("table", "funnel").one("tbody").all("tr"))
    assert [cell.text for cell in rows[1].all("td")][-3:] == cells


def test_several_clips_are_summed_up_by_row_with_the_worst_marked(evidence):
    found = bench(
        clip(clip="good"),
        clip(pipeline(f1=0.8), big(0.1), clip="bad"),
        clip(pipeline(f1=None), big(), clip="empty"),
    )
    rows = [
        [row.one("th").text.strip(), *(cell.text for cell in row.all("td"))]
        for row in drawn(evidence, found).one("table", "summary").one("tbody").all("tr")
    ]
    assert [row[0] for row in rows] == ["good", "bad worst", "empty"]
    assert [row[-2:] for row in rows] == [["2.0", "none"], ["none as accurate", "big every frame"], ["-", "none"]]


def test_one_clip_needs_no_summary(evidence):
    assert not list(drawn(evidence, bench()).all("table", "summary"))


def test_labels_stand_beside_the_reference_with_its_own_score(evidence):
    rows = list(drawn(evidence, bench(LABELLED)).one("table", "candidates").one("tbody").all("tr"))
    own, reference = rows[0], rows[-1]
    assert [cell.text for cell in own.all("td")][-6:] == [
        "0.750",
        "0.8000.780 to 0.820",
        "0.790",
        "0.950",
        "0.700",
        "0.600",
    ]
    assert reference.one("th").children[0] == "reference"
    assert [cell.text for cell in reference.all("td")] == [
        *[""] * 7, "0.860", "0.9100.890 to 0.930", "0.900", "0.950", "0.810", "0.710",
    ]  # fmt: skip


def test_a_delay_that_is_undefined_has_no_unit_and_hides_no_other(evidence):
    score = PresenceScore(f1=1.0, found=1, false=0, missed=0, begin_delay_s=None, end_delay_s=0.3)
    own = pipeline(agreement=accuracy(0.9).model_copy(update={"presence": {"person": score}}))
    rows = drawn(evidence, bench(clip(own))).one("details").all("tr")
    shown = [[cell.text for cell in row.all("td")] for row in rows if "presence: person" in row.text]
    assert shown == [["reference", "presence: person", "1.000", "", "", "1", "0", "0", "-, 0.30"]]


def test_energy_that_cannot_be_read_is_said(evidence):
    assert "not readable on this machine" in drawn(evidence, bench()).one("details").text
    assert "30.0 ±2 %" in drawn(evidence, CASES["energy"]).one("details").text


def _all(element: Element):
    for child in element.children:
        if isinstance(child, Element):
            yield child
            yield from _all(child)


def _ticks(svg: Element, cls: str, axis: str) -> dict[float, float]:
    """Values and pixels of the ticks of an axis; a label stands 4 pixels below its line."""
    shift = 4 if axis == "y" else 0
    return {float(text.text): text.number(axis) - shift for text in svg.all("text", "tick") if cls in text.classes}


def _along(ticks: dict[float, float], value: float) -> float:
    low, high = min(ticks), max(ticks)
    return ticks[low] + (value - low) / (high - low) * (ticks[high] - ticks[low])


def _span(path: Element) -> tuple[float, float, float, float]:
    """Left, right, top and bottom of a path of one bar."""
    ((x0, y0, x1, y1),) = re.findall(r"M([\d.]+) ([\d.]+)H([\d.]+)V([\d.]+)H[\d.]+Z", path.attributes["d"])
    return float(x0), float(x1), float(y0), float(y1)
