"""Events to a topic of Apache Kafka."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, model_validator

from vidpipe.core.errors import ConfigError
from vidpipe.core.extras import extra
from vidpipe.core.secrets import look_up
from vidpipe.results.sinks.outbox.network import tls_context
from vidpipe.results.sinks.outbox.sink import LaterError, OutboxConfig, OutboxSink, RefusedError

_quiet = logging.getLogger("vidpipe.kafka")  # librdkafka's own words, which would go to stderr
_quiet.propagate = False
_quiet.addHandler(logging.NullHandler())

_NEVER = ("MSG_SIZE_TOO_LARGE", "INVALID_MSG", "INVALID_MSG_SIZE", "INVALID_RECORD")
"""Errors that say that this very event will never be taken."""


class KafkaConfig(OutboxConfig):
    servers: list[Annotated[str, Field(pattern=r"^[^\s/,]+:\d+$")]] = Field(
        min_length=1, description="brokers to begin with, host:port; they tell of the others"
    )
    topic: str = Field(default="vidpipe", pattern=r"^[A-Za-z0-9._-]{1,249}$", description="where events go")
    tls: bool = Field(default=False, description="whether the connection is encrypted, and the broker's name checked")
    ca_file: str | None = Field(default=None, description="certificates to trust in place of the system's")
    user: SecretStr | None = Field(default=None, description="best as `${env:NAME}` or `${file:PATH}`; never shown")
    password: SecretStr | None = Field(default=None, description="the same")
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", description="how user and password are shown to the broker"
    )
    timeout_s: float = Field(default=10, gt=0, le=120, description="for brokers to connect, and to confirm")

    @model_validator(mode="after")
    def _check(self) -> KafkaConfig:
        if (self.user is None) != (self.password is None):
            raise ValueError("has only one of `user` and `password`: write both, or neither")
        if self.user is not None and self.mechanism == "PLAIN" and not self.tls:
            raise ValueError("would show its password to the whole network: write `tls: true`, or another `mechanism`")
        try:
            _kafka()
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return self


class KafkaSink(OutboxSink):
    """Produces each event as JSON, with its stream as key: so those of a stream are in one partition, in their order.

    The producer is idempotent: what it sends again by itself stands in the topic once. What brokers have not confirmed
    in time is sent again by another producer, and may come twice, with the same id.
    """

    Config = KafkaConfig
    config: KafkaConfig
    at_once = 100

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._settings: dict[str, Any] = {}
        self._producer: Any = None
        self._why = ""  # a connection has failed, as librdkafka says

    def __str__(self) -> str:
        return f"kafka {self.config.servers[0]}"

    @property
    def destination(self) -> str:
        return f"{','.join(self.config.servers)}/{self.config.topic}"

    def open(self) -> None:
        config = self.config
        _kafka()
        if config.ca_file is not None:
            tls_context(config.ca_file, self)
        protocol = ("SASL_" if config.user else "") + ("SSL" if config.tls else "PLAINTEXT")
        login = {
            "sasl.mechanism": config.mechanism,
            "sasl.username": look_up(config.user, "a user of Kafka"),
            "sasl.password": look_up(config.password, "a password of Kafka"),
        }
        self._settings = {
            "bootstrap.servers": ",".join(config.servers),
            "client.id": "vidpipe",
            "enable.idempotence": True,
            "linger.ms": 5,
            "message.timeout.ms": round(config.timeout_s * 1000),
            "security.protocol": protocol,
            **({"ssl.ca.location": config.ca_file} if config.ca_file else {}),
            **(login if config.user else {}),
        }

    def send(self, events: Sequence[Mapping[str, Any]]) -> None:
        errors: list[Any] = [None] * len(events)
        confirmed = [False] * len(events)

        def note(index: int, error: Any, _message: object) -> None:
            errors[index], confirmed[index] = error, error is None

        kafka = _kafka()
        if self._producer is None:
            try:
                self._producer = kafka.Producer({**self._settings, "error_cb": self._note, "logger": _quiet})
            except kafka.KafkaException as error:
                raise LaterError(_words(error.args[0])) from None
        for index, event in enumerate(events):
            key, value = str(event["stream"]).encode(), json.dumps(event).encode()
            try:
                self._producer.produce(self.config.topic, value, key, on_delivery=partial(note, index))
            except kafka.KafkaException as error:
                errors[index] = error.args[0]
                break
        self._producer.flush(self.config.timeout_s)
        if all(confirmed):
            self.at_once, self._why = type(self).at_once, ""
            return
        self._judge(confirmed.index(False), errors)

    def end(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge()
            producer.flush(0)

    def _judge(self, first: int, errors: Sequence[Any]) -> None:
        """Raise what follows from the first event that was not confirmed."""
        error = errors[first]
        self.end()  # else it would send what it holds behind our back, out of order
        if error is not None and error.name() in _NEVER:
            if first == 0:
                self.at_once = type(self).at_once
                raise RefusedError(_words(error))
            self.at_once = first  # those before it first: then it is the first, and is refused
            raise LaterError(_words(error))
        late = f"it did not confirm within {self.config.timeout_s:g} s"
        why, self._why = self._why, ""
        raise LaterError(why or (late if error is None or error.name() == "_MSG_TIMED_OUT" else _words(error)))

    def _note(self, error: Any) -> None:
        """What librdkafka says of connections, in its thread of polling: ours."""
        if error.name() != "_ALL_BROKERS_DOWN" or not self._why:
            self._why = _words(error)


def _kafka() -> Any:
    return extra("confluent_kafka", "kafka", "a sink of type kafka")


def _words(error: Any) -> str:
    """What an error says, without where in librdkafka and after how long that was."""
    said = re.sub(r"^(\S+/bootstrap|\S+/\d+|[a-z_]+://\S+): ", "", str(error.str()))
    return re.sub(r" ?\(after \d+ms in state [^)]*\)", "", said).strip().rstrip(".").lower()
