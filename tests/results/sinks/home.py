"""A client that does with discovery messages what Home Assistant does: entities, what they show, and commands."""

from __future__ import annotations

import json
import threading
from typing import Any

from jinja2 import Environment
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

PLATFORMS = {"binary_sensor", "sensor", "switch", "select"}
_SHARED = {"platform", "unique_id", "name", "state_topic", "json_attributes_topic", "availability", "availability_mode"}
_KNOWN = _SHARED | {"device_class", "state_class", "value_template", "entity_category", "command_topic", "options"}
_NEEDED = {"switch": {"command_topic"}, "select": {"command_topic", "options"}, "sensor": {"state_topic"}}


class HomeAssistant:
    """Entities by device and by component, kept as discovery messages say; what is no such message is a mistake.

    Attributes:
        mistakes: what Home Assistant would refuse.
        removed: components that it was told to remove.
    """

    def __init__(self, port: int, **options: str) -> None:
        self.entities: dict[str, dict[str, dict[str, Any]]] = {}
        self.mistakes: list[str] = []
        self.removed: list[str] = []
        self.topics: dict[str, str] = {}
        self._jinja = Environment()
        self._lock = threading.Lock()
        ready = threading.Event()
        self.client = Client(CallbackAPIVersion.VERSION2)
        if options:
            self.client.username_pw_set(options["user"], options["password"])
        self.client.on_message = self._on_message
        self.client.on_subscribe = lambda *_: ready.set()
        self.client.on_connect = lambda *_: self.client.subscribe("#", qos=1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert ready.wait(10)

    def say_hello(self) -> None:
        """What it publishes when it has begun."""
        self.client.publish("homeassistant/status", "online")

    def forget(self) -> None:
        """Know nothing, as after a restart without what is retained."""
        with self._lock:
            self.entities, self.topics = {}, {}

    def state(self, device: str, key: str) -> str:
        """What an entity shows: "unavailable", "unknown", or its state."""
        with self._lock:
            entity = self.entities.get(device, {}).get(key)
            if entity is None:
                return "missing"
            places = [self.topics.get(each["topic"]) for each in entity["availability"]]
            assert entity["availability_mode"] == "all"
            if any(each != "online" for each in places):
                return "unavailable"
            text = self.topics.get(entity["state_topic"])
        if text is None:
            return "unknown"
        if "value_template" in entity:
            text = self._jinja.from_string(entity["value_template"]).render(value=text, value_json=json.loads(text))
        assert len(text) <= 255, "Home Assistant takes no longer state"
        return text

    def attributes(self, device: str, key: str) -> dict[str, Any]:
        """The attributes of an entity."""
        return json.loads(self.topics[self.entities[device][key]["json_attributes_topic"]])

    def choose(self, device: str, key: str, text: str, **options: Any) -> None:
        """Turn a switch, or choose from a select."""
        entity = self.entities[device][key]
        assert entity["platform"] in ("switch", "select")
        self.client.publish(entity["command_topic"], text, qos=1, **options)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()

    def _on_message(self, _client: Client, _data: object, message: Any) -> None:
        with self._lock:
            if message.topic.startswith("homeassistant/device/"):
                self._discover(message.topic, message.payload.decode())
            elif message.payload:
                self.topics[message.topic] = message.payload.decode(errors="replace")
            else:
                self.topics.pop(message.topic, None)

    def _discover(self, topic: str, text: str) -> None:
        id = topic.split("/")[2]
        if not text:
            self.removed.append(id)
            self.entities.pop(id, None)
            return
        told = json.loads(text)
        if not told["device"]["identifiers"] or not told["device"]["name"] or not told["origin"]["name"]:
            self.mistakes.append(f"{topic}: device and origin")
        known = self.entities.setdefault(id, {})
        for key, component in told["components"].items():
            if component["platform"] not in PLATFORMS:
                self.mistakes.append(f"{topic}: {key}: platform")
            if set(component) == {"platform"}:  # an empty one: it is to be removed
                if known.pop(key, None) is not None:
                    self.removed.append(key)
                continue
            if not component.get("unique_id") or not set(component) <= _KNOWN:
                self.mistakes.append(f"{topic}: {key}: {set(component) - _KNOWN}")
            if not _NEEDED.get(component["platform"], set()) <= set(component):
                self.mistakes.append(f"{topic}: {key}: needs more")
            known[key] = component  # a component that a message does not name stays
