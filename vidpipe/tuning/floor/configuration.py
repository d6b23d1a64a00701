"""What may be chosen for a stream, and what that means for the stages of its pipeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from vidpipe.core.errors import ConfigError
from vidpipe.models.sizes import smaller_sizes
from vidpipe.pipeline.spec import Pipeline, PlacedStage, Tier
from vidpipe.sources.base import DECODE_ALL, Decoding
from vidpipe.stages.detect.detect import Detect, DetectConfig
from vidpipe.stages.difference.difference import Difference
from vidpipe.stages.track.seen import By
from vidpipe.stages.track.track import Track, TrackConfig
from vidpipe.tuning.looks import Variant

Settings = Mapping[str, Mapping[str, Any]]
"""New values by stage id and field."""

_WIDER = 2.0  # times as long as was chosen the time between looks may become, where the stream proves it good enough
_LONGEST_S = 1.0  # that it may become in any case
TRIGGER = 0.5  # share of change or lost tracks that triggers a look; 1: nothing does


@dataclass(frozen=True, slots=True)
class Configuration:
    """One way to answer a stream.

    Attributes:
        looker: which variant looks; None: the last stage itself.
        believed: what of the F1 that the tracker finds against its looks is true against the last stage: their ratio
            on footage, at least; 1: all of it.
        motion: how boxes get from one look to the next.
        step_s: media seconds between steps of flow; 0: every frame.
        between_s: media seconds between looks, to begin with; 0: every frame is looked at.
        longest_s: media seconds that looks may lie apart at most, however well boxes hold; None: somewhat longer.
        triggers: whether change and lost tracks ask for looks as well.
        change, failing: shares of change, and of lost tracks, that do.
        difference: whether the difference detector answers while nothing changes.
        still: what counts as no change for it, mean squared error; None: what its stage is set to.
        decoding: which pictures are decoded. It is in force when a stream is opened, and cannot change afterwards.
    """

    looker: Variant | None = None
    believed: float = 1.0
    motion: By = "held"
    step_s: float = 0.0
    between_s: float = 0.0
    longest_s: float | None = None
    triggers: bool = False
    change: float = TRIGGER
    failing: float = TRIGGER
    difference: bool = False
    still: float | None = None
    decoding: Decoding = DECODE_ALL

    @property
    def is_safe(self) -> bool:
        """Whether the last stage looks at every frame: nothing is more accurate, by definition."""
        return self.looker is None and self.between_s == 0 and not self.difference and self.decodes_all

    @property
    def decodes_all(self) -> bool:
        """Whether every picture is decoded."""
        return self.decoding == DECODE_ALL

    def __str__(self) -> str:
        who = "the last stage" if self.looker is None else str(self.looker)
        rhythm = f"looks every {self.between_s:.3g} s" if self.between_s else "looks at every frame"
        if self.motion == "flow":
            rhythm += ", boxes moved by flow between" + (f" each {self.step_s:g} s" if self.step_s else "")
        elif self.motion == "codec":
            rhythm += ", boxes moved by the codec's vectors between"
        elif self.motion == "auto":
            rhythm += ", boxes moved by flow or the codec's vectors between"
        else:
            rhythm += ", boxes held between"
        own = (self.change, self.failing) != (TRIGGER, TRIGGER)
        shares = f" ({self.change:.2g} of an area, {self.failing:.2g} of the boxes)" if own else ""
        still = f" (by less than {self.still:.3g})" if self.still is not None else ""
        extras = [f"never less often than every {self.longest_s:.3g} s"] if self.longest_s else []
        extras += [f"looks where something changes, too{shares}"] * self.triggers
        extras += [f"while nothing changes{still} nobody looks"] * self.difference
        extras += [] if self.decodes_all else [str(self.decoding)]
        return "; ".join([f"{who} {rhythm}", *extras])


SAFE = Configuration()

CAREFUL = Configuration(motion="flow", step_s=0.1)
"""What a stream with a floor begins with where nothing was chosen for it: every frame is looked at, and the tracker
makes the time between looks longer as the looks prove that the floor holds."""


def holds(configuration: Configuration, floor: float, f1: float | None, low: float, *, guarded: bool) -> bool:
    """Whether a configuration is good enough for a floor, by what it came to on footage.

    The safe one is right by definition. One that begins where the evidence allows, or with every frame, and whose
    tracker goes on from there by evidence of its own, needs no bound. Where the tracker does not judge some of the
    answers, or nobody adapts, the lower bound decides.

    Args:
        f1: None: there was nothing to find.
        guarded: whether the tracker adapts the time between looks.
    """
    if guarded and not configuration.triggers and not configuration.difference and configuration.decodes_all:
        return f1 is None or f1 >= floor
    return (configuration.is_safe and not guarded) or low >= floor


@dataclass(frozen=True, slots=True)
class Roles:
    """The stages of a pipeline by what they do for a floor; ids.

    Attributes:
        pipeline: with a tracker on the device, put in where it had none.
        last: looks, and is what accuracy is measured against.
        track: carries boxes from look to look.
        little: the stage that may look in place of the last one; None: there is none.
        difference: answers while nothing changes; None: there is none.
    """

    pipeline: Pipeline
    last: str
    track: str
    little: str | None
    difference: str | None

    @property
    def sees_motion(self) -> bool:
        """Whether the tracker stands where streams are decoded: the vectors of a codec cross no link."""
        return next(stage.tier for stage in self.pipeline.stages if stage.id == self.track) == Tier.DEVICE

    def settings(self, chosen: Configuration, floor: float | None) -> dict[str, dict[str, Any]]:
        """The values of stages that make up a configuration.

        Args:
            floor: that the tracker holds while it runs: the time between looks adapts. None: that time is fixed.
        """
        held = None if floor is None else min(floor / max(chosen.believed, floor), 0.999)
        longest_s = chosen.longest_s or max(_WIDER * chosen.between_s, _LONGEST_S) if held else chosen.between_s
        change, failing = (chosen.change, chosen.failing) if chosen.triggers else (1.0, 1.0)
        settings: dict[str, dict[str, Any]] = {
            self.track: {
                "floor": held,
                "begin_s": chosen.between_s if held else 0.0,
                "refresh_s": longest_s,
                "motion": chosen.motion,
                "step_s": chosen.step_s,
                "change": change,
                "failing": failing,
                "agreement": None,
            }
        }
        if self.little is not None:
            rules = dict.fromkeys(("accept", "agreement", "budget", "at_least", "least_f1"))
            settings[self.little] = {"enabled": chosen.looker is not None, **rules}
            if chosen.looker is not None:
                settings[self.little] |= chosen.looker._asdict()
        if self.difference is not None:
            settings[self.difference] = {"enabled": chosen.difference}
            if chosen.still is not None:
                settings[self.difference]["threshold"] = chosen.still
        return settings

    def variants(self, native: Mapping[str, tuple[int, int]]) -> list[Variant]:
        """What may look in place of the last stage: its model and the little one's at several sizes.

        Args:
            native: (height, width) of the input of each model as its network has it, by name.
        """
        if self.little is None:
            return []
        big, little = (Variant(model_of_stage(self.pipeline, stage)) for stage in (self.last, self.little))
        sized = [
            Variant(model, size)
            for model in (big.model, little.model)
            if model in native
            for size in smaller_sizes(native[model])
        ]
        return [variant for variant in dict.fromkeys([little, *sized]) if variant != big]


def roles_of(pipeline: Pipeline) -> Roles:
    """See which stages are there for a floor.

    Raises:
        ConfigError: the last stage is not a model that stages can ask: there is nothing to measure accuracy against.
    """
    last = pipeline.stages[-1]
    if not issubclass(last.type, Detect):
        raise ConfigError(
            f"stage {last.id} is the last one and no `detect`: a floor is held against what a model says, so the "
            "pipeline must end with one"
        )
    pipeline = _with_tracker(pipeline)
    track = next(stage.id for stage in pipeline.stages if issubclass(stage.type, Track))
    little = next((s.id for s in pipeline.stages[:-1] if issubclass(s.type, Detect) and not s.only_when_away), None)
    difference = next((s.id for s in pipeline.stages if issubclass(s.type, Difference)), None)
    return Roles(pipeline, last.id, track, little, difference)


def model_of_stage(pipeline: Pipeline, stage: str) -> str:
    """The model that a detecting stage names."""
    config = next(placed.config for placed in pipeline.stages if placed.id == stage)
    assert isinstance(config, DetectConfig)
    return config.model


def _with_tracker(pipeline: Pipeline) -> Pipeline:
    """The pipeline with a tracker that passes every frame on, before its first detecting stage."""
    if any(issubclass(stage.type, Track) for stage in pipeline.stages):
        return pipeline
    taken = {stage.id for stage in pipeline.stages}
    name = next(name for name in ("track", "tuned-track", "tuned-track-2") if name not in taken)
    kind: Any = Track
    tracker = PlacedStage(name, kind, TrackConfig(refresh_s=0.0), Tier.DEVICE)
    at = next(i for i, stage in enumerate(pipeline.stages) if issubclass(stage.type, Detect) or stage.tier != "device")
    return replace(pipeline, stages=(*pipeline.stages[:at], tracker, *pipeline.stages[at:]))
