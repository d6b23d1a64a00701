"""The contract of a sink: it takes results where a run is driven."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from vidpipe.engine.records import Result
from vidpipe.event import Event
from vidpipe.stages.base import StageConfig


class Sink:
    """Base class of all sinks. What it raises ends the run early, with that message; it gets nothing more then.

    Calls come in this order: `begin`, then `write`, `tell` and `flush` as results come, `close`; all but `begin` in one
    thread. A sink that blocks holds recordings up; of live streams results are left out, and counted.

    Attributes:
        config: its settings, where it is named in a pipeline.
    """

    Config: ClassVar[type[StageConfig]] = StageConfig

    config: Any = None

    def begin(self, provenance: Mapping[str, Any]) -> None:
        """Open what is written to; called once, before the first `write`, when all else of the run stands.

        Until then nothing that is there already is to be changed: the run may still be refused.

        Args:
            provenance: what the results come from, as the first line of a results file has it.

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
        """Take some events, each behind the result at which it happened."""

    def flush(self) -> Mapping[str, int]:
        """Make durable what was written; of each stream the `seq` of the last result that is. Called now and then."""
        return {}

    def close(self) -> None:
        """Flush and let go; called once, also after an error."""
