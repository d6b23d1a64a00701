"""Models are looked for and cached in folders of the test's own."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty model cache; the working directory is empty too."""
    folder = tmp_path / "cache"
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.setenv("VIDPIPE_CACHE", str(folder))
    monkeypatch.delenv("VIDPIPE_ASSETS", raising=False)
    monkeypatch.chdir(here)
    return folder
