"""Packages that only some users need: `pip install 'vidpipe[EXTRA]'` brings them."""

from __future__ import annotations

import importlib
from types import ModuleType

from vidpipe.core.errors import ConfigError


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
            raise ConfigError(f"{what} needs the package {module}: `pip install 'vidpipe[{name}]'`") from None
        raise ConfigError(f"{what} needs the package {module}, which cannot be imported: {error}") from None
