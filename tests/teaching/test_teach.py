"""An event that examples teach. What must hold:

- it is found on recordings that were not marked, and figures are of examples that were neither fitted nor chosen on;
- what cannot be learnt is refused in one sentence that says why.
"""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.teaching import street
from vidpipe.core.errors import ConfigError
from vidpipe.teaching.examples import Example, read_examples
from vidpipe.teaching.fit import Shown, without_neighbours
from vidpipe.teaching.judge import Span, judge
from vidpipe.teaching.recorded import told
from vidpipe.teaching.teach import Lesson, teach
from vidpipe.transforms.learnt.classifier import EventClassifier

MEETS = [bool(number % 2) for number in range(24)]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return street.write(tmp_path_factory.mktemp("days") / "monday.jsonl", MEETS)


def test_it_is_found_on_a_day_that_nobody_has_marked(day: Path, tmp_path: Path) -> None:
    taught = teach(Lesson("meets"), street.examples("monday", MEETS), [day])
    figures = taught.classifier.figures["held_back"]
    assert figures["found"] + figures["missed"] == 4
    assert figures["f1"]["estimate"] >= 0.85
    file = tmp_path / "meets.event"
    taught.classifier.write(file)
    again = EventClassifier.read(file)
    assert again == taught.classifier
    other = [random.Random(1).random() < 0.4 for _ in range(20)]
    tuesday = street.write(tmp_path / "tuesday.jsonl", other, seed=5)
    marked = street.examples("tuesday", other)
    spans = {
        value: [Span("tuesday", "yard", each.begin, each.end) for each in marked if each.yes == value]
        for value in (True, False)
    }
    figures = judge(told(again, [tuesday], {"tuesday": {"yard"}}), spans[True], spans[False], 2.0).figures()
    assert figures["f1"]["estimate"] >= 0.9


def test_figures_rest_on_the_latest_alone(day: Path) -> None:
    """Other answers to the latest examples change the figures, and nothing that was learnt."""
    marked = street.examples("monday", MEETS)
    honest = teach(Lesson("meets"), marked, [day])
    turned = [replace(each, yes=not each.yes) if each.begin > 16 * street.SPELL_S else each for each in marked]
    wrong = teach(Lesson("meets"), turned, [day])
    assert (wrong.classifier.weights, wrong.classifier.begin) == (honest.classifier.weights, honest.classifier.begin)
    assert wrong.judged.found <= 1 < honest.judged.found


def test_contradictions_lists_and_noise_are_refused(day: Path) -> None:
    marked = street.examples("monday", MEETS)
    refused = {
        "no example says no": [each for each in marked if each.yes],
        "there are no examples": [],
        "too few examples": marked[:8],
        "no better": [],
    }
    for message, examples in list(refused.items())[:3]:
        with pytest.raises(ConfigError, match=message):
            teach(Lesson("meets"), examples, [day])
    chance = random.Random(3)
    noise = [replace(each, yes=chance.random() < 0.5) for each in marked]
    with pytest.raises(ConfigError, match="nothing better than chance was learnt"):
        teach(Lesson("meets"), noise, [day])
    with pytest.raises(ConfigError, match="no results of a stream 'gate'"):
        teach(Lesson("meets"), [*marked, replace(marked[0], stream="gate")], [day])
    with pytest.raises(ConfigError, match="results of yard go from 0 to"):
        teach(Lesson("meets"), [*marked, replace(marked[0], begin=9000.0, end=9001.0)], [day])
    with pytest.raises(ConfigError, match="hold no features 'difference'"):
        teach(Lesson("meets", ["difference"]), marked, [day])


