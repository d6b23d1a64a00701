"""What is installed."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from importlib import metadata


def versions(distributions: Iterable[str]) -> dict[str, str]:
    """Versions of those that are installed, without importing them."""
    found = {}
    for name in distributions:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
