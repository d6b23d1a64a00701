"""A pipeline that has been checked: what the engines are given to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from vidpipe.cascade.audit import AuditSpec
from vidpipe.cascade.stage import Stage
from vidpipe.core.settings import StageConfig
from vidpipe.media.spec import MediaSpec
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.sources.base import StreamSpec
from vidpipe.transforms.base import Transform


class Tier(StrEnum):
    """Where a stage stands; in this order a frame goes down."""

    DEVICE = "device"
    EDGE = "edge"
    CLOUD = "cloud"


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Outage(_Spec):
    """A time in which nothing passes a link; seconds since the run began."""

    start_s: float = Field(ge=0, description="when it begins")
    for_s: float = Field(gt=0, description="how long it lasts")


class ShaperSpec(_Spec):
    """A worse network than there is, for tests and what-if."""

    rate_mbps: float | None = Field(default=None, gt=0, description="megabits a second")
    delay_ms: float = Field(default=0, ge=0, description="on the way down; answers are small and come back at once")
    jitter_ms: float = Field(default=0, ge=0, description="uniform, 0 to this much on top of the delay")
    loss: float = Field(
        default=0, ge=0, lt=1, description="share of transmissions lost, each sent again after `resend_ms`"
    )
    resend_ms: float = Field(default=200, gt=0, description="until what was lost is sent again")
    outages: list[Outage] = Field(default=[], description="times in which nothing passes")
    seed: int = Field(default=0, ge=0, description="of jitter and loss")


class LinkSpec(_Spec):
    """How frames cross from one tier to the next."""

    codec: Literal["raw", "jpeg"] = Field(default="raw", description="raw: packed YUV 4:2:0, loses nothing")
    quality: int = Field(default=85, ge=1, le=100, description="of JPEG")
    width: int | None = Field(
        default=None, ge=64, description="JPEG only: scale wider pictures down to this many pixels"
    )
    batch_frames: int = Field(default=8, ge=1, le=256, description="most frames in one call")
    batch_ms: float = Field(default=0, ge=0, description="how long a frame may wait for others to fill a batch")
    credit_frames: int = Field(default=16, ge=1, description="most frames under way")
    credit_mb: float = Field(default=64, gt=0, description="most megabytes under way")
    shaper: ShaperSpec | None = Field(default=None, description="emulates a worse network; default: none")


@dataclass(frozen=True, slots=True)
class PlacedStage:
    """A stage of the cascade, where it stands, and its settings."""

    id: str
    type: type[Stage[StageConfig]]
    config: StageConfig
    tier: Tier = Tier.DEVICE
    isolate: bool = False


@dataclass(frozen=True, slots=True)
class PlacedTransform:
    """A transform of the results, and its settings."""

    id: str
    type: type[Transform[StageConfig]]
    config: StageConfig


@dataclass(frozen=True, slots=True)
class Part:
    """A sink or tuner, to be made where the run is driven, and its settings."""

    type: type[Any]
    config: StageConfig

    def make(self) -> Any:
        """A new one, with its settings."""
        made = self.type()
        made.config = self.config
        return made


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of the run.

    Attributes:
        configs: the settings of stages and transforms that differ for it: whole configurations, by id.
        epoch: number of the change that brought these settings; 0: the run began with them.
    """

    spec: StreamSpec
    configs: Mapping[str, StageConfig] = field(default_factory=dict)
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Everything that a run needs to know; every name in it resolves, and it pickles.

    Attributes:
        stages: in the order of the cascade; tiers never go back up.
        links: by "upper-lower" tier names; a link not named here has the defaults.
        ahead: how many frames of a stream may be asked while an answer is open.
        late: what becomes of a frame that is open on a slower tier: "wait" for its answer, or "detour": publish the
            best fallback and only learn from the late answer. None: wait in replay, detour live.
        streams_per_actor: streams that one device actor has open. None: 8 live, one for each core in replay.
        transforms: what completes results behind the cascade, in order.
        sinks: that take results, beside those that a run is given.
        tuner: changes settings while it runs.
        media: which pictures and clips of events are made; None: none.
        own_clouds: sites whose cloud stages stand on machines of their own.
        search_paths: folders from which custom stages are imported and models found: the pipeline's and the user's.
    """

    name: str
    classes: Classes
    models: Mapping[str, ModelSpec]
    stages: tuple[PlacedStage, ...]
    streams: Mapping[str, Stream]
    audit: AuditSpec = field(default_factory=AuditSpec)
    links: Mapping[str, LinkSpec] = field(default_factory=dict)
    ahead: int = 0
    late: Literal["wait", "detour"] | None = None
    streams_per_actor: int | None = None
    transforms: tuple[PlacedTransform, ...] = ()
    sinks: tuple[Part, ...] = ()
    tuner: Part | None = None
    media: MediaSpec | None = None
    own_clouds: frozenset[str] = frozenset()
    search_paths: tuple[str, ...] = ()

    @property
    def placed(self) -> dict[str, PlacedStage | PlacedTransform]:
        """All that has settings, by id: stages, then transforms, in order."""
        parts: list[PlacedStage | PlacedTransform] = [*self.stages, *self.transforms]
        return {part.id: part for part in parts}

    @property
    def without_media(self) -> Pipeline:
        """The same without pictures and clips, for who only measures it."""
        return replace(self, media=None)

    def site(self, stream: str) -> str:
        """The site that a stream belongs to; "" where it belongs to none."""
        return self.streams[stream].spec.at or ""

    def detours(self, stream: str) -> bool:
        """Whether late answers of this stream are not waited for; by default that is so live."""
        return self.late == "detour" if self.late else self.streams[stream].spec.live
