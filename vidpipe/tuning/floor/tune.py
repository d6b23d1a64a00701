"""From footage of one stream to settings that hold a floor of accuracy at the least cost, kept by the stream's name."""

from __future__ import annotations

import hashlib
import json
import math
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from importlib.metadata import version as version_of
from pathlib import Path
from typing import NamedTuple

from vidpipe.core.errors import ConfigError
from vidpipe.core.extras import is_installed
from vidpipe.core.progress import Progress
from vidpipe.models.runtimes import nncf
from vidpipe.models.runtimes.openvino import has_bf16
from vidpipe.pipeline.spec import Pipeline
from vidpipe.sources.address import is_camera
from vidpipe.sources.base import Want
from vidpipe.statistics.blocks import BLOCK_S
from vidpipe.tuning.floor.configuration import Roles, model_of_stage, roles_of
from vidpipe.tuning.floor.decoding import LESS
from vidpipe.tuning.floor.footage import Footage, gather, recorded
from vidpipe.tuning.floor.precisions import calibrated_in
from vidpipe.tuning.floor.profile import Basis, Tuned, check_place, tuned_of, write
from vidpipe.tuning.floor.search import Search, search
from vidpipe.tuning.floor.trial import Trial, try_reference
from vidpipe.tuning.looks import Variant
from vidpipe.tuning.paths import int8_of

LIVE_S = 1200.0  # of a camera, where nobody says


@dataclass(frozen=True, slots=True)
class TuneOptions:
    """What the user asked for.

    Attributes:
        for_s: how much footage, media seconds; None: all of a recording, and 20 minutes of a camera.
        more: configurations that Optuna may try beside those that are always tried.
    """

    floor: float
    profiles: Path
    want: Want = "boxes"
    for_s: float | None = None
    more: int = 0


class TuneResult(NamedTuple):
    """What came of one stream.

    Attributes:
        folder: where it is kept.
        reused: the same was tuned before, and nothing was done now.
    """

    tuned: Tuned
    folder: Path
    reused: bool


def tune(pipeline: Pipeline, stream: str, options: TuneOptions, progress: Progress) -> TuneResult:
    """Choose the settings of one stream of a pipeline, and keep them.

    A floor that asks for more than the reference repeats of itself is refused: the result says so, and what runs use
    then is the safe configuration.

    Raises:
        ConfigError: its footage cannot be tuned on; says what is missing.
        RunError: what was chosen cannot be written.
    """
    spec = pipeline.streams[stream].spec
    alone = replace(pipeline, streams={stream: pipeline.streams[stream]})
    camera = is_camera(spec.url)
    basis = Basis(pipeline)
    key = "" if camera else _key(alone, basis, stream, options)
    known = _known(basis, options.profiles, stream)
    if key and known is not None and known.key == key:
        return TuneResult(known, write(options.profiles, known), reused=True)
    check_place(options.profiles, stream)
    source = recorded(alone, stream, options.for_s or LIVE_S, progress) if camera else nullcontext(alone)
    with source as footage_of:
        roles = calibrated_in(roles_of(footage_of), int8_of(options.profiles, stream))
        for_s = None if camera else options.for_s
        footage = gather(roles, stream, options.floor, options.want, for_s, progress)
        big = Variant(model_of_stage(roles.pipeline, roles.last))
        progress.step(f"{stream}: {big} on trial")
        trial = try_reference(roles.pipeline, stream, footage.stretches, big)
        began = time.process_time()
        less = () if spec.live else LESS
        found = search(roles, stream, footage.stretches, options.floor, options.want, progress, options.more, less)
        searched_s = time.process_time() - began
    refused = _refused(trial, options.floor, big)
    if refused:
        found = replace(found, chosen=found.safe)
    tuned = tuned_of(
        roles_of(pipeline),
        stream,
        options.floor,
        options.want,
        found,
        trial,
        key=key,
        refused=refused,
        dropped=footage.dropped,
        seconds=(footage.video_s, footage.tuned_s, _more_s(found, options.floor, footage)),
        cost=_cost(found, footage, searched_s),
        footage=footage.stretches[0].truth,
    )
    return TuneResult(tuned, write(options.profiles, tuned), reused=False)


def _refused(trial: Trial, floor: float, big: Variant) -> str:
    if trial.repeats is None or trial.repeats >= floor:
        return ""
    cleaner = trial.clean_threshold
    advice = f"; a threshold of {cleaner:g} would leave out what comes and goes" if cleaner is not None else ""
    return (
        f"a floor of {floor:g} is refused: {big} repeats itself only to {trial.repeats:.2f} here, on the next frame or "
        f"on the same picture mirrored or shifted, and {trial.ghosts:.0%} of its boxes come and go within a frame"
        f"{advice}"
    )


def _more_s(found: Search, floor: float, footage: Footage) -> float | None:
    """Media seconds that would be enough to prove the cheapest configuration that is good enough as far as is known."""
    promising = [
        each for each in found.tried if each.cpu_ms < 0.95 * found.chosen.cpu_ms and (each.estimate.value or 0) > floor
    ]
    needed = [each.estimate.blocks_for(floor) * BLOCK_S for each in promising if each.estimate.blocks]
    needed = [seconds for seconds in needed if math.isfinite(seconds)]
    return round(min(needed) - footage.tuned_s, 1) if needed and min(needed) > footage.tuned_s else None


def _cost(found: Search, footage: Footage, searched_s: float) -> dict[str, float]:
    """CPU seconds of looks and of the search, and of one look at every frame of all the footage."""
    frames = sum(stretch.truth.frames for stretch in footage.stretches)
    every_s = found.safe.cpu_ms / 1000 * frames * footage.video_s / footage.tuned_s
    return {
        "looks_cpu_s": round(footage.looked_s, 2),
        "search_cpu_s": round(searched_s, 2),
        "every_frame_cpu_s": round(every_s, 2),
        "tuning_over_every_frame": round((footage.looked_s + searched_s) / every_s, 3),
    }


def _known(basis: Basis, profiles: Path, stream: str) -> Tuned | None:
    try:
        return basis.read(profiles, stream)
    except ConfigError:  # what is of no use, or cannot be read, is made anew
        return None


def _key(pipeline: Pipeline, basis: Basis, stream: str, options: TuneOptions) -> str:
    """Names all that a choice depends on: the footage, the models, the settings, and what is asked for."""
    spec = pipeline.streams[stream].spec
    path = Path(spec.recording.url).expanduser()
    try:
        there = path.stat()
    except OSError:
        return ""
    roles: Roles = roles_of(pipeline)
    parts = [
        version_of("vidpipe"),
        options.floor,
        options.want,
        options.for_s,
        options.more,
        str(path),
        there.st_size,
        there.st_mtime_ns,
        spec.model_dump(mode="json", include={"mask", "regions", "start_s", "end_s", "stages"}),
        [(stage.id, str(stage.type), stage.config.model_dump(mode="json")) for stage in roles.pipeline.stages],
        pipeline.audit.model_dump(mode="json"),
        basis.model,
        basis.little,
        [is_installed("openvino") and has_bf16(), nncf.is_installed()],
        {name: model.model_dump(mode="json") for name, model in pipeline.models.items()},
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]
