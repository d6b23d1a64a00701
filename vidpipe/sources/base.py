"""What a source is: frames of one stream, in presentation order, each with its number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field, field_validator

from vidpipe.core.frame import Frame, Missing
from vidpipe.sources.address import is_camera
from vidpipe.sources.health import Health
from vidpipe.sources.own import is_own, own_class

Relative = Annotated[float, Field(ge=0, le=1)]
Polygon = Annotated[list[tuple[Relative, Relative]], Field(min_length=3)]
Line = Annotated[list[tuple[Relative, Relative]], Field(min_length=2)]

Want = Literal["boxes", "presence", "count"]
"""What of the answers of a stream must be right: where each thing is, which classes are there, or how many things."""

SITE = r"^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$"
"""What the name of a site looks like: as Ray's labels do, so that a machine can bear it."""


LIVE_FILE = "live+file:"
"""What stands before the path of a recording that is to be played at its own speed, as if it were a camera."""


BLIND_S = 2.0
"""For how long a camera's still picture may go undecoded where nobody says."""


SkipFrame = Literal["none", "nonref", "nokey"]
"""Pictures that are never decoded: none, those that no other builds on, or all but key frames."""


class Decoding(NamedTuple):
    """Which pictures of a stream are decoded, and how; by default all of them, as their encoder meant them.

    Attributes:
        skip_frame: pictures that never are.
        max_blind_s: media seconds for which a still picture may go undecoded, unless the sizes of packets are known to
            announce motion; 0: it never does.
        skip_loop_filter: the edges of blocks are not smoothed: pictures drift a little from the original.
    """

    skip_frame: SkipFrame = "none"
    max_blind_s: float = 0.0
    skip_loop_filter: bool = False

    def __str__(self) -> str:
        left_out = {
            "none": "every picture is decoded",
            "nonref": "pictures that no other builds on are not decoded",
            "nokey": "only key frames are decoded",
        }
        parts = [] if self.skip_frame == "none" and self[1:] != (0.0, False) else [left_out[self.skip_frame]]
        if self.max_blind_s:
            parts.append(f"of a still picture only key frames are decoded, for {self.max_blind_s:g} s")
        if self.skip_loop_filter:
            parts.append("without the loop filter")
        return ", ".join(parts)


DECODE_ALL = Decoding()


