"""What Prometheus scrapes while a run goes on."""

import re
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests import clips
from tests.builders import answer
from vidpipe.cascade.audit import Audit
from vidpipe.cascade.runner import Meter
from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.carried import Carried, LinkNow
from vidpipe.results.collector import Collector
from vidpipe.results.records import Batch, Counts, Result
from vidpipe.results.sinks import metrics as module
from vidpipe.results.sinks.http import parse_place
from vidpipe.results.sinks.metrics import Metrics
from vidpipe.runtime.driver.run import run
from vidpipe.statistics.agreement import Matched


def scrape(metrics):
    with urllib.request.urlopen(f"http://127.0.0.1:{metrics.port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples[sample.name, *(value for _, value in sorted(sample.labels.items()))] = sample.value
    return text, samples


@pytest.fixture
def metrics():
    served = Metrics(0)
    yield served
    served.close()


@pytest.mark.long
def test_a_run_can_be_watched(metrics, tmp_path):
    clip = clips.encode(tmp_path / "secret-place.mp4", frames=100, fps=25)
    (tmp_path / "pipeline.yaml").write_text(
        "stages: [{id: sample, type: sample, fps: 5}, {id: read, type: mystages:Read}]\n"
        "classes: {even: even, odd: odd}\n"
    )
    from tests.runtime.conftest import Runner

    Runner(tmp_path, "inline", None)  # leaves the stages there
    pipeline = load(tmp_path / "pipeline.yaml", sources={"cam": f"live+file:{clip}"})
    ran = threading.Thread(target=run, args=(pipeline,), kwargs={"engine": "inline", "watchers": [metrics]})
    ran.start()
    deadline = time.monotonic() + 20
    while True:
        text, seen = scrape(metrics)
        if seen.get(("vidpipe_frames_total", "measured", "cam"), 0) >= 10:
            break
        assert time.monotonic() < deadline, text
        time.sleep(0.05)
    assert seen["vidpipe_stream_state", "live", "cam"] == 1
    assert seen["vidpipe_stream_state", "stalled", "cam"] == 0
    assert seen["vidpipe_stream_last_frame_age_seconds", "cam"] < 2
    assert seen["vidpipe_answers_total", "read", "cam"] == seen["vidpipe_frames_total", "measured", "cam"]
    assert seen["vidpipe_stream_received_total", "cam"] >= seen["vidpipe_stream_decoded_total", "cam"] > 30
    published = sum(value for key, value in seen.items() if key[0] == "vidpipe_frames_total")
    assert seen["vidpipe_latency_seconds_bucket", "+Inf"] == seen["vidpipe_latency_seconds_count",] == published
    assert 0 < seen["vidpipe_latency_seconds_bucket", "1.0"] <= published
    assert 0 < seen["vidpipe_latency_seconds_sum",] < published
    assert seen["vidpipe_stage_asked_total", "read"] >= seen["vidpipe_stage_answered_total", "read"] >= 10
    assert seen["vidpipe_stage_seconds_total", "read"] > 0
    assert re.search(r'vidpipe_stream_info{.*codec="h264".*stream="cam"', text)
    ran.join(20)
    _, seen = scrape(metrics)
    frames = [value for key, value in seen.items() if key[0] == "vidpipe_frames_total"]
    assert sum(frames) <= 100
    assert "secret-place" not in text


def test_idle_connections_cost_no_thread_and_keep_nobody_from_scraping(metrics):
    threads = set(threading.enumerate())
    idle = [socket.create_connection(("127.0.0.1", metrics.port), timeout=10) for _ in range(200)]
    try:
        scrape(metrics)
        assert not set(threading.enumerate()) - threads
        assert idle[0].recv(1) == b""  # the oldest had to give way
    finally:
        for connection in idle:
            connection.close()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.0 200 OK"),
        (b"HEAD / HTTP/1.1\r\n\r\n", b"HTTP/1.0 200 OK"),
        (b"POST /metrics HTTP/1.1\r\n\r\n", b"HTTP/1.0 405 Method Not Allowed"),
        (b"\xff\x00\r\n\r\n", b"HTTP/1.0 405 Method Not Allowed"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 10_000, b""),
    ],
)
def test_whoever_asks_for_something_else(metrics, request_, status):
    with socket.create_connection(("127.0.0.1", metrics.port), timeout=10) as connection:
        connection.sendall(request_)
        with suppress(ConnectionResetError):
            assert connection.recv(1000).split(b"\r\n")[0] == status
    scrape(metrics)


