"""What goes wrong while it runs: the frames concerned say so, the rest is answered, and status 1 with one line tells.

- A stage that raises costs the frames that it raised on.
- A full disk under the results ends the run; what was written is whole, and the report tells how far it came. Under a
  video it costs the video.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import READ, Shell

FULL = Path("/dev/full")
NO_SPACE = "No space left on device"


def with_stage(stage: str) -> str:
    """The reading pipeline behind another stage."""
    return READ.replace("[{", f"[{{id: first, type: mystages:{stage}}}, {{")


@pytest.fixture
def small_disk(shell: Shell) -> Iterator[Path]:
    """A file system of 32 KiB."""
    folder = shell.folder / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=32k", "none", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here: it takes root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def is_told_whole(shell: Shell) -> None:
    """Results and report say the same of the frames up to the failure."""
    (stream,) = shell.report["streams"].values()
    assert stream["frames_in"] == sum(stream["by"].values()) == sum(stream["how"].values())
    assert [line["seq"] for line in shell.lines] == list(range(stream["frames_in"]))


def test_a_stage_that_raises_now_and_then(shell, good):
    ended = shell.run(with_stage("Raises"), good)
    assert ended.status == 1
    raising = (
        (shell.folder / "mystages.py")
        .read_text()
        .splitlines()
        .index('            raise ValueError("this frame again")')
    )
    assert ended.error == f"stage first raised once: ValueError: this frame again (mystages.py:{raising + 1})"
    is_told_whole(shell)
    assert shell.report["streams"]["good"]["by"] == {"read": 39, "first": 1}
    failed = shell.lines[5]
    assert (failed["how"], failed["by"], failed["as_of"]) == ("failed", "first", 4)
    assert failed["detections"] == shell.lines[4]["detections"]


def test_a_stage_that_gives_too_few_answers(shell, good):
    ended = shell.run(with_stage("NoAnswers"), good)
    assert ended.status == 1
    assert ended.error == "stage first raised 40 times, first: stage first gave 0 answers for 1 frames"
    is_told_whole(shell)
    assert shell.report["streams"]["good"]["how"] == {"failed": 40}


@pytest.mark.skipif(not FULL.is_char_device(), reason="there is no /dev/full")
def test_results_on_a_full_disk(shell, footage):
    """It used to wait for ever for the end of a stream that came with the answers that could not be written."""
    ended = shell.run(READ, footage / "long.mp4", "--results", FULL)
    assert (ended.status, ended.error) == (1, f"results /dev/full cannot be written on: {NO_SPACE}")
    stream = shell.report["streams"]["long"]
    assert stream["frames_in"] == sum(stream["by"].values()) > 0
    assert FULL.is_char_device()


def test_results_on_a_disk_that_fills_up(shell, footage, small_disk):
    """They end with a whole line."""
    results = small_disk / "results.jsonl"
    ended = shell.run(READ, footage / "long.mp4", "--results", results)
    assert (ended.status, ended.error) == (1, f"results {results} cannot be written on: {NO_SPACE}")
    shutil.copy(results, shell.folder)
    assert [line["seq"] for line in shell.lines] == list(range(len(shell.lines)))
    assert len(shell.lines) > 50
    assert shell.report["streams"]["long"]["frames_in"] >= len(shell.lines)


def test_a_video_on_a_disk_that_fills_up(shell, footage, small_disk):
    video = small_disk / "drawn.mp4"
    ended = shell.run(READ, footage / "long.mp4", "--video", video)
    told = f"stream long: video {video} cannot be written on: {NO_SPACE}"
    assert ended.status == 1
    assert ended.err.splitlines()[0].endswith(f"WARNING: {told}; the stream goes on without it")
    assert ended.err.splitlines()[1:] == [f"vidpipe: {told}"]
    is_told_whole(shell)
    assert len(shell.lines) == 400


def test_a_report_on_a_full_disk(shell, good, small_disk):
    (small_disk / "filler").write_bytes(bytes(28 * 1024))
    report = small_disk / "report.json"
    report.write_text('{"finished": true, "of": "the one before"}\n')
    (small_disk / "more").write_bytes(b"")
    ended = shell.run(READ, good, "--report", report)
    assert (ended.status, ended.error) == (1, f"report {report} cannot be written: {NO_SPACE}")
    assert "the one before" in report.read_text()
    assert sorted(path.name for path in small_disk.iterdir()) == ["filler", "more", "report.json"]
    assert len(shell.lines) == 40
