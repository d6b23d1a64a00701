"""Runs as the page shows them: one of this process, whole; of others what they tell."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic_core import to_jsonable_python

from vidpipe.core.clock import REAL, Clock
from vidpipe.core.errors import ConfigError, RunError, VidpipeError
from vidpipe.core.registry import STAGES, TRANSFORMS
from vidpipe.core.secrets import names_secret
from vidpipe.core.settings import StageConfig, is_knob, with_values
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.spec import Pipeline, PlacedStage
from vidpipe.results.records import Result
from vidpipe.results.store.verdicts import Verdict, keep
from vidpipe.runtime.driver.epochs import Epoch
from vidpipe.runtime.driver.session import Run
from vidpipe.runtime.driver.status import as_json
from vidpipe.serve.gallery import Gallery
from vidpipe.serve.shown_rules import PARTS, by_name, names_in, rules_of
from vidpipe.serve.telling import Telling
from vidpipe.serve.wrong import WrongAudits
from vidpipe.transforms.rules.rules import RULES
from vidpipe.transforms.rules.spec import RulesConfig

FRESH_S = 0.5  # for which a status serves all who ask
WINDOW_S = 10.0  # that "now" means of who answers


class ConflictError(VidpipeError):
    """Somebody else has changed the same thing since it was read."""


class ElsewhereError(VidpipeError):
    """The run belongs to another process, which alone knows that."""


class ShownRun:
    """A run. What only its own process knows raises `ElsewhereError` elsewhere.

    Attributes:
        name: of the run.
        begun: when it began, as its results say; "": it has not, or another process has it.
        gallery: its pictures; None: another process has them.
        telling: its events; the same.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.begun = ""
        self.gallery: Gallery | None = None
        self.telling: Telling | None = None

    def status(self) -> dict[str, Any]:
        """As `vidpipe status --json` has it; RunError: it cannot be asked."""
        raise ElsewhereError(f"run {self.name} tells its status to its own process alone")

    def stages(self) -> list[dict[str, Any]]:
        """`id`, `type` and `tier` of each, in order; empty where nobody knows."""
        return []

    def by_before(self) -> tuple[float, Mapping[str, Mapping[str, int]]]:
        """How many seconds ago a status was taken, and what each stage had answered by then, by stream."""
        return 0.0, {}

    def answers(self) -> Mapping[str, Result]:
        """The newest result of each stream."""
        return {}

    def missed(self, stream: str) -> list[dict[str, Any]]:
        """Audits of a stream that found an answer wrong, newest first."""
        raise self._elsewhere()

    def loosen(self, stream: str, stage: str, *, by: str) -> dict[str, Any]:
        """Have a stage leave a little more to those below, by one step of one of its settings; see `apply`."""
        raise self._elsewhere()

    def relabel(self, stream: str, stage: str, seq: int, *, by: str) -> bool:
        """Say that the last stage was wrong in an audit, which is then left out of the miss rate.

        Returns:
            Whether that is kept beyond the run, in its store.

        Raises:
            ConfigError: no such audit is remembered, or its store cannot be written: then nothing has changed.
            ConflictError: somebody has said so already.
        """
        raise self._elsewhere()

    def staying(self) -> set[str]:
        """Streams whose pictures may not leave this machine."""
        return set()

    def plan(self) -> dict[str, Any]:
        """Its actors and links."""
        raise self._elsewhere()

    def settings(self, stream: str) -> dict[str, Any]:
        """What may be changed of a stream, and the version that this is."""
        raise self._elsewhere()

    def rules(self, stream: str) -> dict[str, Any]:
        """Rules, zones and lines of a stream, and the version that this is."""
        raise self._elsewhere()

    def apply(
        self,
        stages: Mapping[str, Mapping[str, Any]],
        streams: Sequence[str] | None,
        *,
        reason: str,
        by: str,
        version: int | None,
    ) -> dict[str, Any]:
        """Change settings; see `Run.apply`.

        Args:
            version: that the change is made from; None: whatever others have changed.

        Raises:
            ConflictError: one of these settings has been changed since.
        """
        raise self._elsewhere()

    def edit_rules(
        self, stream: str, edit: Mapping[str, Any], *, reason: str, by: str, version: int | None
    ) -> dict[str, Any]:
        """Change rules, zones and lines; see `Run.edit_rules`. `version` and errors as of `apply`."""
        raise self._elsewhere()

    def pause(self, stream: str, *, on: bool, by: str) -> None:
        """Pause a stream, or resume it."""
        raise self._elsewhere()

    def _elsewhere(self) -> ElsewhereError:
        return ElsewhereError(f"run {self.name} is of another process: ask the page that it serves by --serve")


