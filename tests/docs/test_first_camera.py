"""From nothing to an event of one's own camera: the commands of docs/tasks/first-camera.md, as they stand there.

Installing is left out; the camera is an RTSP server of this machine, and the models are small networks.
"""

from __future__ import annotations

import json
import re
import shlex
import signal

import pytest

from tests.cameras.conftest import clip, serve
from tests.docs.pages import ROOT, commands, steps
from tests.docs.test_tasks import networks, place, small
from tests.waiting import until

__all__ = ["clip", "networks", "place", "serve"]

PAGE = ROOT / "docs" / "tasks" / "first-camera.md"
ON_THE_PAGE = "rtsp://user:secret@10.0.0.5/stream1"


@pytest.mark.long
def test_six_commands_to_an_event(place, serve, clip):
    """The camera is watched, a configuration written, a rule added to it; the run tells of somebody, and keeps it."""
    server = serve({"/stream1": clip}, user="user", password="p@ss:word")
    told = [step for line in commands(PAGE) for step in steps(line)]
    assert len(list(commands(PAGE))) <= 6
    (init,) = [command for command in told if command.startswith("vidpipe init")]
    (echo,) = [command for command in told if command.startswith("echo")]
    (run,) = [command for command in told if command.startswith("vidpipe run")]

    address = server.url("/stream1").replace("rtsp://", "rtsp://user:p@ss:word@")
    ended = place.vidpipe(*shlex.split(init.replace(ON_THE_PAGE, address))[1:], "--seconds", "1")
    assert ended.status == 0, ended.err
    pipeline = place.folder / "site" / "pipeline.yaml"
    pipeline.write_text(small(pipeline.read_text()))
    line, file = re.fullmatch(r"echo '(.*)' >> (\S+)", echo).groups()
    with (place.folder / file).open("a") as config:
        config.write(line + "\n")
    begun = place.start(*shlex.split(run)[1:-3], "events.jsonl", *shlex.split(run)[-2:], "--engine", "inline")
    events = place.folder / "events.jsonl"
    until(lambda: begun.process.poll() is not None or (events.exists() and b"\n" in events.read_bytes()), 60)
    begun.send(signal.SIGINT, to_group=False)
    assert begun.end(30).status == 130
    first = json.loads(events.read_text().splitlines()[0])
    assert (first["stream"], first["rule"], first["kind"], first["phase"]) == ("gate", "somebody", "presence", "begin")
    shown = place.vidpipe("events", "--store", "site/store.db", "--json")
    assert json.loads(shown.out.splitlines()[0])["rule"] == "somebody"
    assert "p@ss" not in (place.folder / "site" / "cameras.yaml").read_text()
