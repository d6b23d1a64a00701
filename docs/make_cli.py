"""Writes docs/cli.md from the options of the commands themselves: `python docs/make_cli.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.cli import get_docs_for_click

from vidpipe.cli.main import app

PAGE = Path(__file__).with_name("cli.md")
HEAD = """# The command line

Made from the commands by `python docs/make_cli.py`. `vidpipe COMMAND --help` shows the same. What files hold that
commands read and write: [pipelines.md](pipelines.md), [results.md](results.md), and there
[what the exit status means](results.md#exit-status).

"""


def page() -> str:
    """The whole page."""
    group = typer.main.get_command(app)
    text = get_docs_for_click(obj=group, ctx=typer.Context(group, info_name="vidpipe"), name="vidpipe", title="vidpipe")
    text = text[text.index("**Usage**") :]
    text = re.sub(r"^\* `--help`: .*\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"\*\*Options\*\*:\n\n(?!\*)", "", text)  # where --help was the only one
    for path, command in _commands(group, ("vidpipe",)):
        line = f"* [`{path[-1]}`](#{'-'.join(path)}): {(command.help or '').split(chr(10))[0]}"
        text = re.sub(rf"^\* `{path[-1]}`: .*$", lambda _, line=line: line, text, flags=re.MULTILINE)
    return HEAD + text.strip() + "\n"


def _commands(group: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All of them: Typer cuts what it says of them in lists at 45 letters."""
    for name, command in getattr(group, "commands", {}).items():
        yield (*path, name), command
        yield from _commands(command, (*path, name))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
