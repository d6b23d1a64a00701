"""`vidpipe plan`: what a pipeline becomes, what that takes by what was measured, and whether it fits."""

from __future__ import annotations

import json

import pytest

from tests.models.bright import bright_network

PIPELINE = """
classes: {thing: thing}
models: {big: {path: bright.onnx}}
stages:
  - {id: difference, type: difference, on: device}
  - {id: big, type: detect, on: cloud, model: big}
"""
NODES = """
nodes:
  gate: {tier: device, cpus: 2, memory_gb: 4}
  rack: {tier: cloud, cpus: 8}
links: {device-cloud: {mbps: 100, ms: 5}}
"""


@pytest.fixture
def planned(shell, good):
    """Plans of a pipeline on a recording, with further arguments."""
    bright_network(shell.folder / "bright.onnx")
    shell.write("own.yaml", PIPELINE)
    shell.write("nodes.yaml", NODES)

    def plan(*arguments):
        return shell.vidpipe("plan", "own.yaml", "--source", f"yard={good}", "--engine", "inline", *arguments)

    return plan


def test_without_costs_it_shows_actors_and_says_how_to_learn_them(planned):
    said = planned()
    assert (said.status, said.err) == (0, "")
    assert "device-cloud" in said.out
    assert "what stream yard takes was not measured on this machine: `vidpipe plan --measure`" in said.out
    asked = planned("--how-many")
    assert asked.status == 2
    assert asked.error.startswith("a plan cannot say what it takes: what stream yard takes was not measured")


def test_a_tier_that_is_narrowed_is_shown_with_its_machines(planned):
    said = planned("--set", "tiers.cloud={labels: {gpu: t4}, gpus: 0.5, models: {big: {threads: 1}}}")
    assert (said.status, said.err) == (0, "")
    assert "cloud, labels gpu=t4, 0.5 GPU" in said.out


def test_what_was_measured_is_planned_with_until_settings_change(planned):
    assert planned("--measure", "--for", "2s").status == 0
    said = planned("--nodes", "nodes.yaml", "--json")
    assert (said.status, said.err) == (0, "")
    told = json.loads(said.out)
    assert told["fits"]
    assert [(each["segment"], each["nodes"]) for each in told["segments"]] == [
        ("device", ["gate"]),
        ("cloud", ["rack"]),
    ]
    assert all(each["cpu"] > 0 and each["memory_mb"] > 10 for each in told["segments"])
    by_cameras = sum(each["cpu"] for each in told["cameras"])
    assert told["cpu"] > by_cameras - 1e-9  # what the run takes by itself is no camera's
    assert "was measured under other settings" in planned("--set", "stages.difference.threshold=50").out
    carries = planned("--how-many")
    assert carries.status == 0
    assert "cameras like stream yard" in carries.out
    narrowed = planned("--nodes", "nodes.yaml", "--set", "tiers.cloud={machine: rock}")
    assert narrowed.status == 2
    assert narrowed.error.startswith("`tiers.cloud` asks for the machine rock, and no node is called so")
    refused = planned("--nodes", "nodes.yaml", "--streams", "100000")
    assert refused.status == 2
    assert refused.error.startswith("it does not fit: ")
    assert "would" in refused.error


def test_the_report_of_a_run_tells_as_well(planned, shell, good):
    run = ("--source", f"yard={good}", "--engine", "inline", "--report", "report.json")
    assert shell.vidpipe("run", "own.yaml", *run).status == 0
    report = json.loads((shell.folder / "report.json").read_text())
    told = json.loads(planned("--report", "report.json", "--json").out)
    assert told["cpu"] == pytest.approx(report["cpu_s"] / report["streams"]["yard"]["video_s"], rel=0.01)
    assert [each["frames_s"] for each in told["links"]] == [
        pytest.approx(each["frames"] / report["streams"]["yard"]["video_s"]) for each in report["links"].values()
    ]
    shell.write("other.json", "{}")
    assert planned("--report", "other.json").error.startswith("--report: this is no report of a run")
    assert "cannot be read" in planned("--report", "none.json").error


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nodes: {a: {tier: shed, cpus: 2}}", "nodes.yaml:1: nodes.a.tier"),
        ("nodes: {a: {tier: edge, cpus: 2, ram: 3}}", "nodes.yaml:1: nodes.a: unknown field 'ram'"),
        ("nodes: {a: {tier: edge, cpus: 0}}", "nodes.yaml:1: nodes.a.cpus: must be more than 0"),
        ("nodes: {a: {tier: edge, cpus: 1}}\nlinks: {edge: {mbps: 1}}", "links.edge: there is no such link"),
        ("{}", "nodes.yaml:1: field 'nodes' is missing"),
    ],
)
def test_a_mistake_in_the_machines_is_told_at_its_line(planned, shell, text, said):
    shell.write("nodes.yaml", text)
    told = planned("--nodes", "nodes.yaml")
    assert told.status == 2
    assert said in told.err


def test_a_rate_of_no_link_is_told(planned):
    assert "there is no link 'cloud'" in planned("--mbps", "cloud=5").error
    assert "a rate is a number above 0" in planned("--mbps", "edge-cloud=fast").error
