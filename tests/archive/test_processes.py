"""Workers that are processes, and commands that are killed: nothing is lost, and nothing done twice."""

import json
import os
import random
import signal
import subprocess
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tests.archive.conftest import CHUNKS, FRAMES, READ, THIRD
from tests.waiting import until
from tests.warm.ask import PLACE
from tests.warm.forked import Forked, Worker, template
from vidpipe.archive import archive
from vidpipe.archive.run import Options
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.runtime import tasks
from vidpipe.runtime.tasks import LocalTaskWorkers

TWO = Options(workers=2, chunk_s=0.75, warm_up_s=0.19)


def begin(archiver, pipeline, out, *more):
    """The command, of which the test does not wait for the end."""
    (archiver.folder / "pipeline.yaml").write_text(pipeline)
    options = ["--out", out, "--workers", "2", "--chunk", "0.75s", "--warm-up", "0.19s", *more]
    command = ["archive", "pipeline.yaml", "--source", "clip.mp4", *options]
    return Forked(command, archiver.folder, os.environ)


@pytest.fixture
def forked(monkeypatch):
    """Workers that this process starts come from the template, too."""
    monkeypatch.setenv(PLACE, template().place)
    how = SimpleNamespace(Popen=Worker, DEVNULL=subprocess.DEVNULL, TimeoutExpired=subprocess.TimeoutExpired)
    monkeypatch.setattr(tasks, "subprocess", how)


def until_at_work(folder, command):
    until(lambda: (folder / "work" / "index").exists() or command.poll() is not None, 60)


def below_the_first_line(file):
    return file.read_bytes().split(b"\n", 1)[1]


def chunks(folder):
    """The files of chunks that are done, with when they were put in place."""
    return {file: file.stat().st_mtime_ns for file in folder.glob("work/chunks/*/*/*.chunk")}


SLOW = THIRD.replace("mystages:Read,", "mystages:Paced,")
PACED = '''

class Paced(Read):
    """A model that takes as long as a file says."""

    def answer(self, frames):
        time.sleep(float(Path(__file__).with_name("pace").read_text()) * len(frames))
        return super().answer(frames)
'''


BURNS = '''

class Burns(Read):
    """A model that takes 20 ms of CPU for a frame."""

    def answer(self, frames):
        until = time.thread_time() + 0.02 * len(frames)
        while time.thread_time() < until:
            pass
        return super().answer(frames)
'''


def pace(archiver, seconds):
    """Have each look of the model take so long."""
    (archiver.folder / "pace").write_text(seconds)
    with (archiver.folder / "mystages.py").open("a") as stages:
        stages.write(PACED)


AHEAD = """
classes: {even: even, odd: odd}
stages:
  - {id: track, type: track, refresh_s: 0.2, motion: held}
  - {id: read, type: mystages:Paced, on: cloud}
audit: {rate: 0.2, max_unchecked_s: null}
"""


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("pipeline", "ahead", "kills"),
    [
        (SLOW, False, 2),
        (SLOW, False, 20),
        (AHEAD, True, 20),
    ],
)
def test_law_a_command_that_is_killed_at_any_moment_goes_on_where_it_was(archiver, pipeline, ahead, kills):
    """kill -9 of the command at random moments; at last the results are those of one that nobody killed.

    An archive that has come to its end in spite of it is held against that one, and another is begun.
    """
    clip, chance = archiver.clip(), random.Random(11)
    pace(archiver, "0.004")
    archiver(pipeline, {"clip": clip}, replace(CHUNKS, look_ahead=ahead), out="whole")
    expected = below_the_first_line(archiver.folder / "whole" / "clip.jsonl")
    more = ["--look-ahead"] if ahead else []
    kills = int(os.environ.get("VIDPIPE_KILLS", kills))
    killed, ended, out, seen = 0, [], archiver.folder / "out-0", {}
    while killed < kills or out not in ended:
        command = begin(archiver, pipeline, out.name, *more)
        if killed < kills:
            if chance.random() < 0.8:  # most within the work, some while it begins or joins
                until_at_work(out, command)
            time.sleep(chance.uniform(0, 1))
            command.kill()
        said = "".join(command.communicate())
        now = chunks(out)
        assert seen.items() <= now.items(), "a chunk was done twice, or lost"
        seen = now
        if command.returncode == -signal.SIGKILL:
            killed += 1
            continue
        assert command.returncode == 0, said
        assert below_the_first_line(out / "clip.jsonl") == expected
        assert len(archiver.lines(out=out.name)) == FRAMES
        assert not list(out.glob(".*.part"))
        ended.append(out)
        if killed < kills:
            out, seen = archiver.folder / f"out-{len(ended)}", {}


