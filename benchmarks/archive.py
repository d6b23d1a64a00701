"""What cutting recordings into chunks costs and changes: `python -m benchmarks.archive [CLIP ...]`.

Each clip is answered by one run, and as an archive under several warm-ups, by a cascade whose stages have a memory.
Then one of them, several times in a row, is answered by one worker and by two. CPU seconds tell the cost also where
others use the machine; the ratio of wall times does only where nobody else does.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.footage import ASSETS, joined
from vidpipe.archive.run import Options, run_archive
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.runtime.driver.run import run
from vidpipe.statistics.agreement import Matched, match_by_class, together

PIPELINE = f"""
classes: {{person: person, vehicle: vehicle, bike: bike}}
models:
  big: {{path: "{ASSETS}/models/person-vehicle-bike-detection-2000.xml", threshold: 0.3, threads: 1}}
stages:
  - {{id: difference, type: difference}}
  - {{id: track,      type: track, refresh_s: 1}}
  - {{id: big,        type: detect, model: big, on: cloud}}
"""
CLIPS = ("vtest.avi", "pedestrian_overpass.mp4", "store_retail02.mp4")
WARM_UPS_S = (0.0, 1.0, 2.0, 5.0, 10.0)
CHUNK_S = 8.0  # clips are short: of an hour in chunks of five minutes there are as many joints
TIMES = 24

Lines = list[dict[str, Any]]


def main(names: list[str]) -> None:
    """Print all figures."""
    with TemporaryDirectory() as folder:
        for name in names:
            cutting(Path(folder), ASSETS / "videos" / name)
        scaling(Path(folder))


def cutting(folder: Path, clip: Path) -> None:
    """How far an archive of a clip agrees with one run, by the warm-up."""
    whole, _ = _one_run(folder, clip)
    for warm_up_s in WARM_UPS_S:
        lines, report = _archive(folder / f"{clip.stem}-{warm_up_s}", clip, Options(2, None, CHUNK_S, warm_up_s))
        told = report["archive"]
        print(  # noqa: T201
            f"{clip.name}: warm-up {warm_up_s:g} s, {told['chunks']} chunks: "
            f"{100 * told['asked_twice'] / len(lines):.1f} % of the frames asked twice; F1 against one run "
            f"{_f1(lines, whole):.3f}; at joints {told['f1_at_joint']}, at the worst {told['f1_at_worst_joint']}",
            flush=True,
        )


def scaling(folder: Path) -> None:
    """One worker, two workers, and one run, on one core each."""
    clip = joined(ASSETS / "videos" / CLIPS[0], TIMES, folder / "long.avi")
    _, alone = _one_run(folder, clip)
    print(f"one run: {alone['wall_s']:.1f} s, {alone['cpu_s']:.1f} CPU seconds")  # noqa: T201
    for workers in (1, 2):
        _, report = _archive(folder / f"by-{workers}", clip, Options(workers, None, CHUNK_S, 2.0))
        told = report["archive"]
        print(  # noqa: T201
            f"{workers} workers: {report['wall_s']:.1f} s, {report['cpu_s']:.1f} CPU seconds, {told['chunks']} chunks, "
            f"{told['asked_twice']} of {report['streams']['clip']['frames_in']} frames asked twice; workers were busy "
            f"for {100 * told['answering_s'] / workers / report['wall_s']:.0f} % of it",
            flush=True,
        )


def _one_run(folder: Path, clip: Path) -> tuple[Lines, dict[str, Any]]:
    file = folder / "run.jsonl"
    outcome = run(_loaded(folder, clip), engine="inline", sinks=[ResultsFile(file, keep=False)])
    return _lines(file), outcome.report


def _archive(out: Path, clip: Path, options: Options) -> tuple[Lines, dict[str, Any]]:
    outcome = run_archive(_loaded(out.parent, clip), out, options)
    assert outcome.exit_status == 0, outcome.errors
    return _lines(out / "clip.jsonl"), outcome.report


def _loaded(folder: Path, clip: Path) -> Any:
    file = folder / "pipeline.yaml"
    file.write_text(PIPELINE)
    return load(file, sources={"clip": str(clip)})


def _lines(file: Path) -> Lines:
    return [json.loads(line) for line in file.read_text().splitlines()[1:]]


def _f1(lines: Lines, others: Lines) -> float:
    matched: list[Matched] = []
    for one, other in zip(lines, others, strict=True):
        assert (one["seq"], one["pts"]) == (other["seq"], other["pts"])
        matched += match_by_class(*_columns(one), *_columns(other)).values()
    return together(matched).f1 or 1.0


def _columns(line: dict[str, Any]) -> tuple[Any, Any]:
    names = ("person", "vehicle", "bike")
    boxes = np.array([box["xyxy"] for box in line["detections"]], float).reshape(-1, 4)
    return boxes, np.array([names.index(box["class"]) for box in line["detections"]], int)


if __name__ == "__main__":
    main(sys.argv[1:] or list(CLIPS))
