"""What may be said to a run from outside: other settings, streams that pause, questions in its shadow."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future

from vidpipe.cascade.audit import Audit
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.pipeline.spec import Pipeline
from vidpipe.pipeline.yaml.edit_rules import Written
from vidpipe.results.collector import Collector
from vidpipe.runtime.driver.control import Check, Control
from vidpipe.runtime.driver.epochs import Changes, Epoch
from vidpipe.runtime.driver.questions import Questions
from vidpipe.runtime.driver.states import RunState
from vidpipe.runtime.driver.status import states_of
from vidpipe.runtime.shadow.ask import Shadow, Variant


class Controllable:
    """The part of a `Run` that changes it while it goes on. Any thread may call it."""

    _state: RunState
    _changed: threading.Condition
    _collector: Collector
    _control: Control
    _questions: Questions

    @property
    def pipeline(self) -> Pipeline:
        """What runs, as it is now: another object after each change."""
        return self._control.pipeline

    @property
    def epochs(self) -> Sequence[Epoch]:
        """All changes of settings so far."""
        return self._control.epochs

    def states(self) -> dict[str, str]:
        """The state of each stream: as in `status`, and "paused"."""
        with self._changed:
            states = states_of(self._collector)
        return states | dict.fromkeys(self._control.paused, "paused")

    def apply(
        self,
        *,
        stages: Changes,
        streams: Collection[str] | None = None,
        reason: str = "",
        by: str = "user",
        check: Check | None = None,
    ) -> Epoch:
        """Change settings while it runs; what is read from now on is answered under them, on every tier.

        Args:
            stages: the new values, by stage id and field; fields that pipelines.md calls knobs.
            streams: whose settings change; None: of all.
            reason: why, for the report.
            by: who asks.
            check: called with the pipeline and the epochs at the moment of the change, when nobody else can change
                them; what it raises prevents it.

        Returns:
            The epoch, which each result under these settings names.

        Raises:
            ConfigError: no such stream, stage or setting, a value out of bounds, or a model that does not load: then
                nothing has changed.
            RunError: the run has ended.
        """
        self._must_run("changed", or_open=True)
        return self._control.apply(stages, streams, by=by, reason=reason, check=check)

    def edit_rules(
        self,
        stream: str,
        *,
        add: Written | None = None,
        change: Written | None = None,
        remove: Mapping[str, Sequence[str]] | None = None,
        reason: str = "",
        by: str = "user",
        check: Check | None = None,
    ) -> Epoch:
        """Change the rules of a stream, its zones and lines, while it runs: `add={"zones": {"yard": [...]}}`.

        What rules that stay as they are know goes on; what goes on under others ends, with the reason in the event.

        Args:
            add, change: as YAML has them: `rules` a list, `zones` and `lines` by name. What is added must not be there
                yet; what is changed must, and is given whole.
            remove: ids of rules, names of zones and lines.
            reason, by, check: as of `apply`.

        Returns:
            The epoch, which each result under these rules names, and `config` of each event.

        Raises:
            ConfigError: there is no such thing, or it is there already, or mistakes: then nothing has changed.
            RunError: the run has ended.
        """
        self._must_run("changed", or_open=True)
        edit = {"add": add, "change": change, "remove": remove}
        return self._control.edit_rules(stream, **edit, by=by, reason=reason, check=check)

    def relabel(self, stream: str, audit: Audit) -> None:
        """Leave an audit out of its stage's miss rate, for a person has seen that the last stage was wrong in it.

        It stays among the `audited`, and `relabelled` says how many there are. How right the answers are (F1) stays
        measured against the last stage, as it is.

        Args:
            audit: as a result told it; each once.

        Raises:
            ConfigError: no audit of that stage and stream has been counted.
        """
        with self._changed:
            ledger = self._collector.ledgers.get(stream)
            if ledger is None or audit.stage not in ledger.audits:
                raise ConfigError(f"there is no audit of stage '{audit.stage}' on stream '{stream}'")
            ledger.relabel(audit.stage, missed=audit.missed)

    def pause(self, stream: str) -> None:
        """End a stream until `resume`; what was read is answered. The run goes on, also if none is left.

        Raises:
            ConfigError: no such stream, or it has ended.
            RunError: the run does not go on.
        """
        self._must_run("paused")
        self._control.pause(stream)

    def resume(self, stream: str, *, reason: str = "", by: str = "user") -> None:
        """Have a stream that was paused begin anew behind its last answer, under an epoch of its own.

        Raises:
            ConfigError: no such stream.
            RunError: the run does not go on.
        """
        self._must_run("resumed")
        self._control.resume(stream, by=by, reason=reason or "it was paused, and begins anew")

    def ask_floor(self, stream: str, floor: float | None) -> None:
        """Ask another accuracy of a stream from now on, as its `floor` does; None: none. What holds floors goes by it.

        Raises:
            ConfigError: no such stream, or no such accuracy.
            RunError: the run does not go on.
        """
        self._must_run("asked of it")
        self._control.ask_floor(stream, floor)

    def ask(self, stream: str, variants: Sequence[Variant]) -> Future[Shadow]:
        """Ask in the shadow of the run: what would these variants say of the stream's next frame?

        They are asked on the tiers of their stages, on copies of the same frame, by a process of low priority: nothing
        waits for them, nothing of them is published, and what they cost is told apart (`shadows` in the report).

        Args:
            variants: stages whose answers depend on the frame alone, such as `detect`, under other settings. Each says
                what it sees as if it were the last stage: it passes nothing on.

        Returns:
            What they say. It raises RunError where the run ends before.

        Raises:
            ConfigError: no such stream, stage or setting, or a stage that cannot be asked so.
            RunError: the run does not go on, or too many questions are open.
        """
        self._must_run("asked")
        return self._questions.ask(self._control.pipeline, stream, variants)

    def _must_run(self, what: str, *, or_open: bool = False) -> None:
        if not (self._state is RunState.RUNNING or (or_open and self._state is RunState.OPENING)):
            raise RunError(f"nothing can be {what}: the run is {self._state}")