DIES = """
classes: {even: even, odd: odd}
stages:
  - {id: dies, type: mystages:Dies, at: 25}
  - {id: read, type: mystages:Read}
"""


def test_a_picture_that_kills_its_process_costs_one_chunk(archiver, forked):
    outcome = archiver(DIES, {"clip": archiver.clip()}, TWO, make_workers=None)
    lines = archiver.lines()
    assert [line["seq"] for line in lines] == list(range(FRAMES))
    assert {line["seq"] for line in lines if line["how"] == "failed"} == set(range(20, 40))
    assert {line["reason"] for line in lines if line["how"] == "failed"} == {"killed by SIGKILL, 3 times"}
    assert outcome.exit_status == 1


@pytest.mark.long
def test_cpu_seconds_are_those_of_the_workers(archiver, forked):
    with (archiver.folder / "mystages.py").open("a") as stages:
        stages.write(BURNS)
    outcome = archiver(READ.replace("Read", "Burns"), {"clip": archiver.clip()}, TWO, make_workers=None)
    asked = FRAMES + outcome.report["archive"]["asked_twice"]
    assert 0.02 * asked < outcome.report["cpu_s"] < 2 * 0.02 * asked


@pytest.mark.long
def test_sigint_ends_in_order_and_the_same_command_goes_on(archiver):
    archiver.clip()
    pace(archiver, "0.05")
    command = begin(archiver, SLOW, "out")
    out = archiver.folder / "out"
    until(lambda: chunks(out) or command.poll() is not None, 90)
    command.send_signal(signal.SIGINT)
    said = "".join(command.communicate(timeout=60))
    assert command.returncode == 130, said
    assert "the same command goes on" in said
    assert json.loads((out / "report.json").read_text())["finished"] is False
    done = chunks(out)
    (archiver.folder / "pace").write_text("0")
    command = begin(archiver, SLOW, "out")
    said = "".join(command.communicate(timeout=60))
    assert command.returncode == 0, said
    assert done.items() <= chunks(out).items()
    assert len(archiver.lines()) == FRAMES


def test_a_full_disk_is_told_once_and_what_is_done_stays(archiver, monkeypatch):
    """Writing fails as on a full disk, at the third chunk."""
    from vidpipe.core import files

    written = []
    real = files._write  # noqa: SLF001

    def full(path, content):
        if path.name.endswith(".chunk.part"):
            written.append(path)
            if len(written) == 3:
                path.write_bytes(content[:10])
                raise OSError(28, "No space left on device")
        real(path, content)

    monkeypatch.setattr(files, "_write", full)
    recordings = {"clip": archiver.clip()}
    with pytest.raises(RunError, match=r"chunk .*000000040.chunk cannot be written: No space left on device"):
        archiver(READ, recordings)
    out = archiver.folder / "out"
    done = chunks(out)
    assert len(done) == 2
    assert not list(out.rglob("*.part"))
    archiver(READ, recordings)
    assert done.items() <= chunks(out).items()
    assert len(archiver.lines()) == FRAMES


