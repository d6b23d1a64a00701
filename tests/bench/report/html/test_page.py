"""The page of a bench: everybody is on it, at the place that the figures say, and it needs nothing from elsewhere."""

from __future__ import annotations

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
from vidpipe.accuracy.figures import Coverage, PresenceScore
from vidpipe.bench.figures import Bench, ReferenceFigures, Spread
from vidpipe.bench.report.evidence import Evidence
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
    stages = ("difference", "little", "big")
    return Evidence(StreamSpec(url=str(path)), truth, answers(published, how=how, by=by), stages)


_PAGES: dict[tuple[int, str], str] = {}  # a page takes a second


def text_of(evidence: Evidence, found: Bench) -> str:
    key = id(evidence), found.model_dump_json()
    if key not in _PAGES:
        _PAGES[key] = page(found, {one.clip: evidence for one in found.clips})
    return _PAGES[key]


def drawn(evidence: Evidence, found: Bench) -> Element:
    return parse(text_of(evidence, found))


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
    text = text_of(evidence, found)
    root = parse(text)
    for name in ("script", "link", "iframe", "object", "base"):
        assert not list(root.all(name)), f"<{name}>"
    for element in _all(root):
        assert not any(attribute.startswith("on") for attribute in element.attributes)
        for attribute in ("href", "src", "xlink:href", "srcset"):
            place = element.attributes.get(attribute, "#")
            assert place.startswith(("#", "data:image/jpeg;base64,"))
    assert not re.search(r"https?:|url\((?!#)|@import", text)
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


def test_everybody_stands_in_the_plot_of_accuracy_and_cost(evidence):
    found = clip(pipeline(), big(), static(), candidate("little", "little every frame", 0.1, 0.7))
    figure = drawn(evidence, bench(found)).one("figure", "frontier")
    points = [group for group in figure.all("g") if re.search(r"-candidate\d+$", group.attributes.get("id", ""))]
    assert len(points) >= len(found.candidates)
    for member in found.candidates:
        assert member.name in figure.one("svg").text


def test_points_stand_by_their_figures(evidence):
    """Dearer is further right, more accurate is higher."""
    dear, cheap = candidate("big", "dear and right", 2.0, 0.9), candidate("little", "cheap and wrong", 0.1, 0.5)
    figure = drawn(evidence, bench(clip(dear, cheap, grid=[]))).one("figure", "frontier")
    places = {}
    for group in figure.all("g"):
        use = next(group.all("use"), None)
        if re.search(r"-candidate[01]$", group.attributes.get("id", "")) and use is not None:
            places[group.attributes["id"][-1]] = use.number("x"), use.number("y")
    assert places["0"][0] > places["1"][0]
    assert places["0"][1] < places["1"][1]


def test_static_configurations_beyond_the_plot_are_counted(evidence):
    captions = [caption.text for caption in drawn(evidence, bench(clip())).all("figcaption")]
    (said,) = [caption for caption in captions if "static configurations on" in caption]
    beyond = re.search(r"(\d+) of them lie outside this plot", said)
    assert beyond
    assert 0 < int(beyond[1]) < len(GRID)


def test_what_is_undefined_is_not_drawn_but_named(evidence):
    found = clip(pipeline(), big(), candidate("little", "little every frame", 0.1, None))
    root = drawn(evidence, bench(found))
    assert "little every frame" not in root.one("figure", "frontier").one("svg").text
    assert any(
        "Not drawn, as their box F1 is undefined: little every frame" in one.text for one in root.all("figcaption")
    )


def test_who_answered_stands_along_time(evidence):
    """Ten frames of difference, ten of little, nine of big, and one that was dropped."""
    text = drawn(evidence, bench()).one("figure", "timeline").one("svg").text
    for said in ("difference: reused, 33 %", "little: measured, 33 %", "big: measured, 30 %", "source: dropped, 3.3 %"):
        assert said in text


def test_what_was_missed_and_what_was_false_is_marked_in_time(evidence):
    """The person is published a second late. One frame of a vehicle is a flicker, and makes no presence."""
    figure = drawn(evidence, bench()).one("figure", "timeline")
    spans = {}
    for group in figure.all("g"):
        name = re.search(r"-(person-(?:wanted|published|missed|false))$", group.attributes.get("id", ""))
        if name:
            spans[name[1]] = len(list(group.all("path")))
    assert spans == {"person-wanted": 1, "person-published": 1, "person-missed": 1, "person-false": 0}
    assert "vehicle" not in figure.one("svg").text


def test_the_worst_frames_are_shown_side_by_side(evidence):
    """Frame 0 misses the person; 25 is next, more than 2 s later, with a vehicle that is not there."""
    root = drawn(evidence, bench()).one("div", "frames")
    first, second = root.all("figure")
    assert "frame 0, 0.00 s: reused by difference. 0 right, 1 missed, none false." in first.one("figcaption").text
    assert "frame 25, 2.50 s: measured by big. 1 right, none missed, 1 false." in second.one("figcaption").text
    assert [picture.attributes["alt"] for one in (first, second) for picture in one.all("img")] == [
        "reference: 1 boxes, 1 of them missed",
        "published: 0 boxes, 0 of them false",
        "reference: 1 boxes, 0 of them missed",
        "published: 2 boxes, 1 of them false",
    ]


def test_the_pictures_are_those_of_their_frames(evidence):
    import base64

    import cv2

    root = drawn(evidence, bench()).one("div", "frames")
    shown = []
    for picture in root.all("img"):
        data = base64.b64decode(picture.attributes["src"].partition(",")[2])
        grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
        shown.append(clips.number(grey))
    assert shown == [0, 0, 25, 25]


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
    assert [cell.text for cell in own.all("td")][-7:] == [
        "0.750",
        "0.8000.780 to 0.820",
        "0.790",
        "0.950",
        "0.700",
        "0.600",
        "0.500",
    ]
    assert reference.one("th").children[0] == "reference"
    assert [cell.text for cell in reference.all("td")] == [
        *[""] * 7, "0.860", "0.9100.890 to 0.930", "0.900", "0.950", "0.810", "0.710", "0.610",
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
