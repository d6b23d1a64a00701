"""`vidpipe bench` on every real clip, as a user would run it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.footage import ASSETS, FOOTAGE, Footage
from vidpipe.bench.figures import Bench

PIPELINE = "follow"


class Benched(NamedTuple):
    """A command, and what it found."""

    command: str
    figures: Bench


def run_benches(out: Path, names: Sequence[str] = ()) -> None:
    """Run `vidpipe bench follow` on each clip that is there, or these; reports go to `out`, a folder for each clip."""
    for footage in FOOTAGE:
        if (ASSETS / "videos" / footage.name).is_file() and (not names or footage.name in names):
            # The models lie where the command is given: a pipeline's models are found there.
            subprocess.run(
                [sys.executable, "-m", "vidpipe.cli.main", *_arguments(footage), "--out", str(_folder(footage, out))],
                cwd=ASSETS / "models",
                check=True,
            )


def what_was_found(out: Path) -> Iterator[Benched]:
    """The figures that benches left."""
    for footage in FOOTAGE:
        file = _folder(footage, out) / "bench.json"
        if file.is_file():
            command = " ".join(["vidpipe", *_arguments(footage)])
            yield Benched(command, Bench.model_validate_json(file.read_text()))


def _arguments(footage: Footage) -> list[str]:
    arguments = ["bench", PIPELINE, "--source", f"../videos/{footage.name}"]
    if footage.labelled:
        arguments += ["--truth", f"../truth/{Path(footage.name).stem}.txt"]
    if footage.fit_on:
        arguments += ["--fit-on", f"../videos/{footage.fit_on}"]
    return arguments


def _folder(footage: Footage, out: Path) -> Path:
    return out.absolute() / Path(footage.name).stem
