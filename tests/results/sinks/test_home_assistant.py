"""Devices of Home Assistant, against a real broker and a client that does what Home Assistant does. What must hold:

- what a device shows is what events and results have told last, also after the broker or Home Assistant was away;
- devices and components that are gone are removed, those that an earlier run has left included;
- a command changes the run, or says why it does not: none is carried out that was not asked for in the settings;
- commands = done + failed + refused + waiting.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests import crowd
from tests.results.sinks.home import HomeAssistant
from tests.results.sinks.test_mqtt import Broker, free_port
from tests.results.store.told import PROVENANCE, event, result
from tests.samples.conftest import SAMPLES
from tests.waiting import until
from vidpipe.core.errors import ConfigError
from vidpipe.core.event import Phase
from vidpipe.pipeline.yaml.load import load
from vidpipe.results.sinks.mqtt.home_assistant import home as module
from vidpipe.results.sinks.mqtt.home_assistant.commands import Commands
from vidpipe.results.sinks.mqtt.home_assistant.spec import HomeAssistantSpec, id_of
from vidpipe.results.sinks.mqtt.sink import MqttConfig, MqttSink
from vidpipe.runtime.driver.epochs import changed
from vidpipe.runtime.driver.session import Run
from vidpipe.testing.clock import HandClock

YARD = "vidpipe-yard"


class Driven:
    """A run as a sink sees it, that does nothing but what it is told."""

    def __init__(self, pipeline):
        self.pipeline = pipeline
        self.paused = set()
        self.asked = []
        self.hangs = threading.Event()
        self.hangs.set()

    def states(self):
        return {name: "paused" if name in self.paused else "running" for name in self.pipeline.streams}

    def apply(self, *, stages, streams, reason, by):
        self.hangs.wait(10)
        self.pipeline, _ = changed(self.pipeline, stages, streams, 1)
        self.asked.append((dict(stages), list(streams), by))

    def pause(self, stream):
        self.paused.add(stream)

    def resume(self, stream, *, reason="", by):
        self.paused.discard(stream)

    def ask_floor(self, stream, floor):
        streams = dict(self.pipeline.streams)
        spec = streams[stream].spec.model_copy(update={"floor": floor})
        self.pipeline = replace(self.pipeline, streams={**streams, stream: replace(streams[stream], spec=spec)})


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(module, "EVERY_S", 0.05)


@pytest.fixture
def broker(tmp_path):
    made = Broker(tmp_path, "allow_anonymous true")
    yield made
    made.close()


@pytest.fixture
def house(broker):
    made = HomeAssistant(broker.port)
    yield made
    made.close()
    assert made.mistakes == []


@pytest.fixture
def pipeline(tmp_path, monkeypatch):
    crowd.write(tmp_path, monkeypatch)
    return lambda **options: load(tmp_path / "pipeline.yaml", **options)


@pytest.fixture
def begin(tmp_path, broker, pipeline):
    """Begins a sink of a run that is driven by hand, and ends it."""
    begun = []

    def begin(run=None, clock=None, **settings):
        run = run or Driven(pipeline())
        config = MqttConfig(
            host="127.0.0.1",
            port=broker.port,
            outbox=str(tmp_path / f"{len(begun)}.db"),
            home_assistant=HomeAssistantSpec(**settings),
        )
        sink = MqttSink(config, **({"clock": clock} if clock else {}))
        sink.attach(run)
        sink.begin(PROVENANCE)
        begun.append(sink)
        return sink, run

    yield begin
    for sink in begun:
        sink.close()


def with_stream(pipeline, name):
    """The same with another stream that has the rules of the yard."""
    return replace(pipeline, streams={**pipeline.streams, name: pipeline.streams["yard"]})


def law(counts):
    outcomes = ("commands_done", "commands_failed", "commands_refused", "commands_waiting")
    return counts["commands"] == sum(counts[name] for name in outcomes)


def test_a_stream_is_a_device_with_what_its_rules_tell(begin, house):
    sink, _ = begin()
    until(lambda: house.state(YARD, "is-full") == "OFF")
    keys = set(house.entities[YARD])
    assert {"is-empty", "is-anybody", "is-goes", "count-goes", "count-full", "seen", "state"} <= keys
    assert sum(key.startswith("cross-") for key in keys) == 4  # two lines, two ways each
    assert not {key for key in keys if house.entities[YARD][key]["platform"] in ("switch", "select")}
    ids = [component["unique_id"] for component in house.entities[YARD].values()]
    assert len(ids) == len(set(ids))
    sink.tell([event(1, "occupancy", id="a", stream="yard", rule="full", zone="gate", count=3)])
    until(lambda: (house.state(YARD, "is-full"), house.state(YARD, "count-full")) == ("ON", "3"))
    sink.tell([event(2, "occupancy", id="a", stream="yard", rule="full", zone="gate", count=1, phase=Phase.END)])
    until(lambda: (house.state(YARD, "is-full"), house.state(YARD, "count-full")) == ("OFF", "1"))


def test_those_who_are_in_a_zone_are_counted_and_crossings_too(begin, house):
    sink, _ = begin()
    until(lambda: house.state(YARD, "count-goes") == "0")
    visit = {"kind": "zone.enter", "stream": "yard", "rule": "goes", "zone": "gate"}
    sink.tell([event(1, id="a", **visit), event(2, id="b", **visit), event(3, id="b", **visit, phase=Phase.UPDATE)])
    until(lambda: house.state(YARD, "count-goes") == "2")
    sink.tell([event(4, id="a", **visit, phase=Phase.END)])
    until(lambda: (house.state(YARD, "is-goes"), house.state(YARD, "count-goes")) == ("ON", "1"))
    crossed = {"kind": "line.cross", "stream": "yard", "rule": "path", "line": "path"}
    sink.tell([event(5, **crossed, direction="in", count=7), event(6, **crossed, direction="out", count=2)])
    named = {each["name"]: key for key, each in house.entities[YARD].items()}
    until(lambda: (house.state(YARD, named["path in"]), house.state(YARD, named["path out"])) == ("7", "2"))


def test_what_is_in_sight_is_told_by_class(begin, house):
    sink, _ = begin()
    sink.write([result(0, "person", stream="yard"), result(1, "person", "person", "car", stream="yard")], 0.0)
    until(lambda: house.state(YARD, "seen") == "3")
    assert house.attributes(YARD, "seen")["classes"] == {"car": 1, "person": 2}


@pytest.mark.long
def test_when_the_run_is_gone_nothing_is_available(begin, house, broker):
    sink, _ = begin()
    until(lambda: house.state(YARD, "seen") == "0")
    sink._home._client._sock_close()  # noqa: SLF001 - as the kernel does it with a process that is killed
    until(lambda: "offline" in house.topics["vidpipe/home/available"])
    assert house.state(YARD, "seen") == "unavailable"
    until(lambda: house.state(YARD, "seen") == "0")  # it comes back by itself
    sink.close()
    until(lambda: house.state(YARD, "seen") == "unavailable")


def test_a_stream_that_is_paused_shows_nothing_old(begin, house):
    sink, run = begin(commands=True)
    sink.tell([event(1, "presence", id="a", stream="yard", rule="anybody", zone="lawn", count=1)])
    until(lambda: house.state(YARD, "is-anybody") == "ON")
    house.choose(YARD, "running", "OFF")
    until(lambda: house.state(YARD, "is-anybody") == "unavailable")
    until(lambda: (house.state(YARD, "running"), house.state(YARD, "state")) == ("OFF", "paused"))
    assert run.paused == {"yard"}
    house.choose(YARD, "running", "ON")
    until(lambda: (house.state(YARD, "is-anybody"), house.state(YARD, "running")) == ("OFF", "ON"))


@pytest.mark.long
def test_a_broker_that_is_away_slows_nothing_and_knows_all_when_it_is_back(begin, broker, caplog):
    sink, _ = begin()
    first = HomeAssistant(broker.port)
    until(lambda: first.state(YARD, "is-anybody") == "OFF")
    broker.stop()
    began = time.thread_time()
    for seq in range(200):
        sink.write([result(seq, "car", stream="yard")], 0.0)
        phase = Phase.END if seq % 2 else Phase.BEGIN
        sink.tell([event(seq, "presence", id=f"a{seq // 2}", stream="yard", rule="anybody", zone="lawn", phase=phase)])
    assert time.thread_time() - began < 1
    sink.tell([event(300, "presence", id="b", stream="yard", rule="anybody", zone="lawn", count=1)])
    first.close()
    broker.start()
    again = HomeAssistant(broker.port)
    until(lambda: (again.state(YARD, "is-anybody"), again.state(YARD, "seen")) == ("ON", "1"), 30)
    again.close()


def test_home_assistant_that_begins_anew_is_told_all_again(begin, house):
    begin()
    until(lambda: house.state(YARD, "seen") == "0")
    house.forget()
    assert house.state(YARD, "seen") == "missing"
    house.say_hello()
    until(lambda: house.state(YARD, "seen") == "0")


def test_what_goes_while_it_runs_is_removed(begin, house, pipeline):
    other = id_of("back yard")
    run = Driven(with_stream(pipeline(), "back yard"))
    sink, _ = begin(run)
    until(lambda: house.state(f"vidpipe-{other}", "seen") == "0" and house.state(YARD, "seen") == "0")
    run.pipeline = pipeline(sets=["rules.anybody.id=somebody"])
    until(lambda: f"vidpipe-{other}" not in house.entities)
    until(lambda: house.state(YARD, "is-somebody") == "OFF")
    assert house.state(YARD, "is-anybody") == "missing"
    until(lambda: not [topic for topic in list(house.topics) if other in topic or "anybody" in topic])
    sink.close()


def test_what_an_earlier_run_has_left_is_removed(begin, house, pipeline):
    first, _ = begin(Driven(with_stream(pipeline(), "old")))
    until(lambda: house.state("vidpipe-old", "seen") == "0" and house.state(YARD, "is-anybody") == "OFF")
    first.close()
    house.client.publish(
        "homeassistant/device/vidpipe-mine/config",
        '{"device": {"identifiers": ["x"], "name": "x"}, "origin": {"name": "other"}, "components": {}}',
        retain=True,
    )
    begin(Driven(pipeline(sets=["rules.anybody.id=somebody"])))
    until(lambda: "vidpipe-old" in house.removed and "is-anybody" in house.removed)
    until(lambda: house.state(YARD, "is-somebody") == "OFF")
    until(lambda: not [topic for topic in list(house.topics) if "/old/" in topic or "anybody" in topic])
    assert "vidpipe-mine" not in house.removed


def test_a_rule_is_switched_off_and_on(begin, house):
    sink, run = begin(commands=True)
    until(lambda: house.state(YARD, "rule-full") == "ON")
    house.choose(YARD, "rule-full", "OFF")
    until(lambda: house.state(YARD, "rule-full") == "OFF")
    house.choose(YARD, "rule-empty", "OFF")
    until(lambda: house.state(YARD, "rule-empty") == "OFF")
    house.choose(YARD, "rule-full", "ON")
    until(lambda: house.state(YARD, "rule-full") == "ON")
    assert [stages["rules"]["off"] for stages, _, _ in run.asked] == [["full"], ["full", "empty"], ["empty"]]
    assert {(by, *streams) for _, streams, by in run.asked} == {("mqtt", "yard")}
    assert (sink.counts["commands_done"], law(sink.counts)) == (3, True)


def test_a_floor_is_chosen(begin, house, pipeline):
    run = Driven(pipeline(sets=["streams.yard.floor=0.87"]))
    begin(run, commands=True, floors=[0.8, 0.95])
    until(lambda: house.state(YARD, "floor") == "0.87")
    assert house.entities[YARD]["floor"]["options"] == ["0.8", "0.87", "0.95"]
    house.choose(YARD, "floor", "0.95")
    until(lambda: house.state(YARD, "floor") == "0.95")


def test_another_model_is_chosen(begin, house, monkeypatch):
    monkeypatch.delitem(sys.modules, "own", raising=False)
    loaded = load(SAMPLES / "extensions" / "own.yaml")
    run = Driven(replace(loaded, models={**loaded.models, "dim": loaded.models["bright"]}, sinks=()))
    begin(run, commands=True)
    ball, key = "vidpipe-ball", "model-finds-model"
    until(lambda: house.state(ball, key) == "bright")
    assert house.entities[ball][key]["options"] == ["bright", "dim"]
    house.choose(ball, key, "dim")
    until(lambda: house.state(ball, key) == "dim")
    assert run.asked == [({"finds": {"model": "dim"}}, ["ball"], "mqtt")]


@pytest.mark.parametrize(
    ("text", "options", "why"),
    [
        ("on", {}, "running takes ON, OFF, not 'on'"),
        (b"\xff\xfe", {}, "running takes ON, OFF, not "),
        ("x" * 5000, {}, f"running takes ON, OFF, not '{'x' * 40}'"),
        ("", {}, "running takes ON, OFF, not ''"),
    ],
)
def test_what_is_no_command_is_refused_and_said(begin, house, text, options, why):
    sink, run = begin(commands=True)
    until(lambda: house.state(YARD, "running") == "ON")
    house.choose(YARD, "running", text, **options)
    until(lambda: house.state(YARD, "error").startswith(why))
    assert (run.paused, sink.counts["commands_refused"], law(sink.counts)) == (set(), 1, True)
    house.choose(YARD, "running", "OFF")
    until(lambda: house.state(YARD, "error") == "")


def test_a_command_that_is_retained_or_meant_for_nobody_is_refused(begin, house):
    house.client.publish("vidpipe/home/yard/running/set", "OFF", retain=True)
    sink, run = begin(commands=True)
    until(lambda: "it is retained" in house.state(YARD, "error"))
    house.client.publish("vidpipe/home/nowhere/running/set", "OFF")
    until(lambda: "vidpipe/home/error" in house.topics)
    assert json.loads(house.topics["vidpipe/home/error"])["error"] == "nothing takes commands there"
    assert (run.paused, sink.counts["commands_refused"], law(sink.counts)) == (set(), 2, True)
    house.client.publish("vidpipe/home/yard/running/set", "", retain=True)


def test_too_many_commands_are_refused(begin, house):
    """The clock stands still: a minute never passes."""
    clock = HandClock()
    sink, run = begin(commands=True, commands_a_minute=3, clock=clock)
    until(lambda: house.state(YARD, "running") == "ON")
    for done, text in enumerate(("OFF", "ON", "OFF"), 1):
        house.choose(YARD, "running", text)
        until(lambda done=done: sink.counts["commands_done"] == done)
    house.choose(YARD, "running", "ON")
    until(lambda: house.state(YARD, "error") == "more than 3 commands a minute")
    assert (run.paused, sink.counts["commands_done"], law(sink.counts)) == ({"yard"}, 3, True)
    clock.turn(61)
    house.choose(YARD, "running", "ON")
    until(lambda: house.state(YARD, "running") == "ON")


class Switch:
    """What takes any command, and does nothing."""

    name, options = "a switch", ("ON", "OFF")

    def choose(self, run, text): ...


def test_what_becomes_of_commands_is_told_in_order():
    """Else the word that an earlier one was carried out would hide that a later one was refused."""
    told, telling, go_on = [], threading.Event(), threading.Event()

    def tell(topic, why):
        if topic == "first":
            telling.set()
            go_on.wait(5)
        told.append((topic, why))

    commands = Commands(None, 1, tell, HandClock())
    commands.put("first", Switch(), b"ON", retained=False)
    assert telling.wait(5)
    later = threading.Thread(target=commands.put, args=("second", Switch(), b"OFF"), kwargs={"retained": False})
    later.start()
    later.join(0.1)
    assert told == []
    go_on.set()
    later.join(5)
    assert told == [("first", ""), ("second", "more than 1 commands a minute")]
    commands.close()


def test_a_command_that_takes_long_holds_up_nothing(begin, house):
    sink, run = begin(commands=True)
    until(lambda: house.state(YARD, "running") == "ON")
    run.hangs.clear()
    for _ in range(12):
        house.choose(YARD, "rule-full", "OFF")
    until(lambda: sink.counts["commands_refused"] == 4)
    assert sink.counts["commands_waiting"] == 8
    sink.tell([event(1, "presence", id="a", stream="yard", rule="anybody", zone="lawn", count=1)])
    until(lambda: house.state(YARD, "is-anybody") == "ON")
    run.hangs.set()
    until(lambda: sink.counts["commands_done"] == 8)
    assert law(sink.counts)


def test_what_a_command_cannot_do_is_said(begin, house):
    sink, run = begin(commands=True)

    def apply(**_):
        raise ConfigError("models.big: no such file")

    run.apply = apply
    until(lambda: house.state(YARD, "running") == "ON")
    house.choose(YARD, "rule-full", "OFF")
    until(lambda: house.state(YARD, "error") == "models.big: no such file")
    assert house.state(YARD, "rule-full") == "ON"
    assert (sink.counts["commands_failed"], law(sink.counts)) == (1, True)


def test_without_commands_nothing_is_taken(begin, house):
    sink, run = begin()
    until(lambda: house.state(YARD, "seen") == "0")
    house.client.publish("vidpipe/home/yard/running/set", "OFF", qos=1).wait_for_publish(5)
    sink.tell([event(1, "presence", id="a", stream="yard", rule="anybody", zone="lawn", count=1)])
    until(lambda: house.state(YARD, "is-anybody") == "ON")
    assert run.paused == set()
    assert "commands" not in sink.counts


def test_a_broker_that_refuses_or_is_not_there_is_told_once(begin, tmp_path, pipeline, caplog):
    run = Driven(pipeline())
    settings = {"host": "127.0.0.1", "port": free_port(), "outbox": str(tmp_path / "away.db"), "home_assistant": {}}
    sink = MqttSink(MqttConfig(**settings))
    sink.attach(run)
    sink.begin(PROVENANCE)
    until(lambda: "Home Assistant is not told: connection refused; it is when the broker is back" in caplog.text)
    sink.close()
    assert caplog.text.count("Home Assistant is not told") == 1


@given(st.lists(st.text(max_size=8), unique=True, max_size=20))
def test_law_names_become_ids_of_which_no_two_are_the_same(names):
    ids = [id_of(name) for name in names]
    assert len(set(ids)) == len(ids)
    assert all(set(each) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") for each in ids)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"id": "a/b"}, "String should match pattern"),
        ({"discovery": "a/+"}, "must be a topic to publish to"),
        ({"floors": [1.5]}, "Input should be less than 1"),
        ({"commands_a_minute": 0}, "greater than or equal to 1"),
        ({"comands": True}, "Extra inputs are not permitted"),
    ],
)
def test_mistakes_are_found_when_a_pipeline_is_loaded(settings, said):
    with pytest.raises(ValidationError, match=said) as raised:
        MqttConfig(host="h", home_assistant=settings)
    assert "home_assistant" in str(raised.value)


WALKS = '''
import time

import numpy as np
import supervision as sv

from vidpipe import Answer, How, Knob, ModelName, PictureSource, Shot, Stage, StageConfig


class Night(PictureSource):
    live = True

    def pictures(self):
        for seq in range(100_000):
            time.sleep(0.02)
            yield Shot(seq / 50, np.full((96, 128, 3), 40, np.uint8), 1_700_000_000 + seq / 50)


class Someone(Stage):
    """Always sees one person, in the middle."""

    def answer(self, frames):
        boxes = sv.Detections(
            xyxy=np.array([[60, 40, 70, 60]] * len(frames[:1]), np.float32), confidence=np.array([0.9]),
            class_id=np.array([0]), tracker_id=np.array([1]), data={"class_name": np.array(["person"])},
        )
        return [Answer(boxes, How.MEASURED, self.id, frame.seq) for frame in frames]
'''


@pytest.mark.long
def test_a_run_is_seen_and_driven_from_home_assistant(tmp_path, monkeypatch, broker, house):
    """The whole way: somebody is seen in a zone, the rule is switched off and on, the stream is paused and goes on."""
    (tmp_path / "walks.py").write_text(WALKS)
    (tmp_path / "pipeline.yaml").write_text(f"""
