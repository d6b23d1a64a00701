"""Figures that vidpipe promises, measured as ratios within one run, each with what it is to be at least or at most."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil

from benchmarks import learnt
from benchmarks.footage import ASSETS, clip, joined, model
from benchmarks.measure import bare_decoding, paired, report_of, spread
from vidpipe.accuracy.reference.predictions import Viewer
from vidpipe.accuracy.reference.reference import reference
from vidpipe.accuracy.scores.accuracy import accuracy
from vidpipe.accuracy.scores.precision import ap50
from vidpipe.accuracy.series import Boxes, Series
from vidpipe.bench.cost.measure import pss_mb
from vidpipe.bench.labels.read import read_labels
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.sources.base import StreamSpec

FILTER = """
stages:
  - {id: difference, type: difference, threshold: 1e9}
  - {id: read, type: benchmarks.stages:Nothing, on: edge}
audit: {rate: 0, max_unchecked_s: null}
"""
EVERY_FRAME = """
classes: {{person: person}}
models: {{little: {{path: "{path}"}}}}
stages: [{{id: little, type: detect, model: little, on: edge}}]
"""


PERSON_AP50 = {
    "person-vehicle-bike-detection-2000.xml": (0.83, 0.88),
    "person-vehicle-bike-detection-2002.xml": (0.92, 0.89),
    "person-vehicle-bike-detection-2003.xml": (0.94, 0.94),
    "yolov8n_int8.tflite": (0.92, 0.88),
}


class Promise(NamedTuple):
    """A figure, as text, and its target."""

    what: str
    figure: str
    target: str


def filter_path(long: Path) -> Iterator[Promise]:
    """The path that every frame takes, against decoding alone."""
    ratios, above_ms = [], []
    for _ in range(5):
        report = report_of(FILTER, {"car": long}, "inline")
        wall, cpu, frames = bare_decoding(long)
        ratios.append(report["fps"] * wall / frames)
        above_ms.append(1000 * (report["cpu_s"] - cpu) / frames)
    yield Promise("filter path inline / bare decoding, frames a second", spread(ratios), ">= 0.85")
    yield Promise("filter path, CPU above decoding, ms a frame", spread(above_ms), "<= 0.08")


def ray_against_inline(one: Path, eighth: Path) -> Iterator[Promise]:
    for streams, path in ((1, one), (8, eighth)):
        clips = {f"s{i}": path for i in range(streams)}

        def fps(engine: str, clips: dict[str, Path] = clips) -> float:
            return float(report_of(FILTER, clips, engine)["fps"])

        ratios = paired(lambda: fps("ray"), lambda: fps("inline"), 3)
        yield Promise(
            f"filter path, Ray / inline, {streams} streams", spread(ratios), ">= 0.90" if streams == 1 else ">= 0.85"
        )


def detector_on_edge(name: str, footage: Path, target: str) -> Iterator[Promise]:
    """A detector on another tier for every frame, against the detector fed from memory."""
    path = model(name)
    if path is None:
        yield Promise(f"{name} on edge / alone", "no such model here", target)
        return
    ratios = paired(
        lambda: float(report_of(EVERY_FRAME.format(path=path), {"clip": footage}, "ray")["fps"]),
        lambda: _detector_alone(path, footage),
        3,
    )
    yield Promise(f"{name} on edge, every frame / alone", spread(ratios), target)


def _detector_alone(path: Path, footage: Path) -> float:
    import os

    import av

    from vidpipe.models.load import load_detector

    detector = load_detector(ModelSpec(path=str(path)), Classes({}), threads=os.cpu_count())
    with av.open(str(footage)) as container:
        images = [
            frame.to_ndarray(format="bgr24", threads=1)
            for frame, _ in zip(container.decode(video=0), range(200), strict=False)
        ]
    began = time.perf_counter()
    for image in images * 3:
        detector.detect([image])
    return 3 * len(images) / (time.perf_counter() - began)


def shared_model(name: str, footage: Path) -> Iterator[Promise]:
    """What a look costs where two streams use one model, against one stream that has it alone."""
    path = model(name)
    if path is None:
        yield Promise(f"{name}, CPU of a look, two streams / one", "no such model here", "<= 0.90")
        return

    def cpu_ms(streams: int) -> float:
        clips = {f"clip{i}": footage for i in range(streams)}
        report = report_of(EVERY_FRAME.format(path=path), clips, "inline")
        return float(report["models"]["little"]["cpu_ms"])

    ratios = paired(lambda: cpu_ms(2), lambda: cpu_ms(1), 3)
    yield Promise(f"{name}, CPU of a look, two streams / one", spread(ratios), "<= 0.90")


def reference_speed(name: str, footage: Path) -> Iterator[Promise]:
    """The reference at every frame of a recording, against its detector fed from memory."""
    path = model(name)
    if path is None:
        yield Promise(f"reference {name} / alone", "no such model here", ">= 0.95")
        return
    stream = StreamSpec(url=str(footage))

    def with_decoding() -> float:
        viewer = Viewer(stream, "clip", ModelSpec(path=str(path)), Classes({}))
        began = time.perf_counter()
        predictions = sum(1 for _ in viewer.predict(part=(0, 300)))
        return predictions / (time.perf_counter() - began)

    ratios = paired(with_decoding, lambda: _detector_alone(path, footage), 3)
    yield Promise(f"reference {name} / alone", spread(ratios), ">= 0.95")


def precision() -> Iterator[Promise]:
    """Person AP50 of detectors on labelled clips, every frame: figures that others measured show what is wrong here."""
    people = Classes({"person": ["person"]})
    for name, elsewhere in PERSON_AP50.items():
        path = model(name)
        for clip_name, expected in zip(("vtest.avi", "TUD-Stadtmitte.mp4"), elsewhere, strict=True):
            clip, truth = ASSETS / "videos" / clip_name, ASSETS / "truth" / f"{Path(clip_name).stem}.txt"
            if path is None or not clip.is_file():
                continue
            spec = ModelSpec(path=str(path))
            predictions = reference(StreamSpec(url=str(clip)), "clip", spec, people, progress=lambda _: None)
            labels = read_labels(truth, people, predictions.series).series
            measured = ap50(predictions.series, labels)["person"]
            yield Promise(f"person AP50 of {name} on {clip_name}", f"{measured:.3f}", f"{expected} +- 0.03")


def scoring() -> Iterator[Promise]:
    """All scores of ten minutes: 18,000 frames with 15 boxes each."""
    rng = np.random.default_rng(0)
    frames, each = 18_000, 15
    corners = rng.uniform(0, 700, (frames * each, 2))
    sides = rng.uniform(20, 60, (frames * each, 2))
    table = np.repeat(np.arange(frames), each)
    tracks = np.tile(np.arange(each), frames)

    def series(shift: float) -> Series:
        boxes = Boxes.of(table, np.hstack([corners + shift, corners + sides + shift]), track=tracks)
        return Series(("person",), 768, 576, np.arange(frames) / 30, np.ones(frames, bool), boxes)

    began = time.perf_counter()
    accuracy(series(3.0), series(0.0), {}, labels=True)
    yield Promise("scoring ten minutes of video, s", f"{time.perf_counter() - began:.1f}", "< 10")


def start_up(footage: Path) -> Iterator[Promise]:
    imports = [
        _seconds([sys.executable, "-c", "import vidpipe"]) - _seconds([sys.executable, "-c", ""]) for _ in range(5)
    ]
    yield Promise("import vidpipe, s", spread(imports), "<= 0.3")
    vidpipe = [sys.executable, "-m", "vidpipe.cli.main"]
    yield Promise("vidpipe check, s", spread([_seconds([*vidpipe, "check", "street"]) for _ in range(5)]), "<= 1.5")
    path = model("person-vehicle-bike-detection-2000.xml")
    if path is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        pipeline, results = Path(folder) / "p.yaml", Path(folder) / "r.jsonl"
        pipeline.write_text(EVERY_FRAME.format(path=path))
        seconds = []
        for _ in range(3):
            command = [*vidpipe, "run", str(pipeline), "--source", str(footage), "--results", str(results)]
            seconds.append(_until_first_line(command, results))
        yield Promise("first frame answered on Ray, s after the command", spread(seconds), "<= 10")


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began


def _until_first_line(command: list[str], results: Path) -> float:
    results.unlink(missing_ok=True)
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not (results.exists() and results.read_bytes().count(b"\n") > 1):
        time.sleep(0.02)
    seconds = time.perf_counter() - began
    process.wait()
    return seconds


def memory(footage: Path, folder: Path) -> Iterator[Promise]:
    """PSS of all processes over an hour of footage through Ray and OpenVINO: its middle and its end."""
    path = model("person-vehicle-bike-detection-2000.xml")
    if path is None:
        return
    pipeline = f"""
