"""Pages that are made from the code say what the code says today."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import typer

from vidpipe.cli.main import app

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("script", ["make_cli", "make_http_api", "make_metrics"])
def test_the_page_is_up_to_date(script):
    spec = importlib.util.spec_from_file_location(script, DOCS / f"{script}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "run: make reference"


def test_every_command_and_option_is_told():
    page = (DOCS / "cli.md").read_text(encoding="utf-8")
    for name, command in typer.main.get_command(app).commands.items():
        _, _, section = page.partition(f"\n## `vidpipe {name}`\n")
        section = section.partition("\n## ")[0]
        assert section, name
        for parameter in command.params:
            assert all(option in section for option in parameter.opts if option.startswith("--")), parameter.name
