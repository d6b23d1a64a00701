"""Ultralytics' weights: fetched by name, and turned into OpenVINO's form once where they are to run on a CPU."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from vidpipe.core.errors import ModelError
from vidpipe.models import cache
from vidpipe.models.runtimes.checkpoint import check_installed, export
from vidpipe.models.stores.download import UnreachableError, download, sha256_of

_log = logging.getLogger(__name__)
_RELEASE = "https://github.com/ultralytics/assets/releases/download/v8.4.0"


def fetch(name: str) -> Path:
    """The .pt of a name that Ultralytics knows, from the cache or downloaded now.

    Raises:
        ModelError: it is not in the cache and the network does not answer within 3 s, or breaks off.
    """
    target = cache.fetched_dir() / f"{name}.pt"
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
        ConfigError: Ultralytics is not installed.
    """
    folder = cache.cache_dir() / "exported" / f"{file.stem}-{sha256_of(file)[:16]}-{size[0]}x{size[1]}_openvino_model"
    if not folder.is_dir():
        check_installed(file)
        _log.warning(
            "exporting %s to OpenVINO at %d x %d, once: on a CPU it runs 7 to 10 times faster so", file.name, *size
        )
        with cache.scratch(folder.parent, ".exporting-") as scratch:
            copy = scratch / file.name  # the exporter writes beside its input
            shutil.copyfile(file, copy)
            cache.publish(export(copy, size, file), folder)
    return next(folder.glob("*.xml"))
