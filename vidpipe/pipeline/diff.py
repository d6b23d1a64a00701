"""What may change while a run goes on: streams come and go, and settings change; the cascade stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from vidpipe.core.errors import ConfigError
from vidpipe.core.settings import StageConfig, is_knob
from vidpipe.pipeline.spec import Pipeline, PlacedStage, PlacedTransform

_PLACED = ("stages", "transforms")
_PROMISED = ("floor", "want")  # fields of a stream that change what is asked of it, not how it is treated
_SETTINGS = ("stages", "zones", "lines")  # fields that stages and rules go by as settings of theirs


@dataclass(frozen=True, slots=True)
class Changes:
    """Streams by what becomes of them.

    Attributes:
        changed: they end, and begin anew where they stood.
        going_on: they do not end.
        turned: they go on with these settings: new values by stream, by stage or transform id, and by field.
        promised: they go on, and another accuracy is asked of them.
    """

    added: Sequence[str]
    removed: Sequence[str]
    changed: Sequence[str]
    going_on: Sequence[str]
    turned: Mapping[str, Mapping[str, Mapping[str, Any]]]
    promised: Sequence[str]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.turned or self.promised)

    def __str__(self) -> str:
        kinds = {
            "added": self.added,
            "removed": self.removed,
            "changed": self.changed,
            "other settings for": tuple(self.turned),
            "another accuracy asked of": self.promised,
        }
        return "; ".join(f"{kind} {', '.join(names)}" for kind, names in kinds.items() if names) or "nothing changed"


def changes(old: Pipeline, new: Pipeline) -> Changes:
    """What has changed from one to the other.

    Raises:
        ConfigError: something else than streams and settings, which a run cannot take up.
    """
    for field in fields(Pipeline):
        if field.name not in ("streams", "name", "own_clouds") and _fixed(old, field.name) != _fixed(new, field.name):
            raise ConfigError(
                f"{field.name} cannot change while it runs: only streams and settings that are knobs can; start it "
                "anew for the rest"
            )
    for site in sorted((old.own_clouds ^ new.own_clouds) & set(map(old.site, old.streams))):
        raise ConfigError(f"sites.{site}.cloud cannot change while streams of the site run: start it anew for that")
    if not new.streams:
        raise ConfigError("no stream is left: a run needs one; to end it, interrupt it")
    kept = [name for name in new.streams if name in old.streams]
    turned = {name: _turned(old, new, name) for name in kept}
    going_on = [name for name in kept if turned[name] is not None]
    return Changes(
        [name for name in new.streams if name not in old.streams],
        [name for name in old.streams if name not in new.streams],
        [name for name in kept if turned[name] is None],
        going_on,
        {name: stages for name, stages in turned.items() if stages},
        [name for name in going_on if _promised(old, name) != _promised(new, name)],
    )


def _fixed(pipeline: Pipeline, field: str) -> Any:
    """A part of a pipeline without the settings that may change while it runs."""
    value = getattr(pipeline, field)
    return [_without_knobs(placed) for placed in value] if field in _PLACED else value


def _without_knobs(placed: PlacedStage | PlacedTransform) -> tuple[Any, ...]:
    known = type(placed.config).model_fields
    kept = {name: getattr(placed.config, name) for name, field in known.items() if not is_knob(field)}
    return replace(placed, config=StageConfig()), type(placed.config), kept


def _promised(pipeline: Pipeline, stream: str) -> list[Any]:
    return [getattr(pipeline.streams[stream].spec, name) for name in _PROMISED]


def _turned(old: Pipeline, new: Pipeline, stream: str) -> dict[str, dict[str, Any]] | None:
    """The new values of a stream's settings; None where more has changed than those."""
    before, now = (pipeline.streams[stream].spec for pipeline in (old, new))
    if before.model_copy(update={name: getattr(now, name) for name in (*_PROMISED, *_SETTINGS)}) != now:
        return None
    turned: dict[str, dict[str, Any]] = {}
    for part, placed in new.placed.items():
        was = old.streams[stream].configs.get(part, old.placed[part].config)
        config = new.streams[stream].configs.get(part, placed.config)
        fields = type(config).model_fields
        if differing := [name for name in fields if getattr(was, name) != getattr(config, name)]:
            if not all(is_knob(fields[name]) for name in differing):
                return None
            turned[part] = {name: getattr(config, name) for name in (fields if config.whole else differing)}
    return turned