classes: {{person: person}}
stages: [{{id: someone, type: "walks:Someone"}}]
streams:
  night: {{url: "walks:Night", zones: {{yard: [[0, 0], [1, 0], [1, 1], [0, 1]]}}}}
rules: [{{id: anybody, kind: presence, zone: yard, grace_s: 0.1}}]
sinks:
  - {{type: mqtt, host: 127.0.0.1, port: {broker.port}, outbox: "{tmp_path}/o.db", home_assistant: {{commands: true}}}}
""")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "walks", raising=False)
    night = "vidpipe-night"
    with Run(load(tmp_path / "pipeline.yaml"), engine="inline", results=False) as run:
        until(lambda: (house.state(night, "is-anybody"), house.state(night, "seen")) == ("ON", "1"))
        house.choose(night, "rule-anybody", "OFF")
        until(lambda: house.state(night, "is-anybody") == "OFF")
        house.choose(night, "rule-anybody", "ON")
        until(lambda: house.state(night, "is-anybody") == "ON")
        house.choose(night, "running", "OFF")
        until(lambda: house.state(night, "is-anybody") == "unavailable" and house.state(night, "state") == "paused")
        house.choose(night, "running", "ON")
        until(lambda: house.state(night, "is-anybody") == "ON")
    report = run.join().report
    assert [each["by"] for each in report["streams"]["night"]["settings"]] == ["mqtt"] * 3
    ((_, counts),) = report["sinks"].items()
    assert (counts["commands"], counts["commands_done"]) == (4, 4)
    until(lambda: house.state(night, "seen") == "unavailable")
