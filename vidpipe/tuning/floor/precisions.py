"""Which precisions of a stream's models are worth a look at all of its footage: those that are clearly cheaper."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from vidpipe.accuracy.reference.model import folders
from vidpipe.core.errors import ModelError
from vidpipe.core.frame import Image
from vidpipe.core.progress import Progress
from vidpipe.models.load import load_detector
from vidpipe.models.precisions import look_ms, others
from vidpipe.models.quantise import ENOUGH, quantise
from vidpipe.pipeline.spec import Pipeline
from vidpipe.sources.base import StreamSpec
from vidpipe.tuning.floor.configuration import Roles, model_of_stage
from vidpipe.tuning.looks import Variant, pictures_of

CHEAPER = 0.95  # of what a look costs as the model is: above that, looking at all the footage is not worth it
_TIMED = 16  # looks that tell
_PICTURES = 4  # that they are made at


def calibrated_in(roles: Roles, folder: Path) -> Roles:
    """The same with models that find their int8 networks in a folder; one that is int8 already has its own."""
    pipeline = roles.pipeline
    models = {
        name: spec if spec.precision == "int8" else spec.varied(calibrated=str(folder))
        for name, spec in pipeline.models.items()
    }
    return replace(roles, pipeline=replace(pipeline, models=models))


def cheaper(
    roles: Roles,
    stream: str,
    parts: Sequence[tuple[StreamSpec, int]],
    dropped: dict[Variant, str],
    progress: Progress,
) -> tuple[list[Variant], float]:
    """The big and the little model in what else they can compute in, where a look costs less so.

    An int8 network is made where there is none yet, calibrated on frames of the footage, in the folder that the models
    name as `calibrated`; without a folder int8 is left out.

    Args:
        parts: the footage, with the frames of each part.
        dropped: variants that are out already; gets the others, and why they are.

    Returns:
        The variants, and the CPU seconds that it took to find them.
    """
    if roles.little is None:  # nobody looks in place of the last stage
        return [], 0.0
    pipeline, began = roles.pipeline, time.process_time()
    pictures: list[Image] = []
    worth: list[Variant] = []
    for model in dict.fromkeys(model_of_stage(pipeline, stage) for stage in (roles.last, roles.little)):
        own = Variant(model)
        tried = [] if own in dropped else list(_others(pipeline, model))  # its other precisions are no better
        if not tried:
            continue
        pictures = pictures or list(_spread(stream, parts))
        progress.step(f"{stream}: {model} in {', '.join(str(each.precision) for each in tried)}: is it cheaper?")
        took = _look_ms(pipeline, [own, *tried], pictures, dropped)
        for each in tried:
            if each in took and (share := took[each] / took[own]) > CHEAPER:
                dropped[each] = f"a look takes {share:.2f} times the CPU of {own}"
        worth += [each for each in tried if each not in dropped]
    return worth, time.process_time() - began


def _others(pipeline: Pipeline, model: str) -> Iterator[Variant]:
    spec = pipeline.models[model]
    for precision in others(spec, folders(pipeline)):
        if precision != "int8" or spec.calibrated is not None:
            yield Variant(model, None, precision)


def _look_ms(
    pipeline: Pipeline, variants: Sequence[Variant], pictures: Sequence[Image], dropped: dict[Variant, str]
) -> Mapping[Variant, float]:
    """CPU milliseconds of a look of each that can be loaded; an int8 network is made first."""
    paths, detectors = folders(pipeline), {}
    for variant in variants:
        spec = variant.spec(pipeline)
        try:
            if variant.precision == "int8" and spec.calibrated is not None:
                quantise(spec, pipeline.classes, pictures, Path(spec.calibrated), search_paths=paths)
            detectors[variant] = load_detector(spec, pipeline.classes, search_paths=paths)
        except ModelError as error:
            if variant.precision is None:
                raise
            dropped[variant] = str(error)
    return look_ms(detectors, pictures[:: max(1, len(pictures) // _PICTURES)], _TIMED)


def _spread(stream: str, parts: Sequence[tuple[StreamSpec, int]]) -> Iterator[Image]:
    """Pictures from all over the footage, as many as it takes to calibrate."""
    chosen = np.unique(np.linspace(0, len(parts) - 1, min(len(parts), ENOUGH)).round().astype(int))
    each = -(-ENOUGH // len(chosen))
    for number in chosen:
        spec, frames = parts[number]
        for _, picture in zip(range(each), pictures_of(stream, spec, max(1, frames // each)), strict=False):
            yield picture.copy()
