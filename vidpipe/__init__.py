"""vidpipe: streaming video analytics that answers every frame from the cheapest stage that can be trusted."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidpipe.answer import Answer, How, nothing
    from vidpipe.config.build import Pipeline
    from vidpipe.config.load import load
    from vidpipe.config.stream import stream
    from vidpipe.engine.epochs import Epoch
    from vidpipe.engine.outcome import Outcome
    from vidpipe.engine.records import Result
    from vidpipe.engine.run import run
    from vidpipe.engine.session import Run, RunState
    from vidpipe.engine.sink import Sink
    from vidpipe.engine.status import Status
    from vidpipe.engine.tuner import Change, Tuner
    from vidpipe.errors import ConfigError, ModelError, RunError, SourceError, StageError, VidpipeError
    from vidpipe.event import Event, Phase
    from vidpipe.frame import Frame
    from vidpipe.sources.own import PictureSource
    from vidpipe.stages.base import ClassName, Context, Knob, ModelName, Stage, StageConfig
    from vidpipe.transforms.base import Moment, Transform

    __version__: str

__all__ = [
    "Answer",
    "Change",
    "ClassName",
    "ConfigError",
    "Context",
    "Epoch",
    "Event",
    "Frame",
    "How",
    "Knob",
    "ModelError",
    "ModelName",
    "Moment",
    "Outcome",
    "Phase",
    "PictureSource",
    "Pipeline",
    "Result",
    "Run",
    "RunError",
    "RunState",
    "Sink",
    "SourceError",
    "Stage",
    "StageConfig",
    "StageError",
    "Status",
    "Transform",
    "Tuner",
    "VidpipeError",
    "load",
    "nothing",
    "run",
    "stream",
]

_HOME = {
    "Answer": "vidpipe.answer",
    "Change": "vidpipe.engine.tuner",
    "ClassName": "vidpipe.stages.base",
    "ConfigError": "vidpipe.errors",
    "Context": "vidpipe.stages.base",
    "Epoch": "vidpipe.engine.epochs",
    "Event": "vidpipe.event",
    "Frame": "vidpipe.frame",
    "How": "vidpipe.answer",
    "Knob": "vidpipe.stages.base",
    "ModelError": "vidpipe.errors",
    "ModelName": "vidpipe.stages.base",
    "Moment": "vidpipe.transforms.base",
    "Outcome": "vidpipe.engine.outcome",
    "Phase": "vidpipe.event",
    "PictureSource": "vidpipe.sources.own",
    "Pipeline": "vidpipe.config.build",
    "Result": "vidpipe.engine.records",
    "Run": "vidpipe.engine.session",
    "RunError": "vidpipe.errors",
    "RunState": "vidpipe.engine.session",
    "Sink": "vidpipe.engine.sink",
    "SourceError": "vidpipe.errors",
    "Stage": "vidpipe.stages.base",
    "StageConfig": "vidpipe.stages.base",
    "StageError": "vidpipe.errors",
    "Status": "vidpipe.engine.status",
    "Transform": "vidpipe.transforms.base",
    "Tuner": "vidpipe.engine.tuner",
    "VidpipeError": "vidpipe.errors",
    "load": "vidpipe.config.load",
    "nothing": "vidpipe.answer",
    "run": "vidpipe.engine.run",
    "stream": "vidpipe.config.stream",
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
