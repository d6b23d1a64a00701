"""`vidpipe doctor`: each thing that keeps a run from working well is found, and told with what to do about it."""

from __future__ import annotations

import json
import os
import socket
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import clips
from vidpipe.cli.doctor import machine, pipeline, software
from vidpipe.cli.doctor.finding import Finding, State

CPU = """processor\t: 0
model name\t: Some CPU @ 2 GHz
flags\t\t: fpu sse2 {}

processor\t: 1
flags\t\t: none
"""


def distribution(version, *needs):
    return SimpleNamespace(version=version, requires=list(needs))


@pytest.mark.parametrize(
    ("flags", "state", "says"),
    [
        ("avx2 avx512_bf16 amx_int8", State.OK, "fast in bf16, int8"),
        ("avx2", State.OK, "fast in f32 only"),
        ("avx", State.NOTE, "without AVX2"),
    ],
)
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="flags of another processor")
def test_the_processor_is_named_with_what_it_is_fast_in(tmp_path, flags, state, says):
    (tmp_path / "cpuinfo").write_text(CPU.format(flags))
    found = machine.processor(tmp_path / "cpuinfo")
    assert found.state is state
    assert says in found.said
    assert found.said.startswith("Some CPU @ 2 GHz, ")


def test_a_processor_that_says_nothing_is_no_problem(tmp_path):
    assert machine.processor(tmp_path / "none").state is State.OK


@given(st.floats(0, 1e13), st.integers(-1, 10**7))
def test_what_is_too_little_is_a_problem_with_advice(nbytes, files):
    for found, enough in (
        (machine.memory(nbytes), nbytes >= machine.LEAST_MEMORY),
        (machine.open_files(files), files < 0 or files >= machine.LEAST_FILES),
    ):
        assert (found.state is not State.PROBLEM) == enough
        assert bool(found.advice) == (found.state is not State.OK)


def test_what_a_container_may_take_counts(tmp_path):
    assert list(machine.quota(tmp_path)) == []
    assert machine.left_to_container(tmp_path) == float("inf")
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1\n")
    assert list(machine.quota(tmp_path)) == []
    assert machine.left_to_container(tmp_path) == float("inf")
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    (tmp_path / "memory.max").write_text("1000\n")
    (found,) = machine.quota(tmp_path)
    assert (found.state, found.said) == (State.NOTE, "this container may use 0.5 at a time")
    assert machine.left_to_container(tmp_path) == 999


def test_a_folder_is_looked_at_and_not_made(tmp_path):
    folder = tmp_path / "not" / "yet"
    assert machine.writable("cache", folder).state is State.OK
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_problem():
    found = machine.writable("cache", Path("/proc/vidpipe"))
    assert found.state is State.PROBLEM
    assert "/proc" in found.advice


@pytest.mark.parametrize(("state", "is_ok"), [(0, True), (5, False), (None, False)])
def test_a_clock_that_nothing_keeps_is_told(state, is_ok):
    found = machine.clock(state)
    assert (found.state is State.OK) == is_ok
    assert bool(found.advice) == (not is_ok)


def test_packages_are_followed_to_what_does_not_fit():
    there = {
        "app": distribution("1", "one>=2", 'extra>=1; extra == "more"', "opencv-python>=4"),
        "one": distribution("2.1", "two==3.0", "three"),
        "two": distribution("3.1", "app"),
        "opencv-python-headless": distribution("4.9"),
    }
    found = list(software.packages("app", there.get))
    assert {(each.said, each.advice) for each in found} == {
        ("one needs two==3.0, and 3.1 is there", "pip install 'two==3.0'"),
        ("one needs three, which is not there", "pip install 'three'"),
    }
    assert all(each.state is State.PROBLEM for each in found)


def test_packages_that_fit_are_told_in_one_line():
    (found,) = software.packages("vidpipe", metadata.distribution)
    assert found.state is State.OK


@pytest.mark.parametrize(("other", "state"), [("4.9", State.NOTE), ("4.10", State.PROBLEM)])
def test_two_builds_of_opencv_are_told(other, state):
    there = {"opencv-python": distribution("4.9"), "opencv-python-headless": distribution(other)}
    (found,) = software.opencv(there.get)
    assert found.state is state
    assert list(software.opencv({"opencv-python": distribution("4.9")}.get)) == []


def test_a_port_that_somebody_has_is_a_problem():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert pipeline.port_is_free("port", port, "127.0.0.1").state is State.PROBLEM
    assert pipeline.port_is_free("port", port, "127.0.0.1").state is State.OK


@pytest.mark.parametrize("address", ["::1", "[::1]"])
def test_a_port_of_ipv6_is_looked_at_as_such(address):
    try:
        taken = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("there is no IPv6 here")
    with taken:
        port = taken.getsockname()[1]
        assert pipeline.port_is_free("port", port, address).state is State.PROBLEM
    assert pipeline.port_is_free("port", port, address).state is State.OK


def findings(said):
    return {line["about"]: Finding(**line) for line in map(json.loads, said.out.splitlines())}


@pytest.mark.long
def test_a_pipeline_is_looked_at_with_its_streams_and_ports(shell, good):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        shell.write(
            "p.yaml",
            f"classes: {{even: even, odd: odd}}\nstages: [{{id: read, type: mystages:Read}}]\n"
            f"sinks: [{{type: mjpeg, port: {port}}}]\n",
        )
        shell.write("lost.mp4", "no video at all")
        said = shell.vidpipe(
            "doctor", "p.yaml", "--source", f"clip={good}", "--source", "lost=lost.mp4", "--source",
            "cam=rtsp://user:secret@127.0.0.1:9/a", "--json",
        )  # fmt: skip
    assert said.status == 1
    found = findings(said)
    assert found["stream clip"].state == "ok"
    assert found["stream clip"].said.startswith(f"{clips.WIDTH}x{clips.HEIGHT}")
    assert (found["stream lost"].state, found["stream cam"].state) == ("problem", "problem")
    assert found[f"port {port}"].state == "problem"
    assert "secret" not in said.out + said.err
    assert found["packages"].state == "ok"


def test_mistakes_of_a_pipeline_are_told_as_check_does(shell):
    shell.write("p.yaml", "classes: {a: a}\nstages: [{id: x, type: detct}]\n")
    said = shell.vidpipe("doctor", "p.yaml")
    assert said.status == 2
    assert "detct" in said.err
