"""Fixtures for all tests: where real footage lies."""

import os
from pathlib import Path

import pytest

_ASSETS = Path(os.environ.get("VIDPIPE_ASSETS", Path(__file__).parents[2] / "shared"))


@pytest.fixture(scope="session")
def assets() -> Path:
    """The folder with real clips (videos/), models (models/) and labels (truth/); skips where there is none."""
    if not (_ASSETS / "videos").is_dir():
        pytest.skip(f"no real footage: {_ASSETS} has no folder videos/ (set VIDPIPE_ASSETS)")
    return _ASSETS
