"""`vidpipe specialize`: what it says and leaves, that runs go by it, and that one can go back."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest

from tests.cameras.servers import free_port
from tests.models.bright import bright_network
from tests.tuning.conftest import YARD
from tests.tuning.footage import clip


@pytest.fixture
def yard(shell):
    """A user with half a minute of a yard, and a model that finds what is bright."""
    bright_network(shell.folder / "bright.onnx")
    clip(shell.folder / "yard.mp4", seconds=30, visits=4)
    shell.write("yard.yaml", YARD)
    return shell


def learn(shell, *arguments, source="yard.mp4"):
    budget = ("--max-miss", 0.02, "--max-false", 0.02)
    return shell.vidpipe("specialize", "yard.yaml", "--source", source, "--no-gates", *budget, *arguments)


def run(shell, *arguments, source="yard.mp4"):
    said = shell.run(YARD, source, *arguments)
    assert said.status == 0, said.err
    return said


def test_learn_look_run_and_go_back(yard):
    said = learn(yard)
    assert said.status == 0, said.err
    assert "learnt from  300 frames, 30 s" in said.out
    assert "only what is unlike the empty scene" in said.out
    assert "evidence     4 visits: the bounds hold if later ones differ as these do" in said.out
    assert "these alone say that at most 40% of all visits are missed" in said.out
    profile = json.loads((yard.folder / "profiles/yard/profile.json").read_text())
    assert profile["current"] == 1

    for command in ("check", "plan"):
        shown = yard.vidpipe(command, "yard.yaml", "--source", "yard.mp4")
        assert "profile of stream yard: version 1 of " in shown.out
        assert "difference" in shown.out

    assert "profile of stream yard: version 1 of " in run(yard).err
    with_profile = yard.report
    assert with_profile["stages"]["difference"]["answered"] > 180

    back = learn(yard, "--use", 0)
    assert back.out == "stream yard: version none of its profile counts now\n"
    run(yard)
    assert list(yard.report["stages"]) == ["find"]


def test_a_recording_of_another_camera_runs_without_and_says_so(yard):
    """With profiles in a folder of their own: the usual one is left alone."""
    assert learn(yard, "--out", "elsewhere").status == 0
    assert not (yard.folder / "profiles").exists()
    clip(yard.folder / "other.mp4", seconds=3, visits=0, seed=4)
    said = run(yard, "--profiles", "elsewhere", source=f"yard={yard.folder / 'other.mp4'}")
    assert "profile of stream yard is of another camera: another view: " in said.err
    assert list(yard.report["stages"]) == ["find"]


def test_another_model_than_the_profile_was_learnt_from(yard):
    assert learn(yard).status == 0
    bright_network(yard.folder / "bright.onnx", above=0.5)
    said = run(yard)
    assert (
        "was learnt from another model than the last stage's: specialize again; stream yard runs without it" in said.err
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--for", "soon"], "--for soon: must be a time such as 90s, 20m or 1.5h"),
        (["--for", "5s"], "stream yard: 50 pictures are too few to learn from: give footage with 100 at least"),
        (["--use", "3"], "stream yard has no profile in "),
    ],
)
def test_what_is_refused(yard, arguments, message):
    said = learn(yard, *arguments)
    assert said.status == 2
    assert message in said.error


@pytest.mark.long
def test_interrupted_while_a_camera_does_not_answer(yard):
    """Nothing but the line, and no profile."""
    budget = ("--for", "20m", "--out", "learnt")
    camera = f"rtsp://127.0.0.1:{free_port()}/yard"
    command = yard.start("specialize", "yard.yaml", "--source", camera, *budget)
    with pytest.raises(subprocess.TimeoutExpired):
        command.process.wait(6)
    command.send(signal.SIGINT, to_group=True)
    ended = command.end(timeout_s=10)
    assert (ended.status, ended.err.splitlines()[-1]) == (130, "vidpipe: interrupted")
    assert "Traceback" not in ended.err
    assert not (yard.folder / "learnt").exists()


def test_without_a_source(yard):
    said = yard.vidpipe("specialize", "yard.yaml")
    assert said.status == 2
    assert said.error == "nothing to learn from: give a clip or a camera with --source, or streams with --config"


def test_one_stream_that_cannot_be_learnt_does_not_keep_the_other_from_it(yard):
    clip(yard.folder / "empty.mp4", seconds=12, visits=0)
    said = learn(yard, "--source", "empty.mp4")
    assert said.status == 2
    assert "vidpipe: stream empty: the last stage found no thing in 120 frames, 12 s: " in said.err
    assert (yard.folder / "profiles/yard/profile.json").is_file()
