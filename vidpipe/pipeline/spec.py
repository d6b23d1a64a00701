"""A pipeline that has been checked: what the engines are given to run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from vidpipe.cascade.audit import AuditSpec
from vidpipe.cascade.reachback import ReachbackSpec
from vidpipe.cascade.stage import Stage
from vidpipe.core.servers import check_server
from vidpipe.core.settings import StageConfig
from vidpipe.media.spec import MediaSpec
from vidpipe.models.base import Classes, ModelSpec
from vidpipe.sources.base import SITE, StreamSpec
from vidpipe.transforms.base import Transform


class Tier(StrEnum):
    """Where a stage stands; in this order a frame goes down."""

    DEVICE = "device"
    EDGE = "edge"
    CLOUD = "cloud"


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


NotNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]


class Outage(_Spec):
    """A time in which nothing passes a link; seconds since the run began."""

    start_s: float = Field(ge=0, description="when it begins")
    for_s: float = Field(gt=0, description="how long it lasts")


class ShaperSpec(_Spec):
    """A worse network than there is, for tests and what-if."""

    rate_mbps: float | None = Field(default=None, gt=0, description="megabits a second")
    trace: list[tuple[NotNegative, Positive]] = Field(
        default=[], description="(seconds since the run began, megabits a second from then on), in order of time"
    )
    delay_ms: float = Field(default=0, ge=0, description="on the way down; answers are small and come back at once")
    jitter_ms: float = Field(default=0, ge=0, description="uniform, 0 to this much on top of the delay")
    loss: float = Field(
        default=0, ge=0, lt=1, description="share of transmissions lost, each sent again after `resend_ms`"
    )
    resend_ms: float = Field(default=200, gt=0, description="until what was lost is sent again")
    outages: list[Outage] = Field(default=[], description="times in which nothing passes")
    seed: int = Field(default=0, ge=0, description="of jitter and loss")

    @field_validator("trace")
    @classmethod
    def _in_order(cls, trace: list[tuple[float, float]]) -> list[tuple[float, float]]:
        if any(later <= earlier for (earlier, _), (later, _) in pairwise(trace)):
            raise ValueError("each rate must begin later than the one before it")
        return trace


class RungSpec(_Spec):
    """A setting to which a link that adapts steps down."""

    quality: int | None = Field(default=None, ge=1, le=100, description="default: the link's")
    width: int | None = Field(default=None, ge=64, description="default: the link's")
    bits: int | None = Field(default=None, ge=2, le=8, description="of a link with `split`; default: the link's")
    share: float = Field(
        default=1, gt=0, le=1, description="of the frames that would cross; the others are answered by a fallback"
    )


class SplitSpec(_Spec):
    """The model behind a link is cut in two; its head runs before the link, and features cross in place of pictures."""

    bits: int = Field(default=5, ge=2, le=8, description="of a value of the features")
    behind: int | None = Field(
        default=None,
        ge=1,
        description="operation of the network that is the last before the link; default: where least crosses",
    )


class LinkSpec(_Spec):
    """How frames cross from one tier to the next."""

    codec: Literal["raw", "jpeg", "webp"] = Field(
        default="raw", description="raw: packed YUV 4:2:0, loses nothing; webp: fewer bytes than jpeg for more CPU"
    )
    quality: int = Field(default=85, ge=1, le=100, description="of JPEG or WebP")
    size: Literal["network", "full"] = Field(
        default="network",
        description="of JPEG or WebP: scaled to what the models behind the link take, at a quality that makes up for "
        "it; full: as they are",
    )
    width: int | None = Field(
        default=None, ge=64, description="in place of `size`: scale wider pictures down to this many pixels"
    )
    split: SplitSpec | None = Field(
        default=None,
        description="cut the model behind the link in two, and send what its first half has made of a picture; `codec` "
        "is for pictures that somebody else looks at; default: do not",
    )
    batch_frames: int = Field(default=8, ge=1, le=256, description="most frames in one call")
    batch_ms: float = Field(default=0, ge=0, description="how long a frame may wait for others to fill a batch")
    credit_frames: int = Field(default=16, ge=1, description="most frames under way")
    credit_mb: float = Field(default=64, gt=0, description="most megabytes under way")
    adapt: bool = Field(
        default=False,
        description="pictures of streams on a detour step down the `rungs` while the link is too slow, and up again",
    )
    adapt_ms: float = Field(
        default=300, gt=0, description="with `adapt`: how long a picture may take to cross before the link steps down"
    )
    rungs: list[RungSpec] = Field(
        default=[],
        description="with `adapt`: from the dearest to the cheapest, below the link's own; default: measured",
    )
    shaper: ShaperSpec | None = Field(default=None, description="emulates a worse network; default: none")
    address: str | None = Field(
        default=None,
        description="tls://HOST:PORT of a `vidpipe host` that runs what is below this link; default: it runs here",
    )
    token: SecretStr | None = Field(
        default=None, description="that the server asks for; best as `${env:NAME}` or `${file:PATH}`; never shown"
    )
    ca: str | None = Field(
        default=None, description="file with the certificate that signs the server's; default: the system's"
    )
    fingerprint: str | None = Field(
        default=None,
        pattern="^([0-9a-fA-F]{2}:?){32}$",
        description="SHA-256 of the server's certificate, in place of `ca`: it must be this one",
    )

    @field_validator("address")
    @classmethod
    def _check_address(cls, value: str | None) -> str | None:
        if value is not None:
            check_server(value)
        return value

    @model_validator(mode="after")
    def _check_server(self) -> LinkSpec:
        if self.address is None:
            for name in ("token", "ca", "fingerprint"):
                if getattr(self, name) is not None:
                    raise ValueError(f"`{name}` goes with an `address: tls://HOST:PORT`")
            return self
        if self.token is None:
            raise ValueError("a server asks for a token: add `token: ${env:NAME}`")
        if self.ca is not None and self.fingerprint is not None:
            raise ValueError("`ca` and `fingerprint` are two ways to know the server: write one of them")
        return self

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if self.width is not None and "size" in self.model_fields_set:
            raise ValueError("`size` and `width` both say how large pictures are: leave one of them out")
        return self

    @property
    def fits_networks(self) -> bool:
        """Whether pictures cross at a size that depends on the models behind the link."""
        return self.codec != "raw" and self.width is None and self.size == "network"

    def here(self) -> LinkSpec:
        """The same link to what runs here."""
        return self.model_copy(update=dict.fromkeys(("address", "token", "ca", "fingerprint")))

    @model_validator(mode="after")
    def _can_adapt(self) -> Self:
        if self.split is not None and self.codec == "raw":
            raise ValueError("split: some pictures cross as such, and need a codec: write codec: jpeg or webp")
        if self.split is None and any(rung.bits is not None for rung in self.rungs):
            raise ValueError("rungs: `bits` are of features, which cross a link with `split`")
        if self.adapt and self.codec == "raw":
            raise ValueError("adapt: pictures have one size under codec: raw; write codec: jpeg or webp")
        if self.rungs and not self.adapt:
            raise ValueError("rungs are for a link with adapt: true")
        return self

    @property
    def setting(self) -> str:
        """How it packs pictures, for people."""
        if self.codec == "raw":
            return "raw"
        pictures = f"{self.codec} {self.quality}" + (f", {self.width} px" if self.width else "")
        return pictures if self.split is None else f"features of {self.split.bits} bits, else {pictures}"

    def at(self, rung: RungSpec) -> LinkSpec:
        """The link with the quality, width and bits of a rung."""
        split = (
            self.split
            if self.split is None or rung.bits is None
            else SplitSpec(bits=rung.bits, behind=self.split.behind)
        )
        asked = {"quality": rung.quality, "width": rung.width, "split": split}
        return self.model_copy(update={name: value for name, value in asked.items() if value is not None})


LabelKey = Annotated[str, Field(pattern=r"^([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$")]
LabelValue = Annotated[str, Field(pattern=SITE)]


class TierSpec(_Spec):
    """What a tier is where a pipeline runs: on a cluster, which of the machines that offer it."""

    machine: str | None = Field(
        default=None,
        min_length=1,
        description="on a cluster the one on which its actors stand: its host name, its address, or the name that "
        "`ray start --node-name=NAME` gave it; default: any that offers the tier",
    )
    labels: dict[LabelKey, LabelValue] = Field(
        default={},
        description="in place of `machine`: labels that a machine must have, as `ray start --labels=gpu=t4` gives them",
    )
    gpus: float = Field(
        default=0,
        ge=0,
        le=64,
        description="GPUs of its machine that each actor takes on a cluster: 0.5 is half of one",
    )
    models: dict[str, dict[str, object]] = Field(
        default={}, description="what differs of models there, by name: {little: {threads: 1}}; fields as of a model"
    )
    pool: bool = Field(
        default=False,
        description="on a cluster a network is loaded once on each machine of the tier, for all actors and runs; it "
        "takes the `gpus` in place of the actors",
    )

    @field_validator("gpus")
    @classmethod
    def _can_be_taken(cls, value: float) -> float:
        if value > 1 and value != int(value):
            raise ValueError("is a part of one GPU, or a whole number of them")
        return value

    @model_validator(mode="after")
    def _is_one_way(self) -> Self:
        if self.machine is not None and self.labels:
            raise ValueError("`machine` and `labels` both say where it is: write one of them")
        if "site" in self.labels:
            raise ValueError("the site of a machine is what its streams have as `at`: leave the label out")
        return self

    @property
    def setting(self) -> str:
        """Which machines, for people; "" where it is any."""
        labels = ", ".join(f"{key}={value}" for key, value in self.labels.items())
        gpus = f"{self.gpus:g} GPU{'s' if self.gpus > 1 else ''}" if self.gpus else ""
        pool = "pool" if self.pool else ""
        said = (self.machine and f"machine {self.machine}", labels and f"labels {labels}", gpus, pool)
        return ", ".join(filter(None, said))


@dataclass(frozen=True, slots=True)
class PlacedStage:
    """A stage of the cascade, where it stands, and its settings."""

    id: str
    type: type[Stage[StageConfig]]
    config: StageConfig
    tier: Tier = Tier.DEVICE
    isolate: bool = False
    only_when_away: bool = False


def why_not_again(id: str, stage: type[Stage[Any]]) -> str:
    """Why a stage cannot be asked of a frame that was answered before, for reachback; "" where it can."""
    if stage.shared and stage.stateless:
        return ""
    return (
        f"stage '{id}' would be asked of earlier frames, and its answers depend on more than the frame: let a stage be "
        "the last one that is `stateless` and `shared`, as detect is, or leave reachback out"
    )


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
        tiers: what differs of them; one not named here is on any machine that offers it.
        ahead: how many frames of a stream may be asked while an answer is open.
        late: what becomes of a frame that is open on a slower tier: "wait" for its answer, or "detour": publish the
            best fallback and only learn from the late answer. None: wait in replay, detour live.
        streams_per_actor: streams that one device actor has open. None: 8 live, one for each core in replay.
        standby: on a cluster each segment of a run with live streams has a second actor, which takes over from one that
            dies.
        transforms: what completes results behind the cascade, in order.
        sinks: that take results, beside those that a run is given.
        tuner: changes settings while it runs.
        media: which pictures and clips of events are made; None: none.
        reachback: how the last stage is asked again when a class came or went; None: it is not.
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
    tiers: Mapping[Tier, TierSpec] = field(default_factory=dict)
    ahead: int = 0
    late: Literal["wait", "detour"] | None = None
    streams_per_actor: int | None = None
    standby: bool = True
    transforms: tuple[PlacedTransform, ...] = ()
    sinks: tuple[Part, ...] = ()
    tuner: Part | None = None
    media: MediaSpec | None = None
    reachback: ReachbackSpec | None = None
    own_clouds: frozenset[str] = frozenset()
    search_paths: tuple[str, ...] = ()

    @property
    def placed(self) -> dict[str, PlacedStage | PlacedTransform]:
        """All that has settings, by id: stages, then transforms, in order."""
        parts: list[PlacedStage | PlacedTransform] = [*self.stages, *self.transforms]
        return {part.id: part for part in parts}

    @property
    def without_outputs(self) -> Pipeline:
        """The same without pictures, clips and sinks of its own, and all of it here, for who only measures it."""
        links = {name: link.here() for name, link in self.links.items()}
        return replace(self, media=None, sinks=(), links=links)

    def site(self, stream: str) -> str:
        """The site that a stream belongs to; "" where it belongs to none."""
        return self.streams[stream].spec.at or ""

    def detours(self, stream: str) -> bool:
        """Whether late answers of this stream are not waited for; by default that is so live."""
        return self.late == "detour" if self.late else self.streams[stream].spec.live
