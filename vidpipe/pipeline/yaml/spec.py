"""What a user writes: the pipeline file (what is done) and the configuration file (where, and for whom)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from vidpipe.cascade.audit import AuditSpec
from vidpipe.cascade.reachback import ReachbackSpec
from vidpipe.core.registry import SINKS, TUNERS
from vidpipe.media.spec import MediaSpec
from vidpipe.models.base import ModelSpec
from vidpipe.pipeline.spec import LinkSpec, Tier, TierSpec
from vidpipe.sources.base import SITE, StreamSpec
from vidpipe.transforms.rules.spec import RuleSpec, SpanSpec

Name = Annotated[str, Field(min_length=1)]


def _checked_id(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", value):
        raise ValueError("must be a letter, then letters, digits, '-' and '_'")
    if value in ("source", "engine"):
        raise ValueError(f"'{value}' stands in results for answers that no stage gave: take another id")
    return value


class StageSpec(BaseModel):
    """One stage of the cascade. Its other fields are those of its type's own Config."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: str = Field(description="names the stage in results, messages and --set")
    type: Name = Field(description="a stage of vidpipe, or package.module:Class from the pipeline's folder or yours")
    on: Tier = Field(default=Tier.DEVICE, description="where it runs; never further up than the stage before it")
    isolate: bool = Field(default=False, description="an actor of its own, not one with its neighbours on a tier")
    only_when_away: bool = Field(
        default=False,
        description="it is asked only while the next stage's tier cannot be reached, and answers in its place",
    )

    _check_id = field_validator("id")(_checked_id)


class TransformSpec(BaseModel):
    """What completes results behind the cascade. Its other fields are those of its type's own Config."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: str = Field(description="names the transform in reports, messages, events and --set")
    type: Name = Field(description="region, describe, or package.module:Class from the pipeline's folder or yours")

    _check_id = field_validator("id")(_checked_id)


class PartSpec(BaseModel):
    """A sink or tuner. Its other fields are those of its type's own Config."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: Name = Field(
        description=f"{', '.join(sorted(SINKS.builtin))} (sinks), {', '.join(sorted(TUNERS.builtin))} (tuners), "
        "package.module:Class from the pipeline's folder or yours, or an entry point"
    )


class SiteSpec(BaseModel):
    """What differs for the streams of a site, which have its name as `at`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stages: dict[str, dict[str, object]] = Field(
        default={},
        description="settings of stages that differ for its streams, by stage id; those of a stream go before",
    )
    cloud: Literal["common", "own"] = Field(
        default="common", description="own: on a cluster its stages on cloud run on a machine of the site, too"
    )


class ConfigFile(BaseModel):
    """The file after `--config`: which streams there are, and what joins the machines.

    A pipeline file may hold these too; where both do, the configuration counts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    streams: dict[Name, StreamSpec] = Field(default={}, description="cameras and files, by name")
    sites: dict[Annotated[str, Field(pattern=SITE)], SiteSpec] = Field(
        default={}, description="what differs by site; where this is given, every site of a stream stands here"
    )
    links: dict[str, LinkSpec] = Field(
        default={}, description="how frames cross from tier to tier, by 'upper-lower': device-edge"
    )
    placement: dict[Name, Tier] = Field(
        default={}, description="the tier of stages, by id, in place of their `on`: {little: edge, big: cloud}"
    )
    tiers: dict[Tier, TierSpec] = Field(
        default={},
        description="on which machines of a cluster a tier is, and what differs there: {edge: {machine: shed}}",
    )
    rules: list[RuleSpec] = Field(
        default=[],
        description="when something in a zone, at a line or in the picture is an event; those of a configuration stand "
        "in place of the pipeline's; a zone or line that no rule names tells who enters and leaves, or crosses it",
    )
    schedules: dict[Name, Annotated[list[SpanSpec], Field(min_length=1)]] = Field(
        default={}, description="times of day for rules, by name"
    )
    sinks: list[PartSpec] = Field(default=[], description="what takes results, beside the command's options")
    media: MediaSpec | None = Field(default=None, description="pictures and clips of events; default: none are made")
    tuner: PartSpec | None = Field(default=None, description="what changes settings while it runs; default: nothing")
    streams_per_actor: int | None = Field(
        default=None,
        ge=1,
        description="streams that one device actor has open; default: 8 live, one for each core in replay",
    )
    standby: bool = Field(
        default=True,
        description="on a cluster each segment has a second actor, which takes over at once from one that dies, if any "
        "stream is live; false saves its memory",
    )


class PipelineFile(ConfigFile):
    """The pipeline file: a cascade of stages, the models that they use, and what those look for."""

    name: Name | None = Field(default=None, description="shown in reports; default: the file's name")
    classes: dict[Name, str | Annotated[list[str], Field(min_length=1)]] = Field(
        default={},
        description="the pipeline's own classes, each with the models' names for it; default: those of the one model",
    )
    models: dict[Name, ModelSpec] = Field(default={}, description="what stages may run, by name")
    stages: list[StageSpec] = Field(min_length=1, description="in the order in which a frame is offered to them")
    transforms: list[TransformSpec] = Field(
        default=[], description="what completes results behind the cascade, in order"
    )
    audit: AuditSpec = Field(default_factory=AuditSpec, description="how often a cheap answer is checked")
    reachback: ReachbackSpec | None = Field(
        default=None,
        description="when a look finds what the one before it did not, or no more: frames in between that filters have "
        "answered are looked at in addition, to find out when that began; default: they are not",
    )
    ahead: int = Field(
        default=0, ge=0, le=1000, description="frames of a stream that may be asked while an answer is open"
    )
    late: Literal["wait", "detour"] | None = Field(
        default=None,
        description="wait for a slower tier's answer, or publish the best fallback meanwhile; "
        "default: wait in replay, detour live",
    )


def settings_of(stage: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a stage that belong to its type's Config."""
    return {key: value for key, value in stage.items() if key not in StageSpec.model_fields}
