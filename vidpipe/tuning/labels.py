"""Footage of one stream with what the big model says of it, and whether that can be learnt from."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from vidpipe.accuracy.reference.model import ReferenceModel
from vidpipe.accuracy.series import Series
from vidpipe.core.errors import ConfigError
from vidpipe.core.progress import Progress
from vidpipe.core.settings import Knobs
from vidpipe.pipeline.spec import Pipeline
from vidpipe.sources.base import StreamSpec
from vidpipe.sources.open import open_source
from vidpipe.stages.difference.camera_stability import STABLE
from vidpipe.stages.gate.examples import Collector, Examples
from vidpipe.tuning.detector import quiet
from vidpipe.tuning.footage import SEEN_PICTURES, Footage, walk
from vidpipe.tuning.live import watch
from vidpipe.tuning.looks import look

LIVE_S = 1200.0
FEWEST_PICTURES = 100
FEWEST_QUIET = 50  # of them: what one block in fifty does in quiet pictures is what is usual
FEWEST_VISITS = 4  # as many as the assumption of how far visits lie apart is worth: fewer would say less than it does
_TIMED_LOOKS = 30


def labelled(
    pipeline: Pipeline, stream: str, reference_model: ReferenceModel, for_s: float | None, progress: Progress
) -> tuple[Footage, Examples, float]:
    """The footage, examples of it, and the CPU ms of a look.

    Args:
        for_s: how much of it, media seconds; None: all of a recording, and `LIVE_S` of a camera.

    Raises:
        ConfigError: it cannot be opened, or its labels alone show that it cannot be learnt from.
    """
    spec = pipeline.streams[stream].spec
    examples = Collector(stream, pipeline.classes.names)
    paths = [Path(path) for path in pipeline.search_paths]
    if spec.live:
        for_s = for_s or LIVE_S
        progress.step(f"{stream}: watching for {for_s:.0f} s, {reference_model.name} looks")
        watched = watch(spec, stream, reference_model.spec, pipeline.classes, paths, for_s, examples, progress.advance)
        _refuse_labels(watched.truth, stream)
        footage = watched.footage(_refresh(pipeline, _fps(watched.truth)))
        return footage, examples.examples(), watched.look_ms
    if for_s is not None:
        spec = spec.model_copy(update={"end_s": min(spec.start_s + for_s, spec.end_s or math.inf)})
    total = _outlined(spec, stream)
    progress.step(f"{stream}: {reference_model.name} looks at every frame", total)
    looked = look(pipeline, stream, spec, reference_model.spec, progress, _TIMED_LOOKS)
    truth = looked.predictions.sure()
    _refuse_labels(truth, stream)
    progress.step(f"{stream}: seeing it as filters do", truth.frames)
    footage = walk(spec, stream, truth, _refresh(pipeline, _fps(truth)), examples, progress.advance)
    return footage, examples.examples(), looked.cpu_ms


def refuse(footage: Footage, stream: str) -> None:
    """Raise ConfigError for footage that cannot be learnt from."""
    _refuse_labels(footage.truth, stream)
    if footage.moved > STABLE:
        raise ConfigError(
            f"stream {stream}: the camera moves: by {footage.moved:.1%} of the picture's width from one second to the "
            f"next ({footage.moved * footage.size[0]:.0f} pixels); only a fixed camera's scene can be learnt"
        )
    _refuse_pictures(int(footage.fresh.sum()), "different pictures", stream)
    if footage.seen_visits < FEWEST_VISITS:
        raise ConfigError(
            f"stream {stream}: too few visits of things: {footage.visits} in {footage.truth.video_s:.0f} s, of which "
            f"{footage.seen_visits} seen in {SEEN_PICTURES} different pictures or more; how faint the next one may be "
            f"takes {FEWEST_VISITS} such visits to tell: give footage with {FEWEST_VISITS - footage.seen_visits} more"
        )
    still = int((quiet(footage) & footage.fresh).sum())
    if still < FEWEST_QUIET:
        raise ConfigError(
            f"stream {stream}: {still} pictures lie a second or more from something that was found: what the empty "
            f"scene looks like takes {FEWEST_QUIET} to tell; give footage with quiet times"
        )


def _outlined(spec: StreamSpec, stream: str) -> int | None:
    """How many frames a recording says it has; one that is too short is refused before it is looked at."""
    info = open_source(stream, spec, knobs=Knobs()).info
    if info.frames is None or info.fps is None:
        return None
    frames = info.frames if spec.end_s is None else min(info.frames, round((spec.end_s - spec.start_s) * info.fps))
    _refuse_pictures(frames, "pictures", stream)
    return frames


def _refresh(pipeline: Pipeline, fps: float) -> int:
    """Every how many frames a run looks at a scene that it takes for empty."""
    audit = pipeline.audit
    by_audit = 1 / audit.rate if audit.rate else math.inf
    forced = audit.max_unchecked_s * fps if audit.max_unchecked_s else math.inf
    return max(1, round(min(by_audit, forced, 1e6)))


def _fps(truth: Series) -> float:
    return 1.0 / float(np.median(np.diff(truth.pts)))


def _refuse_pictures(count: int, what: str, stream: str) -> None:
    if count < FEWEST_PICTURES:
        raise ConfigError(
            f"stream {stream}: {count} {what} are too few to learn from: "
            f"give footage with {FEWEST_PICTURES} at least, better 20 minutes"
        )


def _refuse_labels(truth: Series, stream: str) -> None:
    """Raise ConfigError for what the labels alone show to be too little."""
    classes = " or ".join(truth.classes)
    _refuse_pictures(truth.frames, "pictures", stream)
    found = len(np.unique(truth.boxes.frame))
    if not found:
        raise ConfigError(
            f"stream {stream}: the last stage found no {classes} in {truth.frames} frames, {truth.video_s:.0f} s: "
            "without an example of what matters no filter can be trusted; give footage that has some"
        )
    if found == truth.frames:
        raise ConfigError(
            f"stream {stream}: the last stage found {classes} in every one of {truth.frames} frames: nothing can be "
            "filtered out, and what the empty scene looks like is not known; the pipeline is best left as it is"
        )
