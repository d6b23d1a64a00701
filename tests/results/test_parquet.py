"""Results as Parquet. What must hold: each box is there once, with its result; each result is there, also one without a
box; and a file is whole, or as it was before.
"""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import pytest

from vidpipe.cli.commands.results import run_results
from vidpipe.core.errors import ConfigError
from vidpipe.results import parquet
from vidpipe.results.recorded import RecordedResults

HEAD = {"schema": "vidpipe.results/1", "start": "2026-11-29T17:25:32.151+00:00", "streams": {"gate": {}}}


def box(track: int | None, score: float | None = 0.5, **more: Any) -> dict[str, Any]:
    return {"xyxy": [1.25, 2, 30.5, 40.07], "score": score, "class": "person", "track_id": track, **more}


def line(stream: str, seq: int, *boxes: dict[str, Any], **more: Any) -> dict[str, Any]:
    place = {"stream": stream, "seq": seq, "pts": seq / 10, "captured_at": 1_700_000_000.25 + seq, "published_at": 1e9}
    said = {"how": "tracked", "by": "track", "as_of": 0, "knobs": 2, "model": "big", "reason": "", "size": [64, 48]}
    return {**place, **said, "detections": list(boxes), **more}


LINES = [
    line("gate", 0, box(1), box(None, None, identity=7), how="measured", by="big"),
    line("yard", 0, captured_at=None, size=None, as_of=-1, model=None),
    line("gate", 1),
    line("gate", 2, box(1)),
]


def write(folder: Path, *lines: dict[str, Any], end: str = "") -> Path:
    file = folder / "results.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in (HEAD, *lines)) + end)
    return file


def read(file: Path) -> list[dict[str, Any]]:
    return pytest.importorskip("pyarrow.parquet").read_table(file).to_pylist()


@pytest.mark.parametrize("rows", [1, 2, 1000])
def test_a_row_for_each_box_and_one_for_a_result_without(tmp_path: Path, rows: int) -> None:
    pytest.importorskip("pyarrow")
    out = tmp_path / "results.parquet"
    # The last line was cut off, as a run that was killed leaves it.
    results = RecordedResults(write(tmp_path, *LINES, end='{"stream": "gate", "se'))
    assert parquet.export_parquet(results, out, rows=rows) == (4, 3)
    told = read(out)
    assert [tuple(each) for each in told] == [parquet.COLUMNS] * 5
    assert [(each["stream"], each["seq"], each["box"]) for each in told] == [
        *(("gate", 0, 0), ("gate", 0, 1), ("yard", 0, None), ("gate", 1, None), ("gate", 2, 0))
    ]
    first, second, nothing, _, last = told
    assert (first["left"], first["top"], first["right"], first["bottom"]) == (1.25, 2.0, 30.5, 40.07)
    assert (first["class"], first["score"], first["track_id"], first["identity"]) == ("person", 0.5, 1, None)
    assert (second["score"], second["track_id"], second["identity"]) == (None, None, 7)
    assert (first["how"], first["by"], first["model"], first["epoch"], first["width"]) == (
        "measured",
        "big",
        "big",
        2,
        64,
    )
    assert first["captured_at"].timestamp() == 1_700_000_000.25
    assert (nothing["captured_at"], nothing["width"], nothing["model"], nothing["age_s"]) == (None, None, None, None)
    assert [each["age_s"] for each in (first, last)] == [0.0, 0.2]


def test_what_is_wrong_leaves_the_old_file(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    file = write(tmp_path, *LINES)
    out = tmp_path / "results.parquet"
    assert run_results(file, "parquet", None) == f"{out}: 3 boxes of 4 results"
    before = out.read_bytes()
    write(tmp_path, LINES[0], {"stream": "gate"})
    with pytest.raises(ConfigError, match="line 3 is no result: KeyError: 'size'"):
        run_results(file, "parquet", None)
    assert out.read_bytes() == before
    assert {each.name for each in tmp_path.iterdir()} == {file.name, out.name}


def test_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, *LINES)
    with pytest.raises(ConfigError, match="--to csv: there is no such form; there is parquet"):
        run_results(file, "csv", None)
    with pytest.raises(ConfigError, match="is the file of results itself"):
        run_results(file, "parquet", file)
    real = builtins.__import__

    def without(name: str, *given: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name, *given)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"take PyArrow: `pip install 'vidpipe\[parquet\]'`"):
        run_results(file, "parquet", None)
