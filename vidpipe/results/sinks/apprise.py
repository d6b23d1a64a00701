"""Events as messages to people, over any of the services that Apprise knows (https://appriseit.com)."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field, SecretStr, field_validator, model_validator

from vidpipe.core.errors import ConfigError
from vidpipe.core.event import Event
from vidpipe.core.extras import extra
from vidpipe.core.secrets import look_up
from vidpipe.results.sinks.outbox.network import NOT_YET
from vidpipe.results.sinks.outbox.sink import LaterError, OutboxConfig, OutboxSink, RefusedError
from vidpipe.results.sinks.text import check_template, fill

_log = logging.getLogger("apprise")
_STATUS = re.compile(r"error=(\d{3})")


class AppriseConfig(OutboxConfig):
    url: SecretStr = Field(
        description="a service's address as Apprise has it, best as `${env:NAME}` or `${file:PATH}`; never shown"
    )
    title: str = Field(default="{{ stream }}: {{ kind }}", description="template of the title")
    body: str = Field(
        default="{{ class_ or 'somebody' }}{% if zone or line %} at {{ zone or line }}{% endif %}"
        "{% if phase != 'begin' %} ({{ phase }}){% endif %}",
        description="template of the text",
    )

    _check_templates = field_validator("title", "body")(check_template)

    @model_validator(mode="after")
    def _check_url(self) -> AppriseConfig:
        url = self.url.get_secret_value()
        try:
            if "${" in url:  # it is looked up when the run begins
                _apprise()
            else:
                _service(url)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return self


class AppriseSink(OutboxSink):
    """Sends each event as a message, but for those that join an alarm which was sent.

    Apprise says whether a message was taken, and logs why not. Its words are not repeated, as they may hold a part of
    the address: only the status that the service has answered with is read out of them.
    """

    Config = AppriseConfig
    config: AppriseConfig

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._url = ""
        self._to: Any = None

    def __str__(self) -> str:
        scheme, separator, _ = (self._url or self.config.url.get_secret_value()).partition("://")
        return f"apprise {scheme}" if separator and "${" not in scheme else "apprise"

    @property
    def destination(self) -> str:
        return self._url

    def open(self) -> None:
        self._url = look_up(self.config.url, "a service's address for Apprise")
        self._to = _service(self._url)
        _log.propagate = False

    def _wants(self, event: Event) -> bool:
        # Whoever was told of the alarm need not be told of the same person on the next camera.
        return super()._wants(event) and event.data.get("joins") is None

    def send(self, events: Sequence[Mapping[str, Any]]) -> None:
        for event in events:
            try:
                title, body = (fill(template, event) for template in (self.config.title, self.config.body))
            except Exception as error:
                raise RefusedError(f"its templates do not render: {type(error).__name__}: {error}") from None
            self._notify(title, body)

    def _notify(self, title: str, body: str) -> None:
        said = _Said()
        _log.addHandler(said)
        try:
            if self._to.notify(title=title, body=body, body_format="text"):
                return
        except Exception as error:  # a plugin of the user's own may raise anything, its address included
            raise LaterError(f"Apprise raised {type(error).__name__}") from None
        finally:
            _log.removeHandler(said)
        if said.status is None:
            raise LaterError("the service cannot be reached, or takes no message")
        if 400 <= said.status < 500 and said.status not in NOT_YET:
            raise RefusedError(f"the service answers {said.status}")
        raise LaterError(f"the service answers {said.status}")


class _Said(logging.Handler):
    """Reads the status of an answer out of what Apprise logs in this thread: other sinks send in others."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.status: int | None = None
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread and (found := _STATUS.search(record.getMessage())):
            self.status = int(found[1])


def _apprise() -> Any:
    return extra("apprise", "apprise", "a sink of type apprise")


def _service(url: str) -> Any:
    """What sends to an address; raises ConfigError, which says nothing of it."""
    module = _apprise()
    asset = module.AppriseAsset(app_id="vidpipe", app_desc="vidpipe", secure_logging=True)
    made = module.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if made is None:
        raise ConfigError("the address is none that Apprise knows: see https://appriseit.com for how each is written")
    return made
