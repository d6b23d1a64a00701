"""What was chosen for streams, put into a pipeline that is going to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.spec import Part, Pipeline
from vidpipe.tuning.floor.configuration import CAREFUL, Configuration, roles_of
from vidpipe.tuning.floor.profile import Tuned, configuration_of, read, why_not, with_settings
from vidpipe.tuning.floor.tuner import Floor, FloorConfig

Chosen = dict[str, tuple[Configuration, float | None]]


def apply_tuned(pipeline: Pipeline, profiles: Path) -> tuple[Pipeline, list[str]]:
    """Set each stream that was tuned, or that has a floor; and a line on each for the user.

    What was tuned for another pipeline, model or floor is left out, and a line says why. A stream that asks for no
    floor of its own is held to the one that it was tuned for.
    """
    chosen: Chosen = {}
    asked: dict[str, Tuned] = {}
    lines: list[str] = []
    for name, stream in pipeline.streams.items():
        floor, want = stream.spec.floor, stream.spec.want
        tuned = None
        try:
            tuned = read(profiles, name)
            if tuned is not None and (why := why_not(tuned, pipeline)):
                raise ConfigError(f"what was tuned for stream {name} {why}: tune again")
        except ConfigError as error:
            lines.append(f"{error}; stream {name} runs without it")
            tuned = None
        if tuned is not None and (floor is None or (floor, want) == (tuned.floor, tuned.want)):
            chosen[name] = _of(tuned)
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
    pipeline = with_settings(roles_of(_promised(pipeline, asked)), chosen)
    if pipeline.tuner is None and any(floor is not None for _, floor in chosen.values()):
        pipeline = replace(pipeline, tuner=Part(Floor, FloorConfig()))
    return pipeline, lines


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
    asked = f"for {tuned.want} at {tuned.floor:g}"
    return f"stream {name}: tuned on {tuned.made_at[:10]} {asked}: {tuned.chosen.says}; {hopes}"
