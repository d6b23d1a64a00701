"""Points in time as users write them."""

from __future__ import annotations

import re
from datetime import datetime

from vidpipe.core.errors import ConfigError

_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def moment(option: str, text: str | None, now: float) -> float | None:
    """UTC seconds of "90s", "20m", "1.5h", "7d" before now, or of a date with or without a time; None of None.

    A date that names no zone is one of this machine's.

    Raises:
        ConfigError: it is neither.
    """
    if text is None:
        return None
    if ago := _AGO.fullmatch(text.strip()):
        return now - float(ago[1]) * _UNITS[ago[2]]
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except ValueError:
        raise ConfigError(
            f"{option} {text}: must be a time before now such as 90s, 20m, 1.5h or 7d, or a date such as 2026-11-30 or "
            "2026-11-30T08:00"
        ) from None
