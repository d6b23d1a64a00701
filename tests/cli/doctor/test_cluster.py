"""`vidpipe doctor --address`: what would end a run on a cluster is found before, with what to do about it."""

from __future__ import annotations

import socket
from contextlib import closing
from unittest import mock

import pytest

import vidpipe
from tests import clips
from vidpipe.cli.doctor import cluster as cluster_module
from vidpipe.cli.doctor.cluster import cluster, machine_of_cluster
from vidpipe.cli.doctor.finding import State
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.pipeline.spec import Tier
from vidpipe.pipeline.yaml.load import load
from vidpipe.runtime.machine import Machine
from vidpipe.runtime.ray import inspection, tokens
from vidpipe.runtime.ray.inspection import Inspected, InspectingActor, Software
from vidpipe.runtime.ray.likeness import Clock, Driver

BOX = Machine("n", "10.0.0.5", {Tier.EDGE: 1.0}, {"site": "north"})
SOFTWARE = Software("box", "3.11.2", "2.50.0", allows_modules=False)


def found(**parts):
    return list(machine_of_cluster(Inspected(BOX, **parts)))


def test_a_machine_that_is_alike_is_fine():
    (finding,) = found(software=SOFTWARE, clock=Clock("box", 0.2, 0.01))
    assert finding.state is State.OK
    assert finding.about == "machine 10.0.0.5 of north (edge)"
    assert "Ray 2.50.0" in finding.said


def test_what_is_unlike_is_told_with_what_to_do():
    clock, model, fine = found(software=SOFTWARE, clock=Clock("box", -7.0, 0.01), missing={"big": ["big.onnx"]})
    assert (clock.state, clock.said) == (State.NOTE, "the clock of machine box is 7.0 s behind ours")
    assert "NTP" in clock.advice
    assert (model.state, model.said) == (State.NOTE, "model big: big.onnx is not there")
    assert fine.state is State.OK
    other = Driver("9.9", Driver.here().python)
    with pytest.raises(ConfigError) as error:
        InspectingActor().software(other)
    (finding,) = found(error=error.value)
    assert finding.state is State.PROBLEM
    assert finding.said.endswith(f"has vidpipe {vidpipe.__version__}, and the run is driven by vidpipe 9.9")
    assert finding.advice == "install the same on both"


def test_nobody_who_answers_and_a_token_that_is_missing_are_told_apart(monkeypatch):
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    (finding,) = cluster(f"127.0.0.1:{port}", None)
    assert (finding.state, finding.about) == (State.PROBLEM, "cluster")
    assert "Connection refused" in finding.said
    assert "ray start --head" in finding.advice
    missing = tokens._MISSING.format(takes="it takes a token", which="none")  # noqa: SLF001
    monkeypatch.setattr(inspection, "joined", mock.Mock(side_effect=RunError(f"it cannot be joined: {missing}")))
    (finding,) = cluster("10.0.0.5:6379", None)
    assert "this machine has none" in finding.said
    assert "RAY_AUTH_TOKEN" in finding.advice
    monkeypatch.setattr(cluster_module, "is_installed", lambda name: False)
    (finding,) = cluster("127.0.0.1:1", None)
    assert finding.advice.startswith("pip install")


@pytest.mark.ray
def test_a_real_cluster_is_looked_at_machine_by_machine(cluster, tmp_path):
    file = tmp_path / "pipeline.yaml"
    file.write_text(
        "classes: {person: person}\nstages: [{id: sees, type: tests.serve.cams:Sees}]\n"
        "tiers: {device: {labels: {colour: blue}}}\n"
    )
    pipeline = load(file, sources={"a": str(clips.encode(tmp_path / "clip.mp4", frames=5))})
    findings = list(cluster_module.cluster(cluster, pipeline))
    there, tiers, *machines = findings
    assert (there.state, there.said) == (State.OK, f"3 machines at {cluster}")
    assert tiers.state is State.PROBLEM
    assert "no machine of the cluster offers the tier device with the label colour=blue" in tiers.said
    assert tiers.advice.startswith("start one with ray start --address=")
    assert [finding.state for finding in machines] == [State.OK] * 3
    assert {finding.about.partition("(")[2] for finding in machines} == {"device)", "edge)", "cloud)"}
