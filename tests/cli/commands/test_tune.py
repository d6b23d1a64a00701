"""`vidpipe tune`: what it says and leaves, that runs go by it, and what it refuses in one line."""

from __future__ import annotations

import json
import shutil

import pytest

from tests import clips
from tests.cameras import servers
from tests.cli.conftest import READ
from tests.models.bright import bright_network
from tests.models.networks import following_network
from tests.tuning.conftest import YARD
from tests.tuning.floor.conftest import ALONE, OBJECTS, SHIFT_PX
from tests.tuning.footage import clip

PASSWORD = "p4ssw0rd"


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stock")
    following_network(folder / "big.onnx", OBJECTS, ["person", "car"], shift_px=SHIFT_PX)
    bright_network(folder / "bright.onnx")
    clips.encode(folder / "slow.mp4", frames=65, fps=5)
    clips.encode(folder / "short.mp4", frames=15, fps=5)
    clips.encode(folder / "five.mp4", frames=26, fps=5)
    clip(folder / "empty.mp4", seconds=6, visits=0)
    clip(folder / "pan.mp4", seconds=6, visits=1, pan=8)
    (folder / "alone.yaml").write_text(ALONE)
    (folder / "yard.yaml").write_text(YARD)
    (folder / "read.yaml").write_text(READ)
    (folder / "missing.yaml").write_text(ALONE.replace("big.onnx", "none.onnx"))
    (folder / "file").touch()
    return folder


@pytest.fixture
def user(shell, stock):
    shutil.copytree(stock, shell.folder, dirs_exist_ok=True)
    return shell


def tune(user, *arguments, pipeline="alone.yaml", source="cam=slow.mp4", floor=0.7):
    return user.vidpipe("tune", pipeline, "--source", source, "--floor", floor, *arguments)


@pytest.mark.long
def test_tune_again_and_run(user):
    said = tune(user)
    assert said.status == 0, said.err
    for line in (
        "stream cam: boxes at 0.7 or better",
        "  footage      13 s",
        "  chosen       ",
        "  reference    repeats",
    ):
        assert line in said.out
    folder = user.folder / "profiles/cam"
    kept = (folder / "tuned.json").read_text()
    tuned = json.loads(kept)
    assert tuned["chosen"]["cpu_ms"] <= tuned["safe"]["cpu_ms"]
    page = (folder / "tuned.html").read_text()
    assert "<svg" in page
    assert tuned["chosen"]["says"] in page

    again = tune(user)
    assert "tuned before" in again.out
    assert again.err == "", "nothing is done"
    assert (folder / "tuned.json").read_text() == kept

    run = ("run", "alone.yaml", "--source", "cam=slow.mp4", "--engine", "inline")
    ran = user.vidpipe(*run, "--report", "report.json")
    assert (ran.status, user.report["streams"]["cam"]["accuracy"]["floor"]) == (0, 0.7)
    assert ran.line.startswith("stream cam: tuned on ")
    other = user.vidpipe(*run, "--floor", "0.6")
    assert "stream cam was tuned for boxes at 0.7, not for boxes at 0.6\n" in other.err
    assert "stream cam begins with a look at every frame, and loosens as it proves 0.6\n" in other.err


def test_five_seconds_prove_nothing(user):
    said = tune(user, source="five.mp4")
    assert said.status == 0
    assert "  not proven   the footage is too short for more: a run " in said.out


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"floor": 0}, "invalid value for '--floor': "),
        ({"floor": 1}, "invalid value for '--floor': "),
        ({"floor": 1.5}, "invalid value for '--floor': "),
        ({"floor": "high"}, "invalid value for '--floor': "),
        ({"floor": "nan"}, "invalid value for '--floor': "),
        ({"more": ("--want", "colours")}, "invalid value for '--want': 'colours' is not one of 'boxes', "),
        ({"more": ("--for", "soon")}, "--for soon: must be a time such as 90s, 20m or 1.5h"),
        ({"more": ("--out", "file")}, "profile file/tuned.json cannot be written: Not a directory"),
        ({"source": "short.mp4"}, "stream short: 3.0 s of footage are too few to tune on: 5 s are needed, "),
        ({"source": "none.mp4"}, "no file none.mp4"),
        ({"source": "empty.mp4", "pipeline": "yard.yaml"}, "stream empty: big found no thing in 6 s: "),
        ({"source": "pan.mp4", "pipeline": "yard.yaml"}, "stream pan: the camera moves, by "),
        ({"pipeline": "read.yaml"}, "stage read is the last one and no `detect`: a floor is held against what a model"),
        ({"pipeline": "missing.yaml"}, "missing.yaml:3: models.big: model none.onnx: no such file"),
    ],
)
def test_what_is_refused(user, arguments, error):
    said = tune(user, *arguments.pop("more", ()), **arguments)
    assert said.status == 2
    assert said.err.splitlines()[-1].startswith(f"vidpipe: {error}")
    assert "Traceback" not in said.err
    assert not list(user.folder.glob("profiles/*/tuned.json"))


def test_without_a_source(user):
    said = user.vidpipe("tune", "alone.yaml", "--floor", 0.9)
    assert (said.status, said.error.split(":")[0]) == (2, "nothing to tune on")


def test_one_stream_that_cannot_be_tuned_does_not_keep_the_other_from_it(user):
    said = tune(user, "--source", "short.mp4")
    assert said.status == 2
    assert "vidpipe: stream short: " in said.err
    assert (user.folder / "profiles/cam/tuned.json").is_file()


def test_a_camera_that_does_not_answer(user):
    said = tune(user, source=f"cam=rtsp://joe:{PASSWORD}@127.0.0.1:{servers.free_port()}/a")
    assert said.status == 2
    assert said.err.splitlines()[-1] == "vidpipe: stream cam: connection refused: nothing listens on this port"
    assert PASSWORD not in said.err


@pytest.mark.long
@pytest.mark.skipif(not servers.available(), reason=f"apt-get install {servers.PACKAGES}")
def test_a_camera_is_recorded_and_nothing_of_it_is_left(user, tmp_path, monkeypatch):
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    mount = servers.encode(tmp_path / "units", fps=10, frames=40)
    server = servers.Server({"/a": mount}, user="joe", password=PASSWORD).start()
    try:
        said = tune(user, "--for", "6s", source=f"cam={server.url(user=f'joe:{PASSWORD}')}")
    finally:
        server.kill()
    assert said.status == 0, said.err
    assert "  footage      6 s" in said.out
    assert not list((tmp_path / "scratch").glob("vidpipe-tune-*"))
    kept = "".join(file.read_text() for file in user.folder.glob("profiles/cam/*"))
    assert PASSWORD not in said.out + said.err + kept
