"""What a pipeline was found to take on a machine: the figures that plans are made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from vidpipe.accuracy.figures import Figures
from vidpipe.pipeline.plan import Link
from vidpipe.pipeline.spec import Pipeline
from vidpipe.runtime.transport.quality import f1_through
from vidpipe.tuning.budget.pictures import Video, picture_mb

_TREATED = ("skip_frame", "skip_loop_filter", "max_blind_s", "mask", "regions", "decoder")  # of a stream's own fields


class StageCost(Figures):
    """A stage on the frames of one stream.

    Attributes:
        asked: share of the frames that it is asked about; of one that is told of others more than 1 is possible.
        audited: share of the frames of which its answer was withheld, so that they went straight to the last stage.
        cpu_ms, wall_ms: of a frame that it is asked about.
    """

    asked: float = Field(ge=0)
    audited: float = Field(default=0.0, ge=0)
    cpu_ms: float = Field(ge=0)
    wall_ms: float = Field(ge=0)


class PictureCost(Figures):
    """A picture on a link, by one codec.

    Attributes:
        bytes: of a picture as packed.
        pack_ms, unpack_ms: CPU time on the side that sends, and on the one that receives.
        f1: of what a model finds behind the link, against what it finds in the picture itself; None: not known.
        look: share of a look that is left to do behind the link; of features the other part is in `pack_ms`.
    """

    bytes: float = Field(gt=0)
    pack_ms: float = Field(ge=0)
    unpack_ms: float = Field(ge=0)
    f1: float | None = None
    look: float = Field(default=1.0, ge=0, le=1)


class StreamCost(Figures):
    """The frames of one stream, under the settings that it had.

    Attributes:
        key: of these settings: the same again has the same.
        fps: pictures a second.
        width, height: of a picture, pixels.
        frames: that were answered while it was measured.
        steady: whether its shares were found to change no more.
        threads: with which models inferred that leave it open.
        other_ms: CPU time a frame outside of stages and links: decoding, publishing, the engine.
        other_wall_ms: from a picture that is read to its result, beside stages, links and queues; None: not known, as
            of a recording, whose pictures wait for their turn.
        stages: in the order of the cascade.
        pictures: by codec, as `LinkSpec.setting` names it.
        seen: the same to each model that alone looks at what crosses: at the size that it takes, or as its features.
        f1, low: of its answers against the last stage, with a lower bound; None: not known.
    """

    key: str = ""
    fps: float = Field(gt=0)
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    frames: int = Field(ge=1)
    steady: bool = True
    threads: int = Field(default=1, ge=1)
    other_ms: float = Field(ge=0)
    other_wall_ms: float | None = None
    stages: dict[str, StageCost]
    pictures: dict[str, PictureCost] = {}
    seen: dict[str, dict[str, PictureCost]] = {}
    f1: float | None = None
    low: float | None = None

    def cpu_ms(self, stages: Sequence[str] | None = None) -> float:
        """CPU time a frame of these stages; None: of all that is done with it, links aside."""
        names = self.stages if stages is None else stages
        work = sum(self.stages[name].asked * self.stages[name].cpu_ms for name in names)
        return work + (self.other_ms if stages is None else 0.0)

    def crossing(self, below: Sequence[str]) -> float:
        """Share of the frames that come to one of the stages `below`, which stand behind all others."""
        first = below[0]
        above = [name for name in self.stages if name not in below]
        straight = sum(self.stages[name].audited for name in above) if len(below) > 1 else 0.0
        return min(1.0, self.stages[first].asked + straight)

    def picture(self, link: Link) -> PictureCost:
        """A picture on a link; by an estimate of its size, and for no CPU time, where that codec was not measured."""
        spec, model = link.spec, link.cut_model()
        known = self.seen.get(model or "", {}).get(spec.setting) or self.pictures.get(spec.setting)
        if known is not None:
            return known
        size = picture_mb(Video(self.fps, self.width, self.height), spec) * 1e6 / 8
        return PictureCost(bytes=size, pack_ms=0.0, unpack_ms=0.0)

    def f1_behind(self, link: Link, model: str | None) -> float:
        """F1 of a model that looks at what crosses a link, against itself at the pictures before it.

        What was measured of this stream; else, of pictures, the mean of clips that are others than its own.
        """
        measured = self.seen.get(model or "", {}).get(link.spec.setting)
        return f1_through(link.spec) if measured is None or measured.f1 is None else measured.f1


class LookCost(Figures):
    """A look of a model, in milliseconds."""

    cpu_ms: float = Field(gt=0)
    wall_ms: float = Field(gt=0)


class ModelCost(Figures):
    """A model by itself.

    Attributes:
        memory_mb: that a process takes more once the model is loaded and has looked.
        looks: by the threads that infer.
    """

    memory_mb: float = Field(ge=0)
    looks: dict[int, LookCost]

    def ratio(self, threads: int, measured: int) -> tuple[float, float]:
        """How much more a look takes on so many threads than on those that it was measured with: CPU and wall time."""
        now, then = self._look(threads), self._look(measured)
        return now.cpu_ms / then.cpu_ms, now.wall_ms / then.wall_ms

    def at_once(self, threads: int) -> float:
        """Wall time over CPU time of a look on so many threads; at most 1."""
        look = self._look(threads)
        return min(1.0, look.wall_ms / look.cpu_ms)

    def _look(self, threads: int) -> LookCost:
        """On that many threads, or the next smaller number that was measured."""
        return self.looks[max((each for each in self.looks if each <= threads), default=min(self.looks))]


class MemoryCost(Figures):
    """What processes take, in megabytes, models aside.

    Attributes:
        run_mb: of a run before its first stream: the driver, the engine, the first process that has streams.
        process_mb: of each further process.
        stream_mb: of each stream.
    """

    run_mb: float = Field(ge=0)
    process_mb: float = Field(ge=0)
    stream_mb: float = Field(ge=0)


class Costs(Figures):
    """The file in which they are kept.

    Attributes:
        processor, cores: of the machine that was measured.
        engine: that ran; its own work is in `StreamCost.other_ms`, `run_cpu` and `memory`.
        run_cpu: cores that a run takes whatever its streams.
        memory: None: not known, as of a report.
        models: by name.
        streams: by name.
    """

    version: Literal[1] = 1
    pipeline: str
    processor: str
    cores: int = Field(ge=1)
    engine: Literal["inline", "ray"]
    made_at: str = ""
    run_cpu: float = Field(default=0.0, ge=0)
    memory: MemoryCost | None = None
    models: dict[str, ModelCost] = {}
    streams: dict[str, StreamCost] = {}


def cost_key(pipeline: Pipeline, stream: str) -> str:
    """Tells what a stream takes from what it would take under other settings, wherever stages stand."""
    whole = pipeline.streams[stream]
    configs = {stage.id: whole.configs.get(stage.id, stage.config) for stage in pipeline.stages}
    parts = {
        "stages": [(stage.id, stage.type.__qualname__, _plain(configs[stage.id])) for stage in pipeline.stages],
        "models": {name: _plain(model) for name, model in sorted(pipeline.models.items())},
        "classes": pipeline.classes.names,
        "audit": _plain(pipeline.audit),
        "late": pipeline.detours(stream),
        "stream": {name: getattr(whole.spec, name) for name in _TREATED},
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _plain(settings: BaseModel) -> dict[str, Any]:
    return settings.model_dump(mode="json", exclude_defaults=True)


def repeated(streams: Sequence[str], count: int) -> Mapping[str, int]:
    """How many cameras stand for each of these streams, where there are `count` in all: about as many for each."""
    return {name: len(range(place, count, len(streams))) for place, name in enumerate(streams)}
