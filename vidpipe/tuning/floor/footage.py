"""Footage to tune on: stretches of a recording, or of what a camera sends for a while, with all looks at them."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from vidpipe.accuracy.reference.model import ReferenceModel, check_classes, folders
from vidpipe.accuracy.series import Series
from vidpipe.core.errors import ConfigError, ModelError
from vidpipe.core.frame import Frame, Image
from vidpipe.core.progress import Progress
from vidpipe.core.settings import Knobs
from vidpipe.models.load import load_detector
from vidpipe.pipeline.spec import Pipeline
from vidpipe.sources.base import StreamSpec, Want
from vidpipe.sources.open import open_source
from vidpipe.stages.difference.camera_stability import STABLE, movement
from vidpipe.tuning.floor.configuration import Roles, model_of_stage
from vidpipe.tuning.floor.evidence import evidence
from vidpipe.tuning.floor.precisions import cheaper
from vidpipe.tuning.floor.search import Stretch
from vidpipe.tuning.looks import Look, Variant, look

SHORTEST_S = 5.0
_STRETCH_S = 20.0
_WHOLE_S = 240.0  # footage up to that is looked at whole; of longer one a share, spread evenly
_SHARE = 0.4
_WATCHED_S = 60.0  # in which it is seen whether the camera moves
_HOPELESS_AT = 0.25  # share of the stretches, after which a variant that is too bad looks no further


@dataclass(slots=True)
class Footage:
    """What a stream is tuned on.

    Attributes:
        video_s: media seconds of all of it.
        dropped: variants that are out, and why.
        looked_s: CPU seconds that looking has taken now, and making and timing other precisions.
    """

    stretches: list[Stretch]
    video_s: float
    dropped: dict[Variant, str] = field(default_factory=dict)
    looked_s: float = 0.0

    @property
    def tuned_s(self) -> float:
        """Media seconds of the stretches."""
        return sum(stretch.truth.video_s for stretch in self.stretches)


def gather(roles: Roles, stream: str, floor: float, want: Want, for_s: float | None, progress: Progress) -> Footage:
    """Look at the footage of a recording with every variant that may be of use.

    Models in int8 take part where those of `roles` name a folder for their networks (`calibrated_in`).

    Args:
        for_s: how much of it, media seconds; None: all.

    Raises:
        ConfigError: it cannot be opened, is too short, shows nothing, or its camera moves.
    """
    pipeline = roles.pipeline
    spec = pipeline.streams[stream].spec.recording
    if for_s is not None:
        spec = spec.model_copy(update={"end_s": min(spec.start_s + for_s, spec.end_s or math.inf)})
    begin_s, video_s, frames = _outline(spec, stream)
    if video_s < SHORTEST_S:
        raise ConfigError(
            f"stream {stream}: {video_s:.1f} s of footage are too few to tune on: {SHORTEST_S:g} s are needed, and "
            "some minutes to choose anything but a look at every frame"
        )
    moved = _movement(spec, stream, video_s)
    if moved > STABLE:
        raise ConfigError(
            f"stream {stream}: the camera moves, by {moved:.1%} of the picture's width a second: settings hold for the "
            "view that they were chosen on; give footage of a camera that stands still"
        )
    parts = list(_cut(spec, begin_s, video_s))
    big = Variant(model_of_stage(pipeline, roles.last))
    check_classes(ReferenceModel(big.model, pipeline.models[big.model]), pipeline)
    share = frames * (len(parts) * _STRETCH_S / video_s if len(parts) > 1 else 1.0)
    progress.step(f"{stream}: {big} looks at every frame", round(share))
    looks: list[dict[Variant, Look]] = []
    for part in parts:
        looks.append({big: look(pipeline, stream, part, big.spec(pipeline), progress)})
    footage = Footage([], video_s)
    truth = [each[big].predictions.sure() for each in looks]
    if not any(len(series.boxes) for series in truth):
        classes = " or ".join(truth[0].classes)
        raise ConfigError(
            f"stream {stream}: {big} found no {classes} in {video_s:.0f} s: without anything to find no configuration "
            "can be told from another; give footage that shows some"
        )

    def consider(variants: Iterable[Variant]) -> None:
        for variant in variants:
            progress.step(f"{stream}: {variant} looks at every frame", round(share))
            made = _looked(pipeline, stream, parts, variant, truth, floor, want, footage.dropped, progress)
            for into, one in zip(looks, made, strict=False):
                into[variant] = one

    consider(variants_of(roles))
    lengths = [(part, series.frames) for part, series in zip(parts, truth, strict=True)]
    precise, timed_s = cheaper(roles, stream, lengths, footage.dropped, progress)
    consider(precise)
    footage.looked_s = timed_s + sum(one.spent_s for each in looks for one in each.values())
    complete = set.intersection(*(set(each) for each in looks)) - footage.dropped.keys()
    footage.stretches = [
        Stretch(part, series, {variant: each[variant] for variant in each if variant in complete})
        for part, series, each in zip(parts, truth, looks, strict=True)
    ]
    return footage


@contextmanager
def recorded(pipeline: Pipeline, stream: str, for_s: float, progress: Progress) -> Iterator[Pipeline]:
    """The pipeline with a recording in place of a camera: what it sends meanwhile, as it sends it.

    Nothing is encoded again, and nothing is left of it afterwards.
    """
    from vidpipe.sources.cameras.record import record

    spec = pipeline.streams[stream].spec
    progress.step(f"{stream}: recording {for_s:.0f} s of the camera")
    with tempfile.TemporaryDirectory(prefix="vidpipe-tune-") as folder:
        recording = spec.model_copy(update={"url": str(record(stream, spec, for_s, Path(folder)))})
        yield replace(pipeline, streams={stream: replace(pipeline.streams[stream], spec=recording)})


def _outline(spec: StreamSpec, stream: str) -> tuple[float, float, int]:
    """Where the footage begins, how long it is in media seconds, and how many pictures it has."""
    with closing(open_source(stream, spec, knobs=Knobs())) as source:
        info = source.info
    if info.frames and info.fps:
        return spec.start_s, info.frames / info.fps, info.frames
    with closing(open_source(stream, spec, knobs=Knobs())) as source:
        times = [picture.pts for picture in source if isinstance(picture, Frame)]
    return spec.start_s, (times[-1] - times[0] if times else 0.0), len(times)


def _movement(spec: StreamSpec, stream: str, video_s: float) -> float:
    """How far the camera moves in a second, as a share of the picture's width, in some seconds of the footage."""
    begin_s = spec.start_s + max(0.0, video_s - _WATCHED_S) / 2
    watched = spec.model_copy(update={"start_s": begin_s, "end_s": begin_s + _WATCHED_S})
    previews: list[Image] = []
    with closing(open_source(stream, watched, knobs=Knobs())) as source:
        due = -math.inf
        for picture in source:
            if isinstance(picture, Frame) and picture.pts >= due:
                previews.append(picture.preview())
                due = picture.pts + 1.0
    return movement(previews)


