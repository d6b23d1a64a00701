"""The page of a run: a sink that serves it, beside what else becomes of results."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from vidpipe.core.errors import ConfigError
from vidpipe.core.event import Event
from vidpipe.results.events import as_json
from vidpipe.results.records import Result
from vidpipe.results.sinks.base import ControlledRun, Sink
from vidpipe.results.sinks.mjpeg import is_local
from vidpipe.runtime.driver.session import Run
from vidpipe.serve.app import make_app
from vidpipe.serve.gallery import Gallery
from vidpipe.serve.runs import RunHere, ShownRun
from vidpipe.serve.server import HttpServer
from vidpipe.serve.shots import ShotFrameSink
from vidpipe.serve.site import Site
from vidpipe.serve.telling import Telling
from vidpipe.serve.users import Users, users_path


class Server:
    """Serves a site from now on, until it is closed.

    Args:
        galleries, tellings: of runs of this process.

    Attributes:
        address: of the page, for people.

    Raises:
        ConfigError: nobody may listen there, or other machines would be let in without users.
    """

    def __init__(
        self,
        site: Site,
        port: int,
        address: str,
        galleries: Sequence[Gallery] = (),
        tellings: Sequence[Telling] = (),
    ) -> None:
        if not site.has_users and not is_local(address):
            raise ConfigError(
                f"the page at {address or '0.0.0.0'} lets other machines in, and there are no users: add one by "
                "`vidpipe serve --add-user NAME`, or serve at 127.0.0.1"
            )
        self._galleries = galleries
        self._tellings = tellings
        self._server = HttpServer(port, address)
        shown = f"[{address.strip('[]')}]" if ":" in address else address
        self.address = f"http://{shown or '0.0.0.0'}:{self._server.port}/"
        self._server.start(make_app(site), self._beside())

    def join(self) -> None:
        """Wait until it is closed, or a signal comes."""
        self._server.join()

    def close(self) -> None:
        """End all connections."""
        self._server.close()

    @asynccontextmanager
    async def _beside(self) -> AsyncIterator[None]:
        for telling in self._tellings:
            telling.open()
        async with AsyncExitStack() as opened:
            for gallery in self._galleries:
                await opened.enter_async_context(gallery.open())
            yield


class Page(Sink):
    """The page of the run whose sink it is. What nobody looks at costs a look into a dictionary for each result.

    Args:
        name: of the run.
        store, media: where the run keeps events, and their pictures and clips.
        others: further runs to show, by name.

    Raises:
        ConfigError: nobody may listen there, or other machines would be let in without users.
    """

    def __init__(
        self,
        port: int,
        address: str,
        *,
        name: str = "run",
        store: Path | None = None,
        media: Path | None = None,
        others: Mapping[str, ShownRun] | None = None,
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="vidpipe-page-"))  # nobody else may look into it
        try:
            gallery, self._telling = Gallery(str(self._folder / "shots")), Telling()
            self._shown = RunHere(name, gallery, self._telling, store=store)
            runs = {name: self._shown, **(others or {})}
            site = Site(runs, store, () if media is None else (media,), Users(users_path()))
            self._server = Server(site, port, address, [gallery], [self._telling])
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self.address = self._server.address

    def __str__(self) -> str:
        return "the page"

    @property
    def frame_sink(self) -> ShotFrameSink:
        return ShotFrameSink(str(self._folder / "shots"))

    def attach(self, run: ControlledRun) -> None:
        if isinstance(run, Run):
            self._shown.attach(run)

    def begin(self, provenance: Mapping[str, Any]) -> None:
        self._shown.begun = provenance["start"]

    def write(self, results: Sequence[Result], published_at: float) -> None:
        self._shown.note(results)

    def tell(self, events: Sequence[Event]) -> None:
        told = [as_json(event, self._shown.begun) for event in events]
        paths = ("snapshot", "clip")  # files are asked for by the event's id
        self._telling.tell([event | {name: bool(event[name]) for name in paths} for event in told])

    def leave(self) -> None:
        """Serve no more. Until then the page shows how the run has ended."""
        self._server.close()
        shutil.rmtree(self._folder, ignore_errors=True)
