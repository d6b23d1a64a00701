"""Ultralytics' weights: fetched by name, and turned into OpenVINO's form once where they are to run on a CPU.

Ultralytics itself is kept quiet and offline: it would otherwise install packages, send telemetry and write settings.
"""

from __future__ import annotations

import logging
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidpipe.errors import ModelError
from vidpipe.models import places
from vidpipe.models.download import UnreachableError, download, sha256_of
from vidpipe.models.pypi import publish
from vidpipe.models.runtimes import one_line

if TYPE_CHECKING:
    import torch

_log = logging.getLogger(__name__)
_RELEASE = "https://github.com/ultralytics/assets/releases/download/v8.4.0"


def fetch(name: str) -> Path:
    """The .pt of a name that Ultralytics knows, from the cache or downloaded now.

    Raises:
        ModelError: it is not in the cache and the network does not answer within 3 s, or breaks off.
    """
    target = places.fetched_dir() / f"{name}.pt"
    if target.is_file():
        return target
    try:
        download(f"model {name}", f"{_RELEASE}/{target.name}", target)
    except UnreachableError as error:
        raise ModelError(
            f"model {name}: not on this machine, and {error}: "
            f"fetch it elsewhere and put it at {target}, or give the path of a model file"
        ) from error
    return target


def exported(file: Path, size: tuple[int, int]) -> Path:
    """The OpenVINO form (.xml) of a trusted .pt at an input size, made once and kept by the content's hash.

    Raises:
        ModelError: the file is damaged or no detector.
    """
    folder = places.cache_dir() / "exported" / f"{file.stem}-{sha256_of(file)[:16]}-{size[0]}x{size[1]}_openvino_model"
    if not folder.is_dir():
        _log.warning(
            "exporting %s to OpenVINO at %d x %d, once: on a CPU it runs 7 to 10 times faster so", file.name, *size
        )
        with places.scratch(folder.parent, ".exporting-") as scratch:
            copy = scratch / file.name  # the exporter writes beside its input
            shutil.copyfile(file, copy)
            publish(_export(copy, size, file), folder)
    return next(folder.glob("*.xml"))


def load(file: Path) -> tuple[torch.nn.Module, tuple[str, ...]]:
    """A trusted .pt as a fused module in inference mode, and its classes.

    Raises:
        ModelError: the file is damaged or no detector.
    """
    with quiet():
        model = _open(file, file)
        return model.model.float().fuse().eval(), tuple(model.names.values())


@contextmanager
def quiet() -> Iterator[None]:
    """Ultralytics without chatter, telemetry, installs and a settings file of its own in the user's home."""
    for name, value in (("VERBOSE", "false"), ("AUTOINSTALL", "false"), ("OFFLINE", "true")):
        os.environ.setdefault(f"YOLO_{name}", value)
    os.environ.setdefault("YOLO_CONFIG_DIR", str(places.settings_of("ultralytics")))
    from ultralytics.utils import LOGGER

    level = LOGGER.level
    LOGGER.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tracing, which is what an export does
            yield
    finally:
        LOGGER.setLevel(level)


def _export(copy: Path, size: tuple[int, int], file: Path) -> Path:
    with quiet():
        model = _open(copy, file)
        try:
            return Path(model.export(format="openvino", imgsz=size, device="cpu", verbose=False))
        except Exception as error:  # many libraries deep
            raise ModelError(f"model {file}: Ultralytics cannot export it to OpenVINO: {one_line(error)}") from error


def _open(path: Path, file: Path) -> Any:
    from ultralytics import YOLO

    try:
        model = YOLO(path)
    except Exception as error:  # a pickle raises what it likes
        said = one_line(error).replace(str(path), file.name).removeprefix("ERROR ❌️ ")
        raise ModelError(f"model {file}: Ultralytics cannot read it: {said}") from error
    if model.task != "detect":
        raise ModelError(f"model {file}: an Ultralytics model of task {model.task!r}; only `detect` finds boxes")
    return model
