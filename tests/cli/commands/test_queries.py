"""`vidpipe run` with several pipelines. What must hold:

- each writes files of its own, and each of their lines says the query; metrics have its label;
- what contradicts is refused before anything is written, in a line that says what to do.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests import clips
from tests.cli.conftest import READ
from tests.lines import answers
from tests.runtime.conftest import Runner
from vidpipe.cli.commands import queries
from vidpipe.cli.commands.plan import PlanOptions
from vidpipe.cli.commands.plan_queries import show_shared
from vidpipe.cli.commands.queries import run_queries
from vidpipe.cli.commands.run import RunOptions
from vidpipe.cli.outputs import Earlier
from vidpipe.core.errors import ConfigError
from vidpipe.results.collector import Collector
from vidpipe.results.sinks.metrics import Metrics
from vidpipe.runtime.driver.queries import Queries


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """Two pipelines and a recording, in the working directory."""
    monkeypatch.chdir(tmp_path)
    Runner(tmp_path, "inline", None)  # leaves the stages there
    for name in ("door.yaml", "yard.yaml"):
        Path(name).write_text(READ)
    clips.encode(tmp_path / "clip.mp4", frames=5, size=(144, 64))
    return RunOptions("", sources=["cam=clip.mp4"], results=Path("out.jsonl"), report=Path("report.json"))


@pytest.mark.parametrize("engine", ["inline", pytest.param("ray", marks=[pytest.mark.ray, pytest.mark.long])])
def test_each_query_has_files_of_its_own_that_say_so(asked, capsys, engine):
    assert run_queries(replace(asked, engine=engine), ["door.yaml", "yard.yaml"]) == 0
    for query in ("door", "yard"):
        lines = answers(Path(f"out-{query}.jsonl"))
        assert [(line["query"], line["seq"]) for line in lines] == [(query, seq) for seq in range(5)]
        report = json.loads(Path(f"report-{query}.json").read_text())
        assert report["run"]["query"] == query
        assert report["streams"]["cam"]["shared_with"] == [{"door": "yard", "yard": "door"}[query]]
    assert "query door" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "pipelines", "said"),
    [
        ({}, ["door.yaml", "./door.yaml"], "two queries named 'door'"),
        ({}, ["door.yaml", "a b.yaml"], "query 'a b': a name is made of letters"),
        ({"address": "10.0.0.9:6379"}, ["door.yaml", "yard.yaml"], "run them without --address"),
        ({"results": Path("-")}, ["door.yaml", "yard.yaml"], "stdout is one, name a file"),
        ({"budget": "mbps=2"}, ["door.yaml", "yard.yaml"], "several queries share out CPU time"),
        ({"sources": ["cam=clip.mp4"], "report": Path("nowhere/x.json")}, ["door.yaml", "yard.yaml"], "nowhere"),
    ],
)
def test_what_contradicts_is_refused(asked, changes, pipelines, said):
    with pytest.raises(ConfigError, match=said):
        run_queries(replace(asked, **changes), pipelines)
    assert not Path("out-door.jsonl").exists()


def test_a_sink_does_not_write_what_another_query_writes_by_an_option(asked):
    sink = "sinks:\n  - {type: events, path: out-door.jsonl}\n"
    Path("yard.yaml").write_text(READ + sink)
    with pytest.raises(
        ConfigError, match=r"path out-door\.jsonl and query door: --results out-door\.jsonl are the same"
    ):
        run_queries(asked, ["door.yaml", "yard.yaml"])
    assert not Path("out-door.jsonl").exists()


def test_results_of_an_earlier_run_are_put_aside_and_named(asked, capsys):
    for _ in range(2):
        assert run_queries(asked, ["door.yaml", "yard.yaml"]) == 0
    said = capsys.readouterr().err
    for query in ("door", "yard"):
        assert f"note: query {query}: earlier results of out-{query}.jsonl are now out-{query}.jsonl.1" in said
        assert Path(f"out-{query}.jsonl.1").exists()


def test_a_user_is_asked_about_earlier_results_of_each_query(asked, monkeypatch):
    about: set[Path | None] = set()

    def ask(_: Earlier, files: list[Path | None]) -> Earlier:
        about.update(files)
        return Earlier(append=True)

    monkeypatch.setattr(queries, "ask_about_earlier", ask)
    for _ in range(2):
        assert run_queries(asked, ["door.yaml", "yard.yaml"]) == 0
    assert about == {Path("out-door.jsonl"), Path("out-yard.jsonl"), None}
    assert len(answers(Path("out-door.jsonl"))) == 10


def test_one_that_runs_already_is_refused_by_its_name(asked):
    session = queries.Session(asked)
    door = session.load("door", "door.yaml")
    with Queries({"door": door}) as going, pytest.raises(ConfigError, match="query 'door' runs already"):
        session.added(going, "door.yaml")


def test_metrics_say_the_query_where_there_are_several():
    metrics = Metrics(0)
    try:
        for query in ("door", "yard"):
            metrics.watcher(query).progressed(Collector(["cam"]))
        page = metrics.page("")[0].decode()
    finally:
        metrics.close()
    assert page.count("# TYPE vidpipe_frames_total counter") == 1
    assert 'vidpipe_latency_seconds_count{query="door"}' in page
    assert 'vidpipe_latency_seconds_count{query="yard"}' in page


def test_a_plan_tells_what_is_shared(asked, capsys):
    chosen = PlanOptions("", None, ["cam=clip.mp4"], [], None, "inline")
    show_shared(chosen, ["door.yaml", "yard.yaml"])
    said = capsys.readouterr().out
    assert "once for 2" in said
    assert "connections and decodings: 1 in place of 2" in said
    with pytest.raises(ConfigError, match="one pipeline at a time"):
        show_shared(replace(chosen, how_many=True), ["door.yaml", "yard.yaml"])


def test_a_plan_names_a_network_in_full(asked, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    name = "a-detector-with-a-long-name-of-which-the-end-says-which-one-it-is-2003.onnx"
    Path(name).touch()
    for file in ("door.yaml", "yard.yaml"):
        Path(file).write_text(
            f"models: {{big: {{path: {name}}}}}\nclasses: {{car: car}}\n"
            "stages: [{id: big, type: detect, on: cloud, model: big}]\n"
        )
    show_shared(PlanOptions("", None, ["cam=clip.mp4"], [], None, "inline"), ["door.yaml", "yard.yaml"])
    said = capsys.readouterr().out
    first_column = "".join(line.split("  ")[0].strip() for line in said.splitlines())
    assert name in first_column
