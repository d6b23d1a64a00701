"""Events to a web address, signed as Standard Webhooks (standardwebhooks.com) has it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from email.message import Message
from email.utils import parsedate_to_datetime
from http.client import HTTPException, RemoteDisconnected
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

import vidpipe
from vidpipe.core.errors import ConfigError
from vidpipe.core.secrets import look_up
from vidpipe.results.sinks.outbox.network import NOT_YET, tls_context, why_unreached
from vidpipe.results.sinks.outbox.sink import LaterError, OutboxConfig, OutboxSink, RefusedError, key_of

_LONGEST_S = 3600.0  # that a receiver may ask to wait
_PREFIX = "whsec_"


class WebhookConfig(OutboxConfig):
    url: SecretStr = Field(description="https:// or http:// address; only its scheme and host are ever shown")
    secret: SecretStr | None = Field(
        default=None, description="signs each request: whsec_ and base64; several, with spaces, while one is replaced"
    )
    token: SecretStr | None = Field(default=None, description="sent as `Authorization: Bearer`")
    timeout_s: float = Field(default=10, gt=0, le=120, description="for the receiver to connect, and to answer")
    ca_file: str | None = Field(default=None, description="certificates to trust in place of the system's")

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: SecretStr) -> SecretStr:
        if "${" not in value.get_secret_value():  # else it is looked up when the run begins
            _check(value.get_secret_value())
        return value


class WebhookSink(OutboxSink):
    """Posts each event as JSON; 2xx is delivered, 400 and the like are dead letters, all else is tried again.

    Redirects are not followed, as one may lead into a network that only this machine sees: they count as failures that
    say where they lead.
    """

    Config = WebhookConfig
    config: WebhookConfig

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._url = ""
        self._token = ""
        self._keys: list[bytes] = []
        self._opener = urllib.request.OpenerDirector()

    def __str__(self) -> str:
        return f"webhook {_shown(self._url or self.config.url.get_secret_value())}"

    @property
    def destination(self) -> str:
        return self._url

    def open(self) -> None:
        config = self.config
        self._url = look_up(config.url, "a webhook's address")
        try:
            _check(self._url)
        except ValueError as error:
            raise ConfigError(f"{self}: the address {error}") from None
        self._token = look_up(config.token, "a webhook's token")
        self._keys = [_key(each) for each in look_up(config.secret, "a webhook's secret").split()]
        https = urllib.request.HTTPSHandler(context=tls_context(config.ca_file, self))
        self._opener = urllib.request.build_opener(https, _NoRedirect())

    def send(self, events: Sequence[Mapping[str, Any]]) -> None:
        for event in events:
            self._post(event)

    def _post(self, event: Mapping[str, Any]) -> None:
        body = json.dumps(event).encode()
        request = urllib.request.Request(self._url, body, self._headers(event, body), method="POST")
        try:
            with self._opener.open(request, timeout=self.config.timeout_s) as response:
                response.read(1024)
        except urllib.error.HTTPError as error:
            with error:
                _judge(error)
        except (OSError, HTTPException) as error:
            raise LaterError(_why(error, self.config.timeout_s)) from None

    def _headers(self, event: Mapping[str, Any], body: bytes) -> dict[str, str]:
        number = "evt_" + hashlib.sha256(key_of(event).encode()).hexdigest()[:32]
        at = str(int(time.time()))
        signed = f"{number}.{at}.".encode() + body
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"vidpipe/{vidpipe.__version__}",
            "webhook-id": number,
            "webhook-timestamp": at,
        }
        if self._keys:
            signatures = [base64.b64encode(hmac.digest(key, signed, "sha256")).decode() for key in self._keys]
            headers["webhook-signature"] = " ".join(f"v1,{signature}" for signature in signatures)
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Has a redirect raised as the answer that it is."""

    def redirect_request(self, *_: object) -> None:
        return None


def _check(url: str) -> None:
    """Raise ValueError where events cannot be posted to it; says nothing of its content."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an address that begins with https:// or http://")
    if "@" in parts.netloc:
        raise ValueError("holds a user or password: write `token` instead")


def _judge(error: urllib.error.HTTPError) -> None:
    """Raise what follows from an answer that is not 2xx."""
    said = f"it answers {error.code} {error.reason or ''}".rstrip()
    if 300 <= error.code < 400:
        location = error.headers.get("Location", "")
        where = _shown(location) if "://" in location else "another path"
        raise LaterError(f"{said}, to {where}: write that address if it is right")
    if error.code < 500 and error.code not in NOT_YET:
        raise RefusedError(said)
    raise LaterError(said, _asked_to_wait_s(error.headers))


def _asked_to_wait_s(headers: Message[str, str]) -> float:
    """Seconds of `Retry-After`; 0 where it says none."""
    asked = headers.get("Retry-After", "").strip()
    try:
        seconds = float(asked) if asked.isdigit() else parsedate_to_datetime(asked).timestamp() - time.time()
    except (TypeError, ValueError):
        return 0.0
    return min(max(seconds, 0.0), _LONGEST_S)


def _why(error: Exception, timeout_s: float) -> str:
    """What went wrong, without any part of the address."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, RemoteDisconnected):
        return "it hung up without an answer"
    if isinstance(reason, OSError):
        return why_unreached(reason, timeout_s)
    return f"it answers what is no HTTP ({type(error).__name__})"


def _key(secret: str) -> bytes:
    try:
        if secret.startswith(_PREFIX) and (key := base64.b64decode(secret.removeprefix(_PREFIX), validate=True)):
            return key
    except binascii.Error:
        pass
    raise ConfigError(f"a webhook's secret must be {_PREFIX} and base64: `openssl rand -base64 32` makes one")


def _shown(url: str) -> str:
    """Scheme and host of an address, as firms put secrets into all that follows."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return (
        f"{parts.scheme}://{host}" if parts.scheme and host and "${" not in host else "at an address that is not shown"
    )
