"""Whether a run and its server mean the same pipeline: what both must have alike, and what differs in one line."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import vidpipe
from vidpipe.core.names import references
from vidpipe.core.settings import StageConfig, is_knob
from vidpipe.models.resolve import files_of
from vidpipe.pipeline.plan import Plan
from vidpipe.pipeline.spec import Pipeline, PlacedStage
from vidpipe.results.provenance import hashes_of
from vidpipe.runtime.remote.values import MalformedError

PROTOCOL = 3


class Agreement(NamedTuple):
    """What one side has, as hashes.

    Attributes:
        version: of vidpipe.
        parts: what must be alike, by what a user calls it. Knobs are not in it: the run says what they are.
        models: content of each model of the stages below, by name; None where its files are not on this machine.
    """

    version: str
    protocol: int
    parts: Mapping[str, str]
    models: Mapping[str, str | None]

    @classmethod
    def read(cls, written: Any) -> Agreement:
        """What the other side has said of itself; raises MalformedError."""
        match written:
            case [str(version), int(protocol), dict(parts), dict(models)]:
                return cls(version, protocol, parts, models)
        raise MalformedError("no greeting")

    def difference(self, other: Agreement) -> str:
        """Why this run cannot go on with that server; "" where it can. Read by people on both sides."""
        if self.version != other.version or self.protocol != other.protocol:
            return f"the run has vidpipe {self.version}, the server {other.version}: install the same one on both"
        names = [name for name in self.parts.keys() | other.parts.keys() if self._part(name) != other._part(name)]
        if names:
            return f"the run and the server have different pipelines: {', '.join(sorted(names))}"
        known = {name: hashed for name, hashed in self.models.items() if hashed is not None}
        differ = [name for name, hashed in known.items() if other.models.get(name, hashed) not in (None, hashed)]
        if differ:
            return f"the run and the server have different files of model {', '.join(sorted(differ))}"
        return ""

    def _part(self, name: str) -> str | None:
        return self.parts.get(name)


def agreement(plan: Plan, first: int) -> Agreement:
    """What this machine has of the segments from that one on."""
    pipeline = plan.pipeline
    stages = [(segment.name, stage) for segment in plan.segments[first:] for stage in segment.stages]
    parts = {f"stage {stage.id}": _hash(_stage(place, stage)) for place, stage in stages}
    parts["order of stages"] = _hash([stage.id for _, stage in stages])
    parts["classes"] = _hash({name: list(aliases) for name, aliases in pipeline.classes.mapping.items()})
    parts["audit"] = _hash(pipeline.audit.model_dump(mode="json"))
    names = sorted({name for _, stage in stages for _, name in references(stage.config, "model")})
    parts |= {f"model {name}": _hash(_model(pipeline, name)) for name in names}
    return Agreement(vidpipe.__version__, PROTOCOL, parts, {name: _content(pipeline, name) for name in names})


def _stage(place: str, stage: PlacedStage) -> list[Any]:
    return [place, f"{stage.type.__module__}:{stage.type.__qualname__}", fixed(stage.config), _source(stage.type)]


def fixed(config: StageConfig) -> dict[str, Any]:
    """Settings that both sides have of their own, as they are no knobs: a run may not name files of a server."""
    fields = type(config).model_fields
    return {name: value for name, value in config.model_dump(mode="json").items() if not is_knob(fields[name])}


def _source(kind: type) -> str:
    """The text of a user's own stage; vidpipe's are known by its version."""
    if kind.__module__.partition(".")[0] == "vidpipe":
        return ""
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):
        return ""


def _model(pipeline: Pipeline, name: str) -> dict[str, Any]:
    """A model as the pipeline has it, without where its file lies and how many threads it is given."""
    spec = pipeline.models[name].model_dump(mode="json", exclude={"path", "threads", "calibrated"})
    return {**spec, "file": Path(pipeline.models[name].path).name}


def _content(pipeline: Pipeline, name: str) -> str | None:
    hashes = hashes_of(files_of(pipeline.models[name], [Path(path) for path in pipeline.search_paths]))
    return _hash(hashes) if hashes and None not in hashes.values() else None


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
