"""Messages by Apprise, against a real web server and its faults; without Apprise these tests say so and skip."""

from __future__ import annotations

import json
import logging
import sqlite3
import sys

import pytest
from pydantic import ValidationError

from tests.results.sinks.receivers import Answer, WebReceiver
from tests.results.store.told import PROVENANCE, event
from tests.waiting import until
from vidpipe.core.errors import ConfigError
from vidpipe.core.event import Phase
from vidpipe.results.sinks.text import SAMPLE, check_template, fill

SECRET = "secret-path-of-the-service"


@pytest.fixture
def module():
    pytest.importorskip("apprise", reason="Apprise is not installed: pip install 'vidpipe[apprise]'")
    from vidpipe.results.sinks import apprise

    return apprise


@pytest.fixture
def receiver():
    made = WebReceiver()
    yield made
    made.close()


@pytest.fixture
def begin(module, tmp_path, receiver):
    begun = []

    def begin(**settings):
        url = f"json://127.0.0.1:{receiver.port}/{SECRET}"
        soon = {"retry_s": 0.05, "retry_most_s": 0.1, "outbox": str(tmp_path / "o.db")}
        sink = module.AppriseSink(module.AppriseConfig(**{"url": url} | soon | settings))
        sink.begin(PROVENANCE)
        begun.append(sink)
        return sink

    yield begin
    for sink in begun:
        sink.close()


def messages(receiver):
    told = [json.loads(body) for _, _, body in receiver.requests]
    return [(each["title"], each["message"]) for each in told]


def test_nobody_is_told_again_of_who_was_told_of_on_another_camera(begin, receiver):
    sink = begin(title="{{ stream }}")
    sink.tell([event(1), event(2, stream="yard", joins="gate/zone.enter/1"), event(3, stream="shop", joins=None)])
    until(lambda: sink.counts["delivered"] == 2)
    assert [title for title, _ in messages(receiver)] == ["gate", "shop"]
    assert sink.counts["made"] == 2


def law(counts):
    dropped = sum(value for name, value in counts.items() if name.startswith("dropped_"))
    return counts["inherited"] + counts["made"] == counts["delivered"] + counts["waiting"] + dropped


def test_events_come_as_texts_in_order(begin, receiver):
    sink = begin(title="{{ stream | upper }}", body="{{ kind }} {{ zone or '-' }} {{ event.own }} {{ class_ }}")
    sink.tell([event(0, zone="yard", own=3), event(1, "line.cross", phase=Phase.END, **{"class": "car"})])
    until(lambda: sink.counts["delivered"] == 2)
    assert messages(receiver) == [("GATE", "zone.enter yard 3 None"), ("GATE", "line.cross -  car")]
    assert str(sink) == "apprise json"


def test_the_texts_that_it_has_by_itself(begin, receiver):
    sink = begin()
    sink.tell([event(0, zone="yard"), event(1, phase=Phase.END, **{"class": "car"})])
    until(lambda: sink.counts["delivered"] == 2)
    assert messages(receiver) == [("gate: zone.enter", "somebody at yard"), ("gate: zone.enter", "car (end)")]


def test_a_service_that_is_away_or_busy_misses_nothing(begin, receiver, caplog):
    receiver.answers = [Answer(500), Answer(429), Answer(401)]
    sink = begin()
    sink.tell([event(seq, zone=str(seq)) for seq in range(3)])
    until(lambda: sink.counts["delivered"] == 3)
    assert sink.counts["retries"] == 3
    assert law(sink.counts)
    assert [text for _, text in messages(receiver)][3:] == ["somebody at 0", "somebody at 1", "somebody at 2"]
    assert "apprise json takes no events: the service answers 500; they wait, and are sent again" in caplog.text


def test_what_the_service_will_never_take_is_a_dead_letter(begin, receiver, tmp_path):
    receiver.answers = [Answer(400)]
    sink = begin()
    sink.tell([event(0), event(1)])
    until(lambda: sink.counts["delivered"] == 1)
    assert (sink.counts["dropped_refused"], law(sink.counts)) == (1, True)
    sink.close()
    assert sqlite3.connect(tmp_path / "o.db").execute("SELECT reason FROM dead").fetchall() == [
        ("the service answers 400",)
    ]


