"""Results are JSON lines that other programs read: exact keys, rounded numbers, any name, whole lines."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import supervision as sv

from tests import builders, lines
from vidpipe.core.answer import Answer, How, nothing
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.results.records import Result
from vidpipe.results.sinks.results import ResultsFile, render

KEYS = [
    *("stream", "seq", "pts", "captured_at", "published_at", "how", "by", "as_of", "knobs", "model", "reason", "size"),
    "detections",
]


def boxes(xyxy=((1, 2, 3, 4),), *, scores=(0.5,), names=("person",), ids=None):
    return sv.Detections(
        xyxy=np.array(xyxy, np.float32).reshape(-1, 4),
        confidence=None if scores is None else np.array(scores, np.float32),
        class_id=np.arange(len(names)),
        tracker_id=None if ids is None else np.array(ids),
        data={"class_name": np.array(names)},
    )


def published(answer, seq=0, *, stream="cam", captured_at=None):
    return Result(stream, seq, seq / 25, captured_at, 1.0, 3, answer, size=(64, 48))


def written(tmp_path, *records, published_at=12.5):
    """What the lines of a file say."""
    file = tmp_path / "results.jsonl"
    sink = ResultsFile(file)
    sink.write(records, published_at)
    sink.close()
    text = file.read_text(encoding="utf-8")
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize(
    ("detections", "expected"),
    [
        (sv.Detections.empty(), []),
        (boxes(), [{"xyxy": [1.0, 2.0, 3.0, 4.0], "score": 0.5, "class": "person", "track_id": None}]),
        (boxes(ids=[7]), [{"xyxy": [1.0, 2.0, 3.0, 4.0], "score": 0.5, "class": "person", "track_id": 7}]),
        (boxes(scores=None), [{"xyxy": [1.0, 2.0, 3.0, 4.0], "score": None, "class": "person", "track_id": None}]),
        (
            boxes([(0.123, 0.125, 99.999, -0.004)], scores=[0.123456]),
            [{"xyxy": [0.12, 0.12, 100.0, 0.0], "score": 0.1235, "class": "person", "track_id": None}],
        ),
        (
            boxes([(1, 2, 3, 4), (5, 6, 7, 8)], scores=[1, 0], names=["bike", "person"], ids=[2, 1]),
            [
                {"xyxy": [1.0, 2.0, 3.0, 4.0], "score": 1.0, "class": "bike", "track_id": 2},
                {"xyxy": [5.0, 6.0, 7.0, 8.0], "score": 0.0, "class": "person", "track_id": 1},
            ],
        ),
    ],
)
def test_boxes(detections, expected):
    said = json.loads(render(detections))
    assert said == expected
    assert [list(box) for box in said] == [["xyxy", "score", "class", "track_id"]] * len(expected)


def test_a_line(tmp_path):
    answer = Answer(nothing(), How.REUSED, "difference", 4, "changed 0.3 <= 30")
    (line,) = written(tmp_path, published(answer, 7, captured_at=1700000000.1234567))
    assert list(line) == KEYS
    assert line == {
        "stream": "cam", "seq": 7, "pts": 0.28, "captured_at": 1700000000.123457, "published_at": 12.5,
        "how": "reused", "by": "difference", "as_of": 4, "knobs": 3, "model": None, "reason": "changed 0.3 <= 30",
        "size": [64, 48], "detections": [],
    }  # fmt: skip


def test_the_first_answer_under_other_settings_tells_them(tmp_path):
    change = {"epoch": 3, "at": 1.5, "by": "user", "reason": "", "changes": {"rules": {"zones": {"yard": [[0, 0]]}}}}
    answer = Answer(nothing(), How.MEASURED, "big", 7)
    first, then = published(answer, 7)._replace(settings=(change,), model="yolo"), published(answer, 8)
    lines = written(tmp_path, first, then)
    assert list(lines[0]) == [*KEYS, "settings"]
    assert (lines[0]["settings"], lines[0]["model"]) == ([change], "yolo")
    assert list(lines[1]) == KEYS


@pytest.mark.parametrize("how", How)
def test_every_way_to_answer(tmp_path, how):
    (line,) = written(tmp_path, published(builders.answer("big", 0, how=how)))
    assert (line["how"], line["captured_at"]) == (how.value, None)


@pytest.mark.parametrize(
    "name", ['say "no"', "back\\slash", "Straße 7", "出口", "two\nlines", "\x00", "</script>", "🚲"]
)
def test_any_name(tmp_path, name):
    """Streams are called after files, stages by users, and a reason may quote an error of anybody's."""
    answer = Answer(boxes(names=[name]) if name != "\x00" else nothing(), How.FAILED, name, -1, name)
    lines = written(tmp_path, published(answer, stream=name), published(answer, 1, stream=name))
    assert len(lines) == 2
    for line in lines:
        assert (line["stream"], line["by"], line["reason"]) == (name, name, name)
        assert [box["class"] for box in line["detections"]] in ([name], [])


