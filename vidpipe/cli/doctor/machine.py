"""The machine: processor, memory, limits, disk, clock."""

from __future__ import annotations

import ctypes
import math
import os
import platform
import resource
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

from vidpipe.cli.doctor.finding import Finding, note, ok, problem

GB = 1e9
LEAST_MEMORY = 1 * GB  # `follow` on one camera takes .6 with Ray
LEAST_SHARED = 0.25 * GB  # Ray's object store has no less
LEAST_DISK = 1 * GB  # models of a pipeline, fetched and converted
LEAST_FILES = 128  # that Ray's processes have open each
CAMERA_FILES = 1024  # for some dozens of cameras
_CGROUP = Path("/sys/fs/cgroup")  # what a container may take, as it sees that itself (version 2)
_UNSYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)
_INSTRUCTIONS = {
    "amx_bf16": "bf16",
    "avx512_bf16": "bf16",
    "amx_int8": "int8",
    "avx512_vnni": "int8",
    "avx_vnni": "int8",
}


def machine(folders: Mapping[str, Path]) -> Iterator[Finding]:
    """All that is found about it.

    Args:
        folders: that vidpipe writes to, by what they hold.
    """
    yield processor(Path("/proc/cpuinfo"))
    yield from quota(_CGROUP)
    yield memory(min(psutil.virtual_memory().available, left_to_container(_CGROUP)))
    yield open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    yield shared_memory(Path("/dev/shm"))
    for holds, folder in folders.items():
        yield writable(holds, folder)
    yield clock(_clock_state())


def processor(cpuinfo: Path) -> Finding:
    """What it is, the cores that this process may use, and which small numbers it multiplies fast."""
    lines = dict(_fields(cpuinfo))
    name = lines.get("model name") or platform.machine()
    flags = set((lines.get("flags") or lines.get("Features") or "").split())
    fast = sorted({kind for flag, kind in _INSTRUCTIONS.items() if flag in flags})
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    said = f"{name}, {cores} {'core' if cores == 1 else 'cores'}, fast in {', '.join(fast) or 'f32 only'}"
    if platform.machine() in ("x86_64", "AMD64") and flags and "avx2" not in flags:
        return note("processor", f"{said}, without AVX2", "expect a look to take several times as long as documented")
    return ok("processor", said)


def quota(cgroup: Path) -> Iterator[Finding]:
    """Cores that a container may use at a time, where that is limited: threads are made by those that it sees."""
    most, _, period = _line(cgroup / "cpu.max").partition(" ")
    if not (most.isdigit() and period.isdigit()):
        return
    cores = int(most) / int(period)
    said = f"this container may use {cores:g} at a time"
    if cores < len(os.sched_getaffinity(0)):
        yield note(
            "cores", said, "it sees more, and stands still when its time is used up: give it whole ones (--cpuset-cpus)"
        )
    else:
        yield ok("cores", said)


def left_to_container(cgroup: Path) -> float:
    """Bytes that it may still take; infinite where nothing limits it."""
    most, used = _line(cgroup / "memory.max"), _line(cgroup / "memory.current")
    return float(most) - float(used) if most.isdigit() and used.isdigit() else math.inf


def memory(available: float) -> Finding:
    said = f"{available / GB:.1f} GB free"
    if available < LEAST_MEMORY:
        return problem("memory", said, f"a run with Ray takes {LEAST_MEMORY / GB:g} GB: free some, or --engine inline")
    return ok("memory", said)


def open_files(most: int) -> Finding:
    """Of one process; -1: as many as it likes."""
    said = "any number" if most < 0 else f"{most} for a process"
    if 0 <= most < LEAST_FILES:
        return problem("open files", said, "Ray needs more: ulimit -n 4096, or run with --engine inline")
    if 0 <= most < CAMERA_FILES:
        return note("open files", said, "many cameras need more: ulimit -n 4096")
    return ok("open files", said)


def shared_memory(folder: Path) -> Finding:
    """Through which actors of one machine hand pictures to each other."""
    if not folder.is_dir():
        return note("shared memory", f"there is no {folder}", "actors hand pictures over in messages, which costs more")
    free = shutil.disk_usage(folder).free
    said = f"{free / GB:.1f} GB free in {folder}"
    if free < LEAST_SHARED:
        return problem(
            "shared memory", said, "give more: `docker run --shm-size 1g`, `mount -o remount,size=1g /dev/shm`"
        )
    return ok("shared memory", said)


def writable(holds: str, folder: Path) -> Finding:
    """Whether there is room in a folder, and leave to write there; it is not made."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        with tempfile.NamedTemporaryFile(dir=place):
            free = shutil.disk_usage(place).free
    except OSError as error:
        return problem(holds, f"{folder} cannot be written: {error.strerror}", f"give this user the right to {place}")
    said = f"{free / GB:.1f} GB free in {folder}"
    if free < LEAST_DISK:
        return problem(holds, said, f"have {LEAST_DISK / GB:g} GB free there")
    return ok(holds, said)


def clock(state: int | None) -> Finding:
    """Whether something keeps it right.

    Args:
        state: what the kernel says of it; None: it says nothing.
    """
    if state is None:
        return note("clock", "the system does not say whether it is right", "look: timedatectl")
    if state == _UNSYNCHRONISED:
        return note(
            "clock",
            "nothing keeps it right, as far as the kernel knows",
            "events are told by it: `timedatectl set-ntp true`, or on a virtual machine see that its host does",
        )
    return ok("clock", "kept right by a time server")


def _clock_state() -> int | None:
    """What adjtimex(2) returns where it is asked for nothing but that; None where there is no such call."""
    try:
        call = ctypes.CDLL(None, use_errno=True).adjtimex
    except (AttributeError, OSError):
        return None
    state = int(call(ctypes.create_string_buffer(512)))  # a `struct timex` of zeros, with room: read, and set nothing
    return None if state < 0 else state


def _line(file: Path) -> str:
    """What stands in a file of the kernel's; "" where there is none."""
    try:
        return file.read_text().strip()
    except OSError:
        return ""


def _fields(cpuinfo: Path) -> Iterator[tuple[str, str]]:
    """Of the first core."""
    for line in _line(cpuinfo).split("\n\n")[0].splitlines():
        name, _, value = line.partition(":")
        yield name.strip(), value.strip()
