"""`vidpipe sinks test`, and sinks with an outbox in a run: what a user meets."""

from __future__ import annotations

import json
import socket

import pytest

from tests.cli.commands.conftest import THIRDS
from tests.results.sinks.receivers import Answer, WebReceiver
from tests.results.sinks.test_mqtt import free_port

PIPELINE = """
classes: {even: even, odd: odd}
stages: [{id: read, type: mystages:Read}]
transforms: [{id: thirds, type: thirds:Thirds}]
sinks:
"""
OWN = '''
from vidpipe import OutboxConfig, OutboxSink, Sink


class HornConfig(OutboxConfig):
    loud: bool = True


class Horn(OutboxSink):
    """A sink of a user's own: ten lines."""

    Config = HornConfig

    def send(self, events):
        with open("horn.txt", "a") as horn:
            horn.writelines(f"{event['kind']} {event['seq']}\\n" for event in events)


class Breaks(OutboxSink):
    def send(self, events):
        raise KeyError("its author's fault")


class Only(Sink):
    def write(self, results, published_at):
        pass
'''


@pytest.fixture
def receiver():
    made = WebReceiver()
    yield made
    made.close()


@pytest.fixture
def ready(shell):
    shell.write("thirds.py", THIRDS)
    shell.write("own.py", OWN)
    return shell


def test_each_sink_is_sent_an_event_and_what_came_of_it_is_said(ready, receiver):
    gone = WebReceiver()
    gone.close()
    sinks = f"""
  - {{type: webhook, url: "{receiver.address}/PATH", outbox: a.db}}
  - {{type: webhook, url: "{gone.address}/PATH", outbox: b.db}}
  - {{type: store, path: s.db}}
  - {{type: "own:Horn", outbox: c.db}}
  - {{type: "own:Breaks", outbox: d.db}}
  - {{type: "own:Only"}}
"""
    ready.write("pipeline.yaml", PIPELINE + sinks)
    said = ready.vidpipe("sinks", "test", "pipeline.yaml")
    assert said.status == 1
    results = [line.split(maxsplit=1)[1] for line in said.out.splitlines()[1:]]
    assert [" ".join(each.split()) for each in results] == [
        f"webhook {receiver.address} delivered",
        f"webhook {gone.address} failed: connection refused",
        "store s.db can be written; the event is not kept",
        "Horn delivered",
        'Breaks failed: KeyError: "its author\'s fault"',
        "Only has nothing to try",
    ]
    ((_, _, body),) = receiver.requests
    assert json.loads(body)["kind"] == "test"
    assert (ready.folder / "horn.txt").read_text() == "test 0\n"
    assert "PATH" not in said.out + said.err
    assert ready.vidpipe("events", "--store", "s.db").out == ""


def test_files_and_pictures_are_tried_out_too(ready):
    taken, free = socket.create_server(("127.0.0.1", 0)), free_port()
    port = taken.getsockname()[1]
    sinks = f"""
  - {{type: events, path: e.csv, append: true}}
  - {{type: results, path: no/r.jsonl}}
  - {{type: mjpeg, port: {free}}}
  - {{type: mjpeg, port: {port}}}
"""
    ready.write("pipeline.yaml", PIPELINE + sinks)
    said = ready.vidpipe("sinks", "test", "pipeline.yaml")
    taken.close()
    assert said.status == 1
    results = [" ".join(line.split()[1:]) for line in said.out.splitlines()[1:]]
    assert results == [
        "events e.csv can be written; the event is not kept",
        "results no/r.jsonl failed: results no/r.jsonl cannot be written: No such file or directory",
        f"mjpeg 127.0.0.1:{free} can be served",
        f"mjpeg 127.0.0.1:{port} failed: pictures cannot be served at 127.0.0.1:{port}: Address already in use; "
        "take another port",
    ]
    assert not (ready.folder / "e.csv").exists()


def test_a_pipeline_without_sinks_has_nothing_to_test(ready):
    ready.write("pipeline.yaml", PIPELINE.replace("sinks:\n", ""))
    said = ready.vidpipe("sinks", "test", "pipeline.yaml")
    assert (said.status, said.line.split(":")[1]) == (2, " pipeline pipeline.yaml names no sinks")


def test_a_run_delivers_its_events_and_counts_them(ready, receiver, good):
    receiver.answers = [Answer(503)]
    sinks = f'''
  - {{type: webhook, url: "{receiver.address}", outbox: a.db, retry_s: 0.1}}
  - {{type: "own:Horn", outbox: b.db}}'''
    said = ready.run(PIPELINE + sinks, good)
    assert said.status == 0, said.err
    counts = ready.report["sinks"]
    web, horn = counts[f"webhook {receiver.address}"], counts["Horn"]
    for each in (web, horn):
        dropped = sum(value for name, value in each.items() if name.startswith("dropped"))
        assert each["inherited"] + each["made"] == each["delivered"] + each["waiting"] + dropped == 14
    assert (horn["delivered"], web["delivered"] + web["waiting"]) == (14, 14)
    assert (ready.folder / "horn.txt").read_text().split()[1::2] == [str(seq) for seq in range(0, 40, 3)]


def test_what_a_dead_receiver_missed_the_next_run_delivers(ready, good):
    gone = WebReceiver()
    gone.close()
    sinks = f'  - {{type: webhook, url: "{gone.address}", outbox: a.db, retry_s: 0.1}}'
    said = ready.run(PIPELINE + sinks, good)
    assert said.status == 0  # what waits is not lost
    assert f"webhook {gone.address}: 14 events wait in a.db for the next run: connection refused" in said.err
    back = WebReceiver(port=gone.port)
    ready.run(PIPELINE + sinks, good)
    back.close()
    assert back.seqs == 2 * list(range(0, 40, 3))
    assert ready.report["sinks"][f"webhook {back.address}"]["inherited"] == 14


SECRET = "pass-word"


@pytest.mark.parametrize(
    ("sink", "said"),
    [
        ("{type: mqtt, host: h, topic: 'a/{strem}'}", "has the unknown field {strem}; did you mean 'stream'?"),
        ("{type: mqtt, host: h, user: u, password: [pass-word]}", "must be text, not a list"),
        ("{type: mqtt, host: h, user: u, password: 1234567}", "must be text"),
        ("{type: webhook}", "field 'url' is missing"),
        ("{type: webhook, url: 'ftp://u:pass-word@h/'}", "must be an address that begins with https:// or http://"),
        ("{type: webhook, url: 'https://u:pass-word@h/'}", "holds a user or password: write `token` instead"),
        ("{type: webhook, url: 'https://h/', most_waiting: 0}", "must be at least 1, not 0"),
        ("{type: mqtt, host: h, home_assistant: {comands: true}}", "unknown field 'comands'; did you mean 'commands'?"),
        ("{type: mqtt, host: h, home_assistant: {discovery: 'a/#'}}", "must be a topic to publish to"),
        ("{type: mjpeg, port: 0}", "must be at least 1, not 0"),
        ("{type: events, path: e, format: xml}", "must be 'jsonl' or 'csv', not 'xml'"),
    ],
)
def test_mistakes_are_found_by_check_and_secrets_not_shown(ready, sink, said):
    ready.write("pipeline.yaml", f"{PIPELINE}  - {sink}\n")
    ended = ready.vidpipe("check", "pipeline.yaml")
    assert ended.status == 2
    assert said in ended.err
    assert SECRET not in ended.err
    assert "1234567" not in ended.err
