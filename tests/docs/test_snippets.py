"""Snippets of the README and of docs/: YAML that vidpipe reads, Python that compiles and names what there is.

A snippet may be a part of a file; then each of its fields is checked by itself. What stands whole on a task's page runs
(test_tasks.py).
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import TypeAdapter

import vidpipe
from tests.docs.pages import PAGES, Snippet, name, snippets
from tests.teaching.street import classifier
from vidpipe.core.registry import SINKS, STAGES, TRANSFORMS, TUNERS
from vidpipe.core.ways import Ways
from vidpipe.pipeline.yaml.read import read
from vidpipe.pipeline.yaml.spec import PipelineFile, StageSpec
from vidpipe.sources.base import StreamSpec
from vidpipe.tuning.planner.nodes import Nodes

KINDS = {"stages": STAGES, "transforms": TRANSFORMS, "sinks": SINKS, "tuner": TUNERS}
STANDS_FOR = {"CLOUD_FINGERPRINT": "ab" * 32, "NTFY": "ntfy://topic"}
FIELDS = StreamSpec.model_fields | PipelineFile.model_fields


def of(snippet: Snippet) -> str:
    return f"{name(snippet.page)}: {snippet.text.strip().splitlines()[0][:40]}"


def found(*languages: str) -> list[Snippet]:
    return [snippet for page in PAGES for snippet in snippets(page, *languages)]


@pytest.mark.parametrize("snippet", found("yaml"), ids=of)
def test_yaml(snippet, tmp_path, monkeypatch):
    """Each field is one that vidpipe knows, and holds what it may hold."""
    for variable in re.findall(r"\$\{env:(\w+)\}", snippet.text):
        monkeypatch.setenv(variable, STANDS_FOR.get(variable, "rtsp://192.0.2.10/stream1"))
    monkeypatch.chdir(tmp_path)
    for event in re.findall(r"event: ([\w.]+\.event)", snippet.text):
        classifier().write(tmp_path / event)
    for ways in re.findall(r"joins: ([\w.]+\.json)", snippet.text):
        way = {"from": "gate", "to": "yard", "earliest_s": 10, "latest_s": 60}
        Ways.model_validate({"likeness": 0.8, "ways": [way]}).write(tmp_path / ways)
    file = tmp_path / "snippet.yaml"
    file.write_text(snippet.text)
    document = read(file, "snippet.yaml")
    assert not document.mistakes
    if "nodes" in document.data:
        Nodes.model_validate(document.data)
        return
    for stream in document.data.get("streams", {}).values():
        stream.setdefault("url", "the command's --source names it")
    for field, value in document.data.items():
        TypeAdapter(FIELDS[field].annotation).validate_python(value)
        for part in value if isinstance(value, list) else [value]:
            if field in KINDS:
                check_settings(field, part)


def check_settings(field: str, part: Mapping[str, Any]) -> None:
    """What a stage, transform, sink or tuner of vidpipe is told beside its type."""
    kind = KINDS[field]
    if part["type"] in kind.builtin:
        own = {key: value for key, value in part.items() if key not in StageSpec.model_fields}
        kind.find(part["type"]).Config.model_validate(own)


@pytest.mark.parametrize("snippet", found("python"), ids=of)
def test_python(snippet):
    """It compiles, and vidpipe has what it names."""
    for node in ast.walk(ast.parse(snippet.text)):
        if isinstance(node, ast.ImportFrom) and node.module == "vidpipe":
            assert {alias.name for alias in node.names} <= {*vidpipe.__all__}
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "vidpipe":
            assert node.attr in vidpipe.__all__


def test_toml():
    for snippet in found("toml"):
        tomllib.loads(snippet.text)


def test_languages():
    """No snippet escapes by its language; `json` stands for lines that are cut short, `text` for other programs."""
    known = {"yaml", "python", "toml", "sh", "console", "json", "text", ""}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        languages = {line[3:] for line in text.splitlines() if line.startswith("```")}
        assert languages <= known, name(page)
