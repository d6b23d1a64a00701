"""MQTT, against a real broker (mosquitto) and its faults; without one these tests say so and skip."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from pydantic import ValidationError

from tests.results.sinks.receivers import certificate
from tests.results.store.told import PROVENANCE, event
from tests.waiting import until
from vidpipe.core.errors import ConfigError, RunError
from vidpipe.core.event import Phase
from vidpipe.results.sinks.mqtt.sink import MqttConfig, MqttSink

PASSWORD = "pass-word-of-the-broker"
# paho does not close a connection whose handshake fails; it is gone with the exception.
LEAVES_A_SOCKET = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
TEST = {"id": "a", "phase": "begin", "seq": 0}
_BROKER = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin") or shutil.which("mosquitto")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


class Broker:
    """A mosquitto on this machine, which can be stopped and started again; and who listens to all of its topics."""

    def __init__(self, folder: Path, *lines: str) -> None:
        if _BROKER is None:
            pytest.skip("no MQTT broker is installed: apt-get install mosquitto")
        self.port = free_port()
        self._config = folder / f"mosquitto-{self.port}.conf"
        # Begun by root it would become another user, who may not read what a test has made.
        self._config.write_text("\n".join([f"listener {self.port} 127.0.0.1", "user root", *lines, ""]))
        self._process: subprocess.Popen[bytes] | None = None
        self.received: list[tuple[str, str]] = []
        self._listeners: list[Client] = []
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [_BROKER, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

        def answers() -> bool:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                return False
            return True

        until(answers)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def listen(self, **options: str) -> None:
        """Keep all that is published from now on, and what is retained."""
        client = Client(CallbackAPIVersion.VERSION2)
        ready = threading.Event()
        if options:
            client.username_pw_set(options["user"], options["password"])
        client.on_message = lambda _client, _data, message: self.received.append(
            (message.topic, message.payload.decode())
        )
        client.on_subscribe = lambda *_: ready.set()
        client.on_connect = lambda *_: client.subscribe("#", qos=1)
        client.reconnect_delay_set(1, 1)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        assert ready.wait(10)
        self._listeners.append(client)

    @property
    def events(self) -> list[int]:
        """The seq of each event that was received."""
        return [json.loads(body)["seq"] for _, body in self.received if body.startswith("{")]

    @property
    def states(self) -> list[str]:
        """What was said in the topic `available`."""
        return [body for topic, body in self.received if topic == "vidpipe/available"]

    def close(self) -> None:
        for client in self._listeners:
            client.disconnect()
            client.loop_stop()
        self.stop()


@pytest.fixture
def broker(tmp_path):
    made = Broker(tmp_path, "allow_anonymous true")
    yield made
    made.close()


def begun(folder, port, **settings):
    soon = {"retry_s": 0.05, "retry_most_s": 0.1, "timeout_s": 2}
    place = {"host": "127.0.0.1", "port": port, "outbox": str(folder / "o.db")}
    sink = MqttSink(MqttConfig(**soon | place | settings))
    sink.begin(PROVENANCE)
    return sink


def test_events_come_as_json_to_their_topics(tmp_path, broker):
    broker.listen()
    sink = begun(tmp_path, broker.port, topic="home/{stream}/{zone}/{phase}/{kind}")
    sink.tell([event(0, zone="the/gate+#"), event(1, kind="line.cross", phase=Phase.END)])
    until(lambda: len(broker.events) == 2)
    sink.close()
    topics = [topic for topic, body in broker.received if body.startswith("{")]
    assert topics == ["home/gate/the_gate__/begin/zone.enter", "home/gate/-/end/line.cross"]
    told = json.loads(next(body for topic, body in broker.received if topic == topics[0]))
    assert (told["schema"], told["zone"]) == ("vidpipe.event/1", "the/gate+#")
    until(lambda: broker.states == ["online", "offline"])


def test_many_come_in_order(tmp_path, broker):
    broker.listen()
    sink = begun(tmp_path, broker.port)
    for seq in range(500):
        sink.tell([event(seq)])
    until(lambda: len(broker.events) == 500)
    sink.close()
    assert broker.events == list(range(500))


def test_a_broker_that_is_away_for_a_while_misses_nothing(tmp_path, broker, caplog):
    """It dies with a connection open, events go on, and it comes back: all are there, in order, none is left out."""
    sink = begun(tmp_path, broker.port, timeout_s=0.5)
    sink.tell([event(0)])
    until(lambda: sink.counts["delivered"] == 1)
    broker.stop()
    for seq in range(1, 60):
        sink.tell([event(seq)])
    until(lambda: sink.counts["retries"] >= 2)
    assert sink.counts["waiting"] == 59
    broker.start()
    broker.listen()
    until(lambda: sink.counts["waiting"] == 0 and len(broker.events) >= 59)
    sink.close()
    assert broker.events == list(range(1, 60))
    assert (sink.counts["delivered"], sum(v for name, v in sink.counts.items() if "dropped" in name)) == (60, 0)
    assert "takes events again" in caplog.text


def test_what_waits_at_the_end_of_a_run_is_delivered_by_the_next(tmp_path, broker, caplog):
    broker.stop()
    sink = begun(tmp_path, broker.port)
    sink.tell([event(seq) for seq in range(5)])
    until(lambda: sink.counts["retries"] >= 1)
    sink.close()
    assert "5 events wait in" in caplog.text
    broker.start()
    broker.listen()
    again = begun(tmp_path, broker.port)
    again.tell([event(5)])
    until(lambda: len(broker.events) == 6)
    again.close()
    assert broker.events == list(range(6))


def test_a_run_that_is_gone_without_a_word_is_offline(tmp_path, broker):
    broker.listen()
    sink = begun(tmp_path, broker.port)
    sink.tell([event(0)])
    until(lambda: broker.events == [0])
    sink._client._sock_close()  # noqa: SLF001 - as the kernel does it with a process that is killed
    until(lambda: broker.states[:2] == ["online", "offline"])
    sink.close()


def test_user_and_password(tmp_path, monkeypatch):
    passwords = tmp_path / "passwords"
    mosquitto_passwd = shutil.which("mosquitto_passwd")
    if mosquitto_passwd is None:
        pytest.skip("mosquitto_passwd is not installed: apt-get install mosquitto")
    subprocess.run([mosquitto_passwd, "-b", "-c", str(passwords), "me", PASSWORD], check=True, capture_output=True)
    passwords.chmod(0o644)
    broker = Broker(tmp_path, "allow_anonymous false", f"password_file {passwords}")
    monkeypatch.setenv("BROKER_PASSWORD", PASSWORD)
    for settings in ({}, {"user": "me", "password": "wrong"}):
        sink = MqttSink(MqttConfig(host="127.0.0.1", port=broker.port, **settings))
        with pytest.raises(RunError, match=r"it refuses the connection: not authorized; see `user` and `password`"):
            sink.try_out(TEST)
    broker.listen(user="me", password=PASSWORD)
    sink = begun(tmp_path, broker.port, user="me", password="${env:BROKER_PASSWORD}")
    sink.tell([event(0)])
    until(lambda: broker.events == [0])
    sink.close()
    assert PASSWORD not in f"{sink} {sink.config!r} {sink.config.model_dump_json()}"
    broker.close()


@pytest.mark.long
@LEAVES_A_SOCKET
def test_tls(tmp_path):
    own = certificate(tmp_path)
    own.key.chmod(0o644)
    tls = (f"certfile {own.file}", f"keyfile {own.key}")
    broker = Broker(tmp_path, "allow_anonymous true", *tls)
    place = {"host": "127.0.0.1", "port": broker.port, "timeout_s": 2}
    for settings, why in [
        ({"tls": True}, "its certificate is not trusted: self-signed certificate; name another one in `ca_file`"),
        ({}, "it "),  # a broker hangs up on what is no TLS, or says nothing
    ]:
        with pytest.raises(RunError, match=why):
            MqttSink(MqttConfig(**place, **settings)).try_out(TEST)
    sink = begun(tmp_path, broker.port, tls=True, ca_file=str(own.file))
    sink.tell([event(0)])
    until(lambda: sink.counts["delivered"] == 1)
    sink.close()
    broker.close()


@LEAVES_A_SOCKET
def test_one_that_speaks_no_tls(tmp_path, broker):
    with pytest.raises(RunError, match=r"it does not speak TLS there|connection reset|did not answer"):
        MqttSink(MqttConfig(host="127.0.0.1", port=broker.port, tls=True, timeout_s=1)).try_out(TEST)


@pytest.mark.parametrize(
    ("host", "why"), [("127.0.0.1", "connection refused"), ("no-such-host.invalid", "there is no machine of that name")]
)
def test_no_broker(host, why):
    sink = MqttSink(MqttConfig(host=host, port=free_port(), timeout_s=1))
    with pytest.raises(RunError, match=why):
        sink.try_out(TEST)


def test_one_that_never_answers():
    with socket.create_server(("127.0.0.1", 0)) as server:
        sink = MqttSink(MqttConfig(host="127.0.0.1", port=server.getsockname()[1], timeout_s=0.3))
        began = time.monotonic()
        with pytest.raises(RunError, match=r"it did not answer within 0.3 s"):
            sink.try_out(TEST)
        assert time.monotonic() - began < 10


MISTAKES = [
    ({"topic": "a/{strem}"}, r"has the unknown field {strem}; did you mean 'stream'\?"),
    ({"topic": "a/{stream"}, "is no template"),
    ({"topic": "a/{}"}, "has the unknown field {}"),
    ({"topic": "a/#"}, r"must be a topic to publish to: levels with / between them, without \+ and #"),
    ({"topic": "/a"}, "must be a topic to publish to"),
    ({"topic": "$SYS/a"}, "must be a topic to publish to"),
    ({"available": "a/+"}, "must be a topic to publish to"),
    ({"password": PASSWORD}, "has a `password` and no `user`: MQTT knows no password alone"),
    ({"port": 70000}, "less than or equal to 65535"),
]


@pytest.mark.parametrize(("settings", "said"), MISTAKES)
def test_mistakes_are_found_when_a_pipeline_is_loaded(settings, said):
    with pytest.raises(ValidationError, match=said) as raised:
        MqttConfig(host="broker", **settings)
    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"user": "${env:NO_SUCH_USER}"},
            "the environment variable NO_SUCH_USER is not set; it should hold a broker's user",
        ),
        (
            {"user": "me", "password": "${file:/no/such}"},
            "the file /no/such, which should hold a broker's password, cannot",
        ),
        ({"tls": True, "ca_file": "/no/such"}, "mqtt 127.0.0.1:1: ca_file /no/such cannot be read: No such file"),
    ],
)
def test_what_is_not_there_is_said_before_the_run_begins(tmp_path, settings, said):
    with pytest.raises(ConfigError) as raised:
        begun(tmp_path, 1, **settings)
    assert str(raised.value).startswith(said)
