"""`vidpipe models`: what there is, with licence, size and classes, and what a look costs here in each precision."""

from __future__ import annotations

from tests.models.bright import bright_network

PIPELINE = """
classes: {person: person}
models:
  little: {path: bright.onnx}
  big: {path: "omz:person-vehicle-bike-detection-2003"}
stages:
  - {id: little, type: detect, model: little}
  - {id: big, type: detect, model: big}
"""


def rows(said):
    return {line.split()[0]: line.split()[1:] for line in said.out.splitlines() if line}


def test_models_of_a_pipeline_are_timed_where_they_are_here(shell, monkeypatch):
    monkeypatch.delenv("VIDPIPE_ASSETS", raising=False)
    bright_network(shell.folder / "bright.onnx", names=("person", "dog"))
    (shell.folder / "own.yaml").write_text(PIPELINE)
    said = shell.vidpipe("models", "own.yaml")
    assert said.status == 0, said.err
    assert said.out.splitlines()[0].split() == (
        ["model", "path", "licence", "size", "classes", "auto", "ms", "f32", "ms", "bf16", "ms", "int8", "ms"]
    )
    path, size, classes, *times = rows(said)["little"]
    assert (path, size, classes) == ("bright.onnx", "64x64", "2")
    assert times
    assert all(float(ms) > 0 for ms in times)
    assert "not here yet" in " ".join(rows(said)["big"])
    assert "the median of 12 in turns" in said.out


def test_without_a_pipeline_those_that_come_with_vidpipe_are_listed(shell):
    said = shell.vidpipe("models", "--no-time")
    assert said.status == 0, said.err
    for path in (
        "yolox:yolox_tiny",
        "yolox:yolox_s",
        "omz:person-vehicle-bike-detection-2001",
        "omz:person-vehicle-bike-detection-2002",
    ):
        assert said.out.count(f" {path} ") == 1
    assert "Apache-2.0" in said.out
    assert "AGPL" not in said.out
    assert " ms" not in said.out


def test_a_pipeline_that_is_wrong_is_told(shell):
    said = shell.vidpipe("models", "nosuch.yaml")
    assert (said.status, said.error) == (2, "pipeline nosuch.yaml: no such file")