class StreamSpec(BaseModel):
    """One stream, as the user wrote it. Polygons are corner points (x, y) in parts of width and height, 0..1."""

    # What is written of an address may hold a password: neither the spec nor an error about it shows it.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: str = Field(
        repr=False,
        description=f"a file, {LIVE_FILE}PATH to play it as if it were a camera, a camera's address (rtsp, rtsps, "
        "http, https), /dev/videoN, or a source of your own, module:Class; `${env:NAME}` and `${file:PATH}` stand for "
        "what is kept elsewhere",
    )
    at: str | None = Field(
        default=None,
        pattern=SITE,
        description="the site that it belongs to: on a cluster its stages on device and edge run on machines of that "
        "site, started with `ray start --labels=site=NAME`; default: on any machine that offers their tier",
    )
    record_url: str | None = Field(
        default=None, repr=False, description="another address of the same camera, to record clips from"
    )
    clips: bool | None = Field(
        default=None,
        description="whether clips are made of its events, where `media` asks for clips; they show what `mask` and "
        "`regions` hide, as nothing is encoded again; default: unless it hides something",
    )
    transport: Literal["auto", "tcp", "udp"] = Field(
        default="auto", description="how an RTSP camera sends; auto: TCP, or UDP if the camera offers nothing else"
    )
    tls_verify: bool = Field(
        default=True, description="whether a camera must show a certificate that this machine trusts (SSL_CERT_FILE)"
    )
    decoder: Literal["auto", "software"] = Field(
        default="auto", description="auto: a camera's video is decoded by hardware, if there is any and it works"
    )
    skip_frame: SkipFrame = Field(
        default="none",
        description="pictures that are never decoded: those that no other builds on, or all but key frames",
    )
    skip_loop_filter: bool = Field(
        default=False,
        description="decode without smoothing the edges of blocks (H.264, HEVC): cheaper, and pictures drift a little",
    )
    max_blind_s: float | None = Field(
        default=None,
        ge=0,
        description="while the picture is still, the longest time that it may go undecoded unless packets are known to "
        f"announce motion, seconds; 0: never; default: {BLIND_S:g} for a camera, 0 for a recording",
    )
    clock_offset_s: float = Field(
        default=0.0,
        allow_inf_nan=False,
        description="seconds by which the camera's clock is ahead of the others', for ways between cameras "
        "(`vidpipe cameras graph`, `vidpipe follow-up`); what is stored has the camera's own times",
    )
    mask: list[Polygon] = Field(default=[], description="parts of the picture that no stage sees")
    regions: list[Polygon] = Field(default=[], description="the only parts that stages see; none given: all")
    settings: dict[str, object] = Field(default={}, description="of a source of your own, which `url` names")
    zones: dict[str, Polygon] = Field(
        default={},
        description="named parts of the picture, for rules; `vidpipe bench` scores presence in each of them",
    )
    lines: dict[str, Line] = Field(default={}, description="named lines of two points or more, for rules")
    start_s: float = Field(default=0.0, ge=0, description="where in the recording to begin, media seconds")
    end_s: float | None = Field(default=None, gt=0, description="where to end, media seconds")
    leaves_device: Literal["never", "frames"] = Field(
        default="frames", description="whether this stream's pictures may cross a link to another tier"
    )
    weight: float = Field(
        default=1.0, gt=0, description="live: its share of the models' time, against other streams, under overload"
    )
    floor: float | None = Field(
        default=None, gt=0, lt=1, description="accuracy asked for: F1 against the last stage; default: none is"
    )
    tuned: bool = Field(
        default=True,
        description="whether what `vidpipe tune` has chosen goes before the settings here; "
        "false: a plan has chosen them (`vidpipe plan --auto`)",
    )
    want: Want = Field(
        default="boxes",
        description="what `floor` is of: boxes, presence (which classes are there), or count (how many boxes in all)",
    )
    stages: dict[str, dict[str, object]] = Field(
        default={}, description="settings of stages that differ for this stream, by stage id"
    )

    @field_validator("leaves_device", mode="before")
    @classmethod
    def _old_spelling(cls, value: object) -> object:
        """No link carries parts of pictures: who allowed no more than those allows nothing."""
        return "never" if value == "crops" else value

    @property
    def live(self) -> bool:
        """Whether its pictures come at their own pace, and do not wait for whoever looks at them."""
        if self.url.startswith(LIVE_FILE) or is_camera(self.url):
            return True
        return is_own(self.url) and own_class(self.url).live

    @property
    def why_no_clips(self) -> str:
        """Why no clips can be made of it, or may; "" where nothing is known that is against them."""
        if self.clips is False:
            return "clips: false"
        if self.clips is None and (self.mask or self.regions):
            return "they would show what its mask and regions hide; `clips: true` allows that"
        return "a source of your own gives pictures, not what a camera sent" if is_own(self.url) else ""

    @property
    def decoding(self) -> Decoding:
        """Which of its pictures are decoded."""
        blind_s = self.max_blind_s
        if blind_s is None:
            blind_s = BLIND_S if is_camera(self.url) else 0.0
        return Decoding(self.skip_frame, blind_s, self.skip_loop_filter)

    def decoded(self, decoding: Decoding) -> StreamSpec:
        """The same stream with these of its pictures decoded."""
        return self.model_copy(update=decoding._asdict())

    @property
    def waiting(self) -> StreamSpec:
        """The same stream as a recording that waits for whoever looks at it."""
        return self.model_copy(update={"url": self.url.removeprefix(LIVE_FILE)})

    @property
    def recording(self) -> StreamSpec:
        """The same stream as a recording that waits, and of which every picture is decoded, whatever that takes."""
        return self.waiting.decoded(DECODE_ALL)


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What is known of a stream once it is open.

    Attributes:
        name: as results and reports call it; never an address.
        width, height: in pixels, upright; 0 where the stream has no picture.
        fps: the announced rate, or None where the file says nothing that can be believed.
        frames: how many pictures are expected, or None.
        live: whether it comes at its own pace and cannot wait.
        codec: FFmpeg's name.
        stays: whether its pictures may not leave the device, as the stream's `leaves_device` says.
    """

    name: str
    width: int
    height: int
    fps: float | None
    frames: int | None
    live: bool = False
    codec: str = ""
    stays: bool = False


@dataclass(frozen=True, slots=True)
class Resume:
    """Where to go on after a restart: behind the picture with this number and time.

    Attributes:
        captured_at: UTC seconds of that picture, by which a live stream knows what it has missed since.
    """

    seq: int
    pts: float
    captured_at: float | None = None


class Source(Protocol):
    """An open stream. Iterating gives every picture once, `seq` without a gap from the first one given.

    A picture that cannot be decoded comes as a `Missing`; damage never ends the iteration while more can be read.
    `close` may be called from another thread and ends the iteration. `notes` says what a user should know of the
    recording ("ended after 412 of 795 frames"), complete once the iteration has ended; the one of them that says why
    pictures are lacking that should have come is `broken_off`, "" where there is none. `health` may be asked of a live
    source at any time, from any thread; a recording has none.
    """

    @property
    def info(self) -> StreamInfo: ...

    @property
    def notes(self) -> Sequence[str]: ...

    @property
    def broken_off(self) -> str: ...

    @property
    def health(self) -> Health | None: ...

    def __iter__(self) -> Iterator[Frame | Missing]: ...

    def close(self) -> None: ...


class LiveSource(Source, Protocol):
    """A source whose pictures come by themselves: it can be waited for together with other things."""

    def arrivals(self, until: Callable[[], float]) -> Iterator[Frame | Missing | None]:
        """As iterating, with None after a `nudge` and where nothing has come by `until()` of the monotonic clock."""
        ...

    def nudge(self) -> None:
        """Have who waits for a picture go on without one; from any thread."""
        ...
