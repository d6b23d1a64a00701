"""What was chosen for streams, put into a pipeline that is going to run."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.spec import Part, Pipeline
from vidpipe.tuning.floor.configuration import CAREFUL, Configuration, roles_of
from vidpipe.tuning.floor.profile import Basis, Tuned, configuration_of, with_settings
from vidpipe.tuning.floor.tuner import Floor, FloorConfig
from vidpipe.tuning.paths import profiles_dir

log = logging.getLogger(__name__)

AUDITS = 0.03  # of what answering a stream costs, that audits may take: where looks are rare, an audit weighs much

Chosen = dict[str, tuple[Configuration, float | None]]


def hold_floors(pipeline: Pipeline, profiles: Path | None = None) -> Pipeline:
    """The pipeline with settings that hold the `floor` of each of its streams; one without floors stays as it is.

    A stream that was tuned for its floor gets what was chosen. Another one begins with a look of the last stage at
    every frame, which become fewer as they prove that the floor holds.

    Args:
        profiles: folder of what was tuned; None: the usual one.

    Raises:
        ConfigError: a stream has a floor, and the last stage is no `detect`.
    """
    if all(stream.spec.floor is None for stream in pipeline.streams.values()):
        return pipeline
    pipeline, lines = apply_tuned(pipeline, profiles or profiles_dir())
    for line in lines:
        log.info("%s", line)
    return pipeline


def apply_tuned(pipeline: Pipeline, profiles: Path) -> tuple[Pipeline, list[str]]:
    """Set each stream that was tuned, or that has a floor; and a line on each for the user.

    What was tuned for another pipeline, model or floor is left out, and a line says why. A stream that asks for no
    floor of its own is held to the one that it was tuned for.
    """
    chosen: Chosen = {}
    rates: list[float] = []
    asked: dict[str, Tuned] = {}
    lines: list[str] = []
    basis = Basis(pipeline)
    for name, stream in pipeline.streams.items():
        if not stream.spec.tuned:
            continue
        floor, want = stream.spec.floor, stream.spec.want
        try:
            tuned = basis.read(profiles, name)
        except ConfigError as error:
            lines.append(f"{error}; stream {name} runs without it")
            tuned = None
        if tuned is not None and (floor is None or (floor, want) == (tuned.floor, tuned.want)):
            chosen[name] = _of(tuned)
            rates.append(audit_rate(tuned.chosen.cpu_ms, tuned.safe.cpu_ms))
            lines.append(_line(name, tuned))
            if floor is None and not tuned.refused:
                asked[name] = tuned
        elif floor is not None:
            if tuned is not None:
                lines.append(
                    f"stream {name} was tuned for {tuned.want} at {tuned.floor:g}, not for {want} at {floor:g}"
                )
            chosen[name] = CAREFUL, floor
            lines.append(f"stream {name} begins with a look at every frame, and loosens as it proves {floor:g}")
    if not chosen:
        return pipeline, lines
    pipeline = with_settings(roles_of(_promised(pipeline, asked)), chosen, profiles)
    if rates:
        pipeline = with_audits(pipeline, min(rates))
    if pipeline.tuner is None and any(floor is not None for _, floor in chosen.values()):
        pipeline = replace(pipeline, tuner=Part(Floor, FloorConfig()))
    return pipeline, lines


def audit_rate(cpu_ms: float, look_ms: float) -> float:
    """The share of answers that may be audited for `AUDITS` of what a frame costs, when an audit is a look."""
    return AUDITS * cpu_ms / look_ms


def with_audits(pipeline: Pipeline, most: float) -> Pipeline:
    """The pipeline with no more audits than this share of answers."""
    rate = min(pipeline.audit.rate, most)
    return replace(pipeline, audit=pipeline.audit.model_copy(update={"rate": rate}))


def _promised(pipeline: Pipeline, asked: Mapping[str, Tuned]) -> Pipeline:
    """The pipeline with the floors that these streams were tuned for."""
    streams = dict(pipeline.streams)
    for name, tuned in asked.items():
        spec = streams[name].spec.model_copy(update={"floor": tuned.floor, "want": tuned.want})
        streams[name] = replace(streams[name], spec=spec)
    return replace(pipeline, streams=streams)


def _of(tuned: Tuned) -> tuple[Configuration, float | None]:
    """What was chosen, and the floor that its tracker holds."""
    return configuration_of(tuned.chosen), tuned.floor if tuned.chosen.guarded else None


def _line(name: str, tuned: Tuned) -> str:
    times = tuned.safe.cpu_ms / tuned.chosen.cpu_ms
    hopes = tuned.refused or f"{times:.1f} times less CPU expected"
    what = f"{tuned.want} at {tuned.floor:g}: {tuned.chosen.says}; {hopes}"
    return f"stream {name}: tuned on {tuned.made_at[:10]} for {what}"
