"""Ultralytics' own loop over a clip: what many would write in an afternoon, and what a cascade has to beat.

It is `YOLO(weights).predict(source=clip, stream=True, vid_stride=k)` with everything else at its defaults: OpenCV's
decoder, its resizing, torch with its own number of threads, suppression. With `vid_stride=k` it looks at frames k - 1,
2k - 1, ... (`LoadImagesAndVideos` grabs k frames and keeps the last); here each result is held until the next, and
before the first there is none.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from vidpipe.core.answer import Answer, How, nothing
from vidpipe.core.errors import RunError
from vidpipe.core.settings import Knobs
from vidpipe.models import load
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.models.detectors.detector import Labels
from vidpipe.models.detectors.output_decoders.yolo import Yolo
from vidpipe.models.metadata import embedded
from vidpipe.models.meter import Meter
from vidpipe.models.resolve import resolve
from vidpipe.models.runtimes import checkpoint
from vidpipe.pipeline.spec import Pipeline, Stream
from vidpipe.results.collector import Collector
from vidpipe.results.records import Batch, Counts, Ended, Result
from vidpipe.results.report import build_report
from vidpipe.results.sinks.base import Sink
from vidpipe.results.sinks.results import ResultsFile
from vidpipe.results.usage import TreeUsage, tree_cpu_s
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.open import open_source

if TYPE_CHECKING:
    import supervision as sv

NOTE = (
    "Ultralytics decodes, resizes and infers as it does by itself; a .pt runs in torch, which on a CPU is slower than "
    "the OpenVINO form of the same weights that a pipeline runs."
)

_BY = "ultralytics"


def applies(spec: ModelSpec, pipeline: Pipeline) -> str | None:
    """Why a model of a pipeline cannot run in Ultralytics' loop on the pipeline's streams; None where it can."""
    if spec.slicing is not None:
        return f"model {spec.path} looks at tiles too, which the loop does not"
    for name, stream in pipeline.streams.items():
        if stream.spec.mask or stream.spec.regions:
            return f"stream {name} hides parts of its picture, which the loop would see"
        if stream.spec.live:
            return f"stream {name} is live, and the loop would read it as a recording"
    if not _is_theirs(spec, pipeline.search_paths):
        return f"model {spec.path} is none of Ultralytics'"
    return unfit_torchvision()


@dataclass(frozen=True, slots=True)
class UltralyticsLoop:
    """Ultralytics' loop as a `Job`.

    Attributes:
        stream: its name in results.
        spec: the clip; begin and end are honoured.
        model: the model's name in reports.
        weights: of the model; `applies` says whether it can be run so.
        classes: of the pipeline.
        stride: one frame in so many is looked at.
        search_paths: folders in which a relative path is looked for.
    """

    stream: str
    spec: StreamSpec
    model: str
    weights: ModelSpec
    classes: Classes
    stride: int
    search_paths: tuple[str, ...] = ()

    def run(self, results: Path) -> dict[str, Any]:
        """See `Job.run`.

        Frames have the numbers and times that this project's own source gives them, which is asked for them first, at
        nobody's expense. A part of a clip is reached by grabbing the frames before it, at nobody's expense either:
        the others seek, which OpenCV cannot do exactly.
        """
        with checkpoint.quiet():
            counted_from = tree_cpu_s()
            whole = self.spec.model_copy(update={"start_s": 0.0, "end_s": self.spec.start_s})
            before = list(_decoded(self.stream, whole)) if self.spec.start_s else []
            pictures = list(_decoded(self.stream, self.spec))
            watch = _Watch(len(before), tree_cpu_s() - counted_from)
            collector, sink = Collector([self.stream]), ResultsFile(results)
            results.unlink(missing_ok=True)  # of an earlier run of it
            try:
                self._answer(pictures, watch, collector, sink)
            finally:
                sink.close()
        wall_s, cpu_s = watch.stop()
        pipeline = Pipeline(_BY, self.classes, {}, (), {self.stream: Stream(self.spec)})
        counts = Counts({}, {self.model: watch.meter.snapshot()}, {})
        report = build_report(pipeline, collector, counts, wall_s, cpu_s)
        return {**report, "start_up_cpu_s": round(watch.start_up_cpu_s, 3)}

    def _answer(self, pictures: Sequence[_Picture], watch: _Watch, collector: Collector, sink: Sink) -> None:
        """Look at every `stride`-th picture of the loop's own decoder, and publish an answer for every one of ours."""
        answer = Answer(nothing(), How.SKIPPED, _BY, -1)
        with closing(self._predict(pictures[0].size, watch)) as found:
            for seq, picture in enumerate(pictures):
                boxes = next(found, None) if (seq + 1) % self.stride == 0 else None
                if boxes is not None:
                    answer = Answer(boxes, How.MEASURED, _BY, seq)
                elif answer.how is How.MEASURED:
                    answer = replace(answer, how=How.SKIPPED, reason=f"vid_stride {self.stride}")
                record = Result(self.stream, seq, picture.pts, picture.captured_at, 0.0, 0, answer)
                collector.take(Batch(published=[record]))
                sink.write([record], time.time())
        expected = len(pictures) // self.stride
        lacking = f"its decoder gave {watch.meter.calls} of {expected} pictures to look at"
        notes = (lacking,) if watch.meter.calls < expected else ()
        collector.take(Batch(ended=[Ended(self.stream, notes=notes)]))

    def _predict(self, size: tuple[int, int], watch: _Watch) -> Generator[sv.Detections, None, None]:
        """The boxes of each picture that is looked at; `size`: (height, width) of the pictures to come."""
        from ultralytics import YOLO

        paths = [Path(path) for path in self.search_paths]
        resolved = resolve(self.weights, paths, self.classes)
        file = load.fetch(self.weights, paths)
        model = YOLO(file.parent if file.suffix == ".xml" else file, task="detect")
        names = resolved.names or tuple(model.names.values())
        labels = Labels(self.weights.path, names, self.classes, resolved.threshold, Yolo.threshold)
        listed = labels.of(np.arange(len(names)), np.ones(len(names), np.float32), None).kept
        settings = {
            "imgsz": list(resolved.size or load.DEFAULT_SIZE),
            "conf": labels.floor,
            "classes": listed.tolist(),
            "verbose": False,
        }
        model.predict(np.zeros((*size, 3), np.uint8), **settings)  # loaded and warm before anything counts
        model.add_callback("on_predict_start", watch.begin)
        model.add_callback("on_predict_batch_start", watch.look)
        model.add_callback("on_predict_batch_end", watch.looked)
        clip = str(Path(self.spec.url).expanduser())
        try:
            with closing(model.predict(clip, stream=True, vid_stride=self.stride, **settings)) as said:
                for result in said:
                    yield _detections(result.boxes.data.cpu().numpy(), labels)
        except (OSError, RuntimeError) as error:
            raise RunError(f"Ultralytics' loop over {self.spec.url}: {error}") from error