def test_examples_of_a_time_without_features_are_left_out_or_refused(tmp_path: Path) -> None:
    blind = street.write(tmp_path / "blind.jsonl", MEETS[:12], as_of=-1)
    with pytest.raises(ConfigError, match="no features of boxes there, and so for 12 of 12 examples"):
        teach(Lesson("meets"), street.examples("blind", MEETS[:12]), [blind])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("a,b\n1,2\n", "names no column `stream`"),
        ("stream,from,to,is\nyard,1,2,perhaps\n", r":2: `is` must be yes or no, not 'perhaps'"),
        ("stream,from,to,is\nyard,5,2,yes\n", ":2: it ends at 2, which is not after 5"),
        ("stream,from,to,is\nyard,soon,2,yes\n", "'soon' is no time"),
        ("stream,from,to,is\n,1,2,yes\n", ":2: it names no stream"),
        ("stream,from,to,is\nyard,1,5,yes\nyard,0:04,0:09,no\n", "says the opposite of the same moment"),
        ("stream,from,to,is\nyard,1,50,yes\nyard,2,3,yes\nyard,40,41,no\n", "says the opposite of the same moment"),
    ],
)
def test_a_file_that_holds_no_examples_is_refused(tmp_path: Path, lines: str, message: str) -> None:
    file = tmp_path / "examples.csv"
    file.write_text(lines)
    with pytest.raises(ConfigError, match=message):
        read_examples([file], "meets")


def test_times_are_read_as_people_write_them(tmp_path: Path) -> None:
    file = tmp_path / "examples.csv"
    file.write_text("﻿stream, from, to, is\nyard, 1:02.5, 1:00:03, Yes\nyard, 0.4,, no\n", encoding="utf-8")
    first, second = read_examples([file], "meets")
    assert (first.begin, first.end, first.yes) == (62.5, 3603.0, True)
    assert (second.begin, second.end, second.yes) == (0.0, 1.4, False)


moments = st.builds(lambda begin, length: (begin, begin + length), st.floats(0, 100), st.floats(0.5, 10))


@settings(deadline=None)
@given(st.lists(moments, min_size=1, max_size=8), st.lists(moments, min_size=1, max_size=8), st.floats(0.5, 8))
def test_no_window_that_is_fitted_to_shares_a_frame_with_one_that_is_held_back(
    early: list[tuple[float, float]], late: list[tuple[float, float]], window_s: float
) -> None:
    shown, held = ([_shown(*each) for each in some] for some in (early, late))
    for each in without_neighbours(shown, held, window_s):
        for pts in each.pts:
            for one in held:
                assert all(at - window_s > pts or at < pts - window_s for at in one.pts)


def _shown(begin: float, end: float) -> Shown:
    pts = np.arange(begin, end, 0.5)
    return Shown(0, "yard", begin, end, True, np.zeros((len(pts), 1)), pts)


spans = st.lists(moments, max_size=8).map(lambda found: [Span("day", "yard", *each) for each in found])


@settings(deadline=None)
@given(spans, spans, spans)
def test_each_event_and_each_moment_counts_once(told_: list[Span], yes: list[Span], no: list[Span]) -> None:
    judged = judge(told_, yes, no, 1.0)
    assert judged.found + judged.wrong + judged.unmarked == len(told_)
    assert judged.found + judged.missed == len(yes)


def test_a_file_that_was_changed_or_is_another_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "meets.event"
    street.classifier(bias=1.0).write(file)
    assert EventClassifier.read(file).bias == 1.0
    for change, message in (
        (lambda text: text.replace('"bias": 1.0', '"bias": 2.0'), "its hash is not that of its content"),
        (lambda text: text.replace("classifier/1", "classifier/9"), "teach it again"),
        (lambda text: text[:-40], "it is no JSON"),
        (lambda text: "[]", "has no such schema"),
    ):
        other = tmp_path / "other.event"
        other.write_text(change(file.read_text()))
        with pytest.raises(ConfigError, match=message):
            EventClassifier.read(other)
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        EventClassifier.read(tmp_path / "none.event")


