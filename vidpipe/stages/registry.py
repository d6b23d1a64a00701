"""Finding a stage's class by the `type` that a pipeline gives it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vidpipe.errors import ConfigError
from vidpipe.extensions import installed, load_class
from vidpipe.nearest import did_you_mean
from vidpipe.stages.base import Stage

BUILTIN = {
    "difference": "vidpipe.stages.difference:Difference",
    "gate": "vidpipe.stages.gate:GateStage",
    "sample": "vidpipe.stages.sample:Sample",
    "track": "vidpipe.stages.track:Track",
    "detect": "vidpipe.stages.detect:Detect",
    "select": "vidpipe.stages.select:Select",
    "regions": "vidpipe.stages.regions:Regions",
    "cache": "vidpipe.stages.cache:Cache",
    "describe": "vidpipe.stages.describe:Describe",
}
ENTRY_POINTS = "vidpipe.stages"


def find(name: str, search_paths: Sequence[str] = ()) -> type[Stage[Any]]:
    """The class of a stage.

    Args:
        name: one of `BUILTIN`, an entry point of the group "vidpipe.stages", or "package.module:Class".
        search_paths: folders to import the latter from, after those that Python knows.

    Raises:
        ConfigError: nothing has this name, its import fails, or it is no subclass of `Stage`.
    """
    if ":" in name:
        return _load(name, name, search_paths)
    if name in BUILTIN:
        return _load(name, BUILTIN[name], ())
    others = installed(ENTRY_POINTS)
    if name in others:
        return _load(name, others[name], ())
    near = did_you_mean(name, [*BUILTIN, *others])
    own = "" if near.endswith("?") else "; your own is written package.module:Class"
    raise ConfigError(f"unknown stage type '{name}'{near}{own}")


def name_of(stage: type[Stage[Any]]) -> str:
    """What to call a stage's class: its name among `BUILTIN`, or "package.module:Class"."""
    target = f"{stage.__module__}:{stage.__qualname__}"
    return next((name for name, builtin in BUILTIN.items() if builtin == target), target)


def _load(name: str, target: str, search_paths: Sequence[str]) -> type[Stage[Any]]:
    found = load_class("stage", name, target, search_paths, _is_stage)
    if not _is_stage(found):
        raise ConfigError(f"stage '{name}' is not a subclass of vidpipe.stages.base.Stage")
    if found.answer is Stage.answer:
        raise ConfigError(f"stage '{name}' has no method `answer`: a stage must say which frames it answers")
    return found  # type: ignore[no-any-return]


def _is_stage(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Stage) and value is not Stage