class _Watch:
    """Reads the clocks around Ultralytics' loop, from its callbacks.

    Args:
        skip: frames before the part that is to be answered.
        uncounted_cpu_s: CPU seconds so far that are none of its start-up.

    Attributes:
        start_up_cpu_s: before the first frame.
        meter: of the model: looks, from the decoded picture to its boxes. Its CPU time is the process's: what OpenCV's
            decoder works ahead meanwhile is in it.
    """

    def __init__(self, skip: int, uncounted_cpu_s: float) -> None:
        self.start_up_cpu_s = 0.0
        self.meter = Meter()
        self._skip = skip
        self._uncounted_cpu_s = uncounted_cpu_s

    def begin(self, predictor: Any) -> None:
        self.start_up_cpu_s = tree_cpu_s() - self._uncounted_cpu_s
        for _ in range(self._skip):
            predictor.dataset.cap.grab()
        self._usage = TreeUsage()
        self._began = time.perf_counter()

    def look(self, _: Any) -> None:
        self._wall_ns, self._cpu_ns = time.perf_counter_ns(), time.process_time_ns()

    def looked(self, _: Any) -> None:
        self.meter.calls += 1
        self.meter.wall_ns += time.perf_counter_ns() - self._wall_ns
        self.meter.cpu_ns += time.process_time_ns() - self._cpu_ns

    def stop(self) -> tuple[float, float]:
        """Wall and CPU seconds since the first frame."""
        return time.perf_counter() - self._began, self._usage.cpu_s()


class _Picture(NamedTuple):
    pts: float
    captured_at: float | None
    size: tuple[int, int]


def _decoded(stream: str, spec: StreamSpec) -> Iterator[_Picture]:
    """Every picture, damaged ones included, as this project's source counts them."""
    with closing(open_source(stream, spec, knobs=Knobs())) as source:
        size = source.info.height, source.info.width
        for item in source:
            yield _Picture(item.pts, getattr(item, "captured_at", None), size)


def _detections(table: np.ndarray[Any, Any], labels: Labels) -> sv.Detections:
    """Rows of xyxy, score and class as Ultralytics has them."""
    import supervision as sv

    scores = table[:, 4]
    kept, classes = labels.of(table[:, 5].astype(np.int64), scores, None)
    return sv.Detections(
        xyxy=table[kept, :4], confidence=scores[kept], class_id=classes, data={"class_name": labels.names[classes]}
    )


def _is_theirs(spec: ModelSpec, search_paths: Sequence[str]) -> bool:
    """Whether a model is one that Ultralytics trained, or an export by it that it can load with what is here."""
    resolved = resolve(spec, [Path(path) for path in search_paths])
    file = resolved.file
    if resolved.origin == "ultralytics" or Path(file or spec.path).suffix == ".pt":
        return True
    if file is None or embedded.read(file).get("author") != "Ultralytics":
        return False
    return file.suffix == ".onnx" or (file.suffix == ".xml" and file.parent.name.endswith("_openvino_model"))


@cache
def unfit_torchvision() -> str | None:
    """Why Ultralytics cannot read a video here: it asks for torchvision, whose builds each fit one build of torch.

    Found out in a process of its own: torch in this one would change how many threads others compute with.
    """
    tried = subprocess.run([sys.executable, "-c", "import torchvision"], capture_output=True, text=True, check=False)
    if tried.returncode == 0:
        return None
    said = (tried.stderr.strip().splitlines() or ["no reason given"])[-1]
    return f"the torchvision that is installed does not fit torch ({said}): install the one that does"
