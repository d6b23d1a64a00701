"""Where a stream's profile lies; quick to import, for runs of streams that have none."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from vidpipe.core.files import data_folder

FILE = "profile.json"  # what `specialize` has learnt
TUNED = "tuned.json"  # what `tune` has chosen
_INT8 = "int8"  # the networks that `tune` has made


def folder_of(profiles: Path, stream: str) -> Path:
    """Where a stream's profile lies; names that would share a folder once they are fit for one are told apart."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", stream).strip("-")
    return profiles / (plain if plain == stream else f"{plain}-{hashlib.sha256(stream.encode()).hexdigest()[:8]}")


def int8_of(profiles: Path, stream: str) -> Path:
    """The folder of a stream's int8 networks."""
    return folder_of(profiles, stream) / _INT8


def profiles_dir() -> Path:
    """`$VIDPIPE_PROFILES`, or `~/.local/share/vidpipe/profiles`."""
    return Path(os.environ.get("VIDPIPE_PROFILES") or data_folder() / "profiles")
