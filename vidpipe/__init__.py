"""vidpipe: streaming video analytics that answers every frame from the cheapest stage that can be trusted."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidpipe.cascade.stage import Context, Stage
    from vidpipe.core.answer import Answer, How, nothing
    from vidpipe.core.errors import ConfigError, ModelError, RunError, SourceError, StageError, VidpipeError
    from vidpipe.core.event import Event, Phase
    from vidpipe.core.frame import Frame
    from vidpipe.core.settings import ClassName, Knob, ModelName, StageConfig
    from vidpipe.pipeline.yaml.build import Pipeline
    from vidpipe.pipeline.yaml.load import load
    from vidpipe.results.records import Result
    from vidpipe.results.sinks.base import Sink
    from vidpipe.results.sinks.outbox.sink import LaterError, OutboxConfig, OutboxSink, RefusedError
    from vidpipe.results.store.queries import Store
    from vidpipe.runtime.driver.epochs import Epoch
    from vidpipe.runtime.driver.outcome import Outcome
    from vidpipe.runtime.driver.queries import Queries
    from vidpipe.runtime.driver.run import run
    from vidpipe.runtime.driver.session import Run
    from vidpipe.runtime.driver.states import RunState
    from vidpipe.runtime.driver.status import Status
    from vidpipe.runtime.driver.tuner import Change, Tuner, TunerConfig
    from vidpipe.runtime.shadow.ask import Shadow, Variant
    from vidpipe.sources.base import Polygon
    from vidpipe.sources.own import PictureSource, Shot, SourceConfig
    from vidpipe.transforms.base import Moment, Transform
    from vidpipe.tuning.budget.apply import keep_budget
    from vidpipe.tuning.floor.apply import hold_floors
    from vidpipe.tuning.stream import stream

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
    "LaterError",
    "ModelError",
    "ModelName",
    "Moment",
    "OutboxConfig",
    "OutboxSink",
    "Outcome",
    "Phase",
    "PictureSource",
    "Pipeline",
    "Polygon",
    "Queries",
    "RefusedError",
    "Result",
    "Run",
    "RunError",
    "RunState",
    "Shadow",
    "Shot",
    "Sink",
    "SourceConfig",
    "SourceError",
    "Stage",
    "StageConfig",
    "StageError",
    "Status",
    "Store",
    "Transform",
    "Tuner",
    "TunerConfig",
    "Variant",
    "VidpipeError",
    "hold_floors",
    "keep_budget",
    "load",
    "nothing",
    "run",
    "stream",
]

_HOME = {
    "Answer": "vidpipe.core.answer",
    "Change": "vidpipe.runtime.driver.tuner",
    "ClassName": "vidpipe.core.settings",
    "ConfigError": "vidpipe.core.errors",
    "Context": "vidpipe.cascade.stage",
    "Epoch": "vidpipe.runtime.driver.epochs",
    "Event": "vidpipe.core.event",
    "Frame": "vidpipe.core.frame",
    "How": "vidpipe.core.answer",
    "Knob": "vidpipe.core.settings",
    "LaterError": "vidpipe.results.sinks.outbox.sink",
    "ModelError": "vidpipe.core.errors",
    "ModelName": "vidpipe.core.settings",
    "Moment": "vidpipe.transforms.base",
    "OutboxConfig": "vidpipe.results.sinks.outbox.sink",
    "OutboxSink": "vidpipe.results.sinks.outbox.sink",
    "Outcome": "vidpipe.runtime.driver.outcome",
    "Phase": "vidpipe.core.event",
    "PictureSource": "vidpipe.sources.own",
    "Pipeline": "vidpipe.pipeline.yaml.build",
    "Polygon": "vidpipe.sources.base",
    "Queries": "vidpipe.runtime.driver.queries",
    "RefusedError": "vidpipe.results.sinks.outbox.sink",
    "Result": "vidpipe.results.records",
    "Run": "vidpipe.runtime.driver.session",
    "RunError": "vidpipe.core.errors",
    "RunState": "vidpipe.runtime.driver.states",
    "Shadow": "vidpipe.runtime.shadow.ask",
    "Shot": "vidpipe.sources.own",
    "Sink": "vidpipe.results.sinks.base",
    "SourceConfig": "vidpipe.sources.own",
    "SourceError": "vidpipe.core.errors",
    "Stage": "vidpipe.cascade.stage",
    "StageConfig": "vidpipe.core.settings",
    "StageError": "vidpipe.core.errors",
    "Status": "vidpipe.runtime.driver.status",
    "Store": "vidpipe.results.store.queries",
    "Transform": "vidpipe.transforms.base",
    "Tuner": "vidpipe.runtime.driver.tuner",
    "TunerConfig": "vidpipe.runtime.driver.tuner",
    "Variant": "vidpipe.runtime.shadow.ask",
    "VidpipeError": "vidpipe.core.errors",
    "hold_floors": "vidpipe.tuning.floor.apply",
    "keep_budget": "vidpipe.tuning.budget.apply",
    "load": "vidpipe.pipeline.yaml.load",
    "nothing": "vidpipe.core.answer",
    "run": "vidpipe.runtime.driver.run",
    "stream": "vidpipe.tuning.stream",
}

# Every process of vidpipe begins here, so here it is kept from telling others what it does. With this package OpenVINO
# tells its maker of each import and conversion, under an id that it leaves in the user's home; where it is missing
# OpenVINO does without. ONNX Runtime, from 1.29 on, tells of each model that is loaded, with its name.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
os.environ["ORT_DISABLE_TELEMETRY"] = "1"


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used: `import vidpipe` stays cheap."""
    if name == "__version__":
        return _version()
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]


def _version() -> str:
    """As pyproject.toml has it, by way of the installed package."""
    from vidpipe.core.extras import distribution

    found = distribution()
    return "not installed" if found is None else found.version
