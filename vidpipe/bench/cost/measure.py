"""Measuring a job in a process of its own, so that those who are compared share no memory, caches or threads."""

from __future__ import annotations

import os
import pickle
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import psutil

from vidpipe.bench.cost.job import Job
from vidpipe.bench.cost.machine import EnergyMeter
from vidpipe.bench.figures import Cost, Spread, Traffic, Work
from vidpipe.core.errors import RunError, VidpipeError

_SAMPLE_S = 0.2
_END_S = 5.0  # for a process that was asked to end, with those it started
_LAST_S = 1.0  # for those, where it took all that time itself


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What one run of a job told and took.

    Attributes:
        report: as of `Job.run`.
        peak_pss_mb: most memory of all its processes together, in proportional shares of what they share.
        energy_j: of the machine's processors meanwhile; None where it does not say.
    """

    report: dict[str, Any]
    peak_pss_mb: float
    energy_j: float | None


def measure(job: Job, results: Path) -> Measured:
    """Run a job in a fresh process; when this returns or raises, that process and all that it started are gone.

    Args:
        results: JSON lines for it to write.

    Raises:
        VidpipeError: what the job raised, as it raised it.
        RunError: its process was killed or ended otherwise.
    """
    # Files, not pipes: nobody has to read them while it runs. It may print; that belongs on nobody's terminal.
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as printed:
        energy = EnergyMeter()
        child = subprocess.Popen(
            # -P: a file in the working directory must not stand in for a module of Python's own.
            [sys.executable, "-P", "-m", "vidpipe.bench.cost.measure", str(said.fileno())],
            stdin=subprocess.PIPE,
            stdout=printed,
            stderr=printed,
            pass_fds=[said.fileno()],
            start_new_session=True,  # Ctrl-C is ours to pass on
        )
        tree = _Tree(child.pid)
        try:
            assert child.stdin is not None
            with suppress(BrokenPipeError):  # it has died: its exit status tells
                # Never as arguments, which everybody can read: an address may hold a password.
                pickle.dump((list(job.search_paths), results), child.stdin)
                pickle.dump(job, child.stdin)
                child.stdin.flush()
            _watch(child, tree, energy)
        finally:
            _end(child, tree)
        return Measured(_answer(child.returncode, said, printed), tree.peak_pss_mb, energy.joules())


def costs(runs: Sequence[Measured], video_s: float) -> Cost:
    """What a job took, over repeats; what was counted is the first run's.

    Args:
        video_s: media seconds that it answered.
    """
    reports = [run.report for run in runs]
    energies = [run.energy_j for run in runs if run.energy_j is not None]
    return Cost(
        cpu=_spread(report["cpu_s"] / video_s for report in reports),
        wall_s=_spread(report["wall_s"] for report in reports),
        start_up_cpu_s=_spread(report["start_up_cpu_s"] for report in reports),
        peak_pss_mb=_spread(run.peak_pss_mb for run in runs),
        energy_j=_spread(energies) if len(energies) == len(runs) else None,
        stages={name: _work([report["stages"][name] for report in reports]) for name in reports[0]["stages"]},
        models={name: _work([report["models"][name] for report in reports]) for name in reports[0]["models"]},
        links={
            link: Traffic(frames=carried["frames"], bytes=carried["bytes"])
            for link, carried in reports[0]["links"].items()
        },
    )


def _work(repeats: Sequence[Mapping[str, Any]]) -> Work:
    first = repeats[0]
    return Work(
        asked=first.get("asked", first.get("calls")),
        answered=first.get("answered"),
        wall_ms=_spread(work["wall_ms"] for work in repeats),
        cpu_ms=_spread(work["cpu_ms"] for work in repeats),
    )


def _spread(values: Iterable[float]) -> Spread:
    known = list(values)
    return Spread(median=statistics.median(known), low=min(known), high=max(known))


class _Tree:
    """A process and all that it started, also what outlives it.

    Attributes:
        peak_pss_mb: most that was seen of all together.
    """

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._seen = {self._root}
        self.peak_pss_mb = 0.0

    def look(self) -> None:
        with suppress(psutil.Error):  # it has just ended
            living = {self._root, *self._root.children(recursive=True)}
            self._seen |= living
            self.peak_pss_mb = max(self.peak_pss_mb, sum(map(pss_mb, living)))

    def end(self, patience_s: float) -> None:
        """End those that are left: asked to at first, killed in the end."""
        patience = time.monotonic() + patience_s
        try:
            self._signal(signal.SIGTERM)
            while any(map(_lives, self._seen)) and time.monotonic() < patience:
                time.sleep(0.05)
        finally:
            self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        for process in filter(_lives, self._seen):
            with suppress(psutil.Error):
                process.send_signal(number)


def _lives(process: psutil.Process) -> bool:
    """Whether a process still runs. A zombie does not: it stays where nobody collects orphans (in containers)."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def pss_mb(process: psutil.Process) -> float:
    """Its memory, of what it shares with others its share; 0 if it has ended."""
    try:
        return float(process.memory_full_info().pss) / 1e6
    except psutil.Error:  # it ended while we looked
        return 0.0


