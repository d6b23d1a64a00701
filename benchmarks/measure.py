"""Running pipelines and timing them against the bare thing."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import av

from vidpipe.pipeline.yaml.load import load
from vidpipe.runtime.driver.run import run


def report_of(pipeline: str, clips: Mapping[str, Path], engine: str, sets: Sequence[str] = ()) -> dict[str, Any]:
    """The report of a run; its `fps` and `cpu_s` leave start-up out."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "pipeline.yaml"
        file.write_text(pipeline)
        loaded = load(file, sources={name: str(path) for name, path in clips.items()}, sets=sets)
        outcome = run(loaded, engine=engine)  # type: ignore[arg-type]
    assert outcome.exit_status == 0, outcome.errors
    return outcome.report


def bare_decoding(path: Path) -> tuple[float, float, int]:
    """(wall s, CPU s, frames) of PyAV alone with one thread."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        video.thread_type, video.codec_context.thread_count = "SLICE", 1
        wall, cpu = time.perf_counter(), time.process_time()
        frames = sum(1 for _ in container.decode(video))
        return time.perf_counter() - wall, time.process_time() - cpu, frames


def paired(one: Callable[[], float], other: Callable[[], float], times: int) -> list[float]:
    """one/other, measured in turns: the machine's speed drifts, their ratio does not."""
    return [one() / other() for _ in range(times)]


def spread(values: Sequence[float]) -> str:
    """Median, least and most."""
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"
