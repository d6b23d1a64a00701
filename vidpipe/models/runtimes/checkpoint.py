"""Checkpoints of Ultralytics (.pt), read by Ultralytics itself.

It is kept quiet and offline: it would otherwise install packages, send telemetry and write settings.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vidpipe.core.errors import ConfigError, ModelError
from vidpipe.core.extras import how_to_install, is_installed
from vidpipe.models import cache
from vidpipe.models.runtimes import one_line

if TYPE_CHECKING:
    import torch


def load(file: Path) -> tuple[torch.nn.Module, tuple[str, ...]]:
    """A trusted .pt as a fused module in inference mode, and its classes.

    Raises:
        ModelError: the file is damaged or no detector.
        ConfigError: Ultralytics is not installed.
    """
    check_installed(file)
    with quiet():
        model = _open(file, file)
        return model.model.float().fuse().eval(), tuple(model.names.values())


def check_installed(file: Path) -> None:
    """Raise ConfigError where nothing here reads checkpoints; told without the seconds of its import."""
    if not is_installed("ultralytics"):
        raise ConfigError(
            f"model {file}: a .pt is read by Ultralytics: `{how_to_install('torch')}`, or export it to ONNX elsewhere"
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Ultralytics without chatter, telemetry, installs and a settings file of its own in the user's home."""
    for name, value in (("VERBOSE", "false"), ("AUTOINSTALL", "false"), ("OFFLINE", "true")):
        os.environ.setdefault(f"YOLO_{name}", value)
    os.environ.setdefault("YOLO_CONFIG_DIR", str(cache.settings_of("ultralytics")))
    from ultralytics.utils import LOGGER

    level = LOGGER.level
    LOGGER.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tracing, which is what an export does
            yield
    finally:
        LOGGER.setLevel(level)


def export(copy: Path, size: tuple[int, int], file: Path) -> Path:
    """Turn a trusted .pt into OpenVINO's form, in a folder beside it.

    Args:
        copy: the .pt, where the folder may be made.
        size: (height, width) of the input.
        file: as errors call it.

    Raises:
        ModelError: the file is damaged or no detector.
    """
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
