"""The link to the server that runs what does not run here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future

from vidpipe.core.settings import StageConfig
from vidpipe.pipeline.plan import Plan
from vidpipe.results.records import Counts
from vidpipe.runtime.links.link import PeerLink
from vidpipe.runtime.remote.peer import COUNTS_S, ServerPeer
from vidpipe.runtime.worker import WorkerRuntime


class ServerLink(PeerLink):
    """A `PeerLink` of whoever runs the last segment above it, in a process of either engine."""

    def __init__(self, plan: Plan, runtime: WorkerRuntime) -> None:
        link = plan.way_out
        assert link is not None
        self._server = ServerPeer(plan, runtime.clock)
        super().__init__(link, self._server, runtime.weights, runtime.settings, runtime.library.head)

    def start(self) -> Future[None]:
        """Begin to connect; see `ServerPeer.opened`."""
        self._server.start()
        return self._server.opened

    def prepare(self, configs: Mapping[str, Sequence[StageConfig]]) -> None:
        """See `ServerPeer.prepare`."""
        self._server.prepare(configs)

    def server_counts(self, *, fresh: bool = True, within_s: float = COUNTS_S) -> Counts:
        """What the server has counted for this run; `fresh`: up to this moment, if it tells within so many seconds."""
        return self._server.counts(fresh=fresh, within_s=within_s)

    def close(self) -> None:
        """Tell the server that the run has ended, and end the connection."""
        self._server.close()
        self.end()


def way_out(plan: Plan, runtime: WorkerRuntime) -> ServerLink | None:
    """The link to the server that runs what is below; None where all segments run here."""
    return ServerLink(plan, runtime) if plan.way_out is not None else None
