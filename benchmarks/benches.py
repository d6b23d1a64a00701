"""`vidpipe bench` on every real clip, as a user would run it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.footage import ASSETS, FOOTAGE, Footage
from vidpipe.evaluation.figures import Bench

PIPELINE = "pair"


class Benched(NamedTuple):
    """A command, and what it found."""

    command: str
    figures: Bench


def benches(out: Path) -> Iterator[Benched]:
    """Run `vidpipe bench pair` on each clip that is there; reports are left in `out`, a folder for each clip."""
    for footage in FOOTAGE:
        if (ASSETS / "videos" / footage.name).is_file():
            yield _bench(footage, out / Path(footage.name).stem)


def _bench(footage: Footage, out: Path) -> Benched:
    arguments = ["bench", PIPELINE, "--source", f"../videos/{footage.name}"]
    if footage.labelled:
        arguments += ["--truth", f"../truth/{Path(footage.name).stem}.txt"]
    if footage.fit_on:
        arguments += ["--fit-on", f"../videos/{footage.fit_on}"]
    # The models lie where the command is given: a pipeline's models are found there.
    subprocess.run(
        [sys.executable, "-m", "vidpipe.cli.main", *arguments, "--out", str(out.absolute())],
        cwd=ASSETS / "models",
        env={**os.environ, "COLUMNS": "150"},
        check=True,
    )
    figures = Bench.model_validate_json((out / "bench.json").read_text())
    return Benched(" ".join(["vidpipe", *arguments]), figures)
