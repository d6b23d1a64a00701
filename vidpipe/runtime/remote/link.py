"""The link to the server that runs what does not run here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future

from vidpipe.cascade.cascade import Completed, Ticket
from vidpipe.core.frame import Frame
from vidpipe.core.settings import StageConfig
from vidpipe.pipeline.plan import Plan
from vidpipe.results.records import Counts
from vidpipe.runtime.downstream import PendingResult
from vidpipe.runtime.links.link import PeerLink
from vidpipe.runtime.remote.peer import ServerPeer
from vidpipe.runtime.segment_worker import failed
from vidpipe.runtime.shadow.ask import ShadowAsk, Tell
from vidpipe.runtime.shadow.worker import refuse
from vidpipe.runtime.worker import WorkerRuntime


class ServerLink(PeerLink):
    """A `PeerLink` of whoever runs the last segment above it, in a process of either engine."""

    def __init__(self, plan: Plan, runtime: WorkerRuntime) -> None:
        link = plan.way_out
        assert link is not None
        self._server = ServerPeer(plan, runtime.clock)
        super().__init__(link, self._server, runtime.weights, runtime.settings)
        self._runtime = runtime

    def start(self) -> Future[None]:
        """Begin to connect; see `ServerPeer.opened`."""
        self._server.start()
        return self._server.opened

    def ask(self, ticket: Ticket, *, complete: bool) -> PendingResult:
        if why := self._must_stay(ticket.frame):
            pending = PendingResult()
            pending.complete(Completed(failed(why)))
            return pending
        return super().ask(ticket, complete=complete)

    def shadow(self, frame: Frame, asks: Sequence[ShadowAsk], tell: Tell) -> None:
        if why := self._must_stay(frame):
            refuse(asks, tell, why)
        else:
            super().shadow(frame, asks, tell)

    def prepare(self, configs: Mapping[str, Sequence[StageConfig]]) -> None:
        """See `ServerPeer.prepare`."""
        self._server.prepare(configs)

    def server_counts(self, *, fresh: bool = True) -> Counts:
        """What the server has counted for this run; `fresh`: up to this moment."""
        return self._server.counts(fresh=fresh)

    def _must_stay(self, frame: Frame) -> str:
        """Why no picture of the stream, and nothing that was made of it, may go to a server; "" where it may.

        A pipeline file that says both is refused before it runs; this is for pipelines that programs make.
        """
        stream = self._runtime.plan.pipeline.streams.get(frame.stream)
        stays = stream is not None and stream.spec.leaves_device == "never"
        return f"leaves_device: never, and {self.name} leads to a server" if stays else ""

    def close(self) -> None:
        """Tell the server that the run has ended, and end the connection."""
        self._server.close()
        self.end()


def way_out(plan: Plan, runtime: WorkerRuntime) -> ServerLink | None:
    """The link to the server that runs what is below; None where all segments run here."""
    return ServerLink(plan, runtime) if plan.way_out is not None else None
