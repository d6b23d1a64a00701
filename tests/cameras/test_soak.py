"""Eight cameras with faults at random, for a quarter of a minute, with `make soak` for an hour; half of that on
Ray, and for twenty times overload. What must hold:

- memory does not climb, nor do descriptors and threads;
- every picture that came is in the ledger and in the results, and each camera is back after each fault.
"""

from __future__ import annotations

import json
import logging
import os
import random
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from tests.cameras import servers
from tests.lines import each_answer
from tests.runtime.conftest import STAGES

log = logging.getLogger(__name__)

SECONDS = float(os.environ.get("VIDPIPE_SOAK_S", "16"))
CAMERAS = 8
ENGINES = ["inline", pytest.param("ray", marks=pytest.mark.ray)]
PIPELINE = """
classes: {{even: even, odd: odd}}
stages:
  - {{id: difference, type: difference, on: device, threshold: 1}}
  - {{id: read, type: "mystages:{model}", on: device}}
"""


@dataclass
class Use:
    """What a process and its children hold, over time."""

    at: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)

    def look(self, pid: int, at: float) -> None:
        main = psutil.Process(pid)
        tree = [main, *main.children(recursive=True)]
        try:
            megabytes = sum(process.memory_info().rss for process in tree) / 1e6
            descriptors = sum(process.num_fds() for process in tree)
            threads = sum(process.num_threads() for process in tree)
        except psutil.NoSuchProcess:  # one has just ended: the next look sees those that are left
            return
        self.at.append(at)
        self.megabytes.append(megabytes)
        self.descriptors.append(descriptors)
        self.threads.append(threads)

    def climb(self, values: list[float] | list[int]) -> float:
        """How much a value has grown from the first quarter of the time to the last, by its medians."""
        quarter = max(1, len(values) // 4)
        return float(np.median(values[-quarter:]) - np.median(values[:quarter]))


class Faults:
    """Does something to a camera now and then, and undoes it."""

    def __init__(self, cameras: list[servers.Server], clips: list[dict[str, Any]], seed: int) -> None:
        self._cameras = cameras
        self._clips = clips
        self._random = random.Random(seed)
        self._undo: list[tuple[float, int]] = []
        self._next = 0.0
        self.count = 0

    def go_on(self, now: float) -> None:
        due = [entry for entry in self._undo if entry[0] <= now]
        for entry in due:
            self._undo.remove(entry)
            self._revive(entry[1])
        well = [index for index in range(CAMERAS) if all(index != other for _, other in self._undo)]
        if now < self._next or len(well) <= CAMERAS // 2:
            return
        self._next = now + self._random.uniform(0.5, 4.0)
        index, fault = self._random.choice(well), self._random.choice(["killed", "paused", "resized"])
        camera = self._cameras[index]
        if fault == "paused":
            camera.pause()
        else:
            camera.kill()
        if fault == "resized":
            camera.mounts = {"/a": self._random.choice(self._clips)}
        self._undo.append((now + self._random.uniform(0.2, 5.0), index))
        self.count += 1

    def heal(self) -> None:
        while self._undo:
            self._revive(self._undo.pop()[1])

    def _revive(self, index: int) -> None:
        camera = self._cameras[index]
        if camera.runs:
            camera.go_on()
        else:
            camera.start()


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 240)
@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_climbs_and_nothing_is_lost(serve, clip, larger_clip, tmp_path, engine):
    cameras = [serve({"/a": clip}) for _ in range(CAMERAS)]
    with running(tmp_path, engine, cameras, "Read") as (process, port):
        seconds = SECONDS if engine == "inline" else SECONDS / 2
        use, faults = soak(process.pid, port, seconds, cameras, [clip, larger_clip])
    is_complete(tmp_path)
    assert faults.count > seconds / 10
    assert_flat(use, engine)


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 240)
@pytest.mark.parametrize("engine", ENGINES)
def test_twenty_times_overload(serve, clip, tmp_path, engine):
    """200 frames a second, and a model that does ten: results stay young, memory flat."""
    cameras = [serve({"/a": clip}) for _ in range(CAMERAS)]
    with running(tmp_path, engine, cameras, "Slow") as (process, port):
        use, _ = soak(process.pid, port, SECONDS / 2, cameras, None)
    report = is_complete(tmp_path)
    ages = []
    for told in each_answer(tmp_path / "results.jsonl"):
        if told["pts"] > warm_s(SECONDS / 2):
            ages.append(told["published_at"] - told["captured_at"])
    log.info("ages: median %.3f s, p95 %.3f s", *np.quantile(ages, (0.5, 0.95)))
    assert np.quantile(ages, 0.95) < 1.0
    for stream in report.values():
        assert stream["dropped"]["overloaded"] > 0.8 * stream["frames_in"]
        assert stream["how"]["measured"] > 0.5 * stream["frames_in"] / 20  # by turns
    assert_flat(use, engine)


