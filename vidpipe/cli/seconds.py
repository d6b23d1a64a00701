"""Times as users write them."""

from __future__ import annotations

import re

from vidpipe.core.errors import ConfigError

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(option: str, text: str | None) -> float | None:
    """Of "90", "90s", "20m", "1.5h"; None of None."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    if not found or not float(found[1]):
        raise ConfigError(f"{option} {text}: must be a time such as 90s, 20m or 1.5h")
    return float(found[1]) * _UNITS[found[2]]
