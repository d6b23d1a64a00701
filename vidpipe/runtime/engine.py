"""What runs a plan: on Ray, or in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal, Protocol

from vidpipe.core.clock import REAL, Clock
from vidpipe.core.errors import ConfigError
from vidpipe.core.extras import how_to_install, is_installed
from vidpipe.core.settings import StageConfig
from vidpipe.pipeline.plan import Plan
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.frame_sink import FrameSink
from vidpipe.results.machinery import Machinery
from vidpipe.results.records import Batch, Counts, Position
from vidpipe.runtime.inline import InlineEngine
from vidpipe.runtime.shadow.ask import ShadowAsk
from vidpipe.runtime.sharing import QueryShare
from vidpipe.sources.base import StreamInfo


class Engine(Protocol):
    """Runs a plan: `open`, `start`, `take` until every stream has ended, `close`.

    Attributes:
        waiting: whether what it runs on is gone, and it goes on once that is back; until then nothing comes of streams.

    One thread calls these. `update`, `prepare`, `remove`, `add`, `ask` and `counts` may be called by others meanwhile.
    """

    @property
    def waiting(self) -> bool: ...

    def open(self, stop: threading.Event) -> list[StreamInfo]:
        """What is known of the streams once they are open; where `stop` is set before, returns at once.

        Raises what keeps a part from opening.
        """
        ...

    def start(self) -> None: ...

    def take(self, timeout_s: float, *, hold: bool = False) -> list[Batch]:
        """What has come, by device; with `hold` recordings give no more until somebody asks without.

        Raises:
            ClusterError: what it runs on is gone.
            RunError: it cannot go on.
        """
        ...

    def rest(self) -> list[Batch]:
        """Where `take` has raised, what has come all the same."""
        ...

    def stop(self) -> None:
        """Read no further; what was read is answered."""
        ...

    def update(self, pipeline: Pipeline) -> None:
        """Go by these settings from the next frame of each stream on, and know these streams."""
        ...

    def check(self, pipeline: Pipeline) -> None:
        """Whether all streams of this pipeline could run here; raises ConfigError where they could not."""
        ...

    def prepare(self, configs: Mapping[str, Sequence[StageConfig]]) -> None:
        """Load what these settings of stages need, beside what is in use; raises what keeps it from loading."""
        ...

    def remove(self, streams: Collection[str]) -> None:
        """End these streams; each is told of when it has ended."""
        ...

    def add(self, positions: Mapping[str, Position]) -> None:
        """Begin these streams, each where it stands."""
        ...

    def ask(self, stream: str, asks: Sequence[ShadowAsk]) -> None:
        """Have these asked of the stream's next picture, in the shadow of its own answer; `take` brings the answers.

        Where the stream's process dies nothing comes of it: who sees the stream begin anew asks again.
        """
        ...

    def away(self) -> Mapping[str, Mapping[str, float]]:
        """By stream, what of the pipeline nobody reaches now, and since when, by the monotonic clock."""
        ...

    def counts(self, *, fresh: bool = True) -> Counts:
        """What all parts have counted.

        Args:
            fresh: up to this moment, for which a part that hangs is waited for; else up to a second or so ago.
        """
        ...

    def machinery(self) -> Machinery:
        """The machines and processes that there are, as far as is known within seconds; never waits."""
        ...

    def cpu_s(self) -> float: ...

    def close(self, patience_s: float) -> None:
        """End everything; a thread that is still at work after `patience_s` is left to itself."""
        ...


def usual_engine() -> Literal["ray", "inline"]:
    """The engine of who asks for none: Ray's actors, or where Ray is not installed, threads of this process."""
    return "ray" if is_installed("ray") else "inline"


def make_engine(
    name: str,
    plan: Plan,
    frame_sinks: Sequence[FrameSink],
    *,
    address: str | None,
    positions: Callable[[str], Position],
    clock: Clock,
    share: QueryShare | None = None,
) -> Engine:
    """The engine of that name.

    Args:
        address: of a Ray to join.
        positions: where a stream stands, for when its process has to be started again.
        share: what the run has in common with the other queries of its session; None: it is alone.

    Raises:
        ConfigError: it goes by no other clock than the machine's, or Ray is not installed.
    """
    if name == "inline":
        return InlineEngine(plan, frame_sinks, clock, share=share)
    if share is not None and address is not None:
        raise ConfigError("queries share what one machine holds: run them without the address of a cluster")
    if share is not None and any(tier.pool for tier in plan.pipeline.tiers.values()):
        raise ConfigError("queries share their networks without a detector pool: leave `pool` out of `tiers`")
    if clock is not REAL:
        raise ConfigError('a clock of your own goes with engine="inline": actors go by the clocks of their machines')
    if not is_installed("ray"):
        raise ConfigError(
            f"Ray's actors need the package ray: `{how_to_install('ray')}`, or run in one process: --engine inline"
        )
    from vidpipe.runtime.ray import RayEngine

    return RayEngine(plan, frame_sinks, address=address, positions=positions, share=share)