models: {{little: {{path: "{path}"}}}}
stages:
  - {{id: difference, type: difference, threshold: 100}}
  - {{id: little, type: detect, model: little, on: edge}}
"""
    hour = joined(footage, 120, folder / "hour.mp4")
    seen: list[float] = []
    done = threading.Event()

    def predict() -> None:
        while not done.wait(2):
            seen.append(sum(pss_mb(process) for process in [psutil.Process(), *psutil.Process().children(True)]))

    watching = threading.Thread(target=predict)
    watching.start()
    report = report_of(pipeline, {"car": hour}, "ray")
    done.set()
    watching.join()
    video_s = report["streams"]["car"]["video_s"]
    third = len(seen) // 3
    early, late = statistics.median(seen[third : 2 * third]), statistics.median(seen[2 * third :])
    yield Promise(
        f"PSS over {video_s / 60:.0f} min of footage on Ray, MB: middle third, last third",
        f"{early:.0f}, {late:.0f}",
        "< 1500, flat",
    )


def rare_events(folder: Path) -> Iterator[Promise]:
    """Generated streams of rare things, 40 minutes each: fitted on the first half, scored on the second."""
    if model("person-vehicle-bike-detection-2003.xml") is None:
        return
    found = [saved for _, saved in learnt.rows(folder, seconds=2400)]
    yield Promise(
        "learnt stream of rare things, times less CPU than 2003", spread([one.times for one in found]), ">= 15"
    )
    yield Promise("its presence F1", spread([one.f1 for one in found]), ">= 0.95")
    yield Promise("its misses, of frames with something", spread([one.missed for one in found]), "<= 0.01")
    yield Promise("decoding, of what is left of its CPU", spread([one.decoding for one in found]), "shown")
    yield Promise("learning, CPU s", spread([one.learning_cpu_s for one in found]), "shown")


def promises(which: Sequence[str], folder: Path) -> Iterator[Promise]:
    """Measure the figures of these kinds; all where none is named."""
    car, vtest = clip("car-detection.mp4", folder), clip("vtest.avi", folder)
    kinds: dict[str, Callable[[], Iterator[Promise]]] = {
        "filter": lambda: filter_path(joined(car, 40, folder / "long.mp4")),
        "ray": lambda: ray_against_inline(joined(car, 40, folder / "long.mp4"), joined(car, 10, folder / "eighth.mp4")),
        "detectors": lambda: chain(
            detector_on_edge("yolov8n_int8.tflite", vtest, ">= 0.85"),
            detector_on_edge("person-vehicle-bike-detection-2000.xml", vtest, ">= 0.55"),
        ),
        "shared": lambda: shared_model("person-vehicle-bike-detection-2000.xml", vtest),
        "reference": lambda: reference_speed("person-vehicle-bike-detection-2003.xml", vtest),
        "precision": precision,
        "scoring": scoring,
        "start": lambda: start_up(car),
        "learnt": lambda: rare_events(folder),
        "memory": lambda: memory(car, folder),
    }
    for kind in which or kinds:
        yield from kinds[kind]()
