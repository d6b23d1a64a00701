"""Kafka, against the broker that librdkafka has for tests; without confluent-kafka these tests say so and skip."""

from __future__ import annotations

import json
import socket
import sys
import time

import pytest
from pydantic import ValidationError

from tests.results.sinks.test_mqtt import free_port
from tests.results.store.told import PROVENANCE, event
from tests.waiting import until
from vidpipe.core.errors import RunError

PASSWORD = "pass-word-of-kafka"
TEST = {"id": "a", "phase": "begin", "seq": 0, "stream": "gate"}


@pytest.fixture
def kafka():
    return pytest.importorskip(
        "confluent_kafka", reason="confluent-kafka is not installed: pip install 'vidpipe[kafka]'"
    )


@pytest.fixture
def module(kafka):
    from vidpipe.results.sinks import kafka as module

    return module


class Brokers:
    """Brokers within this process, which speak the protocol on real ports; gone when `close` is called."""

    def __init__(self, kafka):
        self._kafka = kafka
        self._held = kafka.Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "unused"})
        (broker,) = self._held.list_topics(timeout=10).brokers.values()
        self.server = f"{broker.host}:{broker.port}"

    def read(self, count, topic="vidpipe", timeout_s=20):
        """Key and event of each message from the first on."""
        settings = {"bootstrap.servers": self.server, "group.id": "test", "auto.offset.reset": "earliest"}
        consumer = self._kafka.Consumer(settings)
        consumer.subscribe([topic])
        found = []
        deadline = time.monotonic() + timeout_s
        while len(found) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} came"
            message = consumer.poll(0.2)
            if message is not None and message.error() is None:
                found.append((message.key().decode(), json.loads(message.value())))
        consumer.close()
        return found

    def close(self):
        self._held = None


@pytest.fixture
def brokers(kafka):
    made = Brokers(kafka)
    yield made
    made.close()


@pytest.fixture
def begin(module, tmp_path):
    begun = []

    def begin(server, **settings):
        soon = {"retry_s": 0.05, "retry_most_s": 0.1, "timeout_s": 5, "outbox": str(tmp_path / "o.db")}
        sink = module.KafkaSink(module.KafkaConfig(**{"servers": [server]} | soon | settings))
        sink.begin(PROVENANCE)
        begun.append(sink)
        return sink

    yield begin
    for sink in begun:
        sink.close()


def law(counts):
    dropped = sum(value for name, value in counts.items() if name.startswith("dropped_"))
    return counts["inherited"] + counts["made"] == counts["delivered"] + counts["waiting"] + dropped


def test_events_come_with_their_stream_as_key_each_streams_in_order(begin, brokers):
    sink = begin(brokers.server, topic="yard.events")
    for seq in range(300):
        sink.tell([event(seq, stream=("gate", "yard")[seq % 2])])
    until(lambda: sink.counts["delivered"] == 300, 30)
    told = brokers.read(300, "yard.events")
    for stream in ("gate", "yard"):
        assert [each["seq"] for key, each in told if key == stream] == list(range(stream == "yard", 300, 2))
    assert all(key == each["stream"] for key, each in told)
    assert law(sink.counts)


def test_brokers_that_are_away_slow_nothing_and_miss_nothing(begin, kafka, tmp_path, caplog):
    gone = f"127.0.0.1:{free_port()}"
    sink = begin(gone, timeout_s=0.5)
    began = time.thread_time()
    for seq in range(50):
        sink.tell([event(seq)])
    assert time.thread_time() - began < 1
    until(lambda: sink.counts["retries"] >= 2)
    assert (sink.counts["waiting"], law(sink.counts)) == (50, True)
    assert f"kafka {gone} takes no events: " in caplog.text
    sink.close()
    there = Brokers(kafka)
    again = begin(there.server)
    until(lambda: again.counts["waiting"] == 0, 30)
    assert [each["seq"] for _, each in there.read(50)] == list(range(50))
    there.close()


def test_an_event_that_is_too_large_is_a_dead_letter_and_holds_up_nothing(begin, brokers):
    sink = begin(brokers.server)
    sink.tell([event(0), event(1, note="x" * 2_000_000), event(2), event(3, note="x" * 2_000_000), event(4)])
    until(lambda: sink.counts["waiting"] == 0, 30)
    assert (sink.counts["dropped_refused"], sink.counts["delivered"], law(sink.counts)) == (2, 3, True)
    came = [each["seq"] for _, each in brokers.read(5)]  # what was sent before one that was refused comes twice
    assert list(dict.fromkeys(came)) == sorted(set(came)) == [0, 2, 4]
    assert sink.at_once == 100


def test_it_can_be_tried_out(module, brokers):
    sink = module.KafkaSink(module.KafkaConfig(servers=[brokers.server]))
    assert sink.try_out(TEST) == "delivered"


def test_what_keeps_it_from_being_tried_out(module):
    def why(server, **settings):
        sink = module.KafkaSink(module.KafkaConfig(servers=[server], timeout_s=2, **settings))
        with pytest.raises(RunError) as raised:
            sink.try_out(TEST)
        return str(raised.value)

    assert "connection refused" in why(f"127.0.0.1:{free_port()}")
    assert "failed to resolve 'no-such-host.invalid:9092'" in why("no-such-host.invalid:9092")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        assert "within 2 s" in why(place) or "timed out" in why(place)


def test_password_is_never_shown(module, monkeypatch, brokers, caplog):
    monkeypatch.setenv("KAFKA_PASSWORD", PASSWORD)
    login = {"user": "me", "password": "${env:KAFKA_PASSWORD}"}
    sink = module.KafkaSink(module.KafkaConfig(servers=[brokers.server], timeout_s=1, **login))
    with pytest.raises(RunError) as raised:
        sink.try_out(TEST)
    assert PASSWORD not in f"{raised.value} {sink} {sink.config!r} {sink.config.model_dump_json()} {caplog.text}"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"servers": []}, "at least 1 item"),
        ({"servers": ["kafka://h:9092"]}, "should match pattern"),
        ({"servers": ["h"]}, "should match pattern"),
        ({"topic": "a b"}, "should match pattern"),
        ({"password": PASSWORD}, "has only one of `user` and `password`"),
        ({"user": "u", "password": PASSWORD, "mechanism": "PLAIN"}, "would show its password to the whole network"),
    ],
)
def test_mistakes_are_found_when_a_pipeline_is_loaded(module, settings, said):
    with pytest.raises(ValidationError, match=said) as raised:
        module.KafkaConfig(**{"servers": ["h:9092"]} | settings)
    assert PASSWORD not in str(raised.value)


def test_without_the_package_the_message_names_the_extra(monkeypatch):
    from vidpipe.results.sinks.kafka import KafkaConfig

    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(ValidationError, match=r"needs the package confluent_kafka: `pip install 'vidpipe\[kafka\]'`"):
        KafkaConfig(servers=["h:9092"])
