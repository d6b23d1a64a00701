"""Finding a stage's class by the `type` that a pipeline gives it."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import entry_points
from typing import Any

from vidpipe.errors import ConfigError
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
    installed = {entry.name: entry.value for entry in entry_points(group=ENTRY_POINTS)}
    if name in installed:
        return _load(name, installed[name], ())
    near = did_you_mean(name, [*BUILTIN, *installed])
    own = "" if near.endswith("?") else "; your own is written package.module:Class"
    raise ConfigError(f"unknown stage type '{name}'{near}{own}")


def name_of(stage: type[Stage[Any]]) -> str:
    """What to call a stage's class: its name among `BUILTIN`, or "package.module:Class"."""
    target = f"{stage.__module__}:{stage.__qualname__}"
    return next((name for name, builtin in BUILTIN.items() if builtin == target), target)


def did_you_mean(word: str, known: Iterable[str], *, listed: int = 12) -> str:
    """The end of a message about a name that nothing has: the nearest right one, else all of them if they are few."""
    known = sorted(set(known))
    near = difflib.get_close_matches(word, known, n=1)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; there is {', '.join(known)}" if 0 < len(known) <= listed else ""


def _load(name: str, target: str, search_paths: Sequence[str]) -> type[Stage[Any]]:
    # Behind what Python knows, so that a `queue.py` beside a pipeline does not stand in for Python's own; and for good,
    # because a stage may import from its folder later on.
    sys.path.extend(path for path in search_paths if path not in sys.path)
    module_name, _, class_name = target.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), class_name, None)
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "")
        raise ConfigError(f"stage '{name}' cannot be imported: {type(error).__name__}: {reason}") from error
    if found is None:
        names = [key for key, value in vars(sys.modules[module_name]).items() if _is_stage(value)]
        raise ConfigError(f"module '{module_name}' has no stage '{class_name}'{did_you_mean(class_name, names)}")
    if not _is_stage(found):
        raise ConfigError(f"stage '{name}' is not a subclass of vidpipe.stages.base.Stage")
    if found.answer is Stage.answer:
        raise ConfigError(f"stage '{name}' has no method `answer`: a stage must say which frames it answers")
    return found  # type: ignore[no-any-return]


def _is_stage(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Stage) and value is not Stage
