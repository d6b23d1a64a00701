"""What cannot be run is told before anything runs: one line, status 2, on the engine that was asked for."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import av
import pytest

from tests import clips
from tests.cli.conftest import READ
from tests.models.networks import constant_network, yolox_rows

DETECT = """
classes: {person: person}
models: {only: {path: PATH, family: ssd, names: [person]}}
stages: [{id: find, type: detect, model: only}]
"""


def empty_folder(folder: Path) -> Path:
    (folder / "clips").mkdir()
    (folder / "clips" / "notes.txt").write_text("no video")
    return folder / "clips"


def zero_frames(folder: Path, name: str) -> Path:
    """A recorder that was stopped at once: a header, and nothing behind it."""
    with av.open(str(folder / name), "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        out.start_encoding()
    return folder / name


def empty_file(folder: Path) -> Path:
    (folder / "empty.mp4").touch()
    return folder / "empty.mp4"


def text(folder: Path) -> Path:
    (folder / "text.mp4").write_text("an error page of some server\n" * 100)
    return folder / "text.mp4"


def no_index(folder: Path) -> Path:
    return clips.cut(clips.encode(folder / "whole.mp4"), folder / "cut.mp4", 0.6)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (lambda folder: folder / "missing.mp4", "no file {}; look into "),
        (lambda folder: folder / "nowhere" / "missing.mp4", "no file {}: there is no folder "),
        (empty_folder, "folder {} holds no video file (avi, "),
        (lambda folder: "*.mp4", "{} matches no video file ("),
        (partial(zero_frames, name="header.mkv"), "{} ends before its first picture; give another file"),
        (partial(zero_frames, name="header.avi"), "{} holds no picture that can be decoded; give another file"),
        (empty_file, "{} is empty (0 bytes); give a video file"),
        (text, "{} is not a video file; give one that ffprobe can read"),
        (no_index, "{} has no index (moov): "),
        (lambda folder: clips.tone(folder / "sound.mp4"), "{} holds no video, only sound; give a video file"),
        (
            lambda _: "sftp://admin:secret@10.0.0.9/stream",
            "--source camera: streams.camera.url: addresses of kind sftp:// cannot be read",
        ),
    ],
)
def test_sources(shell, source, said):
    place = source(shell.folder)
    ended = shell.run(READ, place)
    assert ended.status == 2
    assert ended.error.startswith(said.format(place))
    assert "secret" not in ended.err + ended.out


def test_no_source(shell):
    shell.write("pipeline.yaml", READ)
    ended = shell.vidpipe("run", "pipeline.yaml", "--engine", "inline")
    assert (ended.status, ended.error.split(":")[0]) == (2, "nothing to run on")


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ("cpus=1", "--budget: there is no 'cpus'; did you mean 'cpu'?"),
        ("cpu=1", "a budget chooses between what `vidpipe tune` has tried of each stream: stream clip was never tuned"),
    ],
)
def test_a_budget_that_cannot_be_kept(shell, good, budget, said):
    constant_network(shell.folder / "net.onnx", {"out": yolox_rows([], 1)})
    shell.write("pipeline.yaml", DETECT.replace("PATH", "net.onnx"))
    ended = shell.vidpipe("run", "pipeline.yaml", "--source", f"clip={good}", "--engine", "inline", "--budget", budget)
    assert ended.status == 2
    assert ended.error.startswith(said)


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("import nosuchthing", "ModuleNotFoundError: No module named 'nosuchthing'"),
        ("def f(:", "SyntaxError: invalid syntax (own.py, line 1)"),
        ("raise ValueError('two\\nlines')", "ValueError: two"),
    ],
)
def test_a_stage_that_cannot_be_imported(shell, good, module, said):
    shell.write("own.py", module)
    ended = shell.run("classes: {a: a}\nstages:\n- {id: own, type: own:Mine}", good)
    assert ended.status == 2
    assert ended.error == f"pipeline.yaml:3: stages.own: stage 'own:Mine' cannot be imported: {said}"


@pytest.mark.long
@pytest.mark.parametrize(
    ("engine", "stage"),
    [
        ("inline", "DoesNotOpen"),
        ("inline", "SharedDoesNotOpen"),
        pytest.param("ray", "DoesNotOpen", marks=pytest.mark.ray),
    ],
)
def test_a_stage_that_does_not_open(shell, good, engine, stage):
    ended = shell.run(READ.replace("[{", f"[{{id: first, type: mystages:{stage}}}, {{"), good, engine=engine)
    assert (ended.status, ended.error) == (1, "stage first does not open: OSError: no licence for this machine")


@pytest.mark.parametrize("damage", [b"", b"not a network", bytes(range(256)) * 20, 0.5])
def test_damaged_networks(shell, good, damage):
    """Nothing of OpenVINO's own, which asks six parsers what they think of it, comes beside our line."""
    network = constant_network(shell.folder / "net.onnx", {"out": yolox_rows([], 1)})
    whole = network.read_bytes()
    network.write_bytes(damage if isinstance(damage, bytes) else whole[: int(len(whole) * damage)])
    ended = shell.run(DETECT.replace("PATH", "net.onnx"), good)
    assert ended.status == 2
    assert "net.onnx: OpenVINO cannot read it: " in ended.error


def test_a_network_of_another_family(shell, good):
    constant_network(shell.folder / "net.onnx", {"out": yolox_rows([], 1)})
    ended = shell.run(DETECT.replace("PATH", "net.onnx"), good)
    assert ended.status == 2
    assert "net.onnx: family ssd does not fit its outputs out [1,84,6]: set family: yolox" in ended.error


@pytest.mark.footage
def test_real_networks(shell, good, assets):
    """Weights that broke off while they were fetched; a family that is not theirs."""
    name = "person-vehicle-bike-detection-2000"
    (shell.folder / "cut.xml").write_bytes((assets / "models" / f"{name}.xml").read_bytes())
    clips.cut(assets / "models" / f"{name}.bin", shell.folder / "cut.bin", 0.5)
    ended = shell.run(DETECT.replace("PATH", "cut.xml").replace(", names: [person]", ""), good)
    assert ended.status == 2
    assert ended.error == "model cut.xml: OpenVINO cannot read it: Incorrect weights in bin file"
    real = str(assets / "models" / f"{name}.xml")
    ended = shell.run(DETECT.replace("PATH", real).replace("ssd, names: [person]", "yolox"), good)
    assert ended.status == 2
    assert ended.error.endswith("family yolox does not fit its outputs detection_out [1,1,200,7]: set family: ssd")


@pytest.mark.parametrize(
    ("option", "what"), [("--results", "results"), ("--report", "report"), ("--video", "video")], ids=str
)
@pytest.mark.parametrize(
    ("place", "why"), [("nowhere/out.mp4", "No such file or directory"), ("folder.mp4", "Is a directory")]
)
def test_outputs_that_cannot_be_written(shell, good, option, what, place, why):
    shell.write("pipeline.yaml", READ)
    (shell.folder / "folder.mp4").mkdir()
    ended = shell.vidpipe("run", "pipeline.yaml", "--source", good, "--engine", "inline", option, place)
    assert (ended.status, ended.error) == (2, f"{what} {place} cannot be written: {why}")


def test_a_video_that_is_none(shell, good):
    ended = shell.run(READ, good, "--video", "drawn.txt")
    assert (ended.status, ended.error) == (2, "video drawn.txt: .txt is no kind of video; take .mp4")