def test_an_event_that_a_template_cannot_be_filled_with_is_a_dead_letter(begin, receiver):
    sink = begin(body="{{ '%.1f' | format(dwell_s) }} s")
    sink.tell([event(0), event(1, dwell_s=3.25)])
    until(lambda: sink.counts["delivered"] == 1)
    assert (messages(receiver)[0][1], sink.counts["dropped_refused"], law(sink.counts)) == ("3.2 s", 1, True)


class Words(logging.Handler):
    """What comes to whoever listens to all loggers, as a terminal does."""

    def __init__(self):
        super().__init__()
        self.said = []

    def emit(self, record):
        self.said.append(f"{record.name} {record.getMessage()}")


def test_nothing_of_the_address_is_shown(begin, receiver, tmp_path, request):
    words = Words()
    logging.getLogger().addHandler(words)
    request.addfinalizer(lambda: logging.getLogger().removeHandler(words))
    receiver.answers = [Answer(503), Answer(400)]
    sink = begin()
    receiver_gone = begin(url=f"json://user:{SECRET}@127.0.0.1:1/x", outbox=str(tmp_path / "gone.db"))
    for each in (sink, receiver_gone):
        each.tell([event(0)])
    until(lambda: receiver_gone.counts["retries"] >= 1 and sink.counts["dropped_refused"] == 1)
    for each in (sink, receiver_gone):
        each.close()
    assert any("the service cannot be reached" in each for each in words.said)
    assert SECRET not in f"{sink} {sink.config!r} {sink.config.model_dump_json()} {words.said}"
    assert {each.split(".")[0] for each in words.said} == {"vidpipe"}


def test_the_address_is_looked_up(begin, receiver, monkeypatch, tmp_path, module):
    monkeypatch.setenv("SERVICE", f"json://127.0.0.1:{receiver.port}/{SECRET}")
    sink = begin(url="${env:SERVICE}")
    sink.tell([event(0)])
    until(lambda: sink.counts["delivered"] == 1)
    monkeypatch.setenv("SERVICE", f"what://{SECRET}")
    with pytest.raises(ConfigError, match="the address is none that Apprise knows") as raised:
        begin(url="${env:SERVICE}", outbox=str(tmp_path / "b.db"))
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": f"nothing://{SECRET}"}, "the address is none that Apprise knows"),
        ({"title": "{{ strem }}"}, r"has the unknown field 'strem'; did you mean 'stream'\?"),
        ({"body": "{{ stream"}, "does not render: unexpected end of template"),
        ({"body": "{{ count / 0 }}"}, "does not render: ZeroDivisionError"),
        ({"body": "{{ stream | nothing }}"}, "does not render: No filter named 'nothing'"),
    ],
)
def test_mistakes_are_found_when_a_pipeline_is_loaded(module, settings, said):
    with pytest.raises(ValidationError, match=said) as raised:
        module.AppriseConfig(**{"url": f"json://127.0.0.1/{SECRET}"} | settings)
    assert SECRET not in str(raised.value)


def test_without_apprise_the_message_names_the_extra(monkeypatch):
    from vidpipe.results.sinks.apprise import AppriseConfig

    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ValidationError, match=r"needs the package apprise: `pip install 'vidpipe\[apprise\]'`"):
        AppriseConfig(url="${env:SERVICE}")


@pytest.mark.parametrize("name", [name for name in SAMPLE if name != "class"])
def test_every_field_can_be_in_a_text(name):
    assert fill(check_template(f"{{{{ {name} }}}}"), SAMPLE) == str(SAMPLE[name])


def test_a_template_reaches_nothing_but_the_event():
    with pytest.raises(ValueError, match="does not render"):
        check_template("{{ stream.__class__.__mro__ }}{{ event.__init__.__globals__ }}")
