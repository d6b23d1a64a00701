"""A run is measured from outside, in a process of its own, and nothing of it is left."""

import os
import pickle
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import psutil
import pytest

from tests.bench.cost import jobs
from tests.clips import FRAMES, encode
from tests.warm.ask import PLACE
from tests.warm.forked import IN_ITS_PLACE, template
from vidpipe.bench.cost.job import PipelineJob
from vidpipe.bench.cost.measure import Measured, costs, measure
from vidpipe.bench.results import read_answers
from vidpipe.core import errors
from vidpipe.pipeline.yaml.load import load

EVERY_FRAME = """
name: every-frame
classes: {vehicle: [car], person: [person]}
models: {little: {path: MODEL, family: yolo}}
stages: [{id: look, type: detect, on: edge, model: little}]
"""


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results.jsonl"


@pytest.fixture
def pipeline(tmp_path, clip, model):
    file = tmp_path / "pipeline.yaml"
    file.write_text(EVERY_FRAME.replace("MODEL", model.path))
    return load(file, sources={"cam": str(clip)})


@pytest.fixture
def forked(monkeypatch):
    """The process of the run comes from the template, where a Python would begin anew and load vidpipe first."""
    monkeypatch.setenv(PLACE, template().place)
    monkeypatch.setattr("vidpipe.bench.cost.measure.subprocess", IN_ITS_PLACE)


# -- the process --


def test_it_runs_in_a_process_of_its_own(results, tmp_path, monkeypatch):
    (tmp_path / "random.py").write_text("raise RuntimeError('not the one that was meant')")
    monkeypatch.chdir(tmp_path)
    report = measure(jobs.Looks(secret="rtsp://user:pass@camera"), results).report
    assert results.read_text() == "one line\n"
    assert report["pid"] != os.getpid()
    assert not psutil.pid_exists(report["pid"])
    assert "pass@camera" not in str(report["arguments"]) + str(report["environment"])
    assert not {"pytest", "torch", "ray", "openvino"} & set(report["modules"])
    assert report["path"].index(jobs.HERE) > next(i for i, path in enumerate(report["path"]) if "lib/python" in path)


@pytest.mark.usefixtures("forked")
def test_what_a_run_prints_is_on_nobodys_terminal(results, capfd):
    measure(jobs.Looks(), results)
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize(
    ("raised", "message", "kind", "said"),
    [
        ("ConfigError", "set `x`", errors.ConfigError, "set `x`"),
        ("ModelError", "no such file", errors.ModelError, "no such file"),
        ("RunError", "disk full", errors.RunError, "disk full"),
        ("Own", "hm", errors.StageError, "own: hm"),
        ("ValueError", "hm", errors.RunError, "the run failed: ValueError: hm"),
    ],
)
def test_errors_are_passed_on(results, raised, message, kind, said):
    with pytest.raises(errors.VidpipeError) as caught:
        measure(jobs.Raises(raised, message), results)
    assert type(caught.value) is kind
    assert str(caught.value) == said


@pytest.mark.usefixtures("forked")
@pytest.mark.parametrize(
    ("job", "said"),
    [
        (jobs.Kills(signal.SIGKILL), "the process of the run was killed by SIGKILL: memory may have run out"),
        (jobs.Kills(signal.SIGSEGV), "the process of the run was killed by SIGSEGV"),
        (jobs.Exits(3), "ended with exit status 3 before it was done; it last said: the library said this"),
        (jobs.Exits(0), "ended with exit status 0 before it was done"),
    ],
    ids=str,
)
def test_a_process_that_ends_otherwise(results, job, said):
    with pytest.raises(errors.RunError) as caught:
        measure(job, results)
    assert said in str(caught.value)


ELSEWHERE = """
class Job:
    def __init__(self, *search_paths):
        self.search_paths = search_paths

    def run(self, results):
        return {"came": "from elsewhere"}
"""


