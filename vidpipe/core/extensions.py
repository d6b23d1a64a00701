"""Classes of the user's own, by name: `package.module:Class` beside a pipeline, or an entry point of a package."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from vidpipe.core.errors import ConfigError
from vidpipe.core.nearest import did_you_mean

_CLASS = re.compile(r"([A-Za-z_]\w*\.)*[A-Za-z_]\w*:[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of class that users may write themselves.

    Attributes:
        name: as errors call it: "stage".
        base: "package.module:Class" of what such a class inherits from.
        builtin: those that come with vidpipe, "package.module:Class" by name.
        group: of the entry points by which packages bring others.
        method: that each must have, beyond what it inherits.
        does: what that method is for, in the words of an error.
    """

    name: str
    base: str
    builtin: Mapping[str, str]
    group: str
    method: str
    does: str

    def find(self, name: str, search_paths: Sequence[str] = ()) -> Any:
        """The class of that name.

        Args:
            name: one of `builtin`, an entry point of `group`, or "package.module:Class".
            search_paths: folders to import the latter from, after those that Python knows.

        Raises:
            ConfigError: nothing has this name, its import fails, or it is no class of this kind.
        """
        if ":" in name:
            return self._checked(name, name, search_paths)
        known = {**installed(self.group), **self.builtin}
        if name in known:
            return self._checked(name, known[name], ())
        near = did_you_mean(name, known)
        own = "" if near.endswith("?") else "; your own is written package.module:Class"
        raise ConfigError(f"unknown {self.name} type '{name}'{near}{own}")

    def name_of(self, found: type) -> str:
        """What to call a class: its name among `builtin`, or "package.module:Class"."""
        target = f"{found.__module__}:{found.__qualname__}"
        return next((name for name, builtin in self.builtin.items() if builtin == target), target)

    def _checked(self, name: str, target: str, search_paths: Sequence[str]) -> Any:
        base = load_class(self.name, self.base, self.base, (), lambda _: False)

        def fits(value: object) -> bool:
            return isinstance(value, type) and issubclass(value, base) and value is not base

        found = load_class(self.name, name, target, search_paths, fits)
        if not fits(found):
            raise ConfigError(f"{self.name} '{name}' is not a subclass of {self.base.replace(':', '.')}")
        if getattr(found, self.method) is getattr(base, self.method):
            article = "an" if self.name[0] in "aeiou" else "a"
            needs = f"{article} {self.name} must say {self.does}"
            raise ConfigError(f"{self.name} '{name}' has no method `{self.method}`: {needs}")
        return found


def target_of(group: str, name: str) -> str | None:
    """ "module:Class" for a name that is one, or that an installed package brings in this group; else None."""
    return name if _CLASS.fullmatch(name) else installed(group).get(name)


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


def child_environment() -> dict[str, str]:
    """The environment for another Python that shall find the modules that this one finds: vidpipe's and the user's."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