def test_telling_of_every_batch_costs_little(metrics, monkeypatch):
    worked_out = []
    monkeypatch.setattr(module, "stream_statuses", lambda monitor: worked_out.append(monitor) or {})
    collector = Collector([])
    for _ in range(1000):
        metrics.progressed(collector)
    assert 1 <= len(worked_out) <= 4


def test_accuracy_is_told_where_it_is_known(metrics):
    collector = Collector(["gate", "yard"])
    collector.promise("yard", 0.9, "boxes")
    audit = Audit("cheap", False, False, Matched(3, 8), Matched(1, 2), 4)
    collector.take(
        Batch(published=[Result("gate", seq, 0.0, None, 0.0, 0, answer("cheap"), audit) for seq in range(9)])
    )
    metrics.progressed(collector)
    _, told = scrape(metrics)
    assert told["vidpipe_accuracy_f1", "gate"] == 0.75
    assert told["vidpipe_accuracy_low", "gate"] <= 0.75 <= told["vidpipe_accuracy_high", "gate"]
    assert told["vidpipe_floor", "yard"] == 0.9
    assert ("vidpipe_accuracy_f1", "yard") not in told
    assert ("vidpipe_floor", "gate") not in told


def test_links_tell_what_they_carry_and_how_they_fare(metrics):
    collector = Collector([])
    now = LinkNow(8.0, 3, 0.25, "jpeg 50")
    links = {
        "edge-cloud": Carried(7, 9000, settings={"jpeg 50": 7}, now=now),
        "device-edge": Carried(2, 100),
    }
    collector.counts = lambda: Counts({}, {}, links)
    metrics.progressed(collector)
    _, told = scrape(metrics)
    assert told["vidpipe_link_frames_total", "edge-cloud"] == 7
    assert told["vidpipe_link_bytes_total", "device-edge"] == 100
    assert told["vidpipe_link_setting_frames_total", "edge-cloud", "jpeg 50"] == 7
    assert told["vidpipe_link_bytes_per_second", "edge-cloud"] == 1e6
    assert told["vidpipe_link_waiting", "edge-cloud"] == 3
    assert told["vidpipe_link_age_seconds", "edge-cloud"] == 0.25
    assert ("vidpipe_link_waiting", "device-edge") not in told


@pytest.mark.parametrize(
    ("place", "expected"), [("9100", (9100, "127.0.0.1")), ("0.0.0.0:80", (80, "0.0.0.0")), ("[::1]:0", (0, "[::1]"))]
)
def test_places(place, expected):
    assert parse_place(place, "--metrics") == expected


@pytest.mark.parametrize("place", ["", "http", "1.2.3.4:", "70000"])
def test_no_places(place):
    with pytest.raises(ConfigError, match="write PORT"):
        parse_place(place, "--metrics")


def test_a_taken_port_is_said_so(metrics):
    with pytest.raises(ConfigError, match=f"at 127.0.0.1:{metrics.port}: Address already in use"):
        Metrics(metrics.port)


def asked(metrics, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{metrics.port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode().strip()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode().strip()


def test_who_watches_processes_is_told_how_the_run_is(metrics, monkeypatch):
    assert asked(metrics, "/healthz") == (200, "opening")  # models may be loading, which takes what it takes
    assert asked(metrics, "/readyz") == (503, "opening")
    metrics.progressed(Collector([]))
    assert asked(metrics, "/healthz") == asked(metrics, "/readyz") == (200, "ok")
    later = time.monotonic() + 60
    monkeypatch.setattr(module.time, "monotonic", lambda: later)
    for path in ("/healthz", "/readyz"):
        assert asked(metrics, path) == (503, "nothing was heard of the run for 60 s")


def test_what_work_was_done_is_told(metrics):
    collector = Collector([])
    meter = Meter(asked=7, answered=5, wall_ns=3 * 10**9, cpu_ns=2 * 10**9)
    deaths = {"edge": (1.0, 2.0)}
    collector.counts = lambda: Counts({"little": meter}, {"net": (7, 1, 10**9)}, {}, deaths)
    metrics.progressed(collector)
    _, told = scrape(metrics)
    assert told["vidpipe_stage_asked_total", "little"] == 7
    assert told["vidpipe_stage_answered_total", "little"] == 5
    assert told["vidpipe_stage_errors_total", "little"] == 0
    assert told["vidpipe_stage_seconds_total", "little"] == 3
    assert told["vidpipe_stage_cpu_seconds_total", "little"] == 2
    assert (told["vidpipe_model_pictures_total", "net"], told["vidpipe_model_cpu_seconds_total", "net"]) == (7, 1)
    assert told["vidpipe_actor_deaths_total", "edge"] == 2
