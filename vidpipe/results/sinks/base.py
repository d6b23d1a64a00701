"""The contract of a sink: it takes results, in the process of the driver."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Protocol

from vidpipe.core.event import Event
from vidpipe.core.settings import StageConfig
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.frame_sink import FrameSink
from vidpipe.results.records import Result
from vidpipe.transforms.learnt.audited import Audited


class ControlledRun(Protocol):
    """A run as its sinks see it: commands may come through them. Any thread may call it; see `Run`."""

    @property
    def pipeline(self) -> Pipeline: ...

    def states(self) -> Mapping[str, str]: ...

    def apply(
        self, *, stages: Mapping[str, Mapping[str, Any]], streams: Collection[str] | None, reason: str, by: str
    ) -> object: ...

    def pause(self, stream: str) -> None: ...

    def resume(self, stream: str, *, reason: str = "", by: str) -> None: ...

    def ask_floor(self, stream: str, floor: float | None) -> None: ...


class Sink:
    """Base class of all sinks. What it raises ends the run early, with that message; the sink then gets nothing more.

    On cameras the run goes on where there are other sinks: the message is told, and is an error of the run at its end.

    Calls come in this order: `attach`, `begin`, then `write`, `tell`, `report` and `flush` as results come, `close`;
    all but the first two in one thread. A sink that blocks makes recordings wait; results of live streams are left out,
    and counted.

    Attributes:
        config: its settings, where it is named in a pipeline.
    """

    Config: ClassVar[type[StageConfig]] = StageConfig

    config: Any = None

    @property
    def frame_sink(self) -> FrameSink | None:
        """What sees frames beside their answers, where the frames are; asked for once, before the run opens."""
        return None

    def __str__(self) -> str:
        """What reports, metrics and messages call it."""
        return type(self).__name__

    @property
    def trouble(self) -> str:
        """What keeps it from its work now, while the run goes on, for people; "": nothing does. Any thread asks."""
        return ""

    def attach(self, run: ControlledRun) -> None:
        """Know the run whose results come, as something to look at and to change; not called where none goes on."""

    def begin(self, provenance: Mapping[str, Any]) -> None:
        """Open what is written to; called once, before the first `write`, when everything else of the run is open.

        Until then nothing that exists may be changed: the run may still be refused.

        Args:
            provenance: where the results come from, as in the first line of a results file.

        Raises:
            ConfigError: it cannot be opened.
        """

    def write(self, results: Sequence[Result], published_at: float) -> None:
        """Take some results, each stream's in order of `seq`.

        Args:
            published_at: UTC seconds that they count as published at.

        Raises:
            RunError: it can take no more.
        """
        raise TypeError(f"{type(self).__name__} has no method `write`: a sink must say what it does with results")

    def tell(self, events: Sequence[Event]) -> None:
        """Take some events, each after the result at which it happened."""

    def report(self, report: Mapping[str, Any]) -> None:
        """Take the report of the run so far, every half minute and at its end, as docs/results.md has it."""

    def flush(self) -> Mapping[str, int]:
        """Make written results durable; returns the `seq` of the last durable one by stream. Called now and then."""
        return {}

    def close(self) -> None:
        """Flush and release everything; called once, also after an error."""

    @property
    def audited(self) -> Mapping[tuple[str, str], Audited]:
        """What people have answered about events that were taught, as far as it keeps that: by stream and version of
        the classifier. Any thread asks.
        """
        return {}

    def try_out(self, event: Mapping[str, Any]) -> str:
        """Take one event, as docs/results.md has it, without a run around it; for `vidpipe sinks test`.

        Returns:
            What came of it, for people; "" of a sink that has nothing to try.

        Raises:
            VidpipeError: it could not be taken.
        """
        return ""

    @property
    def counts(self) -> Mapping[str, int]:
        """What became of what it took, by name, for the report and metrics; another thread may ask."""
        return {}
