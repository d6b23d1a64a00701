"""Settings that change while a run goes on: each change is an epoch, which every answer names."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from vidpipe.core.errors import ConfigError
from vidpipe.core.names import references
from vidpipe.core.nearest import did_you_mean
from vidpipe.core.settings import StageConfig, is_knob, with_values
from vidpipe.pipeline.models import tier_of, with_models_on
from vidpipe.pipeline.spec import Pipeline, PlacedStage, PlacedTransform

Changes = Mapping[str, Mapping[str, Any]]
"""New values of settings: by stage id, then by field."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One change of settings.

    Attributes:
        number: counts up from 1 over the whole run; 0 are the settings that a run begins with.
        at: UTC seconds when it was asked for.
        by: who asked: "user", "reload", "tuner", "audit", "mqtt", "page" ("page: NAME" where people sign in).
        reason: in words, for people.
        streams: whose settings changed.
        changes: the new values, by stage or transform id and field.
        anew: the streams begin anew, or join; of their settings `changes` has those of transforms.
        began: the first answer under it, as (seq, media seconds), by stream; a stream is missing until then.
    """

    number: int
    at: float
    by: str
    reason: str
    streams: tuple[str, ...]
    changes: Changes
    anew: bool = False
    began: Mapping[str, tuple[int, float]] = field(default_factory=dict)


def changed(
    pipeline: Pipeline, changes: Changes, streams: Collection[str] | None, epoch: int
) -> tuple[Pipeline, tuple[str, ...]]:
    """The pipeline with other settings for some of its streams, and which streams these are.

    Args:
        streams: None for all.
        epoch: number of this change.

    Raises:
        ConfigError: no such stream, stage or setting, one that is fixed while a run goes on, or a value out of bounds.
    """
    if not changes:
        raise ConfigError("nothing to change: name stages and their new settings, as in stages={'little': {...}}")
    named = tuple(pipeline.streams) if streams is None else tuple(dict.fromkeys(streams))
    kept = dict(pipeline.streams)
    for stream in named:
        own = {stage: config_with(pipeline, stream, stage, fields) for stage, fields in changes.items()}
        kept[stream] = replace(kept[stream], configs={**kept[stream].configs, **own}, epoch=epoch)
    return replace(pipeline, streams=kept), named


def config_with(pipeline: Pipeline, stream: str, stage: str, fields: Mapping[str, Any]) -> StageConfig:
    """The settings of a stage or transform for a stream, with other values for some.

    Raises:
        ConfigError: no such stream, stage or setting, one that is fixed while a run goes on, or a value out of bounds.
    """
    if stream not in pipeline.streams:
        raise ConfigError(f"there is no stream '{stream}'{did_you_mean(stream, pipeline.streams)}")
    placed = pipeline.placed
    _check_fields(stage, fields, placed)
    return _with(pipeline.streams[stream].configs.get(stage, placed[stage].config), fields, stage, pipeline)


def _check_fields(stage: str, fields: Mapping[str, Any], placed: Mapping[str, PlacedStage | PlacedTransform]) -> None:
    if stage not in placed:
        raise ConfigError(f"there is no stage '{stage}'{did_you_mean(stage, placed)}")
    known = placed[stage].type.Config.model_fields
    for name in fields:
        if name not in known:
            raise ConfigError(f"stages.{stage}: there is no setting '{name}'{did_you_mean(name, known)}")
        if not is_knob(known[name]):
            knobs = ", ".join(other for other, each in known.items() if is_knob(each)) or "none"
            raise ConfigError(f"stages.{stage}.{name} is fixed while it runs; what can change there: {knobs}")


def _with(config: StageConfig, fields: Mapping[str, Any], stage: str, pipeline: Pipeline) -> StageConfig:
    try:
        fresh = with_values(config, fields)
    except ValidationError as error:
        raise ConfigError(_first_problem(error, stage)) from None
    fresh = with_models_on(tier_of(pipeline.placed[stage]), fresh, pipeline.models)
    for kind, names in (("model", pipeline.models), ("class", pipeline.classes.names)):
        for place, name in references(fresh, kind):
            if names and place[0] in fields and name not in names:
                where = ".".join(map(str, (stage, *place)))
                raise ConfigError(f"stages.{where}: there is no {kind} '{name}'{did_you_mean(name, names)}")
    return fresh


def _first_problem(error: ValidationError, stage: str) -> str:
    first: Mapping[str, Any] = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in (stage, *first["loc"][:1]))
    shown = f", not {first['input']!r}" if first["loc"] else ""
    return f"stages.{place}: {first['msg'].removeprefix('Value error, ')}{shown}"


def timeline(epochs: Sequence[Epoch], stream: str) -> list[dict[str, Any]]:
    """The epochs of a stream as the report has them."""
    told = []
    for epoch in epochs:
        if stream in epoch.streams:
            seq, pts = epoch.began.get(stream, (None, None))
            told.append({"epoch": epoch.number, "seq": seq, "pts": pts, **_told(epoch)})
    return told


def told(epochs: Sequence[Epoch], stream: str) -> tuple[dict[str, Any], ...]:
    """Those of these epochs that concern a stream, as a line of results has them: it says where they begin."""
    return tuple({"epoch": epoch.number, **_told(epoch)} for epoch in epochs if stream in epoch.streams)


def _told(epoch: Epoch) -> dict[str, Any]:
    """What the epoch is for all its streams, as JSON can hold it."""
    changes = to_jsonable_python(epoch.changes, by_alias=True)
    anew = {"anew": True} if epoch.anew else {}
    return {"at": epoch.at, "by": epoch.by, "reason": epoch.reason, "changes": changes, **anew}
