"""The commands of the README and of the pages of docs/tasks/ run, one after the other, in a folder of the page's own.

Snippets that begin with the name of a file lie in it. Pipelines of vidpipe, and those of snippets, have small networks
in place of models that would be downloaded; recordings that no command of the page generates are short clips.
"""

from __future__ import annotations

import re
import shlex

import pytest

from tests import clips
from tests.cli.conftest import Shell
from tests.docs.pages import ROOT, TASKS, commands, name, snippets, steps
from tests.models.networks import constant_network, ssd_table, yolo_columns
from vidpipe.testing import scene

# Each with the reason why it does not run here.
LEFT_OUT = {
    r"make |pip |python3 -m venv|\. \.venv": "makes an environment: CI does, before all tests",
    r"vidpipe init|vidpipe run site/pipeline": "needs a camera: tests/docs/test_first_camera.py has one",
    r"echo ": "belongs to these",
    r".*rtsp://": "needs a camera",
    r".*--address": "needs a cluster: tests/deploy/test_configs.py has one",
}
NAMES = {
    "omz": "[vehicle, person, bike]",
    "pypi": "[none, person]",
    "yolox": "[car, person, bus, truck, bicycle, motorcycle]",
}
SHORTER = {
    "--seconds 60": "--seconds 25",
    "--seconds 30": "--seconds 25",
    "--baselines big,little,static": "--baselines big",  # each is a process, several times
}


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("networks")
    constant_network(folder / "small.onnx", {"out": ssd_table([(20, 20, 40, 60, 1, 0.9)])})
    constant_network(folder / "mine.onnx", {"out": yolo_columns([(32, 32, 16, 16, 0, 0.9)], 3)})
    return folder


@pytest.fixture
def place(tmp_path, networks):
    """A user in an empty folder, with the pipelines of vidpipe on small networks."""
    for network in networks.iterdir():
        (tmp_path / network.name).symlink_to(network)
    (tmp_path / "pipelines").mkdir()
    for pipeline in (ROOT / "pipelines").glob("*.yaml"):
        (tmp_path / "pipelines" / pipeline.name).write_text(small(pipeline.read_text()))
    shell = Shell(tmp_path)
    yield shell
    shell.clean_up()


def small(text: str) -> str:
    """The text of a pipeline, with a small network for each model that would be downloaded."""
    return re.sub(
        r'path: "?(omz|yolox|pypi):[^",}\s]*"?',
        lambda path: f"path: small.onnx, family: ssd, names: {NAMES[path[1]]}",
        re.sub(r"path: (pypi:\S+)\n    threshold: (\S+)\n", r'path: "\1"\n    threshold: \2\n', text),
    )


def prepared(command: str) -> list[str]:
    """Its words, shorter where it would generate or look at minutes, and in one process."""
    for long, short in SHORTER.items():
        command = command.replace(long, short)
    words = shlex.split(command)
    if words[:2] in (["vidpipe", "run"], ["vidpipe", "demo"]) and "--engine" not in words:
        words += ["--engine", "inline"]  # Ray is started by other tests
    return words


def run(place: Shell, words: list[str]) -> None:
    for source in re.findall(r"(?:--source|--truth) (?:\w+=)?([\w-]+\.mp4)", " ".join(words)):
        if not (place.folder / source).exists():
            clips.encode(place.folder / source, frames=60)
    if words[:3] == ["python", "-m", "vidpipe.testing.scene"]:
        assert scene.main([str(place.folder / words[3]), *words[4:], "--size", "320x240"]) == 0
        return
    ended = place.vidpipe(*words[1:])
    assert ended.status == 0, f"{' '.join(words)}: {ended.err}"


def is_left_out(command: str) -> bool:
    return any(re.match(pattern, command) for pattern in LEFT_OUT)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", TASKS, ids=name)
def test_the_commands_of_the_page_run(place, page):
    for snippet in snippets(page, "yaml", "python"):
        if snippet.file:
            place.write(snippet.file, small(snippet.text))
    for line in commands(page):
        for command in steps(line):
            if not is_left_out(command):
                run(place, prepared(command))


def test_what_is_left_out_is_there():
    """No reason outlives the command that it was for."""
    told = [step for page in TASKS for line in commands(page) for step in steps(line)]
    for pattern in LEFT_OUT:
        assert any(re.match(pattern, command) for command in told), pattern
    assert sum(not is_left_out(command) for command in told) > 20
