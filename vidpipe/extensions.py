"""Classes of the user's own, by name: `package.module:Class` beside a pipeline, or an entry point of a package."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Any

from vidpipe.errors import ConfigError
from vidpipe.nearest import did_you_mean


def installed(group: str) -> dict[str, str]:
    """The entry points of a group in all installed packages: "package.module:Class" by name."""
    return {entry.name: entry.value for entry in entry_points(group=group)}


def find_on(search_paths: Sequence[str]) -> None:
    """Let modules be imported from these folders, too.

    Behind what Python knows, so that a `queue.py` beside a pipeline does not stand in for Python's own; and for good,
    because what was imported may import from its folder later on.
    """
    sys.path.extend(path for path in search_paths if path not in sys.path)


def load_class(kind: str, name: str, target: str, search_paths: Sequence[str], fits: Callable[[object], bool]) -> Any:
    """Import what `target` ("package.module:Class") names.

    Args:
        kind: of thing, as errors call it: "stage".
        name: as the user wrote it.
        fits: whether something in a module is of that kind, to suggest it where the class is not there.

    Raises:
        ConfigError: the import fails, or there is no such class.
    """
    find_on(search_paths)
    module_name, _, class_name = target.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), class_name, None)
    except Exception as error:
        reason = next(iter(str(error).splitlines()), "")
        raise ConfigError(f"{kind} '{name}' cannot be imported: {type(error).__name__}: {reason}") from error
    if found is None:
        names = [key for key, value in vars(sys.modules[module_name]).items() if fits(value)]
        raise ConfigError(f"module '{module_name}' has no {kind} '{class_name}'{did_you_mean(class_name, names)}")
    return found