@pytest.mark.usefixtures("forked")
def test_a_job_is_made_of_what_lies_in_its_search_paths(results, tmp_path, monkeypatch):
    folder = tmp_path / "users"
    folder.mkdir()
    (folder / "elsewhere.py").write_text(ELSEWHERE)
    monkeypatch.syspath_prepend(str(folder))
    job = import_module("elsewhere").Job
    assert measure(job(str(folder)), results).report == {"came": "from elsewhere"}
    with pytest.raises(errors.RunError, match="ModuleNotFoundError: No module named 'elsewhere'"):
        measure(job(), results)


@pytest.mark.long
@pytest.mark.timed  # memory is looked at now and then, and more seldom beside others
def test_memory_is_that_of_all_processes_together(results):
    little = measure(jobs.Holds(1), results).peak_pss_mb
    much = measure(jobs.Holds(80), results).peak_pss_mb
    assert 10 < little < 400
    assert much - little == pytest.approx(2 * 79, abs=30)


@pytest.mark.usefixtures("forked")
def test_what_a_run_leaves_behind_is_ended(results):
    left = measure(jobs.LeavesOne(), results).report["left"]
    assert not lives(left)


# -- interrupted --


def lives(pid: int) -> bool:
    """Orphans that have ended stay as zombies where nobody collects them."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def gone_within(seconds: float, *pids: int) -> bool:
    patience = time.monotonic() + seconds
    while any(map(lives, pids)) and time.monotonic() < patience:
        time.sleep(0.05)
    return not any(map(lives, pids))


def start(job, results: Path) -> subprocess.Popen:
    """A process that measures a job, as the bench does."""
    program = (
        "import pickle, sys; from vidpipe.bench.cost.measure import measure; measure(*pickle.load(sys.stdin.buffer))"
    )
    bench = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": jobs.HERE},
    )
    pickle.dump((job, results), bench.stdin)
    bench.stdin.close()
    return bench


def wait_for(file: Path) -> str:
    for _ in range(1200):
        if file.exists() and file.stat().st_size:
            return file.read_text()
        time.sleep(0.05)
    raise AssertionError(f"{file} never came")


@pytest.mark.long
@pytest.mark.parametrize(("deaf", "within_s"), [(False, 3), (True, 8)])
def test_an_interrupted_bench_leaves_nothing(results, deaf, within_s):
    bench = start(jobs.Hangs(deaf), results)
    pids = [int(pid) for pid in wait_for(results).split()]
    bench.send_signal(signal.SIGINT)
    assert gone_within(within_s, *pids)
    bench.wait(within_s)


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_run_ends_with_a_bench_that_cannot_clean_up(results, how):
    bench = start(jobs.Hangs(deaf=False), results)
    run, *others = [int(pid) for pid in wait_for(results).split()]
    bench.send_signal(how)
    bench.wait(10)
    assert gone_within(5, run)
    for pid in others:
        os.kill(pid, signal.SIGKILL)


@pytest.mark.long
@pytest.mark.ray
def test_nor_is_any_ray_left(tmp_path, model, results):
    file = tmp_path / "pipeline.yaml"
    file.write_text(EVERY_FRAME.replace("MODEL", model.path))
    long = encode(tmp_path / "long.mp4", frames=2000)
    bench = start(PipelineJob(load(file, sources={"cam": str(long)}), "ray"), results)
    wait_for(results)
    started = psutil.Process(bench.pid).children(recursive=True)
    assert any("raylet" in process.name() for process in started)
    bench.kill()
    assert gone_within(15, *(process.pid for process in started))
    bench.wait(10)


# -- a pipeline --


@pytest.mark.long
def test_a_pipeline_is_run_as_ever(pipeline, results, tmp_path):
    measured = measure(PipelineJob(pipeline, "inline"), results)
    (tmp_path / "again").mkdir()
    here = tmp_path / "again" / "results.jsonl"
    PipelineJob(pipeline, "inline").run(here)

    there, own = (read_answers(file, "cam", pipeline.classes.names, 160, 120).series for file in (results, here))
    assert there.frames == FRAMES
    assert there.boxes.xyxy.tolist() == own.boxes.xyxy.tolist()
    report = measured.report
    assert report["streams"]["cam"]["frames_in"] == FRAMES
    assert report["models"]["little"]["calls"] == FRAMES
    assert report["start_up_cpu_s"] > 0.2  # Python, OpenVINO and the model
    assert 0 < report["cpu_s"] < 60
    assert measured.peak_pss_mb > 30


@pytest.mark.usefixtures("forked")
def test_errors_of_a_run_are_errors(pipeline, tmp_path):
    with pytest.raises(errors.ConfigError, match="cannot be written"):
        measure(PipelineJob(pipeline, "inline"), tmp_path / "nowhere" / "results.jsonl")


FAULTY = """
from vidpipe.cascade.stage import Stage