@contextmanager
def running(folder: Path, engine: str, cameras: list[servers.Server], model: str) -> Iterator[tuple[Any, int]]:
    """`vidpipe run` on these cameras: the process and the port of its metrics; ended in order, and in time."""
    (folder / "mystages.py").write_text(STAGES)
    (folder / "pipeline.yaml").write_text(PIPELINE.format(model=model))
    port = servers.free_port()
    outputs = ["--results", "results.jsonl", "--report", "report.json", "--metrics", str(port)]
    sources = [part for index, camera in enumerate(cameras) for part in ("--source", f"cam{index}={camera.url()}")]
    command = [sys.executable, "-m", "vidpipe.cli.main", "run", "pipeline.yaml", "--engine", engine, *outputs, *sources]
    with (folder / "said.txt").open("w") as said:
        process = subprocess.Popen(command, cwd=folder, stdout=said, stderr=said)
        try:
            yield process, port
            process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            assert process.wait(15) == 130
            assert time.monotonic() - began < 5
        finally:
            process.kill()
            process.wait()
    assert "Traceback" not in (folder / "said.txt").read_text()


def warm_s(seconds: float) -> float:
    """Until buffers and caches are as large as they get."""
    return min(30.0, seconds / 4)


def assert_flat(use: Use, engine: str) -> None:
    """Neither memory nor descriptors nor threads have climbed."""
    told = f"{use.megabytes[0]:.0f} to {use.megabytes[-1]:.0f} MB; {use}"
    log.info(told)
    few = 4 if engine == "inline" else 12  # Ray's own processes, 20 of them, take another now and then
    assert use.climb(use.descriptors) <= few, told
    assert use.climb(use.threads) <= few, told
    assert use.climb(use.megabytes) <= max(10.0, 0.05 * use.megabytes[0]), told


def soak(
    pid: int, port: int, seconds: float, cameras: list[servers.Server], clips: list[dict[str, Any]] | None
) -> tuple[Use, Faults]:
    """Let it run, with faults where there are clips to change to."""
    use, faults = Use(), Faults(cameras, clips or [], seed=0)
    wait_until_live(port)
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        if clips:
            faults.go_on(now)
        if now > warm_s(seconds) and (not use.at or now - use.at[-1] > 1):
            use.look(pid, now)
        time.sleep(0.05)
    faults.heal()
    wait_until_live(port)
    use.look(pid, time.monotonic() - began)
    return use, faults


def wait_until_live(port: int) -> None:
    """Until metrics say that every camera gives pictures."""
    deadline = time.monotonic() + 90
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            text = ""
        live = re.findall(r'^vidpipe_stream_state{state="(?:live|overloaded)",stream="cam\d"} 1', text, re.MULTILINE)
        live += re.findall(r'^vidpipe_stream_state{stream="cam\d",state="(?:live|overloaded)"} 1', text, re.MULTILINE)
        if len(live) == CAMERAS:
            return
        assert time.monotonic() < deadline, f"not all cameras came back:\n{text}"
        time.sleep(0.2)


def is_complete(folder: Path) -> dict[str, Any]:
    """Each picture that came has a line, in order, and the ledger counts as many; the report's streams."""
    report = json.loads((folder / "report.json").read_text())["streams"]
    numbers: dict[str, int] = dict.fromkeys(report, 0)
    for told in each_answer(folder / "results.jsonl"):
        assert told["seq"] == numbers[told["stream"]]
        numbers[told["stream"]] += 1
    assert len(report) == CAMERAS
    for name, stream in report.items():
        assert stream["frames_in"] == sum(stream["how"].values()) == sum(stream["by"].values()) == numbers[name] > 100
        # What was still in the camera's own buffers when the end was asked for is not read any more.
        left = stream["health"]["received"] - numbers[name]
        assert 0 <= left <= 8 + 3 * stream["health"]["reconnects"], f"{name}: {left} of {stream}"
        assert stream["health"]["state"] == "stopped"
    return report
