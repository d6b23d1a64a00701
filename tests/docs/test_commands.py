"""Every command in the README and in docs/ is one that the program understands, with options that there are."""

from __future__ import annotations

import importlib.util
import re
import shlex

import pytest
import typer

from tests.deploy.commands import understood
from tests.docs.pages import PAGES, ROOT, commands, name, steps, told_inline
from vidpipe.cli.main import app

USAGE = re.compile(r"\bPIPELINE\b|\[--|\bNAME\b")  # what a command looks like, not one to type
ELSEWHERE = {"pip", "curl", "docker", "kubectl", "export", "echo", ".", "mosquitto_sub"}  # other people's programs
USAGE_OF_BENCH = (
    "vidpipe bench PIPELINE --source CLIP... [--reference MODEL] [--truth [STREAM=]FILE] [--fit 0.4 | --fit-on CLIP]"
)
VIDPIPE = typer.main.get_command(app)
LINES = [(page, line) for page in PAGES for line in commands(page)]


def check(command: str) -> None:
    """Raises where it cannot be typed like this."""
    words = shlex.split(command)
    while re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words.pop(0)
    program = words[0]
    if program in ("vidpipe", "ray"):
        understood(command)
    elif program in ("python", "python3") and words[1] == "-m":
        assert importlib.util.find_spec(words[2]), f"no module {words[2]}"
    elif program in ("python", "python3"):
        assert (ROOT / words[1]).is_file(), words[1]
    elif program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert words[1] in targets
    elif program.startswith("samples/"):
        assert (ROOT / program).is_file()
    else:
        assert program in ELSEWHERE, f"what is {program}?"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_are_understood(page):
    for command in [step for of, line in LINES if of == page and not USAGE.search(line) for step in steps(line)]:
        try:
            check(command)
        except Exception as error:
            pytest.fail(f"{name(page)}: {command}: {error!r}")


def test_there_are_commands():
    """That none is found would be no good sign."""
    assert len(LINES) > 120
    assert [line for _, line in LINES if USAGE.search(line)] == [USAGE_OF_BENCH]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_a_sentence_names_is_there(page):
    """The command, and each of its options."""
    for told in told_inline(page):
        command = VIDPIPE
        for word in told.split()[1:]:
            if word in getattr(command, "commands", {}):
                command = command.commands[word]
        assert command is not VIDPIPE or "|" in told, told
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        for option in re.findall(r"(?<![\w-])--[a-z-]+", told):
            assert "|" in told or option in known | {"--help"}, f"{told}: {option}"