def _cut(spec: StreamSpec, begin_s: float, video_s: float) -> Iterator[StreamSpec]:
    """The stretches to look at."""
    if video_s <= _WHOLE_S:
        yield spec
        return
    count = round(video_s * _SHARE / _STRETCH_S)
    for number in range(count):
        start_s = begin_s + number * (video_s - _STRETCH_S) / max(1, count - 1)
        yield spec.model_copy(update={"start_s": round(start_s, 3), "end_s": round(start_s + _STRETCH_S, 3)})


def _looked(
    pipeline: Pipeline,
    stream: str,
    parts: Sequence[StreamSpec],
    variant: Variant,
    truth: Sequence[Series],
    floor: float,
    want: Want,
    dropped: dict[Variant, str],
    progress: Progress,
) -> list[Look]:
    """What a variant says of the stretches, up to where it is known to be too bad."""
    made: list[Look] = []
    for number, part in enumerate(parts, 1):
        try:
            made.append(look(pipeline, stream, part, variant.spec(pipeline), progress))
        except ModelError:
            if variant.size is None:
                raise
            dropped[variant] = "its network does not take that size"
            return made
        if number in (max(1, round(_HOPELESS_AT * len(parts))), len(parts)):
            sure = [one.predictions.sure() for one in made]
            so_far = evidence(sure, truth[:number], want)
            if so_far.high < floor:
                dropped[variant] = f"agrees with the last stage to {so_far.value:.2f} where it looks at every frame"
                return made
    return made


def variants_of(roles: Roles) -> list[Variant]:
    """What may look in place of the last stage."""
    return roles.variants(_native(roles))


def _native(roles: Roles) -> Mapping[str, tuple[int, int]]:
    """(height, width) of the input of each model as its network has it; those of one size only are left out."""
    pipeline = roles.pipeline
    sizes = {}
    for stage in filter(None, (roles.last, roles.little)):
        name = model_of_stage(pipeline, stage)
        spec = pipeline.models[name].model_copy(update={"size": None})
        with suppress(ModelError):
            sizes[name] = load_detector(spec, pipeline.classes, search_paths=folders(pipeline)).traits.size
    return sizes
