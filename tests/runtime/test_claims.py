"""What two queries cannot both have. What must hold:

- one file, store, topic, port or folder for two is refused before anything begins, with both queries and the setting;
- it is free again once the query that had it has ended; what differs is allowed, and no password is told.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.runtime.test_live_queries import Session, pipeline
from vidpipe.core.errors import ConfigError
from vidpipe.media.spec import MediaSpec
from vidpipe.pipeline.spec import Part, Pipeline
from vidpipe.results.sinks.events import EventsConfig, EventsFile
from vidpipe.results.sinks.kafka import KafkaConfig, KafkaSink
from vidpipe.results.sinks.mjpeg import MjpegConfig, MjpegSink
from vidpipe.results.sinks.mqtt.sink import MqttConfig, MqttSink
from vidpipe.results.store.sink import StoreConfig, StoreSink
from vidpipe.runtime.driver.claims import check_apart

MQTT = {"host": "hub", "user": "me", "password": "secret-word"}


def writing(kind: type, config: Any) -> Pipeline:
    return replace(pipeline(), sinks=(Part(kind, config),))


def mqtt(**config: Any) -> Pipeline:
    return writing(MqttSink, MqttConfig(**MQTT | config))


def kafka(*servers: str, topic: str = "events") -> Pipeline:
    # Without its checks, one of which asks for a package that need not be there.
    return writing(KafkaSink, KafkaConfig.model_construct(servers=list(servers), topic=topic))


def events(path: str) -> Pipeline:
    return writing(EventsFile, EventsConfig(path=path))


def store(path: str | None) -> Pipeline:
    return writing(StoreSink, StoreConfig(path=path))


def port(number: int) -> Pipeline:
    return writing(MjpegSink, MjpegConfig(port=number))


def media(folder: str) -> Pipeline:
    return replace(pipeline(), media=MediaSpec(folder=folder))


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (events("a/../events.jsonl"), events("events.jsonl"), r"sinks\.0\.path: query 'door' has the file .*events"),
        (store("x.db"), store("./x.db"), r"sinks\.0\.path: query 'door' has the store .*x\.db"),
        (store(None), store(None), r"sinks\.0\.path: query 'door' has the store"),
        (mqtt(topic="a", available="b"), mqtt(topic="a", available="c"), r"sinks\.0\.topic: .* the topic a at the"),
        (mqtt(topic="a"), mqtt(topic="c"), r"sinks\.0\.available: .* the topic vidpipe/available at the broker hub,"),
        (
            mqtt(topic="a", available="b", home_assistant={}),
            mqtt(topic="c", available="d", home_assistant={}),
            r"home_assistant\.id: .* the id vidpipe of Home Assistant",
        ),
        (kafka("one:9092", "two:9092"), kafka("two:9092"), r"the topic events at the broker two:9092"),
        (port(8090), port(8090), r"sinks\.0\.port: query 'door' has the port 8090"),
        (media("shots"), media("shots/"), r"media\.folder: query 'door' has the folder .*shots"),
    ],
)
def test_what_two_would_write_to_is_refused(one, other, said):
    with pytest.raises(ConfigError, match=f"^query 'yard': .*{said}") as raised:
        Session(door=one, yard=other)
    assert str(raised.value).endswith("too: give each of them its own")
    assert "secret-word" not in str(raised.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (events("/dev/null"), events("/dev/null")),
        (events("a.jsonl"), events("b.jsonl")),
        (mqtt(topic="a", available="b"), mqtt(topic="c", available="d")),
        (mqtt(), mqtt(host="other")),
        (kafka("one:9092"), kafka("one:9092", topic="more")),
        (store("a.db"), events("a.jsonl")),
        (media("a"), media("b")),
    ],
)
def test_what_differs_is_allowed(one, other):
    check_apart("yard", other, {"door": one})


def test_who_has_ended_has_nothing_any_more(tmp_path):
    session = Session(door=pipeline(1), yard=events(str(tmp_path / "events.jsonl")))
    with session.queries as queries:
        session.feed(1, "door", "yard")
        with pytest.raises(ConfigError, match=r"query 'gate': .* query 'yard' has the file"):
            queries.add("gate", events(str(tmp_path / "events.jsonl")))
        queries.remove("yard")
        queries.add("gate", events(str(tmp_path / "events.jsonl")))
        session.feed(1, "door", "gate")
    assert session.kept["gate"].numbers() == [0]