def test_the_same_moment_of_two_recordings_is_no_contradiction(tmp_path: Path) -> None:
    file = tmp_path / "examples.csv"
    file.write_text("recording,stream,from,to,is\nmonday,yard,1,5,yes\ntuesday,yard,1,5,no\n")
    assert [each.yes for each in read_examples([file], "meets")] == [True, False]
    assert isinstance(read_examples([file], "meets")[0], Example)


def test_marks_of_the_page_teach_the_same_as_a_file(day: Path, tmp_path: Path) -> None:
    marked = street.examples("", MEETS)
    store = street.store(tmp_path / "yard.db", 0, marked)
    street.store(tmp_path / "yard.db", 1, marked[:6])  # of a run whose results are gone
    street.store(tmp_path / "yard.db", 0, marked[:1], event="delivery")
    taught = teach(Lesson("meets"), read_examples([store], "meets"), [day])
    of_file = teach(Lesson("meets"), street.examples("monday", MEETS), [day])
    assert taught.classifier == of_file.classifier
    gone = "6 of 30 examples are left out, as results of their runs are not given: those that began 2026-11-02"
    assert any(gone in warning for warning in taught.warnings)


@pytest.mark.parametrize(
    ("run", "event", "message"),
    [
        (0, "meet", "nobody has marked a moment of 'meet'; did you mean 'meets'"),
        (3, "meets", "its run began 2026-11-04T08:00:00.000.*no results that are given are of that run"),
    ],
)
def test_a_store_without_examples_of_these_results_is_refused(
    day: Path, tmp_path: Path, run: int, event: str, message: str
) -> None:
    store = street.store(tmp_path / "yard.db", run, street.examples("", MEETS))
    with pytest.raises(ConfigError, match=message):
        teach(Lesson(event), read_examples([store], event), [day])


def test_what_a_store_and_a_file_say_of_one_moment_must_agree(day: Path, tmp_path: Path) -> None:
    store = street.store(tmp_path / "yard.db", 0, street.examples("", MEETS))
    file = tmp_path / "examples.csv"
    file.write_text("stream,from,to,is\nyard,9,11,yes\n")
    with pytest.raises(ConfigError, match=r"mark 1 by page: ann .*says the opposite of the same moment"):
        teach(Lesson("meets"), read_examples([store, file], "meets"), [day])


def test_examples_that_all_look_the_same_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "still.jsonl"
    street.write(file, MEETS)
    lines = file.read_text().splitlines()
    empty = [json.dumps({**json.loads(line), "detections": []}) for line in lines[1:]]
    somebody = json.loads(lines[1])
    empty[0] = json.dumps({**somebody, "detections": somebody["detections"][:1]})
    file.write_text("\n".join([lines[0], *empty]) + "\n")
    with pytest.raises(ConfigError, match="all 24 examples look the same by boxes, both yes and no"):
        teach(Lesson("meets"), street.examples("still", MEETS), [file])


def test_what_boxes_look_like_teaches_where_boxes_do_not_differ(tmp_path: Path) -> None:
    """Everybody walks past; in every other spell somebody looks otherwise, as a pipeline with `describe` records."""
    passing = [False] * len(MEETS)
    file = street.write(tmp_path / "monday.jsonl", passing)
    head, *lines = file.read_text().splitlines()
    chance = random.Random(2)
    told = []
    for line in map(json.loads, lines):
        other = MEETS[int(line["pts"] // street.SPELL_S)]
        features = [round(chance.gauss(1.0 if other and part == 3 else 0.0, 0.2), 3) for part in range(8)]
        told.append(json.dumps({**line, **({} if line["seq"] % 3 else {"features": {"embedding": features}})}))
    file.write_text("\n".join([head, *told]) + "\n")
    marked = street.examples("monday", MEETS)
    taught = teach(Lesson("meets", ["embedding"]), marked, [file])
    assert taught.judged.figures()["f1"]["estimate"] >= 0.85
    with pytest.raises(ConfigError, match="nothing better than chance was learnt"):
        teach(Lesson("meets", ["boxes"]), marked, [file])
