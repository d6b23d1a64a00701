"""Packages that only some users need: an extra brings them, `pip install 'vidpipe[EXTRA]'`.

The light distribution leaves out more than the full one, and has an extra for each.
"""

from __future__ import annotations

import importlib
import importlib.util
from importlib import metadata
from types import ModuleType

from vidpipe.core.errors import ConfigError

DISTRIBUTIONS = ("vidpipe", "vidpipe-light")
"""What vidpipe can be installed as: with all that it runs on, or without what is large."""


def distribution() -> metadata.Distribution | None:
    """What this vidpipe was installed as; None where it was not, but runs from its sources."""
    for name in DISTRIBUTIONS:
        try:
            return metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def is_installed(module: str) -> bool:
    """Whether a module is there, without importing it."""
    return importlib.util.find_spec(module) is not None


def how_to_install(name: str) -> str:
    """The command that adds an extra to what is installed."""
    found = distribution()
    return f"pip install '{DISTRIBUTIONS[0] if found is None else found.name}[{name}]'"


def extra(module: str, name: str, what: str) -> ModuleType:
    """A module that an extra of vidpipe brings.

    Args:
        name: of the extra.
        what: needs it, for the error.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        if error.name is not None and error.name.split(".")[0] == module.split(".")[0]:
            raise ConfigError(f"{what} needs the package {module}: `{how_to_install(name)}`") from None
        raise ConfigError(f"{what} needs the package {module}, which cannot be imported: {error}") from None
