"""What a pipeline writes to that can belong to one pipeline only: its files, topics, ports and folders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from vidpipe.core.errors import ConfigError
from vidpipe.pipeline.spec import Part, Pipeline
from vidpipe.results.sinks.kafka import KafkaConfig
from vidpipe.results.sinks.lines import LinesConfig
from vidpipe.results.sinks.mjpeg import MjpegConfig
from vidpipe.results.sinks.mqtt.sink import MqttConfig
from vidpipe.results.store.sink import StoreConfig

_NOBODYS = os.path.realpath(os.devnull)


def check_apart(query: str, pipeline: Pipeline, others: Mapping[str, Pipeline]) -> None:
    """Raises ConfigError where a query would write to what another one writes to.

    Args:
        others: the pipelines of the other queries, by their names.
    """
    taken = {claim: other for other, each in others.items() for claim, _ in _claims(each)}
    for claim, setting in _claims(pipeline):
        if claim in taken:
            raise ConfigError(
                f"query '{query}': {setting}: query '{taken[claim]}' has {claim}, too: give each of them its own"
            )


def _claims(pipeline: Pipeline) -> Iterator[tuple[str, str]]:
    """Each thing that the pipeline has for itself, and the setting that says so; never a password."""
    if pipeline.media is not None:
        yield f"the folder {_real(pipeline.media.path)}", "media.folder"
    for place, sink in enumerate(pipeline.sinks):
        for claim, setting in _of_sink(sink):
            yield claim, f"sinks.{place}.{setting}"


def _of_sink(sink: Part) -> Iterator[tuple[str, str]]:
    match sink.config:
        case LinesConfig() as lines if _real(Path(lines.path)) != _NOBODYS:
            yield f"the file {_real(Path(lines.path))}", "path"
        case StoreConfig() as store:
            yield f"the store {_real(store.file)}", "path"
        case MqttConfig() as mqtt:
            broker = f"at the broker {mqtt.host}" + (f":{mqtt.port}" if mqtt.port else "")
            yield f"the topic {mqtt.topic} {broker}", "topic"
            yield f"the topic {mqtt.available} {broker}", "available"
            if mqtt.home_assistant is not None:
                yield f"the id {mqtt.home_assistant.id} of Home Assistant {broker}", "home_assistant.id"
        case KafkaConfig() as kafka:
            for server in kafka.servers:
                yield f"the topic {kafka.topic} at the broker {server}", "topic"
        case MjpegConfig() as mjpeg:
            yield f"the port {mjpeg.port}", "port"


def _real(path: Path) -> str:
    return os.path.realpath(path.expanduser())
