"""What a user writes of Home Assistant, and how names become ids there."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated

from pydantic import ConfigDict, Field, field_validator

from vidpipe.core.settings import StageConfig
from vidpipe.results.sinks.mqtt.broker import check_topic

_NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9_-]+")


class HomeAssistantSpec(StageConfig):
    """Streams as devices of Home Assistant, found by MQTT discovery."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(
        default="vidpipe",
        pattern=r"^[A-Za-z0-9_-]{1,40}$",
        description="tells the devices of this run from those of others: each run at a broker needs its own",
    )
    discovery: str = Field(default="homeassistant", description="topic under which Home Assistant looks for devices")
    commands: bool = Field(
        default=False, description="whether Home Assistant may change the run: pause streams, switch rules, choose"
    )
    commands_a_minute: int = Field(default=30, ge=1, le=6000, description="commands beyond are refused")
    floors: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        default=[0.7, 0.8, 0.9, 0.95], description="to choose from, for streams of which a floor is asked"
    )

    _check_discovery = field_validator("discovery")(check_topic)

    @property
    def topic(self) -> str:
        """Under which all states are, and commands come."""
        return f"{self.id}/home"


def id_of(name: str) -> str:
    """What stands for a name where only letters, digits, `_` and `-` may: another one for each name."""
    plain = _NOT_IN_AN_ID.sub("_", name)
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