def _watch(child: subprocess.Popen[bytes], tree: _Tree, energy: EnergyMeter) -> None:
    while True:
        tree.look()
        energy.joules()
        with suppress(subprocess.TimeoutExpired):
            child.wait(_SAMPLE_S)
            return


def _end(child: subprocess.Popen[bytes], tree: _Tree) -> None:
    """Have the child and its own gone, whatever became of it; asked to, it ends in order."""
    tree.look()
    began = time.monotonic()
    try:
        if child.poll() is None:
            child.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.wait(_END_S)
    finally:
        child.kill()
        child.wait()
        tree.end(max(_LAST_S, began + _END_S - time.monotonic()))
        if child.stdin is not None:
            with suppress(BrokenPipeError):
                child.stdin.close()


def _answer(status: int, said: IO[bytes], printed: IO[bytes]) -> dict[str, Any]:
    """The child's report; raises what it raised, or what became of it where it left nothing."""
    said.seek(0)
    try:
        answer: Any = pickle.load(said)
    except EOFError:
        raise RunError(_fate(status) + _last_line(printed)) from None
    if isinstance(answer, VidpipeError):
        raise answer
    report: dict[str, Any] = answer
    return report


def _fate(status: int) -> str:
    if status >= 0:
        return f"the process of the run ended with exit status {status} before it was done"
    name = signal.Signals(-status).name
    memory = ": memory may have run out" if name == "SIGKILL" else ""
    return f"the process of the run was killed by {name}{memory}"


def _last_line(printed: IO[bytes]) -> str:
    printed.seek(0)
    lines = printed.read().decode(errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    return f"; it last said: {said[-1]}" if said else ""


def _serve(said: IO[bytes]) -> None:
    """The child: takes a job from stdin, and leaves its report or its error."""
    search_paths, results = pickle.load(sys.stdin.buffer)
    # Behind Python's own, as where the pipeline was checked.
    sys.path += [path for path in search_paths if path not in sys.path]
    try:
        job: Job = pickle.load(sys.stdin.buffer)
        threading.Thread(target=_end_with_parent, daemon=True).start()
        answer: Any = job.run(results)
    except VidpipeError as error:  # as one of vidpipe's own: a user's may hold what cannot be passed on
        own = next(kind for kind in type(error).__mro__ if kind.__module__ == VidpipeError.__module__)
        answer = own(str(error))
    except Exception as error:
        traceback.print_exc()
        answer = RunError(f"the run failed: {type(error).__name__}: {error}")
    pickle.dump(answer, said)


def _end_with_parent() -> None:
    """Stdin ends when the parent does, however that came about: nobody would wait for this run any more."""
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    with os.fdopen(int(sys.argv[1]), "wb") as handed:
        _serve(handed)
