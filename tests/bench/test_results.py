"""Results as arrays, and back."""

import json

import numpy as np
import pytest

from vidpipe.accuracy.series import Boxes, Series
from vidpipe.bench.results import read_answers, write_series
from vidpipe.core.errors import ConfigError

CLASSES = ("vehicle", "person")


def line(seq, *detections, stream="yard", **fields):
    told = {
        "stream": stream,
        "seq": seq,
        "pts": seq / 10,
        "captured_at": None,
        "published_at": 100.0 + seq,
        "how": "measured",
        "by": "big",
        "as_of": seq,
        "knobs": 0,
        "reason": "",
        "detections": list(detections),
    }
    return json.dumps(told | fields)


def box(name="person", score=0.5, track=None):
    return {"xyxy": [1, 2, 3, 4], "score": score, "class": name, "track_id": track}


def written(path, *lines):
    path.write_text("".join(f"{text}\n" for text in lines))
    return path


def test_one_stream_of_several(tmp_path):
    file = written(
        tmp_path / "r.jsonl",
        line(0, box(), box("vehicle", None, 7)),
        line(0, box(), stream="street"),
        line(1, how="reused", by="difference", as_of=0, reason="changed 0.1 <= 30", captured_at=99.5),
        line(2, box(score=0.25)),
    )
    answers = read_answers(file, "yard", CLASSES, 64, 48)
    boxes = answers.series.boxes
    assert (answers.series.frames, answers.series.width, answers.series.height) == (3, 64, 48)
    assert boxes.frame.tolist() == [0, 0, 2]
    assert boxes.label.tolist() == [1, 0, 1]
    assert boxes.score.tolist() == [0.5, 1.0, 0.25]
    assert boxes.track.tolist() == [-1, 7, -1]
    assert answers.series.pts.tolist() == [0.0, 0.1, 0.2]
    assert answers.how.tolist() == ["measured", "reused", "measured"]
    assert answers.by.tolist() == ["big", "difference", "big"]
    assert answers.as_of.tolist() == [0, 0, 2]
    assert answers.published_at.tolist() == [100.0, 101.0, 102.0]
    assert np.isnan(answers.captured_at).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([line(0), line(2)], "frame 2 stands where 1 should"),
        ([line(0, box("dog"))], "class dog is none of vehicle, person"),
        ([line(0), '{"stream": "ya'], "line 2 is no JSON: was its writing cut off"),
    ],
)
def test_what_is_no_whole_results_file_is_refused(tmp_path, lines, says):
    with pytest.raises(ConfigError, match=says):
        read_answers(written(tmp_path / "r.jsonl", *lines), "yard", CLASSES, 64, 48)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_answers(tmp_path / "none.jsonl", "yard", CLASSES, 64, 48)


def test_a_series_comes_back_as_it_was(tmp_path):
    known = np.array([True, False, True, True])
    boxes = Boxes.of([0, 0, 3], [[1, 2, 30, 40], [5, 5, 9, 9], [0, 0, 8.25, 9]], score=[0.5, 0.25, 1], label=[1, 0, 1])
    series = Series(CLASSES, 64, 48, np.arange(4) / 10, known, boxes)
    write_series(series, tmp_path / "r.jsonl", "yard", "reference")
    back = read_answers(tmp_path / "r.jsonl", "yard", CLASSES, 64, 48)
    for column in ("frame", "xyxy", "score", "label", "track"):
        assert getattr(back.series.boxes, column).tolist() == getattr(boxes, column).tolist(), column
    assert back.how.tolist() == ["measured", "dropped", "measured", "measured"]
    assert set(back.by.tolist()) == {"reference"}
