"""vidpipe: streaming video analytics that answers every frame from the cheapest stage that can be trusted."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidpipe.answer import Answer, How
    from vidpipe.config.load import load
    from vidpipe.engine.run import run
    from vidpipe.errors import VidpipeError
    from vidpipe.frame import Frame
    from vidpipe.stages.base import Knob, Stage, StageConfig

    __version__: str

__all__ = ["Answer", "Frame", "How", "Knob", "Stage", "StageConfig", "VidpipeError", "load", "run"]

_HOME = {
    "Answer": "vidpipe.answer",
    "Frame": "vidpipe.frame",
    "How": "vidpipe.answer",
    "Knob": "vidpipe.stages.base",
    "Stage": "vidpipe.stages.base",
    "StageConfig": "vidpipe.stages.base",
    "VidpipeError": "vidpipe.errors",
    "load": "vidpipe.config.load",
    "run": "vidpipe.engine.run",
}

# With this package OpenVINO tells its maker of each import and conversion, under an id that it leaves in the user's
# home. Where the package is missing OpenVINO does without, so here it is missing: every process of vidpipe begins here.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used: `import vidpipe` stays cheap."""
    if name == "__version__":
        return _version()
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def _version() -> str:
    """As pyproject.toml has it, by way of the installed package."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("vidpipe")
    except PackageNotFoundError:
        return "not installed"
