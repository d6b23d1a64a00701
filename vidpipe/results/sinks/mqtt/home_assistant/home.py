"""The streams of a run at Home Assistant's broker: what is so is published there, and commands are taken."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from vidpipe.core.clock import Clock
from vidpipe.core.event import Event
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.records import Result
from vidpipe.results.sinks.base import ControlledRun
from vidpipe.results.sinks.mqtt.broker import KEEPALIVE_S, Broker, refusal
from vidpipe.results.sinks.mqtt.home_assistant.commands import Commands
from vidpipe.results.sinks.mqtt.home_assistant.controls import Control
from vidpipe.results.sinks.mqtt.home_assistant.device import (
    Component,
    Device,
    available_topic,
    components_of,
    discovery_topic,
    topics_of,
)
from vidpipe.results.sinks.mqtt.home_assistant.spec import HomeAssistantSpec
from vidpipe.results.sinks.mqtt.home_assistant.states import StreamStates

if TYPE_CHECKING:
    from paho.mqtt.client import Client, MQTTMessage

log = logging.getLogger(__name__)

EVERY_S = 1.0  # in which counts, states of streams and other settings are published; events are at once
_CLOSE_S = 2.0
_DOWN = ("paused", "ended", "stopped")  # states of a stream in which nothing of it is so any more
_UP_AGAIN_S = 60  # at most, until a broker that is away is tried again


class Home:
    """Keeps what stands in the broker's topics as it is. All of it is retained and the newest counts: so nothing waits
    while the broker is away, and over a new connection all of it is published again.

    Args:
        streams: which of them are devices, patterns.
    """

    def __init__(
        self, spec: HomeAssistantSpec, broker: Broker, run: ControlledRun, streams: Sequence[str], clock: Clock
    ) -> None:
        self._spec = spec
        self._broker = broker
        self._run = run
        self._patterns = streams
        self._clock = clock
        self._changed = threading.Condition()
        self._due = True
        self._closing = False
        self._is_connected = False
        self._why = ""  # there is no connection, as it was told last
        self._told_of_fault = False
        self._streams: dict[str, StreamStates] = {}
        self._errors: dict[str, str] = {}  # of the last command, by stream
        self._published: dict[str, str] = {}  # over this connection, by topic
        self._found: dict[str, dict[str, Component]] = {}  # what earlier runs have left, by topic
        self._known: dict[str, dict[str, str]] = {}  # platforms of components that Home Assistant has, by topic
        self._pipeline: Pipeline | None = None  # of which the devices are
        self._devices: Mapping[str, Device] = {}  # by stream
        self._controls: Mapping[str, tuple[str, Control]] = {}  # with their streams, by topic
        self._commands: Commands | None = None
        if spec.commands:
            self._commands = Commands(run, spec.commands_a_minute, self._answer, clock)
        self._client = self._connecting()
        self._thread = threading.Thread(target=self._keep, name="vidpipe-home", daemon=True)
        self._thread.start()

    def write(self, results: Sequence[Result]) -> None:
        """Take results; what they show is published with what is due next."""
        with self._changed:
            for result in results:
                self._of(result.stream).see(result)

    def tell(self, events: Sequence[Event]) -> None:
        """Take events, and have what they change published at once."""
        with self._changed:
            for event in events:
                self._of(event.stream).tell(event)
            self._wake()

    def close(self) -> None:
        """Say that the run is gone, and end the connection."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._commands is not None:
            self._commands.close()
        self._thread.join(_CLOSE_S)

    @property
    def counts(self) -> Mapping[str, int]:
        """What became of commands."""
        return {} if self._commands is None else self._commands.counts

    def _of(self, stream: str) -> StreamStates:
        return self._streams.setdefault(stream, StreamStates())

    def _wake(self) -> None:
        self._due = True
        self._changed.notify_all()

    def _connecting(self) -> Client:
        """A client that connects, and connects again whenever that is over."""
        client = self._broker.client(available_topic(self._spec))
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.reconnect_delay_set(1, _UP_AGAIN_S)
        client.connect_async(self._broker.config.host, self._broker.port, KEEPALIVE_S)
        client.loop_start()
        return client

    def _on_connect(self, client: Client, _data: object, _flags: object, code: Any, _more: object) -> None:
        if code.is_failure:
            self._fail(refusal(code))
            return
        topics = [(f"{self._spec.discovery}/status", 0), (discovery_topic(self._spec, "+"), 0)]
        if self._commands is not None:
            topics.append((f"{self._spec.topic}/+/+/set", 1))
        client.subscribe(topics)
        with self._changed:
            if self._why:
                log.warning("%s: Home Assistant is told again", self._broker)
            self._is_connected, self._why, self._published = True, "", {}
            self._wake()

    def _on_connect_fail(self, _client: Client, _data: object) -> None:
        self._fail(self._broker.why(sys.exc_info()[1]))

    def _on_disconnect(self, _client: Client, _data: object, _flags: object, _code: object, _more: object) -> None:
        with self._changed:
            self._is_connected = False

    def _fail(self, why: str) -> None:
        with self._changed:
            if not self._why and not self._closing:
                log.warning("%s: Home Assistant is not told: %s; it is when the broker is back", self._broker, why)
            self._why = why

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        if message.topic == f"{self._spec.discovery}/status":
            if message.payload == b"online":  # it has begun, and may know nothing
                with self._changed:
                    self._published = {}
                    self._wake()
        elif message.topic.endswith("/set") and self._commands is not None:
            control = self._controls.get(message.topic, ("", None))[1]
            self._commands.put(message.topic, control, bytes(message.payload), retained=message.retain)
        elif message.retain and (components := components_of(self._spec, bytes(message.payload))) is not None:
            with self._changed:
                self._found[message.topic] = components
                self._wake()

    def _answer(self, topic: str, why: str) -> None:
        """A command has come to its end: tell what was wrong, and what is so now."""
        with self._changed:
            stream = self._controls[topic][0] if topic in self._controls else ""
            if stream:
                self._errors[stream] = _error(why, self._clock.utc())
            elif self._is_connected:
                self._publish(f"{self._spec.topic}/error", json.dumps({"topic": topic, "error": why}), retain=False)
            # Whoever has sent it may show what it asked for: the state is told again, changed or not.
            self._published.pop(f"{topic.removesuffix('/set')}/state", None)
            self._wake()

    def _keep(self) -> None:
        while True:
            with self._changed:
                until = self._clock.monotonic() + EVERY_S
                self._clock.wait_for(self._changed, lambda: self._closing or (self._due and self._is_connected), until)
                if self._closing:
                    break
                self._due = False
            try:
                self._bring_up_to_date()
            except Exception as error:
                if not self._told_of_fault:
                    self._told_of_fault = True
                    log.warning("%s: Home Assistant is not told of what has changed: %s", self._broker, error)
                log.debug("what is so could not be published", exc_info=error)
        if self._is_connected:
            self._publish(available_topic(self._spec), "offline")
        self._client.disconnect()
        self._client.loop_stop()

    def _bring_up_to_date(self) -> None:
        """Publish what is not in the broker's topics as it should be."""
        states = self._run.states()
        with self._changed:
            if self._pipeline is not self._run.pipeline:
                self._know(self._run.pipeline)
            if not self._is_connected:
                return
            wanted = {available_topic(self._spec): "online"}
            for stream, device in self._devices.items():
                wanted |= self._messages(stream, device, states.get(stream, ""))
                self._announce(device)
            self._clear(wanted)
            for topic, text in wanted.items():
                if self._published.get(topic) != text:
                    self._publish(topic, text)
                    self._published[topic] = text

    def _know(self, pipeline: Pipeline) -> None:
        """Have devices, and take commands, as this pipeline has it."""
        named = [name for name in pipeline.streams if any(fnmatchcase(name, each) for each in self._patterns)]
        self._devices = {name: Device(self._spec, pipeline, name) for name in named}
        self._streams = {name: states for name, states in self._streams.items() if name in pipeline.streams}
        self._errors = {name: error for name, error in self._errors.items() if name in pipeline.streams}
        self._controls = {
            topic: (name, control)
            for name, device in self._devices.items()
            for topic, control in device.controls.items()
        }
        self._pipeline = pipeline

    def _messages(self, stream: str, device: Device, state: str) -> Mapping[str, str]:
        states = self._of(stream)
        if state in _DOWN:
            states.forget()
        return device.messages(state, states, self._errors.get(stream, _error("", None)))

    def _announce(self, device: Device) -> None:
        """Have Home Assistant remove components that are gone; what is there is announced with all else."""
        before = dict(self._known.get(device.topic, {}))
        if (found := self._found.pop(device.topic, None)) is not None:
            before |= {key: str(each.get("platform", "sensor")) for key, each in found.items()}
            gone_topics = {str(each.get("state_topic")) for key, each in found.items() if key not in device.platforms}
            for topic in sorted(gone_topics):
                self._publish(topic, "")
        if gone := {key: platform for key, platform in before.items() if key not in device.platforms}:
            self._publish(device.topic, device.without(gone))
            self._published.pop(device.topic, None)  # and then without a word of them
        self._known[device.topic] = device.platforms

    def _clear(self, wanted: Mapping[str, str]) -> None:
        """Remove devices, and states, that are there no more."""
        left = self._published.keys() - wanted.keys()
        for topic, components in self._found.items():
            left = left | {topic, *topics_of(components)} - wanted.keys()
        for topic in sorted(left):
            self._publish(topic, "")
            self._published.pop(topic, None)
            self._known.pop(topic, None)
        self._found = {}

    def _publish(self, topic: str, text: str, *, retain: bool = True) -> None:
        self._client.publish(topic, text, retain=retain)


def _error(why: str, at: float | None) -> str:
    return json.dumps({"error": why, "at": at})