def test_a_reused_answer_is_rendered_once(tmp_path, monkeypatch):
    """Most lines of a quiet camera; streams that take turns do not put each other's text out."""
    from vidpipe.results.sinks import results

    rendered = []
    monkeypatch.setattr(results, "render", lambda detections: rendered.append(detections) or render(detections))
    one, other, third = boxes(), boxes([(5, 6, 7, 8)]), boxes([(5, 6, 7, 8)])
    records = [
        published(Answer(detections, How.REUSED, "difference", 0), seq, stream=stream)
        for seq in range(3)
        for stream, detections in (("a", one), ("b", other))
    ]
    lines = written(tmp_path, *records, published(Answer(third, How.MEASURED, "big", 3), 3, stream="a"))
    assert list(map(id, rendered)) == [id(one), id(other), id(third)]
    left_edges = [line["detections"][0]["xyxy"][0] for line in lines]
    assert left_edges == [1, 5, 1, 5, 1, 5, 5]


def test_lines_are_in_the_file_as_soon_as_they_are_written(tmp_path):
    """Whoever follows the file, and whoever comes behind a crash, finds them."""
    file = tmp_path / "results.jsonl"
    sink = ResultsFile(file)
    for seq in range(3):
        sink.write([published(builders.answer("big", 0), seq)], 0.0)
        assert len(file.read_text().splitlines()) == seq + 1
    sink.close()


@pytest.mark.parametrize(
    ("place", "why"), [("", "Is a directory"), ("nowhere/results.jsonl", "No such file or directory")]
)
def test_a_file_that_cannot_be_opened(tmp_path, place, why):
    sink = ResultsFile(tmp_path / place)
    with pytest.raises(ConfigError) as raised:
        sink.write([published(builders.answer("big", 0))], 0.0)
    assert str(raised.value) == f"results {tmp_path / place} cannot be written: {why}"


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="there is no /dev/full")
def test_a_full_disk():
    sink = ResultsFile(Path("/dev/full"))
    with pytest.raises(RunError, match=r"^results /dev/full cannot be written on: No space left on device$"):
        sink.write([published(builders.answer("big", 0))], 0.0)
    sink.close()  # says nothing a second time


@pytest.mark.parametrize("limit", [1000, 1001, 2500])
def test_a_disk_that_fills_up_leaves_whole_lines(tmp_path, limit):
    """The system takes what still fits, and refuses the rest: here at a limit on the size of files."""
    import resource
    import signal

    file = tmp_path / "results.jsonl"
    sink = ResultsFile(file)
    records = [published(builders.answer("big", 0), seq) for seq in range(20)]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        with pytest.raises(RunError, match=r"cannot be written on: File too large"):
            sink.write(records, 0.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    sink.close()
    text = file.read_text()
    assert text.endswith("}\n")
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["seq"] for line in lines] == list(range(len(lines)))
    assert len(text) > limit - 300


def test_identities_are_told_where_a_stage_describes():
    boxes = sv.Detections(
        xyxy=np.array([[0, 0, 5, 5], [5, 5, 9, 9]], np.float32),
        class_id=np.zeros(2, int),
        data={"class_name": np.array(["person"] * 2), "identity": np.array([3, -1])},
    )
    assert [row["identity"] for row in json.loads(render(boxes))] == [3, -1]
    del boxes.data["identity"]
    assert all("identity" not in row for row in json.loads(render(boxes)))


PROVENANCE = {"version": "1.2", "pipeline": "street"}


def begun(file, **options):
    sink = ResultsFile(file, **options)
    sink.begin(PROVENANCE)
    return sink


def test_the_first_line_says_what_the_answers_come_from(tmp_path):
    file = tmp_path / "results.jsonl"
    sink = begun(file)
    assert lines.head(file) == {"schema": "vidpipe.results/1", **PROVENANCE}
    sink.write([published(builders.answer("big", 0))], 0.0)
    sink.close()
    assert [line["seq"] for line in lines.answers(file)] == [0]


def test_nothing_is_touched_before_the_run_begins(tmp_path):
    file = tmp_path / "results.jsonl"
    ResultsFile(file).close()
    assert not file.exists()
    file.write_text("earlier\n")
    ResultsFile(file, keep=True).close()
    assert file.read_text() == "earlier\n"


def test_earlier_results_are_kept(tmp_path):
    file = tmp_path / "results.jsonl"
    for number in range(3):
        sink = begun(file, keep=True)
        assert sink.kept == (tmp_path / f"results.jsonl.{number}" if number else None)
        sink.write([published(builders.answer("big", 0), number)], 0.0)
        sink.close()
    kept = [tmp_path / name for name in ("results.jsonl.1", "results.jsonl.2", "results.jsonl")]
    assert [lines.answers(each)[0]["seq"] for each in kept] == [0, 1, 2]


@pytest.mark.parametrize("keep", [True, False])
def test_results_that_are_being_written_are_refused(tmp_path, keep):
    file = tmp_path / "results.jsonl"
    first = begun(file)
    with pytest.raises(ConfigError, match="is being written by another run; take another file"):
        begun(file, keep=keep)
    first.write([published(builders.answer("big", 0))], 0.0)
    first.close()
    assert [path.name for path in tmp_path.iterdir()] == ["results.jsonl"]
    assert len(lines.answers(file)) == 1
    begun(file, keep=keep).close()


def test_a_pipe_is_opened_where_it_may_be_waited_for(tmp_path):
    """In the thread that writes: beginning would wait for a reader, and Ctrl-C with it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    sink = begun(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    sink.write([published(builders.answer("big", 0))], 0.0)
    sink.close()
    reader.join(10)
    assert [next(iter(json.loads(line))) for line in read[0].splitlines()] == ["schema", "stream"]
