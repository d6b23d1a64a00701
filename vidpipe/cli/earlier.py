"""What becomes of results and events of earlier runs, where a user is there to say it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import typer

from vidpipe.cli.outputs import Earlier

_ANSWERS = ("append", "put aside", "overwrite", "stop")


def ask_about_earlier(earlier: Earlier, files: Sequence[Path | None]) -> Earlier:
    """Ask what becomes of these files, if something is there and nothing was said of it; else what was said.

    Who is at no terminal is not asked: then they are put aside.

    Raises:
        KeyboardInterrupt: whoever was asked wants no run.
    """
    there = [file for file in files if file is not None and file.is_file() and file.stat().st_size]
    if not there or earlier.append or earlier.overwrite or earlier.rotate is not None or not _is_asked():
        return earlier
    several = len(there) > 1
    what = f"{' and '.join(map(str, there))} {'have' if several else 'has'} something of an earlier run"
    typer.echo(f"{what}: append to {'them' if several else 'it'}, put aside, overwrite, or stop?", err=True)
    while True:
        said = typer.prompt("[a]ppend, [p]ut aside, [o]verwrite, [s]top", default="p", show_default=True, err=True)
        answer = next((each for each in _ANSWERS if said.strip() and each.startswith(said.strip().lower())), None)
        if answer == "stop":
            raise KeyboardInterrupt
        if answer is not None:
            return replace(earlier, append=answer == "append", overwrite=answer == "overwrite")


def _is_asked() -> bool:
    """Whether somebody sits at a terminal who sees a question, and whose answer comes to this process."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()  # else a job of the background, which may not read
    except OSError:  # a terminal that is nobody's own
        return False