class RunHere(ShownRun):
    """The run of this process. Any thread may call it.

    Args:
        gallery, telling: its pictures and events.
        store: where it keeps events, and verdicts on audits; None: nowhere.
    """

    def __init__(
        self, name: str, gallery: Gallery, telling: Telling, clock: Clock = REAL, store: Path | None = None
    ) -> None:
        super().__init__(name)
        self._store = store
        self.gallery = gallery
        self.telling = telling
        self.newest: dict[str, Result] = {}
        self._wrong = WrongAudits()
        self._clock = clock
        self._run: Run | None = None
        self._began: Pipeline | None = None
        self._known: tuple[float, dict[str, Any]] | None = None
        self._past: deque[tuple[float, dict[str, dict[str, int]]]] = deque()
        self._lock = threading.Lock()
        self._relabelling = threading.Lock()

    def attach(self, run: Run) -> None:
        """Show this run, which is about to begin, in place of one that it follows."""
        with self._lock:
            self._began, self._run, self._known = run.pipeline, run, None
            self._past.clear()
            self._wrong.clear()
            self.newest.clear()

    def status(self) -> dict[str, Any]:
        run = self._opened()
        with self._lock:
            now = self._clock.monotonic()
            if self._known is None or now - self._known[0] >= FRESH_S:
                told = as_json(run.status())
                for name, stream in told["streams"].items():
                    spec = run.pipeline.streams[name].spec if name in run.pipeline.streams else None
                    stream["live"] = spec is not None and spec.live
                    stream["size"] = self.newest[name].size if name in self.newest else None
                self._known = now, told
                self._past.append((now, {name: stream["by"] for name, stream in told["streams"].items()}))
                while len(self._past) > 2 and now - self._past[1][0] >= WINDOW_S:
                    self._past.popleft()
            return self._known[1]

    def stages(self) -> list[dict[str, Any]]:
        if self._run is None:
            return []
        return [
            {"id": stage.id, "type": STAGES.name_of(stage.type), "tier": str(stage.tier)}
            for stage in self._run.pipeline.stages
        ]

    def by_before(self) -> tuple[float, Mapping[str, Mapping[str, int]]]:
        with self._lock:
            if self._known is None or len(self._past) < 2 or self._known[0] - self._past[0][0] > 3 * WINDOW_S:
                return 0.0, {}
            at, by = self._past[0]
            return self._known[0] - at, by

    def answers(self) -> Mapping[str, Result]:
        return self.newest

    def note(self, results: Sequence[Result]) -> None:
        """Take results as they come."""
        for result in results:
            self.newest[result.stream] = result
        self._wrong.note(results)

    def missed(self, stream: str) -> list[dict[str, Any]]:
        return [
            wrong.told
            | {"relabelled_by": wrong.relabelled_by, "loosened": self._loosened(stream, wrong.audit.stage)}
            | {"picture": self.gallery is not None and self.gallery.audited(stream, wrong.audit.seq) is not None}
            for wrong in self._wrong.newest_first(stream)
        ]

    def relabel(self, stream: str, stage: str, seq: int, *, by: str) -> bool:
        run = self._opened()
        with self._relabelling:  # not what a status waits for: another program may keep the store locked
            wrong = self._wrong.one(stream, stage, seq)
            if wrong.relabelled_by is not None:
                raise ConflictError(f"{wrong.relabelled_by} has said so already")
            audit = wrong.audit
            said = stream, stage, seq, wrong.told["at"], by, audit.missed, audit.false
            kept = self._store is not None and keep(self._store, Verdict(self._clock.utc(), self.begun, *said))
            run.relabel(stream, audit)
            wrong.relabelled_by = by
        with self._lock:
            self._known = None
        return kept

    def loosen(self, stream: str, stage: str, *, by: str) -> dict[str, Any]:
        run = self._opened()
        step = self._loosened(stream, stage)
        if not step:
            raise ConfigError(f"stage '{stage}' has no setting that one step loosens: change its settings by hand")

        def check(pipeline: Pipeline, epochs: Sequence[Epoch]) -> None:
            if self._loosened(stream, stage) != step:
                raise ConflictError(f"{stage} has been changed meanwhile: look at what it is now")

        reason = f"an audit found an answer of {stage} wrong: one step to caution"
        return self._changed(run.apply(stages={stage: step}, streams=[stream], reason=reason, by=by, check=check))

    def _loosened(self, stream: str, stage: str) -> dict[str, Any]:
        """The values that one step gives to settings of a stage."""
        pipeline = self._opened().pipeline
        own = pipeline.streams[stream].configs if stream in pipeline.streams else {}
        placed = next((each for each in pipeline.stages if each.id == stage), None)
        return {} if placed is None else dict(own.get(stage, placed.config).loosened())

    def staying(self) -> set[str]:
        streams = {} if self._run is None else self._run.pipeline.streams
        return {name for name, stream in streams.items() if stream.spec.leaves_device == "never"}

    def plan(self) -> dict[str, Any]:
        laid = plan(self._opened().pipeline)
        return {
            "segments": [
                {"name": segment.name, "tier": str(segment.tier), "stages": [stage.id for stage in segment.stages]}
                for segment in laid.segments
            ],
            "links": [{"name": link.name, "upper": link.upper, "lower": link.lower} for link in laid.links],
        }

    def settings(self, stream: str) -> dict[str, Any]:
        run = self._opened()
        version = len(run.epochs)  # before the settings are read: at worst somebody is told of a conflict in vain
        pipeline = run.pipeline
        own = pipeline.streams[stream].configs if stream in pipeline.streams else {}
        parts = [part for part in pipeline.placed.values() if part.id != RULES]
        return {
            "version": version,
            "parts": [
                {
                    "id": part.id,
                    "type": (STAGES if isinstance(part, PlacedStage) else TRANSFORMS).name_of(part.type),
                    "knobs": _knobs(own.get(part.id, part.config)),
                }
                for part in parts
            ],
        }

    def rules(self, stream: str) -> dict[str, Any]:
        run = self._opened()
        version = len(run.epochs)
        config = rules_of(run.pipeline, stream)
        return {"version": version, "editable": config is not None, **by_name(config)}

    def apply(
        self,
        stages: Mapping[str, Mapping[str, Any]],
        streams: Sequence[str] | None,
        *,
        reason: str,
        by: str,
        version: int | None,
    ) -> dict[str, Any]:
        run = self._opened()

        def check(pipeline: Pipeline, epochs: Sequence[Epoch]) -> None:
            _check_same_run(version, epochs)
            for epoch in epochs[version:] if version is not None else ():
                if streams is not None and not {*streams} & {*epoch.streams}:
                    continue
                for stage, fields in stages.items():
                    if both := fields.keys() & epoch.changes.get(stage, {}).keys():
                        raise ConflictError(
                            f"{stage}.{min(both)} has been changed since, by {epoch.by} (epoch {epoch.number}): look "
                            "at what it is now, and change it again"
                        )

        return self._changed(run.apply(stages=stages, streams=streams, reason=reason, by=by, check=check))

    def edit_rules(
        self, stream: str, edit: Mapping[str, Any], *, reason: str, by: str, version: int | None
    ) -> dict[str, Any]:
        run = self._opened()

        def check(pipeline: Pipeline, epochs: Sequence[Epoch]) -> None:
            if version is None:
                return
            _check_same_run(version, epochs)
            before, now = self._rules_at(stream, epochs[:version]), by_name(rules_of(pipeline, stream))
            for part in PARTS:
                for name in names_in(part, edit):
                    if before[part].get(name) != now[part].get(name):
                        raise ConflictError(
                            f"{part[:-1]} '{name}' has been changed since by somebody else: look at what it is now, "
                            "and change it again"
                        )

        epoch = run.edit_rules(
            stream,
            add=edit.get("add"),
            change=edit.get("change"),
            remove=edit.get("remove"),
            reason=reason,
            by=by,
            check=check,
        )
        return self._changed(epoch)

    def pause(self, stream: str, *, on: bool, by: str) -> None:
        run = self._opened()
        if on:
            run.pause(stream)
        else:
            run.resume(stream, by=by)
        with self._lock:
            self._known = None

    def _changed(self, epoch: Epoch) -> dict[str, Any]:
        """What is told of a change; who asks for the status next sees it."""
        with self._lock:
            self._known = None
        return {"epoch": epoch.number, "streams": list(epoch.streams)}

    def _rules_at(self, stream: str, epochs: Sequence[Epoch]) -> dict[str, Any]:
        """Rules, zones and lines of a stream under the last of these epochs."""
        config = None if self._began is None else rules_of(self._began, stream)
        for epoch in epochs:
            if stream in epoch.streams and (fields := epoch.changes.get(RULES)):
                config = with_values(config or RulesConfig(), fields)
        return by_name(config)

    def _opened(self) -> Run:
        if self._run is None:
            raise RunError("the run is opening: models load, and sources open")
        return self._run


def _check_same_run(version: int | None, epochs: Sequence[Epoch]) -> None:
    if version is not None and version > len(epochs):
        raise ConflictError("the run has begun anew since: look at what it is now, and change it again")


def _knobs(config: StageConfig) -> list[dict[str, Any]]:
    schema = type(config).model_json_schema().get("properties", {})
    return [
        {
            "name": name,
            "value": "not shown" if names_secret(name) else to_jsonable_python(getattr(config, name), fallback=str),
            "schema": {key: value for key, value in schema.get(known.alias or name, {}).items() if key != "default"},
        }
        for name, known in type(config).model_fields.items()
        if is_knob(known)
    ]
