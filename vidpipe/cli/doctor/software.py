"""What is installed: Python, the packages that vidpipe asks for, what infers and what decodes."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata

from packaging.requirements import Requirement
from packaging.version import Version

import vidpipe
from vidpipe.cli.doctor.finding import Finding, note, ok, problem
from vidpipe.core.extras import DISTRIBUTIONS, distribution, how_to_install, is_installed

_OPENCV = ("opencv-python", "opencv-python-headless", "opencv-contrib-python", "opencv-contrib-python-headless")


def software() -> Iterator[Finding]:
    """All that is found about it."""
    yield ok("python", f"{platform.python_version()}, vidpipe {vidpipe.__version__}")
    yield from distributions(_installed)
    if (own := distribution()) is not None:
        yield from packages(own.name, _installed)
    yield from opencv(_installed)
    yield _openvino()
    yield _onnxruntime()
    yield _torch()
    yield _ffmpeg()


def distributions(installed: Callable[[str], metadata.Distribution | None]) -> Iterator[Finding]:
    """The full and the light one hold the same files: where either is removed, the other one is broken."""
    there = [name for name in DISTRIBUTIONS if installed(name) is not None]
    if len(there) > 1:
        both = " ".join(there)
        yield problem("vidpipe", f"{' and '.join(there)} share their files", f"pip uninstall {both}, then install one")


def packages(root: str, installed: Callable[[str], metadata.Distribution | None]) -> Iterator[Finding]:
    """Whether all that a package needs is there and fits, and what that needs in turn."""
    wrong = list(dict.fromkeys(_wrong(root, installed)))
    if not wrong:
        yield ok("packages", f"all that {root} needs is there, in versions that fit")
    for said, demand in wrong:
        yield problem("packages", said, f"pip install '{demand}'")


def opencv(installed: Callable[[str], metadata.Distribution | None]) -> Iterator[Finding]:
    """Builds of OpenCV overwrite each other's files: of several the last one that was installed counts."""
    there = {name: found.version for name in _OPENCV if (found := installed(name))}
    if len(there) > 1:
        several = ", ".join(f"{name} {version}" for name, version in there.items())
        if len(set(there.values())) > 1:
            others = " ".join(there)
            yield problem("opencv", several, f"pip uninstall {others}, then pip install {next(iter(there))}")
        else:
            yield note("opencv", several, "they share their files: better keep one")


def _wrong(root: str, installed: Callable[[str], metadata.Distribution | None]) -> Iterator[tuple[str, str]]:
    """What is missing or does not fit, and the demand for it."""
    seen: set[str] = set()
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name in seen or (package := installed(name)) is None:
            continue
        seen.add(name)
        for demand in map(Requirement, package.requires or ()):
            if demand.marker is not None and not demand.marker.evaluate({"extra": ""}):
                continue
            there = installed(demand.name)
            if there is None and not _other_opencv(demand.name, installed):
                yield f"{name} needs {demand.name}, which is not there", _plain(demand)
            elif there is not None and not demand.specifier.contains(Version(there.version), prereleases=True):
                yield f"{name} needs {_plain(demand)}, and {there.version} is there", _plain(demand)
            waiting.append(demand.name)


def _other_opencv(name: str, installed: Callable[[str], metadata.Distribution | None]) -> bool:
    """Any build of OpenCV stands for any other."""
    return name in _OPENCV and any(installed(other) for other in _OPENCV)


def _plain(demand: Requirement) -> str:
    return f"{demand.name}{demand.specifier}"


def _installed(name: str) -> metadata.Distribution | None:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None


def _openvino() -> Finding:
    from vidpipe.models.runtimes import openvino

    return _optional("openvino", lambda: f"devices {', '.join(openvino.devices())}; auto is {openvino.usual()}")


def _onnxruntime() -> Finding:
    def said() -> str:
        import onnxruntime

        return ", ".join(onnxruntime.get_available_providers())

    return _tried("onnxruntime", said)


def _torch() -> Finding:
    def said() -> str:
        import torch

        where = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU"
        return f"{torch.__version__}, {where}"

    return _optional("torch", said)


def _ffmpeg() -> Finding:
    def said() -> str:
        import av
        from av.codec.hwaccel import hwdevices_available

        libraries: Mapping[str, tuple[int, ...]] = av.library_versions
        version = ".".join(map(str, libraries["libavcodec"]))
        return f"libavcodec {version}; hardware that it knows: {', '.join(hwdevices_available()) or 'none'}"

    return _tried("ffmpeg", said)


def _optional(about: str, say: Callable[[], str]) -> Finding:
    """What the light installation does without."""
    if not is_installed(about):
        return note(about, "not installed", f"where a model or stage asks for it: {how_to_install(about)}")
    return _tried(about, say)


def _tried(about: str, say: Callable[[], str]) -> Finding:
    """A library that is broken may raise anything, down to what its system libraries lack."""
    try:
        return ok(about, say())
    except Exception as error:
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        return problem(about, f"cannot be loaded: {why}", "install it anew: pip install --force-reinstall " + about)
