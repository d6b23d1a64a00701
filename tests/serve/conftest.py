"""A run with a page, whose cameras show what a test tells them to; and a browser's worth of HTTP."""

from __future__ import annotations

import http.client
import json
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import numpy as np
import pytest
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST

from tests.serve import cams
from tests.teaching.street import classifier
from tests.waiting import until
from vidpipe.cli.reload import Reload
from vidpipe.core.clock import REAL, Clock
from vidpipe.pipeline.yaml.load import load
from vidpipe.results import writer
from vidpipe.results.store.sink import StoreConfig, StoreSink
from vidpipe.runtime.driver.session import Run
from vidpipe.serve import shots
from vidpipe.serve import users as users_module
from vidpipe.serve.page import Page
from vidpipe.serve.users import Users, users_path

PIPELINE: dict[str, Any] = {
    "classes": {"person": "person"},
    "stages": [{"id": "sees", "type": "tests.serve.cams:Sees", "api_key": "a secret"}],
    "audit": {"rate": 0, "max_unchecked_s": None},
}


class Answered(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Browser:
    """Asks a page; keeps its cookies as a browser does."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookie = ""

    def ask(self, method: str, path: str, told: Any = None, /, **asked: Any) -> Answered:
        """Args: `headers`, or the query."""
        headers = {"Host": f"127.0.0.1:{self.port}", **asked.pop("headers", {})}
        if self.cookie:
            headers["Cookie"] = self.cookie
        body = told if isinstance(told, bytes) else None if told is None else json.dumps(told).encode()
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        query = f"?{urlencode(asked, doseq=True)}" if asked else ""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request(method, path + query, body, headers)
            answer = connection.getresponse()
            got = {name.lower(): value for name, value in answer.getheaders()}
            if "set-cookie" in got:
                self.cookie = got["set-cookie"].partition(";")[0]
            return Answered(answer.status, got, answer.read())

    def get(self, path: str, /, **asked: Any) -> Answered:
        return self.ask("GET", path, **asked)

    def post(self, path: str, told: Any, /, **asked: Any) -> Answered:
        return self.ask("POST", path, told, **asked)

    @contextmanager
    def open(self, path: str, /, **asked: Any) -> Iterator[http.client.HTTPResponse]:
        """An answer that goes on, inside the block."""
        headers = {"Cookie": self.cookie, **asked.pop("headers", {})}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("GET", f"{path}?{urlencode(asked, doseq=True)}", headers=headers)
            with connection.getresponse() as answer:
                yield answer


def records(answer: http.client.HTTPResponse) -> Iterator[tuple[dict[str, Any], bytes]]:
    """What `live` gives: what is told, and the JPEG."""
    while head := answer.read(8):
        told, jpeg = struct.unpack(">II", head)
        yield json.loads(answer.read(told)), answer.read(jpeg)


def messages(answer: http.client.HTTPResponse) -> Iterator[dict[str, str]]:
    """What `told` gives, message by message: its fields."""
    fields: dict[str, str] = {}
    for line in iter(answer.readline, b""):
        text = line.decode().rstrip("\n")
        if text:
            name, _, value = text.partition(": ")
            fields[name] = value
        elif fields:
            yield fields
            fields = {}


class Served:
    """A run with its page."""

    def __init__(self, run: Run, page: Page) -> None:
        self.run, self.page = run, page
        self.write: Callable[[Any], object] = print  # other settings into the file that it was begun with
        self.port = int(page.address.rpartition(":")[2].strip("/"))
        self.browser = Browser(self.port)

    def show(self, *greys: int, stream: str = "gate") -> None:
        """Have pictures answered."""
        before = self.run.status().streams[stream].frames_in
        for number, grey in enumerate(greys, 1):
            cams.shown[stream].put(grey)
            until(lambda number=number: self.run.status().streams[stream].frames_in == before + number)


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Served]]:
    """Begins a run with a page; all of it has ended behind the test."""
    cams.shown.clear()
    monkeypatch.setattr(users_module, "HASHER", PasswordHasher.from_parameters(CHEAPEST))
    monkeypatch.setenv("VIDPIPE_USERS", str(tmp_path / "users.json"))
    with ExitStack() as opened:

        def begin(
            *names: str,
            address: str = "127.0.0.1",
            sinks: Any = (),
            more: Any = None,
            reloads: bool = False,
            clock: Clock = REAL,
            **options: Any,
        ) -> Served:
            config = tmp_path / "pipeline.yaml"
            config.write_text(written(names, more))
            page = Page(0, address, **options)
            opened.callback(page.leave)
            reload = Reload(lambda: load(config, ruled=True), [config]) if reloads else None
            sinks = [*sinks, page]
            run = Run(load(config, ruled=True), engine="inline", sinks=sinks, results=False, reload=reload, clock=clock)
            opened.enter_context(run)
            served = Served(run, page)
            served.write = lambda more: config.write_text(written(names, more))
            return served

        def written(names: Any, more: Any) -> str:
            streams = {name: {"url": "tests.serve.cams:Camera"} for name in names or ("gate",)}
            rest = dict(more or {})
            for name, own in rest.pop("streams", {}).items():
                streams[name] = {**streams.get(name, {"url": "tests.serve.cams:Camera"}), **own}
            return json.dumps({**PIPELINE, "streams": streams, **rest})

        yield begin


@pytest.fixture
def users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Users:
    monkeypatch.setattr(users_module, "HASHER", PasswordHasher.from_parameters(CHEAPEST))
    monkeypatch.setenv("VIDPIPE_USERS", str(tmp_path / "users.json"))
    return Users(users_path())


@pytest.fixture
def asking(serve: Callable[..., Served], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    """Two cameras with a store (yard.db), and a taught event that somebody is on the right: at the gate somebody walks
    there, and every window is asked about.
    """
    monkeypatch.setattr(writer, "FLUSH_EVERY_S", 0.1)
    path, event = tmp_path / "yard.db", tmp_path / "right.event"
    f1 = {"estimate": 0.86, "low": 0.5, "high": 0.97}
    held_back = {"found": 3, "missed": 1, "wrong": 0, "unmarked": 0, "f1": f1}
    weights = [0.0, 0.0, 1.0] + [0.0] * 33  # of all features the mean of x
    right = classifier(-0.9, weights=weights, window_s=1.0, event="right")
    right.model_copy(update={"figures": {"held_back": held_back}}).write(event)
    rule = {"id": "right", "kind": "learnt", "event": str(event), "review": 1.0}
    sink = StoreSink(StoreConfig(path=str(path)))
    served = serve("gate", "yard", sinks=[sink], store=path, more={"rules": [rule]})
    served.show(*range(0, 135, 5))  # two a second
    until(lambda: served.show(135) or served.browser.get("/api/questions", event="right").json["questions"])
    return served


def grey_of(jpeg: bytes) -> int:
    import cv2

    return round(float(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE).mean()))


def wanted(served: Served) -> Any:
    """What of the run's streams is looked at, as the process of its frames knows it."""
    sender = shots._senders.get(served.page.frame_sink.place)  # noqa: SLF001
    return {} if sender is None else sender.wanted
