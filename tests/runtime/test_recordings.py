"""A folder of recordings, on both engines: all are answered, and only so many are open at a time."""

import os
import shutil

import pytest

from tests import clips
from tests.runtime.conftest import BY_INLINE

CORES = os.cpu_count() or 1
RECORDINGS = 40
FRAMES = 6
PIPELINE = """
classes: {even: even, odd: odd}
stages:
  - {id: among, type: mystages:Among, on: device}
  - {id: read, type: mystages:Read, on: edge}
audit: {rate: 0, max_unchecked_s: null}
"""
STAGE = '''

class Among(Stage):
    """Answers every second frame with the process, and how many streams are open in it."""

    streams = set()

    def open(self, context):
        self.stream = context.stream
        self.streams.add(self.stream)

    def answer(self, frames):
        (frame,) = frames
        said = f"{os.getpid()} {len(self.streams)}"
        return [Answer(sv.Detections.empty(), How.MEASURED, self.id, frame.seq, said) if frame.seq % 2 else None]

    def close(self):
        self.streams.discard(self.stream)
'''


@pytest.fixture
def folder(tmp_path):
    first = clips.encode(tmp_path / "clip.mp4", frames=FRAMES)
    return {f"s{i}": shutil.copy(first, tmp_path / f"{i}.mp4") for i in range(RECORDINGS)}


def test_they_take_turns(runner, folder):
    module = runner.folder / "mystages.py"
    module.write_text(module.read_text() + STAGE)
    ran = runner(PIPELINE, folder)
    assert ran.outcome.exit_status == 0
    for stream in folder:
        lines = ran.of(stream)
        assert [line["seq"] for line in lines] == list(range(FRAMES))
        assert [line["detections"][0]["xyxy"][0] for line in lines[::2]] == list(range(0, FRAMES, 2))
    said = {line["reason"] for line in ran.lines if line["by"] == "among"}
    processes = {words.split()[0] for words in said}
    assert len(processes) <= CORES
    assert max(int(words.split()[1]) for words in said) * len(processes) <= max(8, 2 * CORES)


@BY_INLINE
def test_one_that_does_not_open_ends_itself_alone_when_its_turn_comes(runner, folder):
    (runner.folder / f"{RECORDINGS - 1}.mp4").write_bytes(b"no video at all")
    ran = runner(PIPELINE.replace("  - {id: among, type: mystages:Among, on: device}\n", ""), folder)
    broken = f"s{RECORDINGS - 1}"
    assert [error for error in ran.outcome.errors if broken in error] == ran.outcome.errors != []
    assert {line["stream"] for line in ran.lines} == folder.keys() - {broken}
    assert len(ran.lines) == FRAMES * (RECORDINGS - 1)
