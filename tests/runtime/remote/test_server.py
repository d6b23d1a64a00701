"""The lower part of a pipeline on a server. What must hold:

- answers are those of the inline engine with the same codec, to the last bit, on both engines, however deep frames are
  asked ahead, and what stages have counted is told above;
- several runs at once are kept apart;
- who may not come in is told why, within seconds, and so is the server;
- what comes to the port from strangers disturbs nobody;
- what a stream keeps on its device never leaves it.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any

import pytest

from tests.runtime.linked import Measures, Passes, Repeats, SharedRepeats, pipeline
from tests.runtime.remote.conftest import FRAMES, STAGES, openssl
from tests.waiting import until
from vidpipe.cascade.audit import AuditSpec
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.core.settings import StageConfig
from vidpipe.pipeline.plan import plan
from vidpipe.pipeline.spec import LinkSpec, Pipeline, Tier
from vidpipe.results.records import Position
from vidpipe.runtime.driver.session import Run
from vidpipe.runtime.ray import actors
from vidpipe.runtime.ray.packing import pack_arguments
from vidpipe.runtime.remote import peer
from vidpipe.runtime.remote.tls import fingerprint_of
from vidpipe.runtime.server.client import Client
from vidpipe.testing.clock import HandClock


def linked(clip, codec="raw", streams=("a", "b"), **options) -> Pipeline:
    links = {"device-cloud": LinkSpec(codec=codec)}
    return pipeline(dict.fromkeys(streams, clip), STAGES, links=links, **options)


def answered(of: Pipeline, **options: Any) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """All that is published, by stream, and the report."""
    results: dict[str, list[Any]] = {}
    with Run(of, **{"engine": "inline"} | options) as run:
        for result in run:
            found, answer = result.detections, result.answer
            boxes = [found.xyxy.tobytes(), found.confidence.tobytes(), found.class_id.tobytes(), dict(found.data)]
            how = (answer.how, answer.by, answer.as_of, answer.reason, result.audit)
            results.setdefault(result.stream, []).append((result.seq, *how, repr(boxes)))
        return results, run.join().report


def counted(report: dict[str, Any]) -> dict[str, Any]:
    stages = {id: (stage["asked"], stage["answered"]) for id, stage in report["stages"].items()}
    links = {name: {"frames": link["frames"], "bytes": link["bytes"]} for name, link in report["links"].items()}
    return stages | links


@pytest.mark.parametrize("codec", ["raw", "jpeg"])
@pytest.mark.parametrize("ahead", [0, 3])
def test_answers_are_those_of_one_process(clip, serve, reaching, codec, ahead):
    alone = replace(linked(clip, codec, ahead=ahead), audit=AuditSpec(rate=0.3, max_unchecked_s=None))
    results, report = answered(reaching(alone, serve(alone).port))
    expected, report_alone = answered(alone)
    assert results == expected
    assert counted(report) == counted(report_alone)


@pytest.mark.ray
def test_on_ray_the_actor_of_the_last_segment_reaches_the_server(clip, serve, reaching, cluster):
    alone = linked(clip)
    results, report = answered(reaching(alone, serve(alone).port), engine="ray", address=cluster)
    expected, report_alone = answered(alone)
    assert results == expected
    assert counted(report) == counted(report_alone)


def test_an_actor_says_its_word_though_its_server_does_not(clip, serve, reaching, monkeypatch):
    monkeypatch.setattr(Client, "_count", lambda *_: None)
    monkeypatch.setattr(actors, "SERVER_S", 0.1)
    alone = linked(clip, streams=("a",))
    laid = plan(reaching(alone, serve(alone).port))
    actor = actors.DeviceActor(pack_arguments((), (), False, laid, range(1), None))
    try:
        actor.open({"a": Position()})
        began = time.monotonic()
        words = [actor.word(), actor.word(fresh=True)]
        assert time.monotonic() - began < peer.COUNTS_S / 2
    finally:
        actor.close(1.0)
    assert words[0].instance == words[1].instance


@pytest.mark.long
def test_runs_of_the_same_streams_are_kept_apart(clip, serve, reaching):
    alone = linked(clip)
    expected, report_alone = answered(alone)
    server = serve(alone)
    reached = reaching(alone, server.port)
    before = set(threading.enumerate())
    runs: list[Any] = []
    threads = [threading.Thread(target=lambda: runs.append(answered(reached))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [results for results, _ in runs] == [expected] * 3
    assert [counted(report) for _, report in runs] == [counted(report_alone)] * 3
    until(lambda: not server._clients)  # noqa: SLF001 - nothing is kept of runs that have ended
    until(lambda: not [each for each in set(threading.enumerate()) - before if each.name.startswith("vidpipe-")])


def test_a_certificate_may_be_known_by_its_fingerprint(clip, serve, reaching, certificate):
    alone = linked(clip, streams=("a",))
    fingerprint = fingerprint_of(certificate[0])
    results, _ = answered(reaching(alone, serve(alone).port, ca=None, fingerprint=fingerprint.upper()))
    assert len(results["a"]) == FRAMES


class Other(Passes):
    """Another stage in the place of one."""

    shared = True


def other_pipeline(of: Pipeline) -> Pipeline:
    *above, stage, last = of.stages
    return replace(of, stages=(*above, replace(stage, type=Other), last))


REFUSED = {
    "wrong token": ({"token": "not the token"}, {}, "wrong token"),
    "no trust": ({"ca": None}, {}, "its certificate is not trusted (self-signed certificate): name the one"),
    "another certificate": ({"ca": None, "fingerprint": "0" * 64}, {}, "has another fingerprint"),
    "another pipeline": ({}, {"stages": True}, "different pipelines: stage s3"),
    "other audits": ({}, {"audit": AuditSpec(rate=0.5)}, "different pipelines: audit"),
}


@pytest.mark.parametrize(("fields", "differs", "why"), REFUSED.values(), ids=REFUSED)
def test_who_may_not_come_in_is_told_why(clip, serve, reaching, caplog, fields, differs, why):
    alone = linked(clip, streams=("a",))
    served = other_pipeline(alone) if "stages" in differs else replace(alone, **differs)
    reached = reaching(alone, serve(served).port, **fields)
    with pytest.raises(ConfigError) as raised:
        answered(reached)
    assert why in str(raised.value)
    assert "the link to cloud: 127.0.0.1:" in str(raised.value)
    assert reached.links["device-cloud"].token.get_secret_value() not in str(raised.value) + caplog.text
    if "token" in fields or differs:
        assert any(why in record.message for record in caplog.records)  # the server's side


def test_another_version_is_refused(clip, serve, reaching, monkeypatch):
    alone = linked(clip, streams=("a",))
    server = serve(alone)
    monkeypatch.setattr("vidpipe.__version__", "0.0.7")
    with pytest.raises(ConfigError, match=r"the run has vidpipe 0\.0\.7, the server .*: install the same one on both"):
        answered(reaching(alone, server.port))


def test_a_recording_does_not_begin_where_nobody_listens(clip, reaching, monkeypatch):
    monkeypatch.setattr(peer, "FIRST_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(RunError, match="is `vidpipe host` running there"):
        answered(reaching(linked(clip, streams=("a",)), port))


def test_what_answers_may_be_something_else(clip, reaching, tmp_path):
    """A web server speaks TLS, too."""
    openssl(*["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=x"],
            "-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert"))  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            near, _ = listening.accept()
            with context.wrap_socket(near, server_side=True) as end:
                end.recv(1000)
                end.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + b" " * 100)
                end.recv(1000)

        threading.Thread(target=answer, daemon=True).start()
        fields = {"ca": None, "fingerprint": fingerprint_of(tmp_path / "cert")}
        with pytest.raises(ConfigError, match=r"a message of .* bytes, where at most 65536 may be"):
            answered(reaching(linked(clip, streams=("a",)), listening.getsockname()[1], **fields))


def test_strangers_at_the_port_disturb_nobody(clip, serve, reaching, certificate):
    alone = linked(clip)
    server = serve(alone)
    context = ssl.create_default_context(cafile=certificate[0])
    stop = threading.Event()

    def bother(encrypted: bool) -> None:
        while not stop.is_set():
            with suppress(OSError), socket.create_connection(("127.0.0.1", server.port)) as end:
                end.settimeout(0.2)
                if encrypted:
                    with context.wrap_socket(end, server_hostname="localhost") as secure:
                        secure.sendall(os.urandom(500))
                        secure.recv(10)
                else:
                    end.sendall(os.urandom(500))
                    end.recv(10)

    strangers = [threading.Thread(target=bother, args=(each,)) for each in (True, False)]
    for stranger in strangers:
        stranger.start()
    try:
        results, _ = answered(reaching(alone, server.port))
    finally:
        stop.set()
        for stranger in strangers:
            stranger.join()
    assert results == answered(alone)[0]


def test_what_a_stream_keeps_on_its_device_reaches_no_server(clip, serve, reaching):
    """A pipeline file that says both is refused before it runs; a program may still make one."""
    alone = linked(clip, streams=("a",))
    kept = alone.streams["a"]
    streams = {"a": replace(kept, spec=kept.spec.model_copy(update={"leaves_device": "never"}))}
    with pytest.raises(ConfigError, match="says leaves_device: never, but stage s2 on cloud is sent its pictures"):
        answered(reaching(replace(alone, streams=streams), serve(alone).port))


def test_a_server_may_hand_on_to_another_one(clip, serve, reaching):
    stages = [(Passes, Tier.DEVICE), (SharedRepeats, Tier.EDGE), (Measures, Tier.CLOUD)]
    links = {"device-edge": LinkSpec(), "edge-cloud": LinkSpec(codec="jpeg")}
    alone = pipeline({"a": clip}, stages, links=links)
    cloud = serve(alone, link="edge-cloud")
    edge = serve(reaching(alone, cloud.port), link="device-edge")
    results, report = answered(reaching(alone, edge.port, link="device-edge"))
    expected, report_alone = answered(alone)
    assert results == expected
    assert counted(report) == counted(report_alone)


@pytest.mark.long
def test_who_says_nothing_and_who_is_one_too_many_is_cut_off(clip, serve, reaching, certificate, monkeypatch):
    monkeypatch.setattr("vidpipe.runtime.server.server.MOST_CONNECTIONS", 3)
    alone = linked(clip, streams=("a",))
    server = serve(alone)
    context = ssl.create_default_context(cafile=certificate[0])
    with ExitStack() as open_:
        ends = []
        for _ in range(5):
            end = open_.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            end.settimeout(5)
            with suppress(OSError):  # the server may cut it off while it still shakes hands
                end = open_.enter_context(context.wrap_socket(end, server_hostname="localhost"))
            ends.append(end)
        for end in ends:
            with suppress(OSError):
                assert end.recv(1) == b""
    assert len(answered(reaching(alone, server.port))[0]["a"]) == FRAMES


class Named(StageConfig):
    file: str = "one"


class Names(Passes):
    """Has a setting that is no knob, and is not shared."""

    Config = Named


def test_a_stream_may_not_change_what_is_no_knob_on_a_server(clip, serve, reaching, monkeypatch):
    stages = [(Passes, Tier.DEVICE), (Names, Tier.CLOUD), (Measures, Tier.CLOUD)]
    alone = pipeline({"a": clip}, stages, links={"device-cloud": LinkSpec()})
    streams = {"a": replace(alone.streams["a"], configs={"s1": Named(file="/etc/passwd")})}
    with pytest.raises(ConfigError, match=r"streams\.a\.stages\.s1\.file cannot differ by stream"):
        answered(reaching(replace(alone, streams=streams), serve(alone).port))
    monkeypatch.setattr(peer, "_check_settings", lambda plan: None)  # nor where a run does not mind
    results, _ = answered(reaching(replace(alone, streams=streams), serve(alone).port))
    reasons = {reason for _, _, _, _, reason, *_ in results["a"]}
    (why,) = reasons
    assert "settings that the server does not take: stage s1: file is no knob, and the server's is another" in why


@pytest.mark.long
def test_a_site_begins_without_its_server(clip, reaching, serve, monkeypatch):
    """Its uplink may be down after a power cut."""
    monkeypatch.setattr("vidpipe.runtime.remote.caller._FIRST_S", 0.02)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    alone = pipeline({"a": f"live+file:{clip}"}, [(Repeats, Tier.DEVICE), (Measures, Tier.CLOUD)])
    alone = replace(alone, links={"device-cloud": LinkSpec()})
    clock, found = HandClock(), []
    with Run(reaching(alone, port), engine="inline", clock=clock) as run:
        for result in run:
            found.append(result)
            if result.seq == 10:
                serve(alone, port=port)
                until(lambda: not run._engine.away())  # noqa: SLF001
            clock.turn(0.25)
        report = run.join().report
    assert [result.seq for result in found] == list(range(FRAMES))
    assert report["streams"]["a"]["how"].get("failed", 0) == 0
    assert max(result.answer.as_of for result in found[:10]) == -1
    assert max(result.answer.as_of for result in found) > 10


@pytest.mark.ray
def test_on_ray_too_who_may_not_come_in_is_told_why(clip, serve, reaching, cluster):
    alone = linked(clip, streams=("a",))
    reached = reaching(alone, serve(alone).port, token="not this one, which is long")
    with pytest.raises(ConfigError, match=r"the link to cloud: 127\.0\.0\.1:.*: wrong token"):
        answered(reached, engine="ray", address=cluster)


def test_a_run_that_heeds_no_credit_does_not_fill_the_memory(clip, serve, reaching, monkeypatch):
    """Ten frames are asked while one is open: five pictures more than the server holds."""
    monkeypatch.setattr("vidpipe.runtime.server.client.MOST_HELD_MB", 5.5 * 128 * 96 * 1.5 / 1e6)
    alone = linked(clip, streams=("a",), ahead=10)
    results, _ = answered(reaching(alone, serve(alone).port))
    failed = [reason for _, how, _, _, reason, *_ in results["a"] if how == "failed"]
    assert [seq for seq, *_ in results["a"]] == list(range(FRAMES))
    assert failed
    assert all("lower the link's `credit_mb`" in reason for reason in failed)
