"""Events to an MQTT broker."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from vidpipe.core.event import Event
from vidpipe.core.nearest import did_you_mean
from vidpipe.results.records import Result
from vidpipe.results.sinks.base import ControlledRun
from vidpipe.results.sinks.mqtt.broker import KEEPALIVE_S, Broker, BrokerConfig, check_topic, refusal
from vidpipe.results.sinks.mqtt.home_assistant.home import Home
from vidpipe.results.sinks.mqtt.home_assistant.spec import HomeAssistantSpec
from vidpipe.results.sinks.outbox.sink import LaterError, OutboxSink

if TYPE_CHECKING:
    from paho.mqtt.client import Client

_FIELDS = ("stream", "kind", "rule", "zone", "line", "direction", "class", "phase")
_NOT_IN_A_LEVEL = re.compile(r"[/+#\x00]")


class MqttConfig(BrokerConfig):
    topic: str = Field(
        default="vidpipe/{stream}/{kind}",
        description="of an event, with its {stream}, {kind}, {rule}, {zone}, {line}, {direction}, {class}, {phase}",
    )
    available: str = Field(
        default="vidpipe/available", description="topic that holds `online`, and `offline` once the run is gone"
    )
    home_assistant: HomeAssistantSpec | None = Field(
        default=None, description="has each stream be a device of Home Assistant; `{}` with all defaults; default: no"
    )

    @field_validator("topic")
    @classmethod
    def _check_topic(cls, value: str) -> str:
        try:
            names = [name for _, name, *_ in Formatter().parse(value) if name is not None]
        except ValueError as error:
            raise ValueError(f"is no template: {error}") from None
        for name in names:
            if name not in _FIELDS:
                raise ValueError(f"has the unknown field {{{name}}}{did_you_mean(name, _FIELDS)}")
        return check_topic(value)

    _check_available = field_validator("available")(check_topic)


class MqttSink(OutboxSink):
    """Publishes each event as JSON, at least once (QoS 1), and says whether it is there in the topic `available`.

    A broker has an event when it has confirmed it; what is not confirmed is published again, over another connection.
    Devices of Home Assistant have a connection of their own, as what is so waits behind no event that is not confirmed.
    """

    Config = MqttConfig
    config: MqttConfig
    at_once = 20  # one at a time would wait for the network each time

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._opened: Broker | None = None
        self._client: Client | None = None
        self._run_to_control: ControlledRun | None = None
        self._home: Home | None = None

    def __str__(self) -> str:
        return str(self._broker)

    def attach(self, run: ControlledRun) -> None:
        self._run_to_control = run

    def open(self) -> None:
        self._broker.open()

    def begin(self, provenance: Mapping[str, Any]) -> None:
        super().begin(provenance)
        if self.config.home_assistant is not None and self._run_to_control is not None:
            streams = self.config.streams
            self._home = Home(self.config.home_assistant, self._broker, self._run_to_control, streams, self._clock)

    def write(self, results: Sequence[Result], published_at: float) -> None:
        if self._home is not None:
            self._home.write(results)

    def tell(self, events: Sequence[Event]) -> None:
        super().tell(events)
        if self._home is not None:
            self._home.tell(events)

    def close(self) -> None:
        if self._home is not None:
            self._home.close()
        super().close()

    @property
    def counts(self) -> Mapping[str, int]:
        """What became of events, and of commands that came from Home Assistant."""
        return {**super().counts, **(self._home.counts if self._home is not None else {})}

    def send(self, events: Sequence[Mapping[str, Any]]) -> None:
        try:
            client = self._client = self._client or self._connected()
            sent = [client.publish(self._topic(event), json.dumps(event), qos=1) for event in events]
            deadline = time.monotonic() + self.config.timeout_s
            for message in sent:
                message.wait_for_publish(max(0.0, deadline - time.monotonic()))
                if not message.is_published():
                    raise LaterError(f"it did not confirm within {self.config.timeout_s:g} s")
        except (OSError, ValueError, RuntimeError) as error:  # as paho tells of connections that are gone
            self._drop()
            raise LaterError(self._broker.why(error)) from None
        except LaterError:
            self._drop()
            raise

    def end(self) -> None:
        if self._client is not None:
            self._client.publish(self.config.available, "offline", qos=1, retain=True).wait_for_publish(1)
        self._drop()

    @property
    def _broker(self) -> Broker:
        """Made when it is first asked for: a pipeline sets the settings of a sink that it has made."""
        if self._opened is None:
            self._opened = Broker(self.config)
        return self._opened

    def _topic(self, event: Mapping[str, Any]) -> str:
        values = {name: _NOT_IN_A_LEVEL.sub("_", str(event.get(name) or "-")) for name in _FIELDS}
        return self.config.topic.format(**values)

    def _connected(self) -> Client:
        """A connection that the broker has accepted. A new one each time: an old one would send what it still holds."""
        client = self._broker.client(self.config.available)
        answered = threading.Event()
        refusals: list[str] = []

        def on_connect(_client: Client, _data: object, _flags: object, code: Any, _more: object) -> None:
            if code.is_failure:
                refusals.append(refusal(code))
            else:
                client.publish(self.config.available, "online", qos=1, retain=True)
            answered.set()

        client.on_connect = on_connect
        client.connect(self.config.host, self._broker.port, KEEPALIVE_S)
        self._client = client
        client.loop_start()
        if not answered.wait(self.config.timeout_s):
            raise LaterError(f"it did not answer within {self.config.timeout_s:g} s")
        if refusals:
            raise LaterError(refusals[0])
        return client

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()