@pytest.fixture
def small_disk(tmp_path):
    """A disk of its own, and what makes it larger; skips where nobody may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48k", "archive-test", str(place)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a disk here")
    try:
        yield place, lambda size: subprocess.run(["mount", "-o", f"remount,size={size}", str(place)], check=True)
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_really_full_stops_it_clearly_and_it_goes_on_once_there_is_room(archiver, small_disk):
    place, becomes = small_disk
    recordings = {name: archiver.clip(name) for name in ("one", "two", "three")}
    out = place / "out"
    with pytest.raises(RunError, match="cannot be written: No space left on device"):
        archiver(READ, recordings, out=str(out))
    done = chunks(out)
    assert done
    becomes("8m")
    assert archiver(READ, recordings, out=str(out)).exit_status == 0
    assert done.items() <= chunks(out).items()
    for name in recordings:
        assert len(archiver.lines(name, out=str(out))) == FRAMES


def test_one_archive_has_one_driver(archiver):
    archiver.clip()
    pace(archiver, "0.05")
    command = begin(archiver, SLOW, "out")
    until_at_work(archiver.folder / "out", command)
    with pytest.raises(ConfigError, match="is being written by another run"):
        archiver(SLOW, {"clip": archiver.folder / "clip.mp4"})
    command.kill()
    command.communicate()


def explode():
    raise ConfigError("no such model")


def exit_at_once():
    os._exit(3)


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [(explode, ConfigError, "no such model"), (exit_at_once, RunError, "does not start.*status 3")],
)
def test_a_worker_that_cannot_begin_ends_it(forked, make, error, says):
    workers = LocalTaskWorkers(1, [], make)
    workers.put("anything")
    with pytest.raises(error, match=says):
        until(lambda: workers.take(1), 60)
    workers.close()


class Slow:
    """Work that gets on for a while, and then hangs for ever, where it is told to."""

    beat = staticmethod(lambda: None)

    def __call__(self, task):
        if task == 1:
            self.beat()
        while task:
            time.sleep(60)
        return "done"


def test_a_process_that_hangs_is_ended_after_a_bound_and_replaced(forked):
    """By a clock that the test turns: one that has done a task may be silent for a minute, a new one for five."""
    seconds = [0.0]
    workers = LocalTaskWorkers(1, [], Slow, lambda: seconds[0])
    taken = []

    def next_done():
        until(lambda: taken.extend(workers.take(0.1)) or taken, 60)
        return taken.pop()

    try:
        workers.put(0)
        assert next_done().value == "done"
        workers.put(1)
        seconds[0] = 59.0
        workers.end_silent(60)
        assert workers.take(0.2) == []
        seconds[0] = 59.0 + 61
        workers.end_silent(60)
        assert next_done().died.startswith("hung: nothing was heard of it for")
        workers.put(2)  # to another process
        until(lambda: workers.take(0.1) or any(each.ready for each in workers._busy.values()), 60)  # noqa: SLF001
        seconds[0] += 200
        workers.end_silent(60)
        assert workers.take(0.2) == []
        seconds[0] += 101
        workers.end_silent(60)
        assert next_done().died.startswith("hung")
        workers.put(0)
        assert next_done().value == "done"
    finally:
        workers.close()


HANGS = DIES.replace("mystages:Dies, at: 25", "mystages:Hangs")
STUCK = '''

class Hangs(Stage):
    """A decoder, or a driver, that never returns from picture 25."""

    def answer(self, frames):
        if frames[0].seq == 25:
            time.sleep(3600)
        return [None]
'''


@pytest.mark.long
def test_a_chunk_that_hangs_each_time_is_set_aside_and_all_else_finished(archiver, forked, monkeypatch):
    with (archiver.folder / "mystages.py").open("a") as stages:
        stages.write(STUCK)
    monkeypatch.setattr(archive, "SILENT_S", 1.5)
    monkeypatch.setattr(archive, "SILENT_CHUNKS", 0)
    monkeypatch.setattr(tasks, "FIRST_TAKES", 1)
    outcome = archiver(HANGS, {"clip": archiver.clip()}, TWO, make_workers=None)
    lines = archiver.lines()
    assert [line["seq"] for line in lines] == list(range(FRAMES))
    assert {line["seq"] for line in lines if line["how"] == "failed"} == set(range(20, 40))
    assert outcome.exit_status == 1
    error = outcome.errors[0]
    assert "clip: frames 20 to 39" in error
    assert "hung: nothing was heard of it" in error
    assert "3 times" in error
    assert outcome.report["archive"]["deaths"] == 3
