"""The broker that a sink of type mqtt goes to: its settings, and connections to it."""

from __future__ import annotations

import re
import secrets
import ssl
from typing import TYPE_CHECKING, Any

from pydantic import Field, SecretStr, model_validator

from vidpipe.core.secrets import look_up
from vidpipe.results.sinks.outbox.network import tls_context, why_unreached
from vidpipe.results.sinks.outbox.sink import OutboxConfig

if TYPE_CHECKING:
    from paho.mqtt.client import Client

KEEPALIVE_S = 30
_PORT, _TLS_PORT = 1883, 8883


class BrokerConfig(OutboxConfig):
    host: str = Field(min_length=1, description="name or address of the broker")
    port: int | None = Field(default=None, ge=1, le=65535, description="default: 1883, with TLS 8883")
    user: SecretStr | None = Field(default=None, description="best as `${env:NAME}` or `${file:PATH}`; never shown")
    password: SecretStr | None = Field(default=None, description="the same")
    tls: bool = Field(default=False, description="whether the connection is encrypted, and the broker's name checked")
    ca_file: str | None = Field(default=None, description="certificates to trust in place of the system's")
    timeout_s: float = Field(default=10, gt=0, le=120, description="for the broker to connect, and to confirm")

    @model_validator(mode="after")
    def _check_password(self) -> BrokerConfig:
        if self.password is not None and self.user is None:
            raise ValueError("has a `password` and no `user`: MQTT knows no password alone")
        return self


class Broker:
    """A broker, with all that is needed to connect to it. Its text is what reports and messages call the sink.

    Args:
        config: how to reach it.
    """

    def __init__(self, config: BrokerConfig) -> None:
        self.config = config
        self.port = config.port or (_TLS_PORT if config.tls else _PORT)
        self._user = ""
        self._password = ""

    def __str__(self) -> str:
        return f"mqtt {self.config.host}:{self.port}"

    def open(self) -> None:
        """Look up what is needed to connect. Raises ConfigError."""
        self._user = look_up(self.config.user, "a broker's user")
        self._password = look_up(self.config.password, "a broker's password")
        if self.config.ca_file is not None:
            tls_context(self.config.ca_file, self)

    def client(self, available: str) -> Client:
        """A client that is not connected yet; when it is gone the broker says `offline` in the topic `available`."""
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        client = Client(CallbackAPIVersion.VERSION2, client_id=f"vidpipe-{secrets.token_hex(6)}")
        client.connect_timeout = self.config.timeout_s
        if self._user:
            client.username_pw_set(self._user, self._password or None)
        if self.config.tls:
            client.tls_set_context(tls_context(self.config.ca_file, self))
        client.will_set(available, "offline", qos=1, retain=True)
        return client

    def why(self, error: BaseException | None) -> str:
        """What went wrong with a connection, in words."""
        if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLCertVerificationError):
            return "it does not speak TLS there; see `tls` and `port`"
        if isinstance(error, OSError):
            return why_unreached(error, self.config.timeout_s)
        return str(error) or type(error).__name__


def refusal(code: Any) -> str:
    """What a broker says that refuses a connection, by the reason code that paho gives."""
    return f"it refuses the connection: {str(code).lower()}; see `user` and `password`"


def check_topic(topic: str) -> str:
    """The topic, if something may be published to it; raises ValueError."""
    if not topic or topic.startswith(("$", "/")) or topic.endswith("/") or re.search(r"[+#\x00]", topic):
        raise ValueError("must be a topic to publish to: levels with / between them, without + and #, not begun by $")
    return topic
