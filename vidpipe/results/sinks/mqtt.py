"""Events to an MQTT broker."""

from __future__ import annotations

import json
import re
import secrets
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from string import Formatter
from typing import TYPE_CHECKING, Any

from pydantic import Field, SecretStr, field_validator, model_validator

from vidpipe.core.nearest import did_you_mean
from vidpipe.core.secrets import look_up
from vidpipe.results.sinks.outbox.network import tls_context, why_unreached
from vidpipe.results.sinks.outbox.sink import LaterError, OutboxConfig, OutboxSink

if TYPE_CHECKING:
    from paho.mqtt.client import Client

_FIELDS = ("stream", "kind", "rule", "zone", "line", "direction", "class", "phase")
_NOT_IN_A_LEVEL = re.compile(r"[/+#\x00]")
_KEEPALIVE_S = 30
_PORT, _TLS_PORT = 1883, 8883


class MqttConfig(OutboxConfig):
    host: str = Field(min_length=1, description="name or address of the broker")
    port: int | None = Field(default=None, ge=1, le=65535, description="default: 1883, with TLS 8883")
    user: SecretStr | None = Field(default=None, description="best as `${env:NAME}` or `${file:PATH}`; never shown")
    password: SecretStr | None = Field(default=None, description="the same")
    tls: bool = Field(default=False, description="whether the connection is encrypted, and the broker's name checked")
    ca_file: str | None = Field(default=None, description="certificates to trust in place of the system's")
    topic: str = Field(
        default="vidpipe/{stream}/{kind}",
        description="of an event, with its {stream}, {kind}, {rule}, {zone}, {line}, {direction}, {class}, {phase}",
    )
    available: str = Field(
        default="vidpipe/available", description="topic that holds `online`, and `offline` once the run is gone"
    )
    timeout_s: float = Field(default=10, gt=0, le=120, description="for the broker to connect, and to confirm")

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
        _check_topic(value)
        return value

    @field_validator("available")
    @classmethod
    def _check_available(cls, value: str) -> str:
        _check_topic(value)
        return value

    @model_validator(mode="after")
    def _check_password(self) -> MqttConfig:
        if self.password is not None and self.user is None:
            raise ValueError("has a `password` and no `user`: MQTT knows no password alone")
        return self


class MqttSink(OutboxSink):
    """Publishes each event as JSON, at least once (QoS 1), and says whether it is there in the topic `available`.

    A broker has an event when it has confirmed it; what is not confirmed is published again, over another connection.
    """

    Config = MqttConfig
    config: MqttConfig
    at_once = 20  # one at a time would wait for the network each time

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._client: Client | None = None
        self._user = ""
        self._password = ""

    def __str__(self) -> str:
        return f"mqtt {self.config.host}:{self._port}"

    def open(self) -> None:
        self._user = look_up(self.config.user, "a broker's user")
        self._password = look_up(self.config.password, "a broker's password")
        if self.config.ca_file is not None:
            tls_context(self.config.ca_file, self)

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
            raise LaterError(_why(error, self.config.timeout_s)) from None
        except LaterError:
            self._drop()
            raise

    def end(self) -> None:
        if self._client is not None:
            self._client.publish(self.config.available, "offline", qos=1, retain=True).wait_for_publish(1)
        self._drop()

    @property
    def _port(self) -> int:
        return self.config.port or (_TLS_PORT if self.config.tls else _PORT)

    def _topic(self, event: Mapping[str, Any]) -> str:
        values = {name: _NOT_IN_A_LEVEL.sub("_", str(event.get(name) or "-")) for name in _FIELDS}
        return self.config.topic.format(**values)

    def _connected(self) -> Client:
        """A connection that the broker has accepted. A new one each time: an old one would send what it still holds."""
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        client = Client(CallbackAPIVersion.VERSION2, client_id=f"vidpipe-{secrets.token_hex(6)}")
        answered = threading.Event()
        refusals: list[str] = []

        def on_connect(_client: Client, _data: object, _flags: object, code: Any, _more: object) -> None:
            if code.is_failure:
                refusals.append(str(code))
            else:
                client.publish(self.config.available, "online", qos=1, retain=True)
            answered.set()

        client.on_connect = on_connect
        client.connect_timeout = self.config.timeout_s
        if self._user:
            client.username_pw_set(self._user, self._password or None)
        if self.config.tls:
            client.tls_set_context(tls_context(self.config.ca_file, self))
        client.will_set(self.config.available, "offline", qos=1, retain=True)
        client.connect(self.config.host, self._port, _KEEPALIVE_S)
        self._client = client
        client.loop_start()
        if not answered.wait(self.config.timeout_s):
            raise LaterError(f"it did not answer within {self.config.timeout_s:g} s")
        if refusals:
            raise LaterError(f"it refuses the connection: {refusals[0].lower()}; see `user` and `password`")
        return client

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()


def _check_topic(topic: str) -> None:
    if not topic or topic.startswith(("$", "/")) or topic.endswith("/") or re.search(r"[+#\x00]", topic):
        raise ValueError("must be a topic to publish to: levels with / between them, without + and #, not begun by $")


def _why(error: Exception, timeout_s: float) -> str:
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLCertVerificationError):
        return "it does not speak TLS there; see `tls` and `port`"
    if isinstance(error, OSError):
        return why_unreached(error, timeout_s)
    return str(error) or type(error).__name__
