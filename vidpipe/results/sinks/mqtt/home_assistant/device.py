"""A stream as a device of Home Assistant, by its device discovery: https://www.home-assistant.io/integrations/mqtt/."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import vidpipe
from vidpipe.pipeline.spec import Pipeline
from vidpipe.results.sinks.mqtt.home_assistant.controls import Control, controls_of, rules_of
from vidpipe.results.sinks.mqtt.home_assistant.spec import HomeAssistantSpec, id_of
from vidpipe.results.sinks.mqtt.home_assistant.states import CROSSINGS, IS_SO, StreamStates, sensors_of

Component = dict[str, Any]

ORIGIN = "vidpipe"
_UP = ("running", "live", "warming", "overloaded")  # states of a stream in which what it shows can be believed


class Device:
    """One stream, as long as its settings are what they are.

    Attributes:
        topic: in which Home Assistant finds it.
        controls: by the topic to which Home Assistant sends commands.
        platforms: of its components, by key.
    """

    def __init__(self, spec: HomeAssistantSpec, pipeline: Pipeline, stream: str) -> None:
        self._id = f"{spec.id}-{id_of(stream)}"
        self._stream = stream
        self._spec = spec
        self._base = f"{spec.topic}/{id_of(stream)}"
        self._available = f"{self._base}/available"
        self._rules = rules_of(pipeline, stream)
        self._sensors = list(sensors_of(self._rules))
        self._components: dict[str, Component] = {}
        self.controls: dict[str, Control] = {}
        self._add_sensors()
        if spec.commands:
            self._add_controls(pipeline)
        self.topic = discovery_topic(spec, self._id)
        self.platforms = {key: str(component["platform"]) for key, component in self._components.items()}
        self._discovery = self._payload(self._components)

    def messages(self, state: str, states: StreamStates, error: str) -> dict[str, str]:
        """What is to stand in which topic now.

        Args:
            state: of the stream, as `ControlledRun.states` has it.
            error: what was wrong with the last command, as JSON.
        """
        texts = {told.key: states.value(told, self._rules) for told in self._sensors}
        texts |= {"seen": states.seen(), "state": state}
        if self._spec.commands:
            texts |= {control.key: control.now(state) for control in self.controls.values()} | {"error": error}
        told = {self._state_topic(key): text for key, text in texts.items()}
        return {self.topic: self._discovery, self._available: "online" if state in _UP else "offline", **told}

    def without(self, gone: Mapping[str, str]) -> str:
        """The discovery message that has Home Assistant remove these components, given by their platforms."""
        return self._payload(self._components | {key: {"platform": platform} for key, platform in gone.items()})

    def _payload(self, components: Mapping[str, Component]) -> str:
        device = {"identifiers": [self._id], "name": self._stream, "manufacturer": ORIGIN, "model": "stream"}
        origin = {"name": ORIGIN, "sw_version": vidpipe.__version__}
        return json.dumps({"device": device, "origin": origin, "components": components})

    def _add_sensors(self) -> None:
        for told in self._sensors:
            kind = next(rule.kind for rule in self._rules.rules if rule.id == told.rule)
            more: Component = {"state_class": "total_increasing" if told.what == CROSSINGS else "measurement"}
            if told.what == IS_SO:
                known: dict[str, Component] = {"absence": {}, "learnt": {}, "degraded": {"device_class": "problem"}}
                more = known.get(kind, {"device_class": "occupancy"})
            platform = "binary_sensor" if told.what == IS_SO else "sensor"
            self._add(told.key, platform, name=told.name, **more)
        template: Component = {"value_template": "{{ value_json.total }}", "state_class": "measurement"}
        self._add("seen", "sensor", name="in sight", attributes=True, **template)
        self._add("state", "sensor", name="state", always=True, entity_category="diagnostic")

    def _add_controls(self, pipeline: Pipeline) -> None:
        for control in controls_of(pipeline, self._stream, self._spec.floors):
            topic = f"{self._base}/{control.key}/set"
            more: Component = {"command_topic": topic, "entity_category": "config"}
            if control.platform == "select":
                more["options"] = list(control.options)
            self._add(control.key, control.platform, name=control.name, always=True, **more)
            self.controls[topic] = control
        problem: Component = {"value_template": "{{ value_json.error[:255] }}", "entity_category": "diagnostic"}
        self._add("error", "sensor", name="last error", always=True, attributes=True, **problem)

    def _state_topic(self, key: str) -> str:
        return f"{self._base}/{key}/state"

    def _add(self, key: str, platform: str, *, always: bool = False, attributes: bool = False, **more: Any) -> None:
        """Add a component; `always`: it is there as long as the run is, whatever becomes of the stream."""
        topic = self._state_topic(key)
        topics = [available_topic(self._spec)] if always else [available_topic(self._spec), self._available]
        self._components[key] = {
            "platform": platform,
            "unique_id": f"{self._id}-{key}",
            "state_topic": topic,
            **({"json_attributes_topic": topic} if attributes else {}),
            "availability": [{"topic": each} for each in topics],
            "availability_mode": "all",
            **more,
        }


def available_topic(spec: HomeAssistantSpec) -> str:
    """The topic that says whether the run is there."""
    return f"{spec.topic}/available"


def discovery_topic(spec: HomeAssistantSpec, id: str) -> str:
    """Where Home Assistant looks for that device."""
    return f"{spec.discovery}/device/{id}/config"


def components_of(spec: HomeAssistantSpec, payload: bytes) -> dict[str, Component] | None:
    """The components of a device of this run's, as an earlier run has told of it; None of anything else."""
    try:
        told = json.loads(payload)
        ours = told["origin"]["name"] == ORIGIN and told["device"]["identifiers"][0].startswith(f"{spec.id}-")
        components: dict[str, Component] = {key: dict(each) for key, each in told["components"].items()}
        begins = f"{spec.topic}/"
        ours = ours and all(str(each.get("state_topic", begins)).startswith(begins) for each in components.values())
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        return None
    return components if ours else None


def topics_of(components: Mapping[str, Component]) -> Iterator[str]:
    """Where the states of components stand."""
    for component in components.values():
        yield from (topic for name in ("state_topic",) if isinstance(topic := component.get(name), str))
        places: Sequence[Any] = component.get("availability", ())
        yield from (str(place["topic"]) for place in places if isinstance(place, dict) and "topic" in place)
