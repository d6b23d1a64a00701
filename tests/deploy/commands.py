"""Commands as files and pages show them: whether the programs that they name understand them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

ROOT = Path(__file__).parents[2]


def commands_of(text: str, *, comments: bool) -> Iterator[str]:
    """The commands in it: of a file in comments that are indented by three, of a page in its code."""
    if comments:
        yield from re.findall(r"^#   (\S.*?)(?:  +#.*)?$", text, re.MULTILINE)
        return
    for block in re.findall(r"^```(?:console|sh)\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith(("$ ", "# ")):
                yield line[2:].partition("  #")[0]
    yield from re.findall(r"^    ((?:vidpipe|ray|kubectl|docker) .*)$", text, re.MULTILINE)


def words_of(command: str) -> list[str]:
    """What a command is called with, without the variables that are set for it."""
    words = shlex.split(command)
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    return words


def understood(command: str) -> list[str]:
    """The words of a command of vidpipe or Ray; raises where the program does not understand them."""
    words = words_of(command)
    if words[0] == "vidpipe":
        from vidpipe.cli.main import app

        _parse(typer.main.get_command(app), words[1:])
    elif words[0] == "ray":
        from ray.scripts.scripts import cli

        _parse(cli, words[1:])
    return words


def _parse(group: Any, words: list[str]) -> None:
    chosen = group.commands[words[0]]
    chosen.make_context(words[0], list(words[1:]))