class Faulty(Stage):
    def answer(self, frames):
        raise ValueError("never")
"""


@pytest.mark.usefixtures("forked")
def test_stages_of_the_users_that_raise(tmp_path, clip, results):
    (tmp_path / "faulty_stage.py").write_text(FAULTY)
    file = tmp_path / "pipeline.yaml"
    file.write_text("name: p\nclasses: {person: [person]}\nstages: [{id: s, type: faulty_stage:Faulty}]\n")
    with pytest.raises(errors.RunError, match=r"pipeline p: stage s raised 30 times, first: .*never"):
        measure(PipelineJob(load(file, sources={"cam": str(clip)}), "inline"), results)


# -- costs --


def run(cpu_s, *, pss=100.0, joules=None, wall_ms=2.0):
    stage = {"asked": 30, "answered": 20, "errors": 0, "wall_ms": wall_ms, "cpu_ms": 2 * wall_ms}
    model = {"calls": 10, "wall_ms": wall_ms + 1, "cpu_ms": 4.0}
    report = {
        "cpu_s": cpu_s,
        "wall_s": cpu_s / 2,
        "start_up_cpu_s": 1.0,
        "stages": {"look": stage},
        "models": {"big": model},
        "links": {"device-edge": {"frames": 10, "bytes": 2880}},
    }
    return Measured(report, pss, joules)


def test_costs_over_repeats():
    cost = costs([run(30, pss=90, wall_ms=5), run(10, pss=200, wall_ms=1), run(14, wall_ms=2)], video_s=10)
    assert cost.model_dump() == {
        "cpu": {"median": 1.4, "low": 1.0, "high": 3.0},
        "wall_s": {"median": 7, "low": 5, "high": 15},
        "start_up_cpu_s": {"median": 1, "low": 1, "high": 1},
        "peak_pss_mb": {"median": 100, "low": 90, "high": 200},
        "energy_j": None,
        "stages": {
            "look": {
                "asked": 30,
                "answered": 20,
                "wall_ms": {"median": 2, "low": 1, "high": 5},
                "cpu_ms": {"median": 4, "low": 2, "high": 10},
            }
        },
        "models": {
            "big": {
                "asked": 10,
                "answered": None,
                "wall_ms": {"median": 3, "low": 2, "high": 6},
                "cpu_ms": {"median": 4, "low": 4, "high": 4},
            }
        },
        "links": {"device-edge": {"frames": 10, "bytes": 2880}},
    }


@pytest.mark.parametrize(
    ("joules", "spread"),
    [([5.0], (5, 5, 5)), ([5.0, 9.0, 6.0], (6, 5, 9)), ([5.0, None], None)],
)
def test_energy_over_repeats(joules, spread):
    cost = costs([run(1, joules=energy) for energy in joules], video_s=1)
    found = cost.energy_j and (cost.energy_j.median, cost.energy_j.low, cost.energy_j.high)
    assert found == spread
